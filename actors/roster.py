"""Which actors a configuration asks for and how they are called; knows nothing of their work.

A name carries a fingerprint of the actor's part of the configuration and of the code, so that an
upgrade makes new actors beside the old ones instead of talking to code of yesterday.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import BaseModel

from engine.charters import Fleet
from engine.config import Config, CouncilConfig
from engine.data import Data

NAMESPACE = "conclave"
PREFIX = "conclave:"


class Roster(Data):
    """The names of all actors of one configuration: pool -> agents, role -> council, the bridge."""

    agents: dict[str, tuple[str, ...]]
    councils: dict[str, str]
    bridge: str


def roster(config: Config, numbers: Mapping[str, int] | None = None) -> Roster:
    """The names that follow from the configuration and from the code that runs it.

    `numbers` tell a role's council from the one that had its name before.
    """
    agents = {
        name: tuple(
            f"{PREFIX}agent:{name}:{replica}:{_fingerprint(pool)}"
            for replica in range(pool.replicas)
        )
        for name, pool in config.pools.items()
    }
    councils = {
        council.role: _council(council, config, (numbers or {}).get(council.role, 0))
        for council in config.councils
    }
    bridge = f"{PREFIX}bridge:{_fingerprint(config)}"
    return Roster(agents=agents, councils=councils, bridge=bridge)


def living(fleet: Fleet) -> Roster:
    """The names of the actors of what is in force.

    A council keeps its name while agents join and leave it, the bridge whatever becomes of them.
    """
    numbers = {role: charter.number for role, charter in fleet.charters.items()}
    names = roster(fleet.founded, numbers)
    return names.model_copy(update={"bridge": roster(fleet.base).bridge})


def _council(council: CouncilConfig, config: Config, number: int) -> str:
    pools = (config.pools[name] for name in council.pools)
    again = f"{number}:" if number else ""
    return f"{PREFIX}council:{council.role}:{again}{_fingerprint(council, config.bus, *pools)}"


def _fingerprint(*parts: BaseModel) -> str:
    text = "\0".join((code_version(), *(part.model_dump_json() for part in parts)))
    return hashlib.sha256(text.encode()).hexdigest()[:10]


@cache
def code_version() -> str:
    """A hash of the sources that the actors run."""
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for path in sorted((*root.glob("engine/*.py"), *root.glob("actors/**/*.py"))):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
