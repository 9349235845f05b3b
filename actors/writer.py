"""One writer of one deliberation's journal, compare-and-set; knows nothing of how it is read."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NoReturn, TypeVar

import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import Header

from actors.line import Line
from actors.messages import (
    EXPECTED_SUBJECT,
    RACING,
    WRONG_LAST,
    batch_of,
    clipped,
    elsewhere,
    next_message,
    root_of,
)
from actors.patience import BROKEN, patiently, said
from actors.streams import JOURNAL
from actors.telling import Notice, publish
from actors.texts import Reference, put
from engine.errors import Away, SetupError, Superseded, Unavailable
from engine.events import Decided, Record
from engine.fanout import ended

log = logging.getLogger(__name__)

T = TypeVar("T")

BATCH_BYTES = 512 * 1024
HEADER_BYTES = 4096
"""What NATS counts as payload besides ours; over its limit it closes the connection for good."""


class Writer:
    """Appends records in order; the first append that is not its own to follow stops it.

    One message is on its way at a time and the next one carries all records that came meanwhile.
    Nobody waits for a record to be durable, only for `flush` and `end`. Notices go behind the
    records that are there and before the end, so that whoever finds the end need not tell them.
    While the bus is away all are held, however long that is; `patience_s` is for a bus that answers
    and does not take them.
    """

    def __init__(self, line: Line, id: str, last: int, patience_s: float) -> None:
        self._line, self._id, self._last = line, id, last
        self._root = root_of(id)
        self._patience_s = patience_s
        self._nonce = uuid.uuid4().hex
        self._sent = self._appended = self._durable = 0
        self._waiting: deque[bytes] = deque()
        self._notices: list[Notice] = []
        self._end: tuple[str, bytes, dict[str, str]] | None = None
        self._ended = False
        self._held = 0
        self._failure: Exception | None = None
        self._work = asyncio.Event()
        self._turned = asyncio.Condition()
        self._task = asyncio.create_task(self._run(), name=f"journal {id}")

    @property
    def messages(self) -> int:
        """How many messages were begun; fewer than records where some went together."""
        return self._sent

    @property
    def held(self) -> int:
        """How many bytes of records and notices are not durable yet."""
        return 0 if self._failure else self._held

    def append(self, record: Record) -> None:
        """Take a record to be written; returns at once. Raises what stopped the writer."""
        self._check()
        assert self._end is None, "nothing follows the end"
        text = record.model_dump_json().encode()
        self._waiting.append(text)
        self._held += len(text)
        self._appended += 1
        self._work.set()

    def tell(self, *notices: Notice) -> None:
        """Take notices to be published; returns at once, as `append` does."""
        if notices:
            self._notices += notices
            self._held += sum(len(notice.message) for notice in notices)
            self._work.set()

    async def flush(self) -> None:
        """Return when all that was appended is durable; raises what stopped the writer."""
        target = self._appended
        await self._until(lambda: self._durable >= target)

    async def end(
        self, record: Record, message: bytes, headers: dict[str, str] | None = None
    ) -> None:
        """Write the end after everything else; returns when it is durable.

        `message` is the outbound envelope whose `metadata.record` is the record. If the caller is
        cancelled meanwhile, the end is written all the same.
        """
        self._check()
        assert self._end is None, "there is one end"
        kind = "completed" if isinstance(record.event, Decided) else "failed"
        self._end = (f"{self._root}.{kind}", message, headers or {})
        self._held += len(message)
        self._work.set()
        await self.ended()

    async def ended(self) -> None:
        """Return when the end that was begun is durable."""
        await self._until(lambda: self._ended)

    async def written(self) -> None:
        """Return when nothing is held, the end that was begun included."""
        await self._until(lambda: not self._held)

    async def failed(self) -> NoReturn:
        """Wait until the writer is stopped by something and raise that; else wait for ever."""
        await self._until(lambda: False)
        raise AssertionError("only a failure ends the waiting")

    async def close(self) -> None:
        """Stop at once. What is not durable by now may or may not become so."""
        await ended(self._task)

    async def _until(self, reached: Callable[[], bool]) -> None:
        async with self._turned:
            await self._turned.wait_for(lambda: self._failure is not None or reached())
        if not reached():
            self._check()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    async def _run(self) -> None:
        try:
            while not self._ended:
                await self._work.wait()
                self._work.clear()
                await self._write_all()
        except Exception as error:  # noqa: BLE001 - whatever stops the writer, its owner must know
            self._failure = error
        await self._turn()

    async def _write_all(self) -> None:
        """Write what there is and what comes meanwhile; the end when nothing else is left."""
        while self._waiting or self._notices:
            await (self._write_batch() if self._waiting else self._tell())
        if self._end is not None:
            subject, message, headers = self._end
            await self._commit(subject, await self._fitting_end(message), headers)
            self._held -= len(message)
            self._ended = True

    async def _write_batch(self) -> None:
        most = await self._most()
        batch = self._batch(min(BATCH_BYTES, most))
        await self._commit(f"{self._root}.r", await self._fitting(batch_of(batch), most))
        self._durable += len(batch)
        self._held -= sum(map(len, batch))
        await self._turn()

    async def _tell(self) -> None:
        notices, self._notices = self._notices, []
        await asyncio.gather(*(self._persist(partial(publish, notice)) for notice in notices))
        self._held -= sum(len(notice.message) for notice in notices)
        await self._turn()

    async def _turn(self) -> None:
        async with self._turned:
            self._turned.notify_all()

    async def _most(self) -> int:
        """How large a message may be; only the server knows, so it waits for the bus."""
        return (await self._line.up()).max_payload - HEADER_BYTES

    def _batch(self, most: int) -> list[bytes]:
        """The records that go together: all that wait, or as many as a message should hold."""
        batch = [self._waiting.popleft()]
        size = len(batch_of(batch))
        while self._waiting and size + len(self._waiting[0]) < most:
            batch.append(self._waiting.popleft())
            size += len(batch[-1]) + 1
        return batch

    async def _fitting(self, payload: bytes, most: int) -> bytes:
        """A payload, or where it is if it is too large for a message."""
        if len(payload) <= most:
            return payload
        return elsewhere(await self._put(payload, most))

    async def _fitting_end(self, message: bytes) -> bytes:
        """An end's envelope, or what fits of it and where the whole is."""
        most = await self._most()
        if len(message) <= most:
            return message
        short = clipped(message, await self._put(message, most), most)
        if len(short) > most:
            raise SetupError(
                f"the end of deliberation {self._id} has {len(short)} bytes without its texts, "
                f"NATS takes {most}",
                "Raise max_payload of nats-server",
            )
        return short

    async def _put(self, text: bytes, most: int) -> Reference:
        """Into the object store, before any message names it."""
        return await self._persist(lambda js: put(js, text, most))

    async def _commit(
        self, subject: str, payload: bytes, further: dict[str, str] | None = None
    ) -> None:
        """Write one message after the last one, whatever happens to the connection meanwhile."""
        self._sent += 1
        headers = {
            **(further or {}),
            Header.MSG_ID.value: f"{self._nonce}-{self._sent}",
            Header.EXPECTED_STREAM.value: JOURNAL,
            Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(self._last),
            EXPECTED_SUBJECT: f"{self._root}.>",
        }
        self._last = await self._persist(lambda js: self._publish(js, subject, payload, headers))

    async def _persist(self, call: Callable[[JetStreamContext], Awaitable[T]]) -> T:
        """Ask until it succeeds. The time in which the bus is away does not count."""
        what = f"journal of {self._id}"
        while True:
            await self._line.up()
            try:
                return await patiently(
                    lambda: self._line.ask(call, grace_s=0), what, self._patience_s
                )
            except Away:
                log.info("%s: held until the bus is back", what)
            except BROKEN as error:
                raise Unavailable(f"{what}: NATS refuses it: {said(error)}") from error

    async def _publish(
        self, js: JetStreamContext, subject: str, payload: bytes, headers: dict[str, str]
    ) -> int:
        """One attempt; the sequence it got. An attempt of unknown outcome is simply repeated."""
        try:
            ack = await js.publish(subject, payload, headers=headers)
        except nats.js.errors.APIError as error:
            if error.err_code not in (WRONG_LAST, RACING):
                raise
            return await self._resolve(js, headers[Header.MSG_ID.value], error)
        return ack.seq  # also of a duplicate: no other writer shares our nonce

    async def _resolve(
        self, js: JetStreamContext, message_id: str, refusal: nats.js.errors.APIError
    ) -> int:
        """Somebody wrote after our last message: an earlier attempt of ours, or another writer."""
        found = await next_message(js, self._root, self._last)
        if found is not None and (found.headers or {}).get(Header.MSG_ID.value) == message_id:
            assert found.seq is not None
            return found.seq
        if found is None and refusal.err_code == RACING:
            raise nats.js.errors.ServiceUnavailableError
        raise Superseded(f"deliberation {self._id}: another writer has taken it over")
