"""Agents without an engine of ours, each asked where it is; knows nothing of how that is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from actors.endpoints import Endpoints
from actors.outside import Outside
from engine.config import BusConfig, OutsideAgent
from engine.types import Reply, Task, Turn


class Outsiders:
    """The agents of a council that are asked over the bus or at an endpoint.

    Who has left is asked all the same by deliberations that began with it.
    """

    def __init__(self, bus: BusConfig, name: str, agents: Iterable[OutsideAgent]) -> None:
        self._bus = Outside(bus, name, ())
        self._endpoints = Endpoints()
        self.seat(agents)

    @property
    def ignored(self) -> Counter[str]:
        """How many responses over the bus were ignored, by the reason."""
        return self._bus.ignored

    def seat(self, agents: Iterable[OutsideAgent]) -> None:
        """Know these agents from now on."""
        for agent in agents:
            if agent.endpoint:
                self._bus.forget(agent.id)
                self._endpoints.know(agent)
            else:
                self._endpoints.forget(agent.id)
                self._bus.know(agent)

    async def ask(self, turn: Turn, task: Task) -> Reply:
        """The agent's answer; NoAnswer or GaveUp where there is none."""
        if self._endpoints.knows(turn.agent):
            return await self._endpoints.ask(turn)
        return await self._bus.ask(turn, task)

    async def found(self, agent: OutsideAgent) -> OutsideAgent:
        """The agent as it can be asked, its model named; Unavailable, InvalidRequest."""
        return await self._endpoints.found(agent) if agent.endpoint else agent

    async def close(self) -> None:
        """Listen no more and leave."""
        await self._endpoints.close()
        await self._bus.close()
