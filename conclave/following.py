"""How a stream of records is followed through broken connections; opens none and waits for none.

It is opened again behind its last record, a bounded number of times: the same id is the same
deliberation, so nothing is asked or told twice.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

import httpx
from pydantic import TypeAdapter

from conclave.calls import Stream
from conclave.failures import BrokenOff, Unreachable, not_ours, passing, refusal
from conclave.server import Server, waiting
from conclave.sse import MEDIA_TYPE, Message
from engine.errors import ConclaveError
from engine.events import END, Record

PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Before each further attempt at a stream that broke off; a record heard begins them anew."""
RETRIES_S = (0.5, 1.0)
"""Before each further attempt at what was not answered, where asking twice is as asking once."""
SILENCE_S = 180.0
"""A stream says every few seconds that it lives; only its beginning may take as long as a council
that is away is waited for."""

EVENT_STREAM = {"Accept": MEDIA_TYPE}
TIMEOUT = waiting(SILENCE_S)
RECORD = TypeAdapter(Record)

Say = Callable[[str], None]


def silent(_line: str) -> None:
    """Hear of nothing."""


class Attempts:
    """How often something may fail: once more than there are `pauses_s`."""

    def __init__(self, pauses_s: tuple[float, ...], say: Say) -> None:
        self._pauses_s, self._say, self.failures = pauses_s, say, 0

    def pause(self, failed: ConclaveError) -> float | None:
        """Seconds until the next attempt; None where there is to be none."""
        if not passing(failed) or self.failures == len(self._pauses_s):
            return None
        self.failures += 1
        self._say(f"{failed}; trying again ({self.failures} of {len(self._pauses_s)})")
        return self._pauses_s[self.failures - 1]


class Following:
    """One stream: what was heard of it, and what is to be done when it breaks off.

    `first` are the attempts at its beginning, `further()` those behind each record.
    """

    def __init__(
        self, server: Server, stream: Stream, first: Attempts, further: Callable[[], Attempts]
    ) -> None:
        self.stream, self.over = stream, False
        self._server, self._attempts, self._further = server, first, further
        self._last, self._begun = stream.after, False

    def headers(self) -> dict[str, str]:
        """Of the next request for it."""
        behind = {"Last-Event-ID": str(self._last)} if self._last else {}
        return {**self.stream.headers, **EVENT_STREAM, **behind}

    def stands(self, answer: httpx.Response) -> None:
        """The server has begun to answer; it may be that there is nothing more to be told.

        SetupError where it is another answer than a stream.
        """
        self.over = answer.status_code == HTTPStatus.NO_CONTENT and self.stream.method == "GET"
        kind = answer.headers.get("content-type", "nothing")
        if not self.over and not kind.lower().startswith(MEDIA_TYPE):
            raise not_ours(self._server.url, f"{kind} in place of a stream")
        if not self._begun:
            self._begun, self._attempts = True, self._further()

    def heard(self, message: Message) -> Record | None:
        """The record of an event, None if it was told before; raises what the event says."""
        if message.event == "error":
            raise refusal(self._server.url, HTTPStatus.BAD_GATEWAY, message.data)
        record = self._server.read(RECORD, message.data)
        if record.seq <= self._last:
            return None
        self._last, self._attempts = record.seq, self._further()
        self.over = isinstance(record.event, END)
        return record

    def ended(self) -> None:
        """The connection has ended by itself: Unreachable where that is too early."""
        if not self.over:
            url = self._server.url
            raise Unreachable(f"the connection to {url} ended before the deliberation did")

    def pause(self, broken: ConclaveError) -> float:
        """Seconds until it is to be opened again; raises where it is not."""
        found = self._attempts.pause(broken)
        if found is not None:
            return found
        if self._begun and passing(broken):
            failures = self._attempts.failures
            raise BrokenOff(f"{broken}; {failures} further attempts failed") from broken
        raise broken
