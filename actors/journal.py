"""The journal of deliberations on JetStream: read, write, follow; knows nothing of councils."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import NamedTuple

import nats.errors
from nats.aio.msg import Msg

from actors.backlog import Backlog
from actors.bus import Connection, connect
from actors.ledger import Ledger, Totals
from actors.messages import (
    Found,
    Outcome,
    envelope,
    last_message,
    next_message,
    opened,
    outcome,
    root_of,
)
from actors.patience import patiently, pauses
from actors.stories import Stories
from actors.writer import Writer
from engine.config import BusConfig
from engine.events import Record

__all__ = ["History", "Journal", "Writer", "envelope"]


READ_WITHIN_S = 15.0
"""Who asks what there is can ask again; only who writes has something to lose by giving up."""


CONNECT_S = 10.0
"""A first connection takes no longer; whoever asked may ask again."""


class History(NamedTuple):
    """What is known of a deliberation; `last` is what its next writer has to follow, or 0."""

    records: tuple[Record, ...]
    last: int
    ended: bool


class Journal:
    """Every deliberation ever journalled, over one connection. The streams must exist."""

    def __init__(self, client: Connection, patience_s: float = 600.0) -> None:
        self._client = client
        self._js = client.streams()
        self._patience_s = patience_s
        self._ledger = Ledger(self._js)

    @classmethod
    async def connect(
        cls,
        bus: BusConfig,
        name: str,
        on_closed: Callable[[], None] = lambda: None,
        patience_s: float = 600.0,
        connect_within_s: float = CONNECT_S,
    ) -> Journal:
        """Connect, or raise Unavailable; see `actors.bus.connect` for `on_closed`."""
        within_s = min(patience_s, connect_within_s)
        return cls(await connect(bus, name, on_closed, within_s), patience_s)

    async def close(self) -> None:
        """Leave; writers and followers still at work are stopped by that."""
        await self._client.leave()

    @property
    def trouble(self) -> str:
        """What NATS has not permitted of late, empty if nothing."""
        return self._client.trouble

    async def read(self, id: str, patience_s: float | None = None) -> History:
        """All there is of a deliberation, empty if nothing; Unavailable while NATS is away."""
        patience_s = min(self._patience_s, READ_WITHIN_S if patience_s is None else patience_s)
        found = [opened_ async for opened_ in self._written(root_of(id), patience_s)]
        if not found:
            return History((), 0, ended=False)
        records = tuple(record for message in found for record in message.records)
        return History(records, found[-1].seq, found[-1].ended)

    async def end(self, id: str, patience_s: float | None = None) -> Record | None:
        """The end of a deliberation, None while it has none: one request, however long it is."""
        patience_s = min(self._patience_s, READ_WITHIN_S if patience_s is None else patience_s)
        root = root_of(id)
        message = await patiently(
            lambda: last_message(self._js, root), "reading the journal", patience_s
        )
        found = None if message is None else opened(message)
        return found.records[-1] if found is not None and found.ended else None

    async def outcome(self, id: str, patience_s: float | None = None) -> Outcome | None:
        """How a deliberation ended, None while it has no end: one request, and nothing is read."""
        patience_s = min(self._patience_s, READ_WITHIN_S if patience_s is None else patience_s)
        root = root_of(id)
        message = await patiently(
            lambda: last_message(self._js, root), "reading the journal", patience_s
        )
        return None if message is None else outcome(message)

    async def totals(self) -> Totals:
        """How many deliberations have ended and how long they took."""
        return await self._ledger.totals()

    def backlog(self, role: str) -> Backlog:
        """The work of a role that was accepted and has not ended."""
        return Backlog(self._js, role)

    def stories(self, bus: BusConfig) -> Stories:
        """What is known of stories, over the same connection."""
        return Stories(self._js, bus)

    def writer(self, id: str, last: int) -> Writer:
        """A writer that goes on behind `last`, as `read` told it."""
        return Writer(self._client, id, last, self._patience_s)

    async def follow(self, id: str, after_seq: int = 0) -> AsyncGenerator[Record]:
        """The records behind `after_seq`, those to come as they come, up to the end.

        Close it (`contextlib.aclosing`) to leave early. A message heard is only a reason to look:
        what is told is what the stream holds, so a break loses and repeats nothing.
        """
        root = root_of(id)
        heard = asyncio.Event()

        async def hear(_message: Msg) -> None:
            heard.set()

        ear = await self._client.subscribe(f"{root}.>", cb=hear)
        try:
            async for found in self._followed(root, heard):
                for record in found.records:
                    if record.seq > after_seq:
                        yield record
        finally:
            with suppress(nats.errors.Error):
                await ear.unsubscribe()

    async def _followed(self, root: str, heard: asyncio.Event) -> AsyncGenerator[Found]:
        """A message is heard a moment before it is stored: look eagerly first, then lazily."""
        last, waits = 0, pauses(0.002, 1.0)
        while True:
            found = await self._next(root, last, self._patience_s)
            if found is None:
                if await _within(next(waits), heard):
                    waits = pauses(0.002, 1.0)
                continue
            yield found
            if found.ended:
                return
            last = found.seq

    async def _written(self, root: str, patience_s: float) -> AsyncGenerator[Found]:
        """The messages that are in the stream now."""
        last = 0
        while (found := await self._next(root, last, patience_s)) is not None:
            yield found
            last = found.seq

    async def _next(self, root: str, last: int, patience_s: float) -> Found | None:
        message = await patiently(
            lambda: next_message(self._js, root, last), "reading the journal", patience_s
        )
        return None if message is None else opened(message)


async def _within(seconds: float, event: asyncio.Event) -> bool:
    """Whether it happens in that time; it is cleared then."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    event.clear()
    return True
