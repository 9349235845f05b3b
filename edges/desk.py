"""What every door does with a request: councils are asked, the journal is read; no transport."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from importlib.metadata import version
from typing import Any, Literal

from actors.answer import AgentHealth
from actors.bridge import Health
from actors.calls import ActorAway, call
from actors.councils import Conclusion, Councils, Find, find_actor
from actors.journal import Journal
from actors.ledger import Totals
from actors.roster import Roster
from actors.run import Terms
from actors.supervisor import State
from edges.asked import DeliberationRequest, seconds
from engine.config import Config
from engine.errors import ConclaveError, DeadlineExceeded, InvalidRequest, NotFound, Unavailable
from engine.events import END, Record
from engine.fanout import merge
from engine.transcript import fold
from engine.types import Data, Task

DURABLE_WITHIN_S = 5.0
ANSWER_WITHIN_S = 3.0
"""How long a question about how things stand may take, where asking again costs nothing."""
WAY_BACK_S = 2.0
"""What a decision in time may take on its way to the caller."""


class CouncilInfo(Data):
    """One council as a client sees it. `pid` and `since` name the actor's incarnation."""

    council_id: str
    role: str
    num_agents: int
    agents: tuple[str, ...]
    status: Literal["idle", "busy", "away"]
    models: tuple[str, ...]
    running: tuple[str, ...]
    pid: int | None
    since: float | None


class Stats(Data):
    """What the journal counts: every deliberation that has ended in the last 45 days.

    `active_councils` are those that answer now. Orchestrations are not offered yet.
    """

    total_deliberations: int
    total_orchestrations: int
    avg_deliberation_time_ms: float
    active_councils: int
    role_counts: dict[str, int]


class BusStatus(Data):
    """The bus as the bridge sees it; None where the bridge does not answer."""

    url: str
    bridge: Health | None


class PoolStatus(Data):
    """The agent actors of one pool; None for each that does not answer."""

    name: str
    model: str
    agents: tuple[AgentHealth | None, ...]


class Status(Data):
    """The whole engine as it stands: `unhealthy` can decide nothing, `degraded` not everything.

    `uptime_seconds` is the supervisor's. `stats` is None where the journal cannot be read.
    """

    status: Literal["healthy", "degraded", "unhealthy"]
    version: str
    uptime_seconds: int
    troubles: tuple[str, ...]
    stats: Stats | None
    pools: tuple[PoolStatus, ...]
    bus: BusStatus


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
        self._connecting = asyncio.Lock()

    def admit(self, request: DeliberationRequest, key: str = "") -> Task:
        """The task of a request, checked; `key` is an idempotency key instead of a task_id."""
        return request.task(self.config, key)

    def allowance(self, task: Task, timeout_ms: str = "") -> float:
        """Seconds until the decision must be there: the least of what task, caller, server say."""
        said = (task.timeout_s, seconds(timeout_ms), self.config.limits.timeout_s)
        return min(each for each in said if each is not None)

    async def conclude(self, task: Task, within_s: float) -> Conclusion:
        """Deliberate to the end while this call lasts. DeadlineExceeded if it does not come."""
        try:
            async with asyncio.timeout(within_s + WAY_BACK_S):
                return await self._councils.conclude(
                    task, Terms(timeout_s=within_s), DURABLE_WITHIN_S
                )
        except TimeoutError:
            raise _late(task, within_s) from None

    async def accept(self, task: Task, within_s: float) -> Conclusion:
        """Begin a deliberation that goes on by itself; returns when nothing can lose it."""
        return await self._councils.accept(task, Terms(detached=True, timeout_s=within_s))

    async def stream(self, task: Task, within_s: float) -> AsyncGenerator[Record, None]:
        """Deliberate while the stream is open, and tell each record at once, up to the end."""
        deadline = time.monotonic() + within_s + WAY_BACK_S
        stream = self._councils.stream(task, Terms(timeout_s=within_s))
        async with aclosing(stream) as records:
            while True:
                try:
                    async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                        record = await anext(records)
                except StopAsyncIteration:
                    return
                except TimeoutError:
                    raise _late(task, within_s) from None
                yield record
                if isinstance(record.event, END):
                    return

    async def follow(self, task: Task, within_s: float) -> AsyncGenerator[Record, None]:
        """As `stream`, but what the journal holds: under a `seq` there is one record for ever."""
        async with aclosing(self.stream(task, within_s)) as live:
            await anext(live)  # what cannot be done is refused before anything is told
            journal = await self._opened()
            async with aclosing(merge((journal.follow(task.id), _unheard(live)))) as records:
                async for record in records:
                    if record is not None:
                        yield record

    async def watch(self, task_id: str, after_seq: int = 0) -> AsyncGenerator[Record, None]:
        """As `behind`, for an id. NotFound."""
        async with aclosing(self.behind(await self.journalled(task_id), after_seq)) as records:
            async for record in records:
                yield record

    async def behind(self, known: Conclusion, after_seq: int) -> AsyncGenerator[Record, None]:
        """The journal's records behind `after_seq`, those to come as they come, up to the end.

        While the stream is open its reader counts as a caller; it starts nothing.
        """
        state = fold(known.records)
        assert state.task is not None
        journal = await self._opened()
        async with (
            self._attending(state.task, alive=state.end is None),
            aclosing(journal.follow(state.task.id, after_seq)) as records,
        ):
            async for record in records:
                yield record

    async def journalled(self, task_id: str) -> Conclusion:
        """What the journal holds of a deliberation; NotFound."""
        history = await (await self._opened()).read(task_id, ANSWER_WITHIN_S)
        if not history.records:
            raise NotFound(f"no deliberation {task_id!r}; ids are those that a request was given")
        return Conclusion(list(history.records), durable=True)

    async def read(self, task_id: str) -> Conclusion:
        """What is known of a deliberation: its council says, or the journal while that is away."""
        known = await self.journalled(task_id)
        task = fold(known.records).task
        assert task is not None
        try:
            return await self._councils.read(task.role, task_id)
        except (Unavailable, InvalidRequest):
            return known

    async def cancel(self, task_id: str) -> Conclusion:
        """End a deliberation without a decision. NotFound; Ended if it has its end."""
        task = fold((await self.journalled(task_id)).records).task
        assert task is not None
        return await self._councils.cancel(task.role, task_id)

    async def councils(self) -> list[CouncilInfo]:
        """Every council and how it stands."""
        return await asyncio.gather(*map(self._council, self._councils.roles))

    async def standing(self) -> State:
        """How every actor stands; Unavailable where the supervisor does not answer."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await self._state()
        except TimeoutError as error:
            raise Unavailable("the supervisor does not answer; Serve replaces it") from error

    async def status(self) -> Status:
        """The whole as it stands; what cannot be asked is a trouble and no error."""
        state, stats, pools, bridge = await asyncio.gather(
            _or_trouble(self.standing()),
            _or_trouble(self._stats()),
            asyncio.gather(*map(self._pool, self._names.agents)),
            self._health(self._names.bridge),
        )
        silent = [str(each) for each in (state, stats) if isinstance(each, ConclaveError)]
        found = state if isinstance(state, State) else None
        return Status(
            status=_verdict(found, silent),
            version=version("conclave"),
            uptime_seconds=int(time.time() - found.since) if found else 0,
            troubles=(*silent, *(found.troubles if found else ())),
            stats=stats if isinstance(stats, Stats) else None,
            pools=tuple(pools),
            bus=BusStatus(url=self.config.bus.url, bridge=bridge),
        )

    async def _stats(self) -> Stats:
        async def totals() -> Totals:
            return await (await self._opened()).totals()

        counted, councils = await asyncio.gather(totals(), self.councils())
        ended = sum(counted.ended.values())
        return Stats(
            total_deliberations=ended,
            total_orchestrations=0,
            avg_deliberation_time_ms=sum(counted.took_ms.values()) / ended if ended else 0.0,
            active_councils=sum(council.status != "away" for council in councils),
            role_counts=counted.ended,
        )

    async def _pool(self, name: str) -> PoolStatus:
        agents = await asyncio.gather(*map(self._health, self._names.agents[name]))
        return PoolStatus(name=name, model=self.config.pools[name].model, agents=tuple(agents))

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

    async def _council(self, role: str) -> CouncilInfo:
        council = self.config.council(role)
        assert council is not None
        health = await self._councils.health(role)
        pools = dict.fromkeys(agent.pool for agent in council.agents)
        return CouncilInfo(
            council_id=council.id,
            role=role,
            num_agents=len(council.agents),
            agents=tuple(agent.id for agent in council.agents),
            status=health.status if health else "away",
            models=tuple(self.config.pools[name].model for name in pools),
            running=health.running if health else (),
            pid=health.pid if health else None,
            since=health.since if health else None,
        )

    @asynccontextmanager
    async def _attending(self, task: Task, *, alive: bool) -> AsyncGenerator[None]:
        """Count as a caller of a deliberation that has not ended."""
        waiting = (
            asyncio.ensure_future(self._councils.attend(task.role, task.id)) if alive else None
        )
        try:
            yield
        finally:
            if waiting is not None:
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)

    async def _opened(self) -> Journal:
        async with self._connecting:
            if self._journal is None:
                self._journal = await Journal.connect(
                    self.config.bus.url,
                    "conclave-edge",
                    self._closed,
                    connect_within_s=ANSWER_WITHIN_S,
                )
        return self._journal

    def _closed(self) -> None:
        """NATS closed the connection for good: the next reader opens another one."""
        self._journal = None


def _verdict(state: State | None, silent: list[str]) -> Literal["healthy", "degraded", "unhealthy"]:
    if state is None:
        return "unhealthy"
    able = {post.kind for post in state.posts if post.state == "ready"}
    if state.bus or not {"agent", "council"} <= able:
        return "unhealthy"
    return "degraded" if silent or state.troubles else "healthy"


async def _or_trouble(asked: Awaitable[State | Stats]) -> State | Stats | ConclaveError:
    try:
        return await asked
    except ConclaveError as trouble:
        return trouble


async def _unheard(stream: AsyncGenerator[Record, None]) -> AsyncGenerator[None, None]:
    """Keep a stream going without telling what it says, only when it is over."""
    async for _ in stream:
        pass
    yield None


def _late(task: Task, within_s: float) -> DeadlineExceeded:
    return DeadlineExceeded(
        f"no end of {task.id!r} within {within_s:g} s; send it again with the same id to go on"
    )
