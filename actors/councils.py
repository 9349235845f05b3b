"""The way to council actors by their names, through their deaths; knows nothing of HTTP or NATS."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import Any

from actors.calls import ActorAway, Call, Streamed, call, streamed
from actors.council import CouncilHealth
from actors.patience import pauses
from actors.roster import NAMESPACE, PREFIX, Roster
from actors.run import Conclusion, Terms
from actors.sight import Context, Sight
from engine.config import OutsideAgent
from engine.errors import Broken, ConclaveError, DeadlineExceeded, InvalidRequest, Unavailable
from engine.events import END, Record
from engine.fanout import ended, merge
from engine.types import Task

HEALTH_WITHIN_S = 2.0
READ_WITHIN_S = 5.0
CONTEXT_WITHIN_S = 20.0
"""It needs an engine's tokenizer, and so one that answers."""
CANCEL_WITHIN_S = 15.0
FOUND_WITHIN_S = 20.0
ACCEPT_WITHIN_S = 120.0
"""Accepting begins the work, so it waits for an engine that may still start."""
WAY_BACK_S = 2.0
"""What a decision in time may take on its way to the caller."""
DURABLE_WITHIN_S = 600.0
"""How long an end is waited for where only a durable one will do."""
MOMENT_S = 0.1
DEATHS = 8
"""A task during which its council dies more often than this is taken to be the cause."""

Patience = Callable[[], Coroutine[Any, Any, None]]
"""Returns when an end is not waited for any longer."""

Find = Callable[[str], Any]
"""The handle of the actor of that name, None while there is none."""


def find_actor(name: str) -> Any:
    """Look an actor up by its name; None while there is none."""
    import ray

    try:
        return ray.get_actor(name, namespace=NAMESPACE)
    except ValueError:
        return None


def named_actors() -> list[str]:
    """The names of all living actors of ours, of whatever version."""
    import ray

    actors = ray.util.list_named_actors(all_namespaces=True)
    return [
        a["name"] for a in actors if a["namespace"] == NAMESPACE and a["name"].startswith(PREFIX)
    ]


class Councils:
    """All councils of a roster. A call waits up to `patience_s` for a council that is away.

    `find`, `call` and `streamed` are the way to an actor; without them it is Ray's.
    """

    def __init__(
        self,
        roster: Roster,
        find: Find = find_actor,
        patience_s: float = 120.0,
        call: Call = call,
        streamed: Streamed = streamed,
    ) -> None:
        self._names, self._find, self._patience_s = roster.councils, find, patience_s
        self._call, self._streamed = call, streamed

    def rename(self, roster: Roster) -> None:
        """Know the councils by these names from now on."""
        self._names = roster.councils

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles there are councils for."""
        return tuple(self._names)

    async def conclude(
        self, task: Task, terms: Terms | None = None, patience: Patience | None = None
    ) -> Conclusion:
        """Have a task deliberated to its end, whatever happens to the council meanwhile.

        After the end, waits until the journal holds it or `patience` returns. Raises as `stream`
        does.
        """
        records: list[Record] = []
        late, waiting = asyncio.Event(), None
        try:
            async with aclosing(merge((self.stream(task, terms),), until=late)) as stream:
                async for record in stream:
                    records[record.seq - 1 :] = [record]
                    if isinstance(record.event, END) and waiting is None:
                        waiting = asyncio.create_task((patience or _patience)())
                        waiting.add_done_callback(lambda _task: late.set())
            return Conclusion(records, durable=not late.is_set())
        finally:
            if waiting is not None:
                await ended(waiting)

    async def stream(self, task: Task, terms: Terms | None = None) -> AsyncGenerator[Record, None]:
        """The records of a task's deliberation as they come; returns when the end is durable.

        The caller is attached until it closes the stream. A record that a dying council had told
        and not written may be followed by another of its `seq`: that one counts. Raises
        InvalidRequest, Conflict, DeadlineExceeded when the terms' time is over before the end,
        Unavailable when the council stays away, Broken when the task kills it each time.
        """
        deaths, told = 0, list[Record]()
        terms = terms or Terms()
        ends = None if terms.timeout_s is None else time.monotonic() + terms.timeout_s
        patience = time.monotonic() + self._patience_s
        for pause in pauses(0.1, 2.0):
            alive = False
            try:
                left, name = _left(terms, ends), self._name(task.role)  # it may have another one
                async with aclosing(self._told(self._handle(name), task, left)) as stream:
                    async for record in _until_the_end(stream, task, ends):
                        alive = True
                        if record not in told[record.seq - 1 : record.seq]:
                            told[record.seq - 1 :] = [record]
                            yield record
                return
            except ActorAway as away:
                if alive:  # so the waiting begins anew
                    patience, deaths = time.monotonic() + self._patience_s, deaths + 1
                if deaths > DEATHS:
                    raise Broken(
                        f"council {task.role} died {deaths} times over {task.id}"
                    ) from away
                if time.monotonic() > patience:
                    raise Unavailable(f"council {task.role} is away: {away}") from away
            await asyncio.sleep(pause)

    async def accept(self, task: Task, terms: Terms) -> Conclusion:
        """Begin a task's deliberation, to go on by itself. Raises as `stream` does."""
        ref = self._handle_of(task.role).accept.remote(task, terms)
        records, durable = await self._answer(task.role, ref, ACCEPT_WITHIN_S)
        return Conclusion(records, durable)

    async def attend(self, role: str, task_id: str) -> None:
        """Be a caller of a deliberation until cancelled, through deaths of its council."""
        watcher = uuid.uuid4().hex
        for pause in pauses(0.1, 2.0):
            try:
                handle = self._handle_of(role)
                while True:
                    await self._attended(handle, task_id, watcher)
            except (ActorAway, Unavailable):
                await asyncio.sleep(pause)

    async def read(self, role: str, task_id: str) -> Conclusion:
        """What the council knows of a deliberation; NotFound, or Unavailable if it is away."""
        ref = self._handle_of(role).read.remote(task_id)
        found: Conclusion = await self._answer(role, ref, READ_WITHIN_S)
        return found

    async def context(self, role: str, sight: Sight) -> Context:
        """What one agent of a role sees of a task; InvalidRequest, or Unavailable if it is away."""
        ref = self._handle_of(role).context.remote(sight)
        found: Context = await self._answer(role, ref, CONTEXT_WITHIN_S)
        return found

    async def find(self, task_id: str) -> Conclusion | None:
        """What any council knows of a deliberation, None if none of those that answer does."""
        asked = (self.read(role, task_id) for role in self.roles)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, ConclaveError):
                raise answer
        return next((each for each in answers if isinstance(each, Conclusion)), None)

    async def cancel(self, role: str, task_id: str) -> Conclusion:
        """End a deliberation without a decision; NotFound, Ended, or Unavailable."""
        ref = self._handle_of(role).cancel.remote(task_id)
        found: Conclusion = await self._answer(role, ref, CANCEL_WITHIN_S)
        return found

    async def found(self, role: str, agent: OutsideAgent) -> OutsideAgent:
        """An agent as its council can ask it; Unavailable, InvalidRequest."""
        ref = self._handle_of(role).found.remote(agent)
        found: OutsideAgent = await self._answer(role, ref, FOUND_WITHIN_S)
        return found

    async def health(self, role: str) -> CouncilHealth | None:
        """The council as it stands, None while it is away or does not answer."""
        try:
            ref = self._handle_of(role).health.remote()
            found: CouncilHealth = await self._answer(role, ref, HEALTH_WITHIN_S)
        except Unavailable:
            return None
        return found

    async def _told(self, handle: Any, task: Task, terms: Terms) -> AsyncGenerator[Record, None]:
        """The records that a council actor streams; leaving early cancels the stream there."""
        caller = uuid.uuid4().hex
        stream = self._streamed(handle.deliberate, task, terms, caller)
        try:
            async with aclosing(stream) as records:
                async for record in records:
                    yield record
        finally:
            handle.leave.remote(task.id, caller)  # on a busy machine a cancellation can be lost

    async def _attended(self, handle: Any, task_id: str, watcher: str) -> None:
        try:
            await self._call(handle.attend.remote(task_id, watcher))
        except asyncio.CancelledError:
            handle.leave.remote(task_id, watcher)
            raise

    async def _answer(self, role: str, ref: Any, within_s: float) -> Any:
        try:
            async with asyncio.timeout(within_s):
                return await self._call(ref)
        except ActorAway as away:
            raise Unavailable(f"council {role} is away: {away}") from away
        except TimeoutError:
            raise Unavailable(f"council {role} gave no answer in {within_s:g} s") from None

    def _handle_of(self, role: str) -> Any:
        try:
            return self._handle(self._name(role))
        except ActorAway as away:
            raise Unavailable(f"council {role} is away: {away}") from away

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


async def _patience() -> None:
    await asyncio.sleep(DURABLE_WITHIN_S)


def _left(terms: Terms, ends: float | None) -> Terms:
    """The terms for a further attempt: with the time that is left."""
    if ends is None:
        return terms
    return terms.model_copy(update={"timeout_s": max(MOMENT_S, ends - time.monotonic())})


async def _next(stream: AsyncGenerator[Record, None], deadline: float | None) -> Record:
    """The next record; TimeoutError, which spoils the stream, behind the deadline."""
    left = None if deadline is None else max(0.0, deadline - time.monotonic())
    async with asyncio.timeout(left):
        return await anext(stream)


async def _until_the_end(
    stream: AsyncGenerator[Record, None], task: Task, ends: float | None
) -> AsyncGenerator[Record, None]:
    """All of a stream; DeadlineExceeded when the end comes too late, or on its way back does."""
    deadline = None if ends is None else ends + WAY_BACK_S
    while True:
        try:
            record = await _next(stream, deadline)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise DeadlineExceeded(
                f"no end of {task.id!r} in time; send it again with the same id to go on"
            ) from None
        yield record
        if isinstance(record.event, END):
            deadline = None
