"""The tasks of one event, each to its durable end; knows nothing of where the event came from."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Literal

from nats.js import JetStreamContext

from actors.messages import digest_of, outcome_of
from actors.patience import patiently, pauses, said
from actors.verdicts import lasting, passes
from engine.errors import Broken, Superseded, Unavailable
from engine.events import Decided, Record
from engine.types import Task

Convene = Callable[[Task], Awaitable[Record]]
"""Runs the deliberation of a task to its durable end, or finds it done; the end's record."""

LOOK_WITHIN_S = 15.0
"""The event stays and comes again."""

Status = Literal["completed", "failed"]


class Convening:
    """Has tasks deliberated, all at once. What has ended already costs one look at the journal.

    Passing trouble is borne in place for `patience_s`, unless `stopping` is set; `note` hears it.
    """

    def __init__(
        self,
        js: JetStreamContext,
        convene: Convene,
        patience_s: float,
        stopping: asyncio.Event,
        note: Callable[[str, BaseException], None],
    ) -> None:
        self._js, self._convene, self._patience_s = js, convene, patience_s
        self._stopping, self._note = stopping, note

    async def ends(self, tasks: Sequence[Task]) -> dict[str, Status]:
        """How each role's deliberation ended.

        Unavailable if some may still end, InvalidEvent if one can never be had, Broken if they
        only meet bugs.
        """
        work = (self._end(task) for task in tasks)
        found = await asyncio.gather(*work, return_exceptions=True)
        ends: dict[str, Status] = {}
        troubles: dict[str, BaseException] = {}
        for task, each in zip(tasks, found, strict=True):
            if isinstance(each, BaseException):
                self._note(task.id, each)
                troubles[task.id] = each
            else:
                ends[task.role] = each
        if troubles:
            raise _worst(troubles, len(tasks))
        return ends

    async def _end(self, task: Task) -> Status:
        deadline = time.monotonic() + self._patience_s
        for pause in pauses(0.2, 15.0):
            try:
                return await self._found(task) or _status(await self._convene(task))
            except (Unavailable, Superseded) as error:
                self._note(task.id, error)
                if self._stopping.is_set() or time.monotonic() + pause > deadline:
                    raise
            await self._rest(pause)
        raise AssertionError("pauses() never ends")

    async def _found(self, task: Task) -> Status | None:
        """How it has ended, if it has; another task of the same id is for the council to refuse."""
        known = await patiently(
            lambda: outcome_of(self._js, task.id), "reading the journal", LOOK_WITHIN_S
        )
        return known.status if known is not None and known.task == digest_of(task) else None

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


def _status(end: Record) -> Status:
    return "completed" if isinstance(end.event, Decided) else "failed"


def _worst(troubles: dict[str, BaseException], of: int) -> Exception:
    """What is to become of the event: while some trouble passes, it waits."""
    if any(map(passes, troubles.values())):
        return Unavailable(f"{len(troubles)} of {of} deliberations have not ended")
    refusals = (lasting(id_, error) for id_, error in troubles.items())
    refused = next((each for each in refusals if each is not None), None)
    id_, error = next(iter(troubles.items()))
    return refused or Broken(f"{id_}: {said(error)}")
