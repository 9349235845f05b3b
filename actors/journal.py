"""The journal of deliberations on JetStream: read, write, follow; knows nothing of councils."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar
from weakref import WeakSet

import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg

from actors.backlog import Backlog
from actors.catalogue import Catalogue
from actors.line import Line
from actors.messages import (
    Found,
    envelope,
    last_message,
    missing,
    next_message,
    opened,
    root_of,
)
from actors.patience import BROKEN, patiently, pauses, said
from actors.plans import Plans
from actors.requesting import Request
from actors.stories import Stories
from actors.streams import JOURNAL
from actors.texts import get
from actors.writer import Writer
from engine.config import BusConfig
from engine.errors import Away, ConclaveError, Unavailable
from engine.events import Record
from engine.fanout import ended
from engine.planning import PlanApproved
from engine.story import Story

__all__ = ["History", "Journal", "Unwritten", "Writer", "envelope"]

log = logging.getLogger(__name__)

T = TypeVar("T")

READ_WITHIN_S = 15.0
"""Who asks what there is can ask again; only who writes has something to lose by giving up."""


CONNECT_S = 10.0
"""A first connection takes no longer; whoever asked may ask again."""

HELD_BYTES = 32 * 1024 * 1024
"""What one process holds of JSON for a bus that is away (it takes some ten times that in memory,
where texts are short); with more than that, nothing new is begun."""


class History(NamedTuple):
    """What is known of a deliberation; `last` is what its next writer has to follow, or 0."""

    records: tuple[Record, ...]
    last: int
    ended: bool


class Unwritten(NamedTuple):
    """A deliberation that nobody works on now, of which the bus does not hold everything yet."""

    records: list[Record]
    writer: Writer


class Journal:
    """Every deliberation ever journalled, over one line to the bus. The streams must exist.

    What needs the bus raises Away soon after it is lost. Writers hold what they have until it is
    back; `held_bytes` is how much may be held when something new begins.
    """

    def __init__(self, line: Line, patience_s: float = 600.0, held_bytes: int = HELD_BYTES) -> None:
        self._line, self._patience_s, self._held_bytes = line, patience_s, held_bytes
        self._catalogue: Catalogue | None = None
        self._writers: WeakSet[Writer] = WeakSet()  # their tasks keep those alive that work
        self._unwritten: dict[str, Unwritten] = {}
        self._finishing: dict[str, asyncio.Task[None]] = {}

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
        line = Line(bus, name, on_closed)
        try:
            await line.within(min(patience_s, connect_within_s))
        except Unavailable:
            await line.close()
            raise
        return cls(line, patience_s)

    async def close(self) -> None:
        """Leave; writers and followers still at work are stopped by that."""
        await ended(*self._finishing.values())
        await asyncio.gather(*(writer.close() for writer in tuple(self._writers)))
        if self._catalogue is not None:
            await self._catalogue.close()
        await self._line.close()

    @property
    def line(self) -> Line:
        """Its line to the bus, for what else has to be said over one."""
        return self._line

    @property
    def away(self) -> bool:
        """Whether the bus cannot be reached now."""
        return self._line.away

    async def reached(self) -> None:
        """Return when the bus can be reached; Away if it could not be for a moment."""
        await self._line.within()

    async def require(self) -> None:
        """Return where the stream of the journal answers; Away, Unavailable, SetupError."""
        try:
            await self._line.ask(lambda js: js.stream_info(JOURNAL))
        except nats.js.errors.NotFoundError as error:
            raise missing(JOURNAL) from error
        except BROKEN as error:
            raise Unavailable(f"NATS does not tell of stream {JOURNAL}: {said(error)}") from error

    async def lost(self) -> None:
        """Return when the bus is away, and has been for a moment."""
        await self._line.lost()

    async def back(self) -> None:
        """Return when the bus can be reached, however long that takes."""
        await self._line.up()

    async def rest(self, seconds: float) -> None:
        """Sleep, but no longer than to the return of the bus if that was away meanwhile."""
        await self._line.rest(seconds)

    @property
    def trouble(self) -> str:
        """What NATS has not permitted of late, empty if nothing or while it is away."""
        return "" if self._line.away else self._line.trouble

    async def read(self, id: str, patience_s: float | None = None) -> History:
        """All there is of a deliberation, empty if nothing; Away, or Unavailable if NATS stalls."""
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
        message = await self._asked(lambda js: last_message(js, root), patience_s)
        if message is None or message.subject is None or message.subject.endswith(".r"):
            return None
        return (await self._opened(message, patience_s)).records[-1]

    @property
    def catalogue(self) -> Catalogue:
        """Lists and figures of what the journal holds."""
        if self._catalogue is None:
            folder = Path(tempfile.gettempdir()) / f"conclave-{os.getuid()}"
            self._catalogue = Catalogue(self._line, folder)
        return self._catalogue

    def backlog(self, role: str) -> Backlog:
        """The work of a role that was accepted and has not ended."""
        return Backlog(self._line, role)

    async def ask(self, call: Callable[[JetStreamContext], Awaitable[T]]) -> T:
        """What the bus answers to something that is not about the journal; Away."""
        return await self._line.ask(call)

    async def story(self, id: str, bus: BusConfig) -> Story | None:
        """What is known of a story, as much as is shown; None where nothing is. Away."""
        return await self._line.ask(lambda js: Stories(js, bus).of(id))

    async def plan(self, id: str, bus: BusConfig) -> PlanApproved | None:
        """The plan that was approved last under that id; None where the bus holds none. Away."""
        return await self._sound(lambda js: Plans(js, bus).of(id), "reading planning events")

    async def request(self, requests: Sequence[Request]) -> None:
        """Ask councils over the bus; what was asked already is not asked again. Away."""
        for each in requests:
            await self._sound(each.publish, f"asking for {each.task_id}")

    async def _sound(self, call: Callable[[JetStreamContext], Awaitable[T]], what: str) -> T:
        """Ask, with every trouble told as one of ours."""
        try:
            return await patiently(lambda: self._line.ask(call), what, READ_WITHIN_S)
        except BROKEN as error:
            raise Unavailable(f"{what}: NATS refuses it: {said(error)}") from error

    def writer(self, id: str, last: int) -> Writer:
        """A writer that goes on behind `last`, as `read` told it."""
        writer = Writer(self._line, id, last, self._patience_s)
        self._writers.add(writer)
        return writer

    def require_room(self) -> None:
        """Unavailable where too much is held for the bus already to begin anything new."""
        held = sum(writer.held for writer in self._writers)
        if held > self._held_bytes:
            raise Unavailable(
                f"{held} bytes of records wait for the bus, which is more than "
                f"{self._held_bytes}: nothing new is begun until it takes them"
            )

    async def let_go(self, id: str, writer: Writer, records: list[Record]) -> None:
        """Leave a writer to write what it holds; until that is done, the records stay here."""
        if not writer.held:
            await writer.close()
            return
        self._unwritten[id] = Unwritten(records, writer)
        self._finishing[id] = asyncio.create_task(self._finish(id, writer))

    async def settled(self) -> None:
        """Return when everything that was let go is written."""
        while self._finishing:
            await asyncio.wait(self._finishing.values())

    def unwritten(self, id: str) -> Unwritten | None:
        """What was let go of a deliberation and is not in the stream yet."""
        return self._unwritten.get(id)

    def take_up(self, id: str) -> Unwritten | None:
        """The same, to go on behind it with its writer."""
        found = self._unwritten.pop(id, None)
        if found is not None:
            self._finishing.pop(id).cancel()
        return found

    async def _finish(self, id: str, writer: Writer) -> None:
        try:
            await writer.written()
        except ConclaveError as trouble:
            log.warning("what was held of %s is not written: %s", id, trouble)
        finally:
            found = self._unwritten.get(id)
            if found is not None and found.writer is writer:
                del self._unwritten[id], self._finishing[id]
                await writer.close()

    async def follow(self, id: str, after_seq: int = 0) -> AsyncGenerator[Record]:
        """The records behind `after_seq`, those to come as they come, up to the end.

        Close it (`contextlib.aclosing`) to leave early. A message heard is only a reason to look:
        what is told is what the stream holds, so a break loses and repeats nothing.
        """
        root = root_of(id)
        heard = asyncio.Event()

        async def hear(_message: Msg) -> None:
            heard.set()

        client = await self._line.up()
        ear = await client.subscribe(f"{root}.>", cb=hear)
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
            try:
                found = await self._next(root, last, self._patience_s)
            except Away:
                await self._line.up()
                continue
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
        message = await self._asked(lambda js: next_message(js, root, last), patience_s)
        return None if message is None else await self._opened(message, patience_s)

    async def _opened(self, message: RawStreamMsg, patience_s: float) -> Found:
        """What a message holds, wherever it is."""
        found = opened(message)
        text = found.text
        if text is None:
            return found
        message.data = await self._asked(lambda js: get(js, text), patience_s)
        return opened(message)

    async def _asked(
        self, call: Callable[[JetStreamContext], Awaitable[T]], patience_s: float
    ) -> T:
        return await patiently(lambda: self._line.ask(call), "reading the journal", patience_s)


async def _within(seconds: float, event: asyncio.Event) -> bool:
    """Whether it happens in that time; it is cleared then."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    event.clear()
    return True
