"""What was changed about councils since the configuration, and what holds; pure, keeps nothing.

The configuration says which councils there are at first. A charter says of one role what became
of that: created, deleted, agents that joined and left. Both together are the councils in force.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import Field, ValidationError

from engine.config import Config, CouncilConfig, NamedAgent, OutsideAgent, PoolConfig
from engine.data import Data

MOST_TEXTS = 32
"""Of a capability, or of labels: they are kept with the council and told to everybody."""
Words = tuple[str, ...]


class Capabilities(Data):
    """What an agent was registered with. Nothing follows from tasks and languages: they are told.

    `model_profile` is the pool or the model that it speaks through, `max_concurrent_tasks` how many
    turns are asked of it at once.
    """

    supported_tasks: Words = Field(default=(), max_length=MOST_TEXTS)
    model_profile: str = Field(default="", max_length=200)
    max_concurrent_tasks: int = Field(default=0, ge=0, le=1024)
    languages: Words = Field(default=(), max_length=MOST_TEXTS)


class Joined(Data):
    """An agent that was registered; `labels` are what its metadata said that we do not know."""

    agent: NamedAgent | OutsideAgent
    capabilities: Capabilities = Capabilities()
    labels: dict[str, str] = Field(default_factory=dict)


class Founding(Data):
    """A council that was created, and the pool of its own, called as the council is, if it has."""

    council: CouncilConfig
    pool: PoolConfig | None = None


class Charter(Data):
    """What was changed about one role's council; as new, nothing was.

    `founded` stands in the configuration's place, `deleted` says that there is none. `number`
    counts what was founded, so that a council is never taken for the one before it. `by` names the
    change that wrote it.
    """

    role: str
    founded: Founding | None = None
    deleted: bool = False
    joined: tuple[Joined, ...] = ()
    left: tuple[str, ...] = ()
    number: int = 0
    by: str = ""


@dataclass(frozen=True)
class Fleet:
    """The councils in force: `config` as they are seated, `founded` as before anybody joined.

    `troubles` are charters that do not fit the configuration, a line each: without such a charter,
    its role is as configured.
    """

    base: Config
    charters: Mapping[str, Charter]
    config: Config
    founded: Config
    troubles: Words = field(default=())

    def charter(self, role: str) -> Charter:
        """What was changed about a role."""
        return self.charters.get(role, Charter(role=role))

    def number(self, role: str) -> int | None:
        """Which of the councils that a role has had is in force; None where none is."""
        there = any(council.role == role for council in self.config.councils)
        return self.charter(role).number if there else None

    def own_pool(self, role: str) -> str:
        """The name of the pool that a council has for itself; empty where it has none."""
        founded = self.charter(role).founded
        return pool_name(role) if founded is not None and founded.pool is not None else ""


def pool_name(role: str) -> str:
    """How a council's own pool is called: as its council."""
    return f"council-{role.lower()}"


def in_force(base: Config, charters: Iterable[Charter] = ()) -> Fleet:
    """The councils of a configuration after what was changed since; never fails.

    A pool of the configuration is not run while all councils that it was made for are deleted, and
    a phase does not convene a role that has no council.
    """
    known = {charter.role: charter for charter in charters}
    troubles: list[str] = []
    found = [
        each for role in _roles(base, known) if (each := _council(base, role, known, troubles))
    ]
    councils = tuple(seated for _, seated, _ in found)
    own = {pool_name(c.role): pool for c, _, pool in found if pool is not None}
    phases = {p: tuple(r for r in roles if _has(councils, r)) for p, roles in base.phases.items()}
    shared = {"pools": _running(base, councils) | own, "phases": phases}
    return Fleet(
        base=base,
        charters=known,
        config=base.model_copy(update={**shared, "councils": councils}),
        founded=base.model_copy(update={**shared, "councils": tuple(c for c, _, _ in found)}),
        troubles=tuple(troubles),
    )


def fits(base: Config, council: CouncilConfig, pool: PoolConfig | None = None) -> str:
    """Why a council cannot be under this configuration, in a line; empty where it can."""
    name = pool_name(council.role)
    if pool is not None and name in base.pools:
        return f"a pool of the configuration is called {name!r}, as its own would be"
    pools = base.pools | ({name: pool} if pool is not None else {})
    try:
        checked = CouncilConfig.model_validate(dict(council))
        Config.model_validate({**dict(base), "pools": pools, "councils": (checked,), "phases": {}})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]["msg"]
        return " ".join(first.removeprefix("Value error, ").split())
    return ""


def with_changes(council: CouncilConfig, charter: Charter) -> CouncilConfig:
    """A council after agents have joined and left; not checked."""
    gone, came = set(charter.left), [joined.agent for joined in charter.joined]
    named = [agent for agent in council.named if agent.id not in gone]
    outside = [agent for agent in council.outside if agent.id not in gone]
    return council.model_copy(
        update={
            "named": (*named, *(a for a in came if isinstance(a, NamedAgent))),
            "outside": (*outside, *(a for a in came if isinstance(a, OutsideAgent))),
            "absent": (*council.absent, *charter.left),
        }
    )


Placed = tuple[CouncilConfig, CouncilConfig, PoolConfig | None]
"""A council as it was founded, as it is seated, and its own pool."""


def _council(
    base: Config, role: str, charters: Mapping[str, Charter], troubles: list[str]
) -> Placed | None:
    """The council in force of a role, None where there is none."""
    charter = charters.get(role, Charter(role=role))
    configured = next((council for council in base.councils if council.role == role), None)
    for council, changes in _choices(configured, charter):
        pool = changes.founded.pool if changes.founded is not None else None
        seated = with_changes(council, changes)
        why = fits(base, seated, pool) if changes != Charter(role=role) else ""
        if not why:
            return council, seated, pool
        troubles.append(f"council {role} is not as it was changed to be: {why}")
    return None


def _choices(
    configured: CouncilConfig | None, charter: Charter
) -> Iterator[tuple[CouncilConfig, Charter]]:
    """What may be in force, the best first."""
    if charter.deleted:
        return
    if charter.founded is not None:
        yield charter.founded.council, charter
    elif configured is not None:
        yield configured, charter
    if configured is not None:
        yield configured, Charter(role=charter.role)


def _roles(base: Config, charters: Mapping[str, Charter]) -> list[str]:
    """Those of the configuration in its order, then the others by name."""
    first = [council.role for council in base.councils]
    return [*first, *sorted(charters.keys() - set(first))]


def _running(base: Config, councils: tuple[CouncilConfig, ...]) -> dict[str, PoolConfig]:
    """The configuration's pools without those whose councils are all gone."""
    used = {name for council in councils for name in _named(council)}
    gone = {name for council in base.councils for name in _named(council)} - used
    return {name: pool for name, pool in base.pools.items() if name not in gone}


def _named(council: CouncilConfig) -> tuple[str, ...]:
    return (*council.pools, *council.seated_on)


def _has(councils: tuple[CouncilConfig, ...], role: str) -> bool:
    return any(council.role == role for council in councils)
