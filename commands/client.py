"""The HTTP API as its caller uses it; knows nothing of terminals or of what runs behind it.

A stream that breaks off is opened again behind its last record, a bounded number of times: the
same id is the same deliberation, so nothing is asked or told twice.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from ipaddress import ip_address
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from commands.hints import DEFAULT_URL, command
from engine.data import Data
from engine.errors import ConclaveError, InvalidRequest, SetupError, Unavailable
from engine.events import END, Record
from engine.results import Result

PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Before each further attempt at a stream that broke off; a record heard begins them anew."""

QUICK = httpx.Timeout(30.0, connect=5.0)
SLOW = httpx.Timeout(30.0, connect=5.0, read=330.0)
"""A council is created when its engines have started, and the server gives them five minutes."""
STREAM = httpx.Timeout(30.0, connect=5.0, read=180.0)
"""A stream says every few seconds that it lives; only its beginning may take as long as a council
that is away is waited for."""

GATEWAY = (502, 503, 504)
"""What stands before a server says while that is away."""

EVENT_STREAM = {"Accept": "text/event-stream"}

Model = TypeVar("Model", bound=Data)


class Refused(ConclaveError):
    """The server refused; its own words, from its problem document."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(status, title, detail)
        self.status, self.title, self.detail = status, title, detail

    def __str__(self) -> str:
        return self.detail


class Away(Unavailable):
    """Nobody answers, or a connection broke off; asking again is safe."""


class BrokenOff(Away):
    """A stream that could not be mended; the same id goes on where it stood."""


class Message(NamedTuple):
    """One server-sent event: its `event` and `data` fields."""

    event: str
    data: bytes


class Client:
    """One server at `url`. `say` hears of connections that broke off and are opened again."""

    def __init__(
        self,
        url: str,
        say: Callable[[str], None] = lambda _line: None,
        pauses_s: tuple[float, ...] = PAUSES_S,
    ) -> None:
        self.url, self._say, self._pauses_s = url.rstrip("/"), say, pauses_s
        self._http = _opened(self.url)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def begin(self, request: Mapping[str, Any]) -> Result:
        """Have it deliberated whether we stay or not; its first standing."""
        headers = {"Prefer": "respond-async"}
        return self._result(self._ask("POST", "/v1/deliberations", headers, request))

    def deliberate(self, request: Mapping[str, Any]) -> Iterator[Record]:
        """Wait for a deliberation and tell its records; leaving early suspends it.

        The request must name its `task_id`: a broken connection is mended by sending it again.
        """
        return self._followed("POST", "/v1/deliberations", 0, request)

    def fork(self, id: str, request: Mapping[str, Any]) -> Iterator[Record]:
        """Wait for a fork of a deliberation and tell its records, as `deliberate` does."""
        return self._followed("POST", f"{_path(id)}/forks", 0, request)

    def events(self, id: str, after: int = 0) -> Iterator[Record]:
        """The records behind `after`, those to come as they come, up to the end."""
        return self._followed("GET", f"{_path(id)}/events", after, None)

    def read(self, id: str) -> Result:
        """How a deliberation stands."""
        return self._result(self._ask("GET", _path(id)))

    def cancel(self, id: str) -> Result:
        """End a deliberation without a decision; how it stands then."""
        return self._result(self._ask("DELETE", _path(id)))

    def story(self, id: str) -> dict[str, Any]:
        """What is known of a story, as the server tells of it."""
        return self._object(f"/v1/stories/{quote(id, safe='')}", "the story")

    def page(self, limit: int, before: int | None) -> dict[str, Any]:
        """So many deliberations, the one begun last first, as the server tells of them."""
        further = "" if before is None else f"&before={before}"
        found = self._json(self._ask("GET", f"/v1/deliberations?limit={limit}{further}"))
        if not isinstance(found, dict) or not isinstance(found.get("deliberations"), list):
            raise self._not_ours("the list of deliberations is none")
        return found

    def councils(self) -> list[dict[str, Any]]:
        """Every council and how it stands, as the server tells of it."""
        found = self._json(self._ask("GET", "/v1/councils"))
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise self._not_ours("the list of councils is none")
        return found

    def create_council(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Have a council created; returns when it is ready, or says why it cannot be."""
        return self._changed("POST", "/v1/councils", request, SLOW)

    def delete_council(self, role: str) -> dict[str, Any]:
        """Have a council take no new work."""
        return self._changed("DELETE", _council(role))

    def register_agent(self, role: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Have an agent seated on a council."""
        return self._changed("POST", f"{_council(role)}/agents", request)

    def unregister_agent(self, role: str, id: str) -> dict[str, Any]:
        """Have an agent's seat left empty."""
        return self._changed("DELETE", f"{_council(role)}/agents/{quote(id, safe='')}")

    def _changed(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        timeout: httpx.Timeout = QUICK,
    ) -> dict[str, Any]:
        found = self._json(self._ask(method, path, None, body, timeout))
        if not isinstance(found, dict):
            raise self._not_ours("the answer is no object")
        return found

    def status(self) -> dict[str, Any]:
        """How the whole stands, as the server tells of it."""
        return self._object("/v1/status", "the status")

    def _object(self, path: str, what: str) -> dict[str, Any]:
        found = self._json(self._ask("GET", path))
        if not isinstance(found, dict):
            raise self._not_ours(f"{what} is no object")
        return found

    def _ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        timeout: httpx.Timeout = QUICK,
    ) -> bytes:
        content = _encoded(body)
        try:
            answer = self._http.request(
                method, path, headers=headers, content=content, timeout=timeout
            )
        except httpx.RequestError as error:
            raise self._away(error) from error
        self._check(answer)
        return answer.content

    def _followed(
        self, method: str, path: str, after: int, body: Mapping[str, Any] | None
    ) -> Iterator[Record]:
        """The records of a stream, which is opened again when it breaks off before its end."""
        content = _encoded(body)
        last, failures, begun = after, 0, False
        while True:
            try:
                for record in self._records(method, path, last, content):
                    begun = True
                    if record is not None and record.seq > last:
                        last, failures = record.seq, 0
                        yield record
                        if isinstance(record.event, END):
                            return
            except (Away, Refused) as broken:
                if not begun or not _passing(broken):
                    raise
                self._pause(failures, broken)
                failures += 1

    def _records(
        self, method: str, path: str, after: int, content: bytes | None
    ) -> Iterator[Record | None]:
        """The records of one connection, None first, when it stands; Away at its end."""
        headers = EVENT_STREAM | ({"Last-Event-ID": str(after)} if after else {})
        try:
            with self._http.stream(
                method, path, headers=headers, content=content, timeout=STREAM
            ) as answer:
                if answer.is_error:
                    answer.read()
                self._check(answer)
                yield None
                for message in messages(answer.iter_bytes()):
                    yield self._record(message)
        except httpx.RequestError as error:
            raise self._away(error) from error
        raise Away(f"the connection to {self.url} ended before the deliberation did")

    def _pause(self, failures: int, broken: ConclaveError) -> None:
        """Wait before the next attempt, or BrokenOff when there were enough."""
        if failures == len(self._pauses_s):
            raise BrokenOff(f"{broken}; {failures} further attempts failed") from broken
        self._say(f"{broken}; trying again ({failures + 1} of {len(self._pauses_s)})")
        time.sleep(self._pauses_s[failures])

    def _record(self, message: Message) -> Record:
        if message.event == "error":
            raise self._refusal(HTTPStatus.BAD_GATEWAY, message.data)
        return self._read(Record, message.data)

    def _result(self, document: bytes) -> Result:
        return self._read(Result, document)

    def _read(self, model: type[Model], document: bytes) -> Model:
        try:
            return model.model_validate_json(document)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "answer"
            raise self._not_ours(f"{where}: {first['msg']}") from error

    def _json(self, document: bytes) -> Any:
        try:
            return json.loads(document)
        except ValueError as error:
            raise self._not_ours(f"no JSON: {error}") from error

    def _check(self, answer: httpx.Response) -> None:
        if not answer.is_success:
            raise self._refusal(answer.status_code, answer.content)

    def _refusal(self, status: int, document: bytes) -> ConclaveError:
        """What a problem document says; another answer comes from somebody else."""
        try:
            problem = json.loads(document)
            number, title = int(problem.get("status", status)), str(problem["title"])
            return Refused(number, title, " ".join(str(problem["detail"]).split()))
        except (ValueError, KeyError, AttributeError, TypeError):
            if status in GATEWAY:
                return Away(f"{self.url} cannot answer now (HTTP status {status})")
            return self._not_ours(f"HTTP status {status}")

    def _not_ours(self, what: str) -> SetupError:
        return SetupError(
            f"{self.url} answers, but not as this version of Conclave does ({what})",
            "Check --url and compare `conclave --version` with the server's in /v1/status",
        )

    def _away(self, error: httpx.RequestError) -> Away:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return Away(
                f"nothing answers at {self.url}; start it with `{command('serve')}`, or "
                "name another with --url"
            )
        why = " ".join(str(error).split()) or type(error).__name__
        return Away(f"the connection to {self.url} broke off ({why})")


def messages(chunks: Iterable[bytes]) -> Iterator[Message]:
    """The server-sent events in a stream of bytes; comments, which keep it alive, are left out.

    Lines end with LF or CRLF. They are split as bytes, for a text may hold what Python takes for
    the end of a line and the format does not.
    """
    event, data = "message", list[bytes]()
    for line in _lines(chunks):
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            if data:
                yield Message(event, b"\n".join(data))
            event, data = "message", []
        elif name == b"event":
            event = value.decode(errors="replace")
        elif name == b"data":
            data.append(value)


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r")


def _passing(error: ConclaveError) -> bool:
    """Whether the same request may go well a moment later."""
    return not isinstance(error, Refused) or error.status == HTTPStatus.SERVICE_UNAVAILABLE


def _path(id: str) -> str:
    return f"/v1/deliberations/{quote(id, safe='', errors='replace')}"


def _council(role: str) -> str:
    return f"/v1/councils/{quote(role, safe='', errors='replace')}"


def _encoded(body: Mapping[str, Any] | None) -> bytes | None:
    """A body as JSON; what came off a command line may be neither a number nor a text."""
    try:
        return None if body is None else json.dumps(body, allow_nan=False).encode()
    except ValueError as error:
        raise InvalidRequest("request", f"cannot be sent as JSON: {error}") from error


def _opened(url: str) -> httpx.Client:
    """A proxy that the environment names is not asked for what is on this machine."""
    wrong = SetupError(f"{url!r} is no address of a server", f"Name one such as {DEFAULT_URL}")
    try:
        parsed = httpx.URL(url)
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise wrong
        secure = parsed.scheme == "https"  # else reading the certificates is what takes the time
        return httpx.Client(base_url=url, verify=secure, trust_env=not is_here(parsed.host))
    except httpx.InvalidURL:
        raise wrong from None
    except (ImportError, ValueError) as error:
        what = f"The proxy of this environment cannot be used ({error})"
        raise SetupError(what, "Mend or unset HTTP_PROXY, HTTPS_PROXY and ALL_PROXY") from error


def is_here(host: str) -> bool:
    """Whether a host is this machine by its own name for itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
