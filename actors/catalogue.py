"""Lists and figures of all deliberations, always first brought up to the journal; shows nothing.

What is read of the journal is kept in a file, in a thread of its own, so that nothing else waits
for it and the next question has only to read what came since.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import TypeVar

import nats.js.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg

from actors.claim import Claim
from actors.figures import Figures, figures
from actors.line import Line
from actors.listing import Page, Wanted, page
from actors.messages import Found, missing, opened
from actors.passing import batches, sequence
from actors.patience import BROKEN, said
from actors.projection import Message, Projection
from actors.streams import JOURNAL
from actors.texts import get
from engine.errors import SetupError, Unavailable
from engine.fanout import ended

log = logging.getLogger(__name__)

T = TypeVar("T")

CURRENT_WITHIN_S = 3.0
"""An answer waits so long for what the journal holds; then it says what is not in it yet."""


class Catalogue:
    """All deliberations that the journal holds, kept in a file of `folder` that is only a copy."""

    def __init__(self, line: Line, folder: Path) -> None:
        self._line, self._folder = line, folder
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="catalogue")
        self._claim: Claim | None = None
        self._rows: Projection | None = None
        self._round: asyncio.Task[None] | None = None
        self._left: int | None = None

    async def close(self) -> None:
        """Leave; the file stays for whoever comes next."""
        await ended(*filter(None, [self._round]))
        await self._in_thread(self._let_go)
        self._thread.shutdown()

    async def page(self, wanted: Wanted, limit: int, cursor: str) -> Page:
        """So many of what is wanted, the one begun last first. InvalidRequest; Unavailable."""
        behind, found = await self._asked(lambda rows: page(rows, wanted, limit, cursor))
        return found.model_copy(update={"behind": behind})

    async def figures(self, since: float = 0.0) -> Figures:
        """The figures of what ended since then. Unavailable."""
        behind, found = await self._asked(lambda rows: figures(rows, since))
        return found.model_copy(update={"behind": behind})

    async def _asked(self, question: Callable[[Projection], T]) -> tuple[str, T]:
        """An answer out of the rows, and what is not in them yet; a damaged file is made anew."""
        for once_more in (True, False):
            rows = None
            try:
                rows = await self._in_thread(self._opened)
                return await self._current(), await self._in_thread(partial(question, rows))
            except sqlite3.DatabaseError as damage:
                if not once_more:
                    raise _unusable(self._folder, damage) from damage
                log.warning("the deliberations are read anew: %s", said(damage))
                await self._in_thread(partial(self._discard, rows))
        raise AssertionError("the second time it is told")

    async def _current(self) -> str:
        """Read what the journal holds by now; what is left to read where that takes too long."""
        before = self._round
        if before is not None and not before.done():  # it may not go as far as we need
            await asyncio.wait({before}, timeout=CURRENT_WITHIN_S)
            if not before.done():
                return self._behind()
        if self._round is None or self._round.done():
            self._round = asyncio.create_task(self._read_on(), name="catalogue")
            self._round.add_done_callback(_noted)
        reading = self._round
        await asyncio.wait({reading}, timeout=CURRENT_WITHIN_S)
        if not reading.done():
            return self._behind()
        reading.result()
        return ""

    def _behind(self) -> str:
        left = "what it holds" if self._left is None else f"{self._left} messages of it"
        return f"the journal is still being read: {left} is not in this answer yet; ask again"

    async def _read_on(self) -> None:
        """Take in all that the journal holds now."""
        try:
            await self._line.ask(self._follow)
        except nats.js.errors.NotFoundError as error:
            raise missing(JOURNAL) from error
        except BROKEN as error:
            raise Unavailable(f"the journal cannot be read: {said(error)}") from error

    async def _follow(self, js: JetStreamContext) -> None:
        self._left = None
        info = await js.stream_info(JOURNAL)
        identity, state = str(info.created), info.state
        rows = await self._in_thread(self._opened)
        begins = partial(rows.follow, identity, state.first_seq, state.last_seq)
        place = await self._in_thread(begins)
        if place >= state.last_seq:
            return
        async with aclosing(batches(js, place + 1)) as reading:
            async for batch in reading:
                await self._take(js, rows, batch.messages)
                self._left = batch.left
        await self._in_thread(partial(rows.take, (), state.last_seq))

    async def _take(self, js: JetStreamContext, rows: Projection, messages: list[Msg]) -> None:
        found = await self._in_thread(lambda: list(map(_opened, messages)))
        whole = [each if each.text is None else await _fetched(js, each) for each in found]
        keys = [message.subject.split(".")[1] for message in messages]
        taken = [Message(k, f.seq, f.records) for k, f in zip(keys, whole, strict=True)]
        await self._in_thread(partial(rows.take, taken, found[-1].seq))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _opened(self) -> Projection:
        """In the thread: the rows, in a file that is ours alone."""
        if self._rows is None:
            self._claim = self._claim or Claim(self._folder, "deliberations")
            self._rows = Projection(self._claim.path)
        return self._rows

    def _discard(self, rows: Projection | None) -> None:
        """In the thread: do without these rows, unless somebody else has done so already."""
        if rows is not None and rows is self._rows:
            rows.discard()
            self._rows = None

    def _let_go(self) -> None:
        if self._rows is not None:
            self._rows.close()
        if self._claim is not None:
            self._claim.let_go()


def _unusable(folder: Path, error: Exception) -> Unavailable:
    return Unavailable(
        f"the list of deliberations in {folder} cannot be used ({said(error)}); "
        "make room there, or set $TMPDIR to another folder"
    )


def _noted(reading: asyncio.Task[None]) -> None:
    """What ended the reading is told by the next one, where nobody waits for this one any more."""
    if not reading.cancelled() and (trouble := reading.exception()) is not None:
        log.info("the journal is not read to its end: %s", said(trouble))


def _opened(message: Msg) -> Found:
    return _read(RawStreamMsg(message.subject, sequence(message), message.data))


def _read(message: RawStreamMsg) -> Found:
    """What a message holds; nothing where nobody can read it, so that all others are shown."""
    try:
        return opened(message)
    except (ValueError, KeyError, TypeError) as error:
        log.warning("message %s of %s cannot be read: %s", message.seq, JOURNAL, said(error))
        return Found((), message.seq or 0, ended=False)


async def _fetched(js: JetStreamContext, found: Found) -> Found:
    """What a message holds that was too large for the stream; nothing where that is lost."""
    assert found.text is not None
    try:
        data = await get(js, found.text)
    except SetupError as error:
        log.warning("message %s of %s has lost its text: %s", found.seq, JOURNAL, error)
        return found
    kind = "completed" if found.ended else "r"
    return _read(RawStreamMsg(f"deliberation.-.{kind}", found.seq, data))
