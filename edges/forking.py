"""What a client may change in a fork, checked once for every door; knows nothing of transports."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from edges.asked import identity
from engine.caps import check_caps
from engine.config import Config
from engine.data import Data
from engine.errors import InvalidRequest
from engine.events import Record
from engine.forks import fork
from engine.options import Rule
from engine.policies import settle
from engine.seats import agents
from engine.types import OUTSIDE, Council, Task


class ForkRequest(Data):
    """What is to be otherwise than in the origin, of which all else is taken over.

    Agents are left out (`without`), the `policy` or the `tally` is another one, or all agents speak
    through the pool `model`, but for those from outside. An empty `task_id` gets one.
    """

    without: tuple[str, ...] = ()
    policy: str = Field(default="", max_length=64)
    tally: Rule | None = None
    model: str = Field(default="", max_length=200)
    task_id: str = Field(default="", max_length=200)

    def task(self, records: Sequence[Record], config: Config, key: str = "") -> Task:
        """The fork of these records as a task; InvalidRequest where it cannot be done here."""
        made = fork(
            records,
            identity(self.task_id, key),
            without=self.without,
            policy=self.policy or None,
            tally=self.tally,
            model=self.model or None,
        )
        seated = agents(made.task, made.council)
        inside = (agent.pool for agent in seated if agent.pool != OUTSIDE)
        for pool in (*inside, *filter(None, [made.task.model])):
            if pool not in config.pools:
                known = ", ".join(config.pools)
                raise InvalidRequest("model", f"no pool {pool!r}; known pools: {known}")
        council: Council = made.council.model_copy(update={"agents": seated})
        check_caps(settle(made.task, made.council), council, config)
        return made.task
