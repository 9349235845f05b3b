"""Which seats the councils in force ask for, as the bus tells it; fills none of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from nats.js import JetStreamContext

from actors.charters import Charters
from actors.crew import crew
from actors.line import Line
from actors.roster import living
from actors.supervisor import Wanted
from engine.charters import Fleet
from engine.config import Config

T = TypeVar("T")


class Appointing:
    """The seats of a configuration and of what was changed since, over a line of its own."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._line: Line | None = None
        self._charters = Charters(self._ask, config)
        self._wanted: tuple[Fleet, Wanted] | None = None

    async def look(self) -> Wanted:
        """What is wanted now; Unavailable where the bus does not say."""
        fleet = await self._charters.look()
        if self._wanted is None or self._wanted[0] is not fleet:
            known = tuple(fleet.charters.values())
            seats = crew(self._config, living(fleet), known)
            self._wanted = fleet, Wanted(seats, fleet.troubles)
        return self._wanted[1]

    async def _ask(self, call: Callable[[JetStreamContext], Awaitable[T]]) -> T:
        if self._line is None:
            self._line = Line(self._config.bus, "conclave-councils", self._closed)
        return await self._line.ask(call)

    def _closed(self) -> None:
        """NATS closed the connection for good: the next look opens another one."""
        self._line = None
