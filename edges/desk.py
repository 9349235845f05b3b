"""What every door does with a request: councils are asked, the journal is read; no transport."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from importlib.metadata import version
from typing import Any, Literal, TypeVar

from nats.js import JetStreamContext

from actors.bus import shown
from actors.calls import ActorAway, call
from actors.charters import Charters
from actors.conduct import conflict
from actors.council import CouncilHealth
from actors.councils import Councils, Find, find_actor
from actors.crew import Kind
from actors.figures import Figures
from actors.journal import Journal
from actors.line import Line
from actors.listing import Page, Wanted
from actors.posting import post
from actors.roster import Roster, living
from actors.run import Conclusion, Terms
from actors.sight import Context, Sight
from actors.supervisor import Post, State
from edges.asked import DeliberationRequest, seconds
from edges.chamber import Chamber, seats_of
from edges.forking import ForkRequest
from edges.orders import Accepted
from edges.views import BusStatus, CouncilInfo, PoolStatus, Standing, Stats, Status, StoryView
from engine.caps import council_of
from engine.charters import Fleet, in_force
from engine.config import Config
from engine.data import Data
from engine.errors import Away, ConclaveError, InvalidRequest, NotFound, Unavailable
from engine.events import END, Record
from engine.fanout import ended, merge
from engine.posted import PlanningEvent, posted
from engine.transcript import fold
from engine.types import OUTSIDE, Task

log = logging.getLogger(__name__)

T = TypeVar("T")

DURABLE_WITHIN_S = 5.0
SEEN_EVERY_S = 0.5
"""A change of councils through another replica is seen within this time."""
ANSWER_WITHIN_S = 3.0
"""How long a question about how things stand may take, where asking again costs nothing."""


class Readiness(Data):
    """Whether requests can be done: `degraded` where they can, though not all is well."""

    status: Standing
    troubles: tuple[str, ...]
    posts: tuple[Post, ...]


class Uncounted(Unavailable):
    """Figures are still to be counted: that is told, though all else is as well as it was."""


class Desk:
    """The one place behind all doors; every refusal is a ConclaveError."""

    def __init__(
        self,
        config: Config,
        names: Roster,
        state: Callable[[], Awaitable[State]],
        find: Find = find_actor,
    ) -> None:
        self.config = config
        self._names, self._state, self._find = names, state, find
        self._councils = Councils(names, find)
        self._journal: Journal | None = None
        self._fleet = in_force(config)
        self._following: asyncio.Task[None] | None = None
        self.chamber = Chamber(
            Charters(self._ask, config), self._councils, self.standing, self._seat
        )

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

    def begin(self) -> None:
        """See from now on which councils there are; needs a running event loop."""
        self._following = asyncio.create_task(self._follow_councils(), name="councils in force")

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

    @property
    def journal(self) -> Journal:
        """The way to what the bus holds."""
        return self._opened()

    async def page(self, wanted: Wanted, limit: int, cursor: str) -> Page:
        """So many deliberations of the journal, the one begun last first. InvalidRequest."""
        return await self._opened().catalogue.page(wanted, limit, cursor)

    async def figures(self, since: float = 0.0) -> Figures:
        """What the deliberations that ended since then come to. Unavailable."""
        return await self._opened().catalogue.figures(since)

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
        """End a deliberation without a decision. NotFound; Ended if it has its end."""
        try:
            role = _role(await self.known(task_id))
        except (NotFound, Away):
            running = [c.role for c in await self.councils() if task_id in c.running]
            if not running:
                raise
            role = running[0]  # it waits for an engine and has no record yet
        return await self._councils.cancel(role, task_id)

    async def councils(self) -> list[CouncilInfo]:
        """Every council and how it stands."""
        fleet = self._fleet  # they may be other ones when an answer is there
        roles = [council.role for council in fleet.config.councils]
        pools = await self._pools()
        return await asyncio.gather(*(self._council(role, fleet, pools) for role in roles))

    async def _follow_councils(self) -> None:
        """Another replica may have changed them."""
        while True:
            try:
                await self.chamber.look()
            except ConclaveError as trouble:
                log.debug("councils are taken to be as last known: %s", trouble)
            await asyncio.sleep(SEEN_EVERY_S)

    def _seat(self, fleet: Fleet) -> None:
        """Know the councils that are in force."""
        if fleet is not self._fleet:
            self._fleet, self.config, self._names = fleet, fleet.config, living(fleet)
            self._councils.rename(self._names)

    async def _ask(self, call: Callable[[JetStreamContext], Awaitable[T]]) -> T:
        return await self._opened().ask(call)

    async def standing(self) -> State:
        """How every actor stands; Unavailable where the supervisor does not answer."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await self._state()
        except TimeoutError as error:
            raise Unavailable("the supervisor does not answer; Serve replaces it") from error

    async def readiness(self) -> Readiness:
        """Whether requests can be done now; Unavailable where the supervisor does not answer."""
        state, bus = await asyncio.gather(self.standing(), self._bus_trouble())
        troubles = (*bus, *state.troubles)
        return Readiness(status=_verdict(state, troubles), troubles=troubles, posts=state.posts)

    async def status(self) -> Status:
        """The whole as it stands; what cannot be asked is a trouble and no error."""
        state, stats, bus, pools, bridge = await asyncio.gather(
            _or_trouble(self.standing()),
            _or_trouble(self._stats()),
            self._bus_trouble(),
            self._pools(),
            self._health(self._names.bridge),
        )
        asked = (state,) if bus else (state, stats)  # without the bus there can be no figures
        missing = [each for each in asked if isinstance(each, ConclaveError)]
        uncounted = tuple(str(each) for each in missing if isinstance(each, Uncounted))
        silent = [*bus, *(str(each) for each in missing if not isinstance(each, Uncounted))]
        found = state if isinstance(state, State) else None
        troubles = (*silent, *(found.troubles if found else ()))
        return Status(
            status=_verdict(found, troubles),
            version=version("conclave"),
            uptime_seconds=int(time.time() - found.since) if found else 0,
            troubles=(*troubles, *uncounted),
            stats=stats if isinstance(stats, Stats) else None,
            pools=tuple(pools.values()),
            bus=BusStatus(url=shown(self.config.bus.url), bridge=bridge),
        )

    async def _bus_trouble(self) -> list[str]:
        """That the bus is away, or its journal, as seen from here."""
        try:
            await self._opened().reached()
        except Unavailable as away:
            return [f"bus: {away}"]
        try:
            await self._opened().require()
        except ConclaveError as trouble:
            return [f"journal: {trouble}"]
        return []

    async def _stats(self) -> Stats:
        healths = asyncio.gather(*map(self._health_of, self._councils.roles))
        counted, found = await asyncio.gather(self.figures(), healths)
        if counted.behind:
            raise Uncounted(counted.behind)
        return Stats(
            total_deliberations=counted.total,
            total_orchestrations=counted.orchestrations,
            avg_deliberation_time_ms=counted.mean_ms,
            active_councils=sum(health is not None for health in found),
            role_counts=dict(counted.ended),
        )

    async def _pools(self) -> dict[str, PoolStatus]:
        configs, engines = self.config.pools, self._names.agents
        each = (self._pool(name, configs[name].model, names) for name, names in engines.items())
        return {pool.name: pool for pool in await asyncio.gather(*each)}

    async def _pool(self, name: str, model: str, engines: Sequence[str]) -> PoolStatus:
        agents = await asyncio.gather(*map(self._health, engines))
        return PoolStatus(name=name, model=model, agents=tuple(agents))

    async def _health(self, actor: str) -> Any:
        """What an actor says of itself; None where it is away, silent or unable to."""
        handle = self._find(actor)
        if handle is None:
            return None
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await call(handle.health.remote())
        except (TimeoutError, ActorAway, ConclaveError):
            return None

    async def _council(self, role: str, fleet: Fleet, pools: dict[str, PoolStatus]) -> CouncilInfo:
        council = fleet.config.council(role)
        assert council is not None
        health = await self._health_of(role)
        named = dict.fromkeys(a.pool for a in council.agents if a.pool != OUTSIDE)
        seats = [pools[name] for name in named]
        able = {p.name for p in seats if any(a and a.state == "ready" for a in p.agents)}
        full = any(a.load.waiting for pool in seats for a in pool.agents if a is not None)
        return CouncilInfo(
            council_id=council.id,
            role=role,
            num_agents=len(council.agents),
            agents=tuple(agent.id for agent in council.agents),
            status=_doing(health, able=len(able) == len(seats), full=full),
            seats=seats_of(fleet, council, health, able),
            models=tuple(pool.model for pool in seats),
            running=health.running if health else (),
            pid=health.pid if health else None,
            since=health.since if health else None,
        )

    async def _health_of(self, role: str) -> CouncilHealth | None:
        """What a council says of itself; None where it is away, or was deleted meanwhile."""
        try:
            return await self._councils.health(role)
        except InvalidRequest:
            return None

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

    def _opened(self) -> Journal:
        if self._journal is None:
            self._journal = Journal(Line(self.config.bus, "conclave-edge", self._closed))
        return self._journal

    def _closed(self) -> None:
        """NATS closed the connection for good: the next reader opens another one."""
        self._journal = None


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


def _doing(
    health: CouncilHealth | None, *, able: bool, full: bool
) -> Literal["idle", "active", "busy", "degraded", "away"]:
    if health is None:
        return "away"
    if not able:
        return "degraded"
    return "idle" if not health.running else "busy" if full else "active"


def _verdict(state: State | None, troubles: Sequence[str]) -> Standing:
    """Without the bus all can be decided; without any engine or council, nothing."""
    if state is None or not all(_any_ready(state, kind) for kind in ("agent", "council")):
        return "unhealthy"
    return "degraded" if troubles else "healthy"


def _any_ready(state: State, kind: Kind) -> bool:
    states = [post.state for post in state.posts if post.kind == kind]
    return not states or "ready" in states


async def _or_trouble(asked: Awaitable[State | Stats]) -> State | Stats | ConclaveError:
    try:
        return await asked
    except ConclaveError as trouble:
        return trouble


def _role(known: Conclusion) -> str:
    task = known.state.task
    assert task is not None
    return task.role
