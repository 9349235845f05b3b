"""The detached deliberations that have not ended, on the bus; knows nothing of how they are run.

Who was answered "accepted" has nobody waiting, so the work itself must be kept: under a key of its
own in a bucket beside the journal, from the acceptance to the durable end. Whoever may forget work
that has ended may so not forget what the journal holds.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg
from pydantic import ValidationError

from actors.line import Line
from actors.messages import key_of, next_message
from actors.patience import BROKEN, patiently, said
from actors.run import Terms
from actors.streams import OPEN
from engine.data import Data
from engine.errors import Unavailable
from engine.types import Task

log = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE_S = 10.0
"""Whoever waits to be told "accepted" may ask again."""


class Work(Data):
    """A task, on what terms it was accepted, and by which of the councils its role has had."""

    task: Task
    terms: Terms
    number: int = 0


class Backlog:
    """The accepted work of one role. Unavailable where NATS is away or refuses."""

    def __init__(self, line: Line, role: str) -> None:
        self._line, self._root = line, f"$KV.{OPEN}.{role.lower()}"

    async def add(self, work: Work) -> None:
        """Keep a piece of work; returns when it is durable."""
        data = work.model_dump_json().encode()
        subject = self._subject(work.task.id)
        await self._asked(lambda js: js.publish(subject, data), f"accepting {work.task.id}")

    async def remove(self, id: str) -> None:
        """Forget a piece of work that has ended."""
        subject = self._subject(id)
        await self._asked(lambda js: js.purge_stream(f"KV_{OPEN}", subject=subject), f"ending {id}")

    async def all(self) -> list[Work]:
        """Everything that was accepted and has not ended, in the order of acceptance.

        What cannot be read, written by another version perhaps, is left where it is.
        """
        found: dict[str, Work] = {}
        last = 0
        while (message := await self._after(last)) is not None:
            assert message.seq is not None
            last = message.seq
            try:
                work = Work.model_validate_json(message.data or b"")
            except ValidationError as error:
                log.warning("accepted work %s cannot be read: %s", message.subject, said(error))
            else:
                found.setdefault(work.task.id, work)
        return list(found.values())

    async def _after(self, last: int) -> RawStreamMsg | None:
        return await self._asked(
            lambda js: next_message(js, self._root, last, f"KV_{OPEN}"), "reading accepted work"
        )

    def _subject(self, id: str) -> str:
        return f"{self._root}.{key_of(id)}"

    async def _asked(self, call: Callable[[JetStreamContext], Awaitable[T]], what: str) -> T:
        try:
            return await patiently(lambda: self._line.ask(call), what, PATIENCE_S)
        except BROKEN as error:
            raise Unavailable(f"{what}: NATS refuses it: {said(error)}") from error
