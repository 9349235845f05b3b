"""One writer of one deliberation's journal, compare-and-set; knows nothing of how it is read."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Callable
from typing import NoReturn

import nats.errors
import nats.js.errors
from nats.js.api import Header

from actors.bus import Connection
from actors.messages import EXPECTED_SUBJECT, RACING, WRONG_LAST, next_message, root_of
from actors.notices import Notice, tell
from actors.patience import BROKEN, patiently, said
from actors.streams import JOURNAL
from engine.errors import SetupError, Superseded, Unavailable
from engine.events import Decided, Record
from engine.fanout import ended

BATCH_BYTES = 512 * 1024
HEADER_BYTES = 4096
"""What NATS counts as payload besides ours; over its limit it closes the connection for good."""


class Writer:
    """Appends records in order; the first append that is not its own to follow stops it.

    One message is on its way at a time and the next one carries all records that came meanwhile.
    Nobody waits for a record to be durable, only for `flush` and `end`. Notices go behind the
    records that are there and before the end, so that whoever finds the end need not tell them.
    """

    def __init__(self, client: Connection, id: str, last: int, patience_s: float) -> None:
        self._client, self._id, self._last = client, id, last
        self._js = client.streams()
        self._root = root_of(id)
        self._patience_s = patience_s
        self._nonce = uuid.uuid4().hex
        self._sent = self._appended = self._durable = 0
        self._waiting: deque[bytes] = deque()
        self._notices: list[Notice] = []
        self._end: tuple[str, bytes, dict[str, str]] | None = None
        self._ended = False
        self._failure: Exception | None = None
        self._work = asyncio.Event()
        self._turned = asyncio.Condition()
        self._task = asyncio.create_task(self._run(), name=f"journal {id}")

    @property
    def messages(self) -> int:
        """How many messages were begun; fewer than records where some went together."""
        return self._sent

    def append(self, record: Record) -> None:
        """Take a record to be written; returns at once. Raises what stopped the writer."""
        self._check()
        assert self._end is None, "nothing follows the end"
        text = record.model_dump_json().encode()
        self._check_size(len(text), f"record {record.seq}")
        self._waiting.append(text)
        self._appended += 1
        self._work.set()

    def tell(self, *notices: Notice) -> None:
        """Take notices to be published; returns at once, as `append` does."""
        if notices:
            self._notices += notices
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
        self._check_size(len(message), "the end")
        kind = "completed" if isinstance(record.event, Decided) else "failed"
        self._end = (f"{self._root}.{kind}", message, headers or {})
        self._work.set()
        await self.ended()

    async def ended(self) -> None:
        """Return when the end that was begun is durable."""
        await self._until(lambda: self._ended)

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

    def _check_size(self, size: int, what: str) -> None:
        most = self._client.max_payload - HEADER_BYTES
        if size > most:
            raise SetupError(
                f"{what} of deliberation {self._id} has {size} bytes, NATS takes {most}",
                "Raise max_payload of nats-server, or lower the budgets of the council",
            )

    async def _run(self) -> None:
        try:
            while not self._ended:
                await self._work.wait()
                self._work.clear()
                await self._write_all()
        except Exception as error:  # noqa: BLE001 - whatever stops the writer, its owner must know
            self._failure = error
        async with self._turned:
            self._turned.notify_all()

    async def _write_all(self) -> None:
        while self._waiting:
            batch = self._batch()
            await self._commit(f"{self._root}.r", b'{"records":[' + b",".join(batch) + b"]}")
            self._durable += len(batch)
            await self._turn()
        await self._tell()
        if self._end is not None:
            await self._commit(*self._end)
            self._ended = True

    async def _tell(self) -> None:
        notices, self._notices = self._notices, []
        await asyncio.gather(*(tell(self._client, each, self._patience_s) for each in notices))

    async def _turn(self) -> None:
        async with self._turned:
            self._turned.notify_all()

    def _batch(self) -> list[bytes]:
        """The records that go together: all that wait, or as many as a message should hold."""
        batch = [self._waiting.popleft()]
        size = len(batch[0])
        while self._waiting and size + len(self._waiting[0]) < BATCH_BYTES:
            batch.append(self._waiting.popleft())
            size += len(batch[-1]) + 1
        return batch

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
        try:
            self._last = await patiently(
                lambda: self._publish(subject, payload, headers),
                f"journal of {self._id}",
                self._patience_s,
            )
        except BROKEN as error:
            raise Unavailable(f"journal of {self._id}: NATS refuses it: {said(error)}") from error

    async def _publish(self, subject: str, payload: bytes, headers: dict[str, str]) -> int:
        """One attempt; the sequence it got. An attempt of unknown outcome is simply repeated."""
        if not self._client.is_connected and not self._client.is_closed:
            raise nats.errors.ConnectionReconnectingError
        try:
            ack = await self._js.publish(subject, payload, headers=headers)
        except nats.js.errors.APIError as error:
            if error.err_code not in (WRONG_LAST, RACING):
                raise
            return await self._resolve(headers[Header.MSG_ID.value], error)
        return ack.seq  # also of a duplicate: no other writer shares our nonce

    async def _resolve(self, message_id: str, refusal: nats.js.errors.APIError) -> int:
        """Somebody wrote after our last message: an earlier attempt of ours, or another writer."""
        found = await next_message(self._js, self._root, self._last)
        if found is not None and (found.headers or {}).get(Header.MSG_ID.value) == message_id:
            assert found.seq is not None
            return found.seq
        if found is None and refusal.err_code == RACING:
            raise nats.js.errors.ServiceUnavailableError
        raise Superseded(f"deliberation {self._id}: another writer has taken it over")
