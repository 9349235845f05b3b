"""A server's address, and how what it answers is read; knows nothing of what is asked."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from conclave.failures import not_ours, refusal
from engine.errors import SetupError

CONNECT_S = 5.0

Opened = TypeVar("Opened")
Answer = TypeVar("Answer")


class Server:
    """The one at `url`, in whose name errors are raised."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def check(self, answer: httpx.Response) -> None:
        """Raise what the server refused with; the body must have been read if it did."""
        if not answer.is_success:
            raise refusal(self.url, answer.status_code, answer.content)

    def read(self, reads: TypeAdapter[Answer], document: bytes) -> Answer:
        """An answer; what a newer server adds to it is left out. SetupError if it is none."""
        try:
            return reads.validate_json(document, extra="ignore")
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "answer"
            raise not_ours(self.url, f"{where}: {first['msg']}") from error

    def opened(self, kind: Callable[..., Opened]) -> Opened:
        """A client of httpx for it; SetupError where the address or the environment is wrong.

        A proxy that the environment names is not asked for what is on this machine.
        """
        wrong = SetupError(
            f"{self.url!r} is no address of a server", "Name one such as http://127.0.0.1:8000"
        )
        try:
            parsed = httpx.URL(self.url)
            if parsed.scheme not in ("http", "https") or not parsed.host:
                raise wrong
            secure = parsed.scheme == "https"  # else reading the certificates takes the time
            return kind(base_url=self.url, verify=secure, trust_env=not is_here(parsed.host))
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


def waiting(seconds: float) -> httpx.Timeout:
    """How long an answer may take; nobody there is known sooner."""
    return httpx.Timeout(seconds, connect=min(CONNECT_S, seconds))
