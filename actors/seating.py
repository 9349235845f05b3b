"""Who sits on a council now, and so how a new run of it goes; knows nothing of runs under way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

from actors.charters import Charters
from actors.conduct import Conduct, Pools
from actors.journal import Journal
from actors.outsiders import Outsiders
from engine.charters import Charter, Fleet, in_force
from engine.config import Config
from engine.errors import InvalidRequest
from engine.types import Council

PoolsOf = Callable[[Config, Council], Pools]
"""The way to the pools that a council sits on, by the configuration in force."""


class Seating:
    """One role's council as it is in force: `council`, and the `conduct` of what begins now.

    What began before goes on with the conduct it has. `known` are the charters as they were when
    the actor was made: it sits for that council alone, not for a later one of the same role.
    """

    def __init__(
        self, config: Config, role: str, pools: PoolsOf, known: tuple[Charter, ...] = ()
    ) -> None:
        self._config, self._role, self._pools_of = config, role, pools
        fleet = in_force(config, known)
        self._fleet, self._number = fleet, fleet.number(role)
        self._charters: Charters | None = None
        self._dissolved = False
        self._asked: Counter[str] = Counter()
        council = fleet.config.council(role)
        assert council is not None, f"no council {role} in the configuration"
        self.council = council
        self.outsiders = Outsiders(config.bus, council.id, fleet.config.outside(role))
        self.conduct = self._conducted(fleet.config)

    @property
    def number(self) -> int:
        """Which of the councils that the role has had this one is."""
        return self._number or 0

    @property
    def speaking(self) -> tuple[str, ...]:
        """The agents of whom a reply is awaited now, those of before included."""
        return tuple(self._asked)

    async def renew(self, journal: Journal) -> None:
        """Seat as is in force now, as far as the bus says; InvalidRequest where it is no more."""
        if self._charters is None:
            self._charters = Charters(journal.ask, self._config, self._fleet)
        fleet = await self._charters.soon()
        council = fleet.config.council(self._role)
        if self._dissolved or council is None or fleet.number(self._role) != self._number:
            known = ", ".join(each.role for each in fleet.config.councils)
            what = f"no council {self._role!r} any more; known roles: {known}"
            raise InvalidRequest("role", what)
        if fleet is not self._fleet:
            self._take(fleet, council)

    def close(self) -> None:
        """Nothing begins here any more."""
        self._dissolved = True

    def _take(self, fleet: Fleet, council: Council) -> None:
        """A conduct stays as it is where nothing of its council was changed."""
        before, self._fleet = self._fleet.config, fleet
        self.outsiders.seat(fleet.config.outside(self._role))
        if (council, fleet.config.pools) != (self.council, before.pools):
            self.council = council
            self.conduct = self._conducted(fleet.config)

    def _conducted(self, config: Config) -> Conduct:
        pools = partial(self._pools_of, config)
        return Conduct(self.council, config, pools, self.outsiders.ask, self._asked)
