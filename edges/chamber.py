"""Councils and their agents created, changed and removed, for every door; knows no transport."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection

from actors.charters import Charters
from actors.council import CouncilHealth
from actors.councils import Councils
from actors.retiring import DISSOLVE_WITHIN_S
from actors.roster import living
from actors.supervisor import Post, State
from edges.views import Changed, Created, Deleted, SeatInfo
from engine.charters import Capabilities, Charter, Fleet, Joined
from engine.config import NamedAgent, OutsideAgent
from engine.errors import ConclaveError, Unavailable
from engine.founding import NewCouncil, canonical, founded
from engine.joining import BUS, NewAgent, dissolved, in_force_of, joined, joining, left
from engine.types import OUTSIDE, Council

READY_WITHIN_S = 300.0
"""So long a new council may take to start its engines; then it is taken back."""
LOOK_EVERY_S = 0.2


class Chamber:
    """What is asked of councils, brought about: written on the bus, and waited for.

    `state` is how the supervisor's actors stand; `seat` hears what is in force.
    """

    def __init__(
        self,
        charters: Charters,
        councils: Councils,
        state: Callable[[], Awaitable[State]],
        seat: Callable[[Fleet], None],
    ) -> None:
        self._charters, self._councils = charters, councils
        self._state, self._seat = state, seat
        self._undoing: set[asyncio.Task[None]] = set()

    async def look(self) -> Fleet:
        """What is in force now; Unavailable where the bus does not say."""
        fleet = await self._charters.look()
        self._seat(fleet)
        return fleet

    async def create(self, asked: NewCouncil) -> Created:
        """Create a council; returns when it can deliberate.

        InvalidRequest, Conflict; Unavailable, with the reason, where it cannot be made ready: then
        there is none, nor where the caller has left before.
        """
        role = canonical(asked.role)
        fleet = await self._change(role, lambda fleet: founded(fleet, asked))
        try:
            await self._until_ready(fleet, role)
        except BaseException as trouble:
            await self._undo(role, fleet.charter(role).by, trouble)
            raise
        council = fleet.config.council(role)
        assert council is not None
        ids = tuple(agent.id for agent in council.agents)
        what = f"{council.id} is ready, with {len(ids)} agents"
        return Created(council_id=council.id, role=role, agents=ids, message=what)

    async def delete(self, role: str) -> Deleted:
        """Have a council take no new work; what runs ends within DISSOLVE_WITHIN_S. NotFound."""
        council = in_force_of(await self.look(), role)
        health = await self._councils.health(council.role)
        seated = council.seated()
        await self._change(council.role, lambda fleet: dissolved(fleet, role))
        running = health.running if health is not None else ()
        what = f"{seated.id} takes no new work"
        if running:
            what += f"; {len(running)} under way end within {DISSOLVE_WITHIN_S:g} s"
        return Deleted(
            council_id=seated.id,
            role=council.role,
            agents_removed=len(seated.agents),
            running=running,
            message=f"{what}; what it decided stays readable, CreateCouncil brings it back",
        )

    async def register(self, role: str, asked: NewAgent) -> Changed:
        """Seat an agent from the next deliberation on. Nothing is changed where that fails.

        NotFound, Conflict, InvalidRequest; Unavailable where nobody answers for it.
        """
        fleet = await self.look()
        council = in_force_of(fleet, role)
        who = await self._answering(fleet, council.role, joining(fleet, role, asked))
        await self._change(council.role, lambda fleet: joined(fleet, role, who))
        seated = council.seated()
        return Changed(
            council_id=seated.id,
            role=council.role,
            agent_id=asked.agent_id,
            message=f"{asked.agent_id} sits on {seated.id} from the next deliberation on",
        )

    async def unregister(self, role: str, agent_id: str) -> Changed:
        """Leave a seat empty from the next deliberation on. NotFound, Unmet for the last one."""
        council = in_force_of(await self.look(), role)
        await self._change(council.role, lambda fleet: left(fleet, role, agent_id))
        seated = council.seated()
        return Changed(
            council_id=seated.id,
            role=council.role,
            agent_id=agent_id,
            message=f"{agent_id} has left {seated.id}; what is under way goes on with it",
        )

    async def _change(self, role: str, alter: Callable[[Fleet], Charter]) -> Fleet:
        fleet = await self._charters.change(role, alter)
        self._seat(fleet)
        return fleet

    async def _answering(self, fleet: Fleet, role: str, who: Joined) -> Joined:
        """The agent, once it is known that somebody answers for it, as far as one can know."""
        if isinstance(who.agent, NamedAgent):
            posts = {post.name: post for post in (await self._state()).posts}
            if trouble := _no_engine(fleet, who.agent.pool, posts):
                raise Unavailable(trouble)
            return who
        agent = await self._councils.found(role, who.agent)
        return who.model_copy(update={"agent": agent})

    async def _until_ready(self, fleet: Fleet, role: str) -> None:
        """Return when the council and an engine of each of its pools are; Unavailable."""
        until, trouble = time.monotonic() + READY_WITHIN_S, "the supervisor does not answer"
        while time.monotonic() < until:
            try:
                posts = {post.name: post for post in (await self._state()).posts}
            except Unavailable as away:
                trouble = str(away)
            else:
                trouble = _unready(fleet, role, posts)
                if not trouble:
                    return
            await asyncio.sleep(LOOK_EVERY_S)
        raise Unavailable(f"council {role} was not ready in {READY_WITHIN_S:g} s: {trouble}")

    async def _undo(self, role: str, by: str, trouble: BaseException) -> None:
        """Take back what was founded by that change, also while the caller leaves."""
        undoing = asyncio.create_task(self._taken_back(role, by))
        self._undoing.add(undoing)
        undoing.add_done_callback(self._undoing.discard)
        try:
            await asyncio.shield(undoing)
        except ConclaveError as failure:
            what = f"{trouble}; nor could it be taken back ({failure}): DeleteCouncil removes it"
            raise Unavailable(what) from failure

    async def _taken_back(self, role: str, by: str) -> None:
        def back(fleet: Fleet) -> Charter:
            charter = fleet.charter(role)
            return dissolved(fleet, role) if charter.by == by else charter

        await self._change(role, back)


def seats_of(
    fleet: Fleet, council: Council, health: CouncilHealth | None, able: Collection[str]
) -> tuple[SeatInfo, ...]:
    """Each agent of a council in force; `able` are the pools that have a ready engine."""
    joined_ = {each.agent.id: each for each in fleet.charter(council.role).joined}
    outside = {each.id: each for each in fleet.config.outside(council.role)}
    seats = []
    for agent in council.agents:
        there = health is not None and (agent.pool in able or agent.pool == OUTSIDE)
        busy = health is not None and agent.id in health.speaking
        who = joined_.get(agent.id)
        seats.append(
            SeatInfo(
                agent_id=agent.id,
                status="busy" if busy else "ready" if there else "offline",
                pool=agent.pool,
                endpoint=_endpoint(outside.get(agent.id)),
                capabilities=who.capabilities if who else _own(fleet, agent.pool),
                labels=who.labels if who else {},
            )
        )
    return tuple(seats)


def _own(fleet: Fleet, pool: str) -> Capabilities:
    """What is known of an agent that was not registered: whom it speaks through."""
    found = fleet.config.pools.get(pool)
    most = found.max_running * found.replicas if found is not None else 0
    return Capabilities(model_profile=pool, max_concurrent_tasks=min(most, 1024))


def _endpoint(agent: OutsideAgent | None) -> str:
    return "" if agent is None else agent.endpoint or BUS


def _unready(fleet: Fleet, role: str, posts: dict[str, Post]) -> str:
    """What a council waits for, empty if nothing; Unavailable where it waits in vain."""
    council = next(each for each in fleet.config.councils if each.role == role)
    names = living(fleet)
    for pool in council.seated_on:
        engines = [posts.get(name) for name in names.agents[pool]]
        failed = [post for post in engines if post is not None and post.state == "failed"]
        if len(failed) == len(engines):
            raise Unavailable(f"council {role} cannot be made: pool {pool}: {failed[0].reason}")
        if trouble := _no_engine(fleet, pool, posts):
            return trouble
    post = posts.get(names.councils[role])
    if post is None or post.state != "ready":
        return f"its actor is not ready {post.reason if post else ''}".rstrip()
    return ""


def _no_engine(fleet: Fleet, pool: str, posts: dict[str, Post]) -> str:
    """Why no engine of a pool answers, empty where one does."""
    engines = [posts.get(name) for name in living(fleet).agents[pool]]
    if any(post is not None and post.state == "ready" for post in engines):
        return ""
    why = next((post.reason for post in engines if post is not None and post.reason), "")
    return f"pool {pool} has no engine that is ready{': ' if why else ''}{why}"
