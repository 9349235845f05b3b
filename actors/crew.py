"""How each actor of a roster is built in Ray, and how they find one another; runs none of them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import ray

from actors.agent import AgentActor
from actors.bridge import Bridge, Health
from actors.collector import calm
from actors.council import CouncilActor
from actors.councils import Councils, find_actor
from actors.groups import unplaced, within_group
from actors.placement import actor_options
from actors.pool import AgentPool
from actors.roster import NAMESPACE, Roster, living, roster
from actors.run import Terms
from engine.charters import Charter, Fleet, in_force
from engine.config import Config, PoolConfig
from engine.errors import Unavailable
from engine.events import Record
from engine.types import Council, Task

Kind = Literal["agent", "council", "bridge"]

ON_THE_BUS = Terms(detached=True, clips=True)
"""An event stays until its end, so its work goes on when a bridge leaves; nobody can be asked."""

COUNCIL_AWAY_S = 10.0
"""An event whose council stays away is given back, for it holds a slot that others wait for."""

CALLS_AT_ONCE = 10_000
"""Ray's own cap on calls in an actor; ours are admission and slots."""


def _placed(_waited_s: float) -> str:
    """Of an actor that takes nothing of a node."""
    return ""


class Seat(NamedTuple):
    """One actor that there should be; `fill` creates it and returns its handle.

    `unplaced` says why Ray has no place for it that many seconds later, empty where it may have.
    """

    name: str
    kind: Kind
    fill: Callable[[], Any]
    unplaced: Callable[[float], str] = _placed


def crew(config: Config, roster: Roster, known: tuple[Charter, ...] = ()) -> list[Seat]:
    """Every actor of the roster, in the order in which they are best started.

    `known` is what was changed since the configuration; the roster is of what is in force then.
    """
    pools = in_force(config, known).config.pools
    agents = [
        Seat(
            name,
            "agent",
            partial(_agent, name, pool, replica, pools[pool]),
            partial(unplaced, name, pools[pool]),
        )
        for pool, names in roster.agents.items()
        for replica, name in enumerate(names)
    ]
    councils = [
        Seat(name, "council", partial(_council, name, role, config, known))
        for role, name in roster.councils.items()
    ]
    return [*agents, *councils, Seat(roster.bridge, "bridge", partial(_bridge, config, roster))]


class CouncilProcess(CouncilActor):
    """A council actor that has a process of its own."""

    def __init__(self, config: Config, role: str, known: tuple[Charter, ...] = ()) -> None:
        super().__init__(config, role, pools_of, known=known)
        calm()


class BridgeActor:
    """The bridge with the councils of a roster behind it; starts when first asked how it does."""

    def __init__(
        self, config: Config, roster: Roster, die: Callable[[int], None] = os._exit
    ) -> None:
        self._councils = Councils(roster, patience_s=COUNCIL_AWAY_S)
        self._bridge = Bridge(config, self._end_of, lambda: die(1), seated=self._seat)
        self._started = False
        self._starting = asyncio.Lock()

    async def health(self) -> Health:
        """How it does. Unavailable or SetupError while it cannot begin."""
        async with self._starting:
            if not self._started:
                await self._bridge.start()
                self._started = True
        return await self._bridge.health()

    async def drain(self) -> None:
        """Take no more events and let those under way end, or give them back."""
        await self._bridge.stop()

    def _seat(self, fleet: Fleet) -> None:
        self._councils.rename(living(fleet))

    async def _end_of(self, task: Task) -> Record:
        """The durable end: an event must not be acknowledged for less."""
        conclusion = await self._councils.conclude(task, ON_THE_BUS)
        if not conclusion.durable:
            raise Unavailable(f"the end of {task.id} is not in the journal yet")
        return conclusion.records[-1]


def pools_of(config: Config, council: Council) -> dict[str, AgentPool]:
    """A council's way to each pool its agents are seated on; one that is gone is left out."""
    names = roster(config).agents
    wanted = dict.fromkeys(a.pool for a in council.agents if a.pool in config.pools)
    return {
        name: AgentPool(name, config.pools[name], partial(_replica, names[name])) for name in wanted
    }


def _replica(names: tuple[str, ...], replica: int) -> Any:
    return find_actor(names[replica])


def _agent(name: str, pool: str, replica: int, config: PoolConfig) -> Any:
    options = actor_options(config, replica) | within_group(name, config)
    return _create(AgentActor, name, options, pool, replica, config)


def _council(name: str, role: str, config: Config, known: tuple[Charter, ...]) -> Any:
    return _create(CouncilProcess, name, {"num_cpus": 0}, config, role, known)


def _bridge(config: Config, roster: Roster) -> Any:
    return _create(BridgeActor, roster.bridge, {"num_cpus": 0}, config, roster)


def _create(cls: type, name: str, options: dict[str, Any], *arguments: Any) -> Any:
    """A detached actor that Ray never restarts by itself: the supervisor does, with a pause."""
    return (
        ray.remote(cls)
        .options(
            name=name,
            namespace=NAMESPACE,
            lifetime="detached",
            max_restarts=0,
            max_concurrency=CALLS_AT_ONCE,
            **options,
        )
        .remote(*arguments)
    )
