"""The way to council actors by their names, through their deaths; knows nothing of HTTP or NATS."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, NamedTuple

from actors.calls import ActorAway, call
from actors.council import CouncilHealth
from actors.patience import pauses
from actors.roster import NAMESPACE, Roster
from engine.errors import Broken, InvalidRequest, Unavailable
from engine.events import END, Record
from engine.results import Result
from engine.types import Task

HEALTH_WITHIN_S = 2.0
DEATHS = 8
"""A task during which its council dies more often than this is taken to be the cause."""
READ_WITHIN_S = 5.0

Find = Callable[[str], Any]
"""The handle of the actor of that name, None while there is none."""


def find_actor(name: str) -> Any:
    """Look an actor up by its name; None while there is none."""
    import ray

    try:
        return ray.get_actor(name, namespace=NAMESPACE)
    except ValueError:
        return None


class Conclusion(NamedTuple):
    """All records of an ended deliberation, and whether the journal holds them by now."""

    records: list[Record]
    durable: bool


class Councils:
    """All councils of a roster. A call waits up to `patience_s` for a council that is away."""

    def __init__(self, roster: Roster, find: Find = find_actor, patience_s: float = 120.0) -> None:
        self._names, self._find, self._patience_s = roster.councils, find, patience_s

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles there are councils for."""
        return tuple(self._names)

    async def conclude(self, task: Task, durable_within_s: float = 600.0) -> Conclusion:
        """Have a task deliberated to its end, whatever happens to the council meanwhile.

        After the end, waits `durable_within_s` for the journal to hold it. Raises InvalidRequest,
        Conflict, Unavailable when the council stays away, Broken when the task kills it each time.
        """
        name, deaths = self._name(task.role), 0
        deadline = time.monotonic() + self._patience_s
        for pause in pauses(0.1, 2.0):
            records: list[Record] = []
            try:
                return await self._attempt(name, task, records, durable_within_s)
            except ActorAway as away:
                if records:  # it was alive, so the waiting begins anew
                    deadline, deaths = time.monotonic() + self._patience_s, deaths + 1
                if deaths > DEATHS:
                    raise Broken(
                        f"council {task.role} died {deaths} times over {task.id}"
                    ) from away
                if time.monotonic() > deadline:
                    raise Unavailable(f"council {task.role} is away: {away}") from away
            await asyncio.sleep(pause)
        raise AssertionError("pauses() never ends")

    async def read(self, role: str, task_id: str) -> Result:
        """What the council knows of a deliberation; NotFound, or Unavailable if it is away."""
        try:
            async with asyncio.timeout(READ_WITHIN_S):
                found: Result = await call(self._handle(self._name(role)).read.remote(task_id))
        except ActorAway as away:
            raise Unavailable(f"council {role} is away: {away}") from away
        except TimeoutError:
            raise Unavailable(f"council {role} gave no answer in {READ_WITHIN_S:g} s") from None
        return found

    async def health(self, role: str) -> CouncilHealth | None:
        """The council as it stands, None while it is away or does not answer."""
        try:
            async with asyncio.timeout(HEALTH_WITHIN_S):
                found: CouncilHealth = await call(self._handle(self._name(role)).health.remote())
        except (ActorAway, TimeoutError):
            return None
        return found

    async def _attempt(
        self, name: str, task: Task, records: list[Record], durable_within_s: float
    ) -> Conclusion:
        deadline: float | None = None
        async with aclosing(_streamed(self._handle(name), task)) as stream:
            while True:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                try:
                    async with asyncio.timeout(left):
                        records.append(await anext(stream))
                except StopAsyncIteration:
                    return Conclusion(records, durable=True)
                except TimeoutError:
                    return Conclusion(records, durable=False)
                if isinstance(records[-1].event, END):
                    deadline = time.monotonic() + durable_within_s

    def _name(self, role: str) -> str:
        if role not in self._names:
            known = ", ".join(self._names)
            raise InvalidRequest("role", f"no council {role!r}; known roles: {known}")
        return self._names[role]

    def _handle(self, name: str) -> Any:
        handle = self._find(name)
        if handle is None:
            raise ActorAway(f"actor {name} is not there")
        return handle


async def _streamed(handle: Any, task: Task) -> AsyncGenerator[Record, None]:
    """The records that a council actor streams; leaving early cancels the stream in the actor."""
    import ray

    refs = handle.deliberate.options(num_returns="streaming").remote(task)
    try:
        async for ref in refs:
            yield await call(ref)
    finally:
        ray.cancel(refs)
