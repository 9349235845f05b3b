"""What is asked of deliberations, for every door: councils do it, the journal tells of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress

from actors.conduct import conflict
from actors.journal import Journal
from actors.listing import Page, Wanted
from actors.posting import post
from actors.run import Conclusion, Terms
from actors.sight import Context, Sight
from edges.asked import DeliberationRequest, seconds
from edges.forking import ForkRequest
from edges.orders import Accepted
from edges.standing import ANSWER_WITHIN_S, Lookout
from edges.views import StoryView
from engine.caps import council_of
from engine.errors import (
    Away,
    ConclaveError,
    Ended,
    InvalidRequest,
    NotFound,
    Unavailable,
    Unmet,
)
from engine.events import END, Record
from engine.fanout import ended, merge
from engine.posted import PlanningEvent, posted
from engine.transcript import fold
from engine.types import Task

DURABLE_WITHIN_S = 5.0


class Desk(Lookout):
    """The one place behind all doors; every refusal is a ConclaveError."""

    def admit(self, request: DeliberationRequest, key: str = "") -> Task:
        """The task of a request, checked; `key` is an idempotency key instead of a task_id."""
        return request.task(self.config, key)

    async def fork(self, origin: str, request: ForkRequest, key: str = "") -> Task:
        """The task of a fork of a deliberation that has ended. NotFound, InvalidRequest."""
        return request.task((await self.journalled(origin)).records, self.config, key)

    async def plan(self, event: PlanningEvent, key: str = "") -> Accepted:
        """Put a planning event on the bus, where every bridge works on it until it is done.

        InvalidRequest where it would be a dead letter, Conflict where the deliberations of its key
        are about something else, Unavailable while the bus is away. The same `key`, or without one
        the same words, are the same event.
        """
        made = posted(event, key, self.config)
        for task in made.tasks:
            await self._require_same(task)
        place = await post(self._opened().line, made)
        was = "was there already, as" if place.duplicate else "is"
        what = f"it {was} message {place.seq} of {place.stream}; deliberations: {len(made.tasks)}"
        ids = tuple(task.id for task in made.tasks)
        return Accepted(processed=True, message=what, derived_task_ids=ids)

    async def _require_same(self, task: Task) -> None:
        """Conflict where the journal has another task of the same id."""
        history = await self._opened().read(task.id, ANSWER_WITHIN_S)
        known = fold(history.records).task
        if known is not None and known != task:
            raise conflict(task)

    def allowance(self, task: Task, timeout_ms: str = "") -> float:
        """Seconds until the decision must be there: the least of what task, caller, server say."""
        said = (task.timeout_s, seconds(timeout_ms), self.config.limits.timeout_s)
        return min(each for each in said if each is not None)

    async def conclude(self, task: Task, within_s: float, *, clips: bool = False) -> Conclusion:
        """Deliberate to the end while this call lasts. DeadlineExceeded if it does not come.

        After the end the journal has DURABLE_WITHIN_S to hold it, while the bus is there.
        """
        terms = Terms(timeout_s=within_s, clips=clips)
        return await self._councils.conclude(task, terms, self._late)

    async def accept(self, task: Task, within_s: float) -> Conclusion:
        """Begin a deliberation that goes on by itself; returns when nothing can lose it."""
        return await self._councils.accept(task, Terms(detached=True, timeout_s=within_s))

    async def follow(self, task: Task, within_s: float) -> AsyncGenerator[Record, None]:
        """Deliberate while the stream is open, and tell what the journal holds, up to the end.

        So under a `seq` there is one record for ever. While the bus is away, and where the journal
        stays behind the end, it is told as the council told it.
        """
        heard: dict[int, Record] = {}
        late, told = asyncio.Event(), 0
        async with aclosing(self._councils.stream(task, Terms(timeout_s=within_s))) as live:
            first = await anext(live)  # what cannot be done is refused before anything is told
            heard[first.seq] = first
            journal = self._opened()
            streams = (journal.follow(task.id), self._heard(live, heard, late), _losses(journal))
            async with aclosing(merge(streams, until=late)) as records:
                async for record in records:
                    for each in _behind(heard, told, record, away=journal.away):
                        told = each.seq
                        yield each
                        if isinstance(each.event, END):
                            return
        for seq in sorted(seq for seq in heard if seq > told):
            yield heard[seq]

    async def holds(self, end: Record) -> bool:
        """Whether the journal holds an end that was told, as far as it says so soon."""
        try:
            return await self._opened().end(end.deliberation, ANSWER_WITHIN_S) == end
        except Unavailable:
            return False

    async def watch(self, task_id: str, after_seq: int = 0) -> AsyncGenerator[Record, None]:
        """As `behind`, for an id. NotFound."""
        async with aclosing(self.behind(await self.known(task_id), after_seq)) as records:
            async for record in records:
                yield record

    async def behind(self, known: Conclusion, after_seq: int) -> AsyncGenerator[Record, None]:
        """The journal's records behind `after_seq`, those to come as they come, up to the end.

        What the journal does not hold yet is told first. While the stream is open its reader
        counts as a caller; it starts nothing.
        """
        state = known.state
        assert state.task is not None
        for record in () if known.durable else known.records[after_seq:]:
            yield record
        if not known.durable:
            after_seq = max(after_seq, len(known.records))
            if state.end is not None:
                return
        async with (
            self._attending(state.task, alive=state.end is None),
            aclosing(self._opened().follow(state.task.id, after_seq)) as records,
        ):
            async for record in records:
                yield record

    async def known(self, task_id: str) -> Conclusion:
        """What the journal holds of a deliberation, or a council for it; NotFound."""
        try:
            return await self.journalled(task_id)
        except (NotFound, Unavailable):
            found = await self._councils.find(task_id)
            if found is None:
                raise
            return found

    async def journalled(self, task_id: str) -> Conclusion:
        """What the journal holds of a deliberation; NotFound."""
        history = await self._opened().read(task_id, ANSWER_WITHIN_S)
        if not history.records:
            raise NotFound(f"no deliberation {task_id!r}; ids are those that a request was given")
        return Conclusion(list(history.records), durable=True)

    async def story(self, story_id: str) -> StoryView:
        """What the agents of the next deliberation of a story will be shown. NotFound."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                found = await self._opened().story(story_id.strip(), self.config.bus)
        except TimeoutError:
            raise Unavailable(f"NATS does not tell of story {story_id!r}; ask again") from None
        if found is None:
            raise NotFound(f"no event has told of story {story_id!r}")
        return StoryView(hash=found.hash, text=found.text, **dict(found))

    async def page(self, wanted: Wanted, limit: int, cursor: str) -> Page:
        """So many deliberations of the journal, the one begun last first. InvalidRequest."""
        return await self._opened().catalogue.page(wanted, limit, cursor)

    async def read(self, task_id: str) -> Conclusion:
        """What is known of a deliberation: its council says, or the journal while that is away."""
        known = await self.known(task_id)
        try:
            return await self._councils.read(_role(known), task_id)
        except (Unavailable, InvalidRequest):
            return known

    async def sees(self, sight: Sight) -> Context:
        """What an agent sees of a task: the council of its role looks. InvalidRequest."""
        council_of(sight.task.role, self.config)
        return await self._councils.context(sight.task.role, sight)

    async def cancel(self, task_id: str) -> Conclusion:
        """End a deliberation without a decision. NotFound; Ended if it has its end.

        Unmet where its council was deleted, which writes nothing more soon.
        """
        try:
            known = await self.known(task_id)
            role = _role(known)
            if role not in self._councils.roles:
                raise _gone(known)
        except (NotFound, Away):
            running = [c.role for c in await self.councils() if task_id in c.running]
            if not running:
                raise
            role = running[0]  # it waits for an engine and has no record yet
        return await self._councils.cancel(role, task_id)

    @asynccontextmanager
    async def _attending(self, task: Task, *, alive: bool) -> AsyncGenerator[None]:
        """Count as a caller of a deliberation that has not ended."""
        waiting = asyncio.create_task(self._councils.attend(task.role, task.id)) if alive else None
        try:
            yield
        finally:
            if waiting is not None:
                await ended(waiting)

    async def _heard(
        self, live: AsyncGenerator[Record, None], heard: dict[int, Record], late: asyncio.Event
    ) -> AsyncGenerator[None, None]:
        """Keep a stream going and what it tells; `late` is when its end is not waited for."""
        async for record in live:
            heard[record.seq] = record
            yield None
            if isinstance(record.event, END):
                await self._late()
                late.set()
                return

    async def _late(self) -> None:
        """Return when the journal has had its time for an end, or the bus is away."""
        with suppress(TimeoutError):
            async with asyncio.timeout(DURABLE_WITHIN_S):
                await self._opened().lost()


async def _losses(journal: Journal) -> AsyncGenerator[None, None]:
    """Say so each time the bus is away."""
    while True:
        await journal.lost()
        yield None
        await journal.back()


def _behind(
    heard: dict[int, Record], told: int, record: Record | None, *, away: bool
) -> list[Record]:
    """What is to be told next: a record of the journal, or what was heard while that is away."""
    if record is not None:
        return [record] if record.seq > told else []
    return [heard[seq] for seq in sorted(heard) if seq > told] if away else []


def _gone(known: Conclusion) -> ConclaveError:
    """Why nothing can be ended whose council is no more."""
    task = known.state.task
    assert task is not None
    if known.state.end is not None:
        return Ended(f"deliberation {task.id!r} has ended already")
    what = f"council {task.role} of {task.id!r} was deleted; what it was at ends within a minute"
    return Unmet(what, "to end what it had suspended before, create it again")


def _role(known: Conclusion) -> str:
    task = known.state.task
    assert task is not None
    return task.role
