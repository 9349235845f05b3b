"""What a client raises: a server's refusal as the error it was, or that nobody answers.

Whatever a server refuses comes as the class of `engine.errors` that it raised there, with its own
line. All are ConclaveErrors.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http import HTTPStatus

import httpx

from engine import errors
from engine.errors import (
    ConclaveError,
    InvalidEvent,
    InvalidRequest,
    SetupError,
    SpeechFailed,
    Superseded,
    Unavailable,
    Unmet,
)

GATEWAY = (502, 503, 504)
"""What stands before a server says while that is away."""


class Refused(ConclaveError):
    """The server refused by a word of its own that is no class of the errors' tree."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(status, title, detail)
        self.status, self.title, self.detail = status, title, detail

    def __str__(self) -> str:
        return self.detail


class Unreachable(Unavailable):
    """Nobody answers, or a connection broke off; asking again is safe."""


class BrokenOff(Unreachable):
    """A stream that could not be mended; the same id goes on where it stood."""


def passing(error: ConclaveError) -> bool:
    """Whether the same request may go well a moment later."""
    away = isinstance(error, Refused) and error.status == HTTPStatus.SERVICE_UNAVAILABLE
    return away or isinstance(error, Unavailable | Superseded | SpeechFailed)


def refusal(url: str, status: int, document: bytes) -> ConclaveError:
    """What a problem document says; another answer comes from somebody else."""
    try:
        problem = json.loads(document)
        number, title = int(problem.get("status", status)), str(problem["title"])
        line = " ".join(str(problem["detail"]).split())
    except (ValueError, KeyError, AttributeError, TypeError):
        if status in GATEWAY:
            return Unreachable(f"{url} cannot answer now (HTTP status {status})")
        return not_ours(url, f"HTTP status {status}")
    return _raised(title, line) or Refused(number, title, line)


def not_ours(url: str, what: str) -> SetupError:
    """The refusal of an answer that this version of ours would not have given."""
    return SetupError(
        f"{url} answers, but not as this version of Conclave does ({what})",
        "Check the address and compare `conclave --version` with the server's in /v1/status",
    )


def unreached(url: str, error: httpx.RequestError) -> Unreachable:
    """Why nothing came of a request, in one line."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return Unreachable(
            f"nothing answers at {url}; start it with `conclave serve`, or name another (--url)"
        )
    why = " ".join(str(error).split()) or type(error).__name__
    return Unreachable(f"the connection to {url} broke off ({why})")


def _tree(kind: type[ConclaveError]) -> Iterator[type[ConclaveError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _tree(below)


TREE = {kind.__name__: kind for kind in _tree(ConclaveError) if kind.__module__ == errors.__name__}
PARTS: dict[type[ConclaveError], tuple[str, ...]] = {
    SetupError: (". ",),
    InvalidRequest: (": ",),
    InvalidEvent: (" at ", ": "),
    Unmet: ("; ",),
}
"""What stands between the arguments of an error in its line, where it has more than one."""


def _raised(title: str, line: str) -> ConclaveError | None:
    """The error of that class and line; None where there is none such."""
    kind = TREE.get(title)
    if kind is None:
        return None
    between = next((PARTS[base] for base in kind.__mro__ if base in PARTS), ())
    arguments = list[str]()
    for part in between:
        first, found, line = line.partition(part)
        if not found:
            return None
        arguments.append(first)
    made: Callable[..., ConclaveError] = kind
    return made(*arguments, line)
