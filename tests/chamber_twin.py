"""A chamber without bus, Ray or engines: changes are kept here, whatever is created is ready."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from actors.roster import living
from actors.supervisor import Post, State
from edges.chamber import Chamber
from engine.charters import Charter, Fleet, in_force
from engine.config import Config, OutsideAgent
from engine.errors import ConclaveError


class ChartersTwin:
    """Charters that are kept here; `trouble`, or what `raises` does, is what each look raises."""

    def __init__(self, config: Config, raises: Callable[[], None]) -> None:
        self._raises = raises
        self.fleet = in_force(config)
        self.trouble: ConclaveError | None = None
        self.changes = 0

    async def look(self) -> Fleet:
        """What is in force."""
        self._raises()
        if self.trouble is not None:
            raise self.trouble
        return self.fleet

    async def change(self, role: str, alter: Callable[[Fleet], Charter]) -> Fleet:
        """Keep what it makes of it."""
        before = await self.look()
        charter = alter(before)
        self.changes += 1
        charter = charter.model_copy(update={"by": str(self.changes)})
        kept = {**before.charters, role: charter}
        self.fleet = in_force(before.base, kept.values())
        return self.fleet


class CouncilsTwin:
    """Council actors that know nothing and reach any endpoint."""

    def __init__(self) -> None:
        self.trouble: ConclaveError | None = None

    async def health(self, role: str) -> Any:
        """It does not answer."""
        return None

    async def found(self, role: str, agent: OutsideAgent) -> OutsideAgent:
        """As it was named."""
        if self.trouble is not None:
            raise self.trouble
        return agent


class ChamberTwin(Chamber):
    """A real chamber over twins. `posts` stands in for those of the supervisor where it is set."""

    def __init__(self, config: Config, raises: Callable[[], None] = lambda: None) -> None:
        self.charters, self.councils = ChartersTwin(config, raises), CouncilsTwin()
        self.posts: Callable[[Fleet], list[Post]] = all_ready
        self.seated: list[Fleet] = []
        super().__init__(self.charters, self.councils, self._stand, self.seated.append)  # type: ignore[arg-type]

    async def _stand(self) -> State:
        posts = tuple(self.posts(self.charters.fleet))
        return State(since=time.time(), bus="", posts=posts)


def all_ready(fleet: Fleet) -> list[Post]:
    """Every actor of what is in force."""
    names = living(fleet)
    engines = [name for several in names.agents.values() for name in several]
    posts = [Post(name=name, kind="agent", state="ready") for name in engines]
    return posts + [Post(name=n, kind="council", state="ready") for n in names.councils.values()]
