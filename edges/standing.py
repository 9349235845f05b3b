"""The councils in force and how the whole engine stands, for every door; knows no transport."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from typing import Any, Literal, TypeVar

from nats.js import JetStreamContext

from actors.bus import shown
from actors.calls import ActorAway, call
from actors.charters import Charters
from actors.council import CouncilHealth
from actors.councils import Councils, Find, find_actor
from actors.crew import Kind
from actors.figures import Figures
from actors.journal import Journal
from actors.line import Line
from actors.roster import Roster, living
from actors.supervisor import Post, State
from edges.chamber import Chamber, seats_of
from edges.views import BusStatus, CouncilInfo, PoolStatus, Standing, Stats, Status
from engine.charters import Fleet, in_force
from engine.config import Config
from engine.data import Data
from engine.errors import ConclaveError, InvalidRequest, Unavailable
from engine.types import OUTSIDE

log = logging.getLogger(__name__)

T = TypeVar("T")

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


class Lookout:
    """Who sees how everything stands, and the way to it; what cannot be asked is a trouble."""

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

    async def begin(self) -> None:
        """See from now on which councils there are.

        Returns when that is known, so that nobody is told of those before; without the bus soon.
        """
        await self._look_at_councils()
        self._following = asyncio.create_task(self._follow_councils(), name="councils in force")

    async def councils(self) -> list[CouncilInfo]:
        """Every council and how it stands."""
        fleet = self._fleet  # they may be other ones when an answer is there
        roles = [council.role for council in fleet.config.councils]
        pools = await self._pools()
        return await asyncio.gather(*(self._council(role, fleet, pools) for role in roles))

    async def _follow_councils(self) -> None:
        """Another replica may have changed them."""
        while True:
            await asyncio.sleep(SEEN_EVERY_S)
            await self._look_at_councils()

    async def _look_at_councils(self) -> None:
        try:
            await self.chamber.look()
        except ConclaveError as trouble:
            log.debug("councils are taken to be as last known: %s", trouble)

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

    async def figures(self, since: float = 0.0) -> Figures:
        """What the deliberations that ended since then come to. Unavailable."""
        return await self._opened().catalogue.figures(since)

    @property
    def journal(self) -> Journal:
        """The way to what the bus holds."""
        return self._opened()

    def _opened(self) -> Journal:
        if self._journal is None:
            self._journal = Journal(Line(self.config.bus, "conclave-edge", self._closed))
        return self._journal

    def _closed(self) -> None:
        """NATS closed the connection for good: the next reader opens another one."""
        self._journal = None


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
