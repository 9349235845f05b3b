"""What an operator may set, as frozen data; knows nothing of files, environment or actors."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from engine.bus_config import BusConfig
from engine.council_config import CouncilConfig, PoolConfig
from engine.data import Data
from engine.errors import InvalidRequest
from engine.fleet import FLEET, fleet_councils
from engine.named import REMEMBERED_S, NamedAgent, OutsideAgent
from engine.options import Options
from engine.policies import check_seats, settle
from engine.transitions import CONVENES, StoryPhase
from engine.types import OUTSIDE, Council

__all__ = [
    "FLEET",
    "REMEMBERED_S",
    "BusConfig",
    "CouncilConfig",
    "NamedAgent",
    "OutsideAgent",
    "PoolConfig",
    "fleet_councils",
]


class HttpConfig(Data):
    """Where Serve listens; a silent stream of events says every `keep_alive_s` that it lives."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    keep_alive_s: float = Field(default=15.0, gt=0)


class GrpcConfig(Data):
    """Where Serve listens for gRPC: on all addresses of its nodes, it takes no host."""

    port: int = Field(default=9000, ge=0, le=65535)


class Limits(Data):
    """Caps of this server; a request may only stay below them.

    `tokens` are those that a deliberation may generate in all, `timeout_s` the seconds of work
    after which any is decided. The share
    `decision_reserve` of its time is kept for the decision: then drafts and reviews end.
    A plan is split into `tasks_per_role` tasks of each role at most.
    """

    rounds: int = Field(default=4, ge=0)
    agents: int = Field(default=9, ge=1, le=64)
    tokens: int = Field(default=100_000, ge=1)
    timeout_s: float = Field(default=900.0, gt=0)
    tasks_per_role: int = Field(default=8, ge=1)
    decision_reserve: float = Field(default=0.2, gt=0, lt=1)


class Config(Data):
    """The whole engine: pools, councils, bus, HTTP, gRPC and limits.

    Without `councils`, the five of a software-delivery fleet are seated on the pools in turn.
    `profiles` are pools that are not started: a council that is created later can ask for one of
    its own by their name.
    `phases` are the roles that are convened when a story enters a phase; without it, those of a
    software-delivery fleet that have a council.
    """

    pools: dict[str, PoolConfig] = Field(min_length=1)
    councils: tuple[CouncilConfig, ...] = Field(
        default_factory=lambda known: fleet_councils(tuple(known["pools"]))
    )
    bus: BusConfig = BusConfig()
    http: HttpConfig = HttpConfig()
    grpc: GrpcConfig = GrpcConfig()
    limits: Limits = Limits()
    profiles: dict[str, PoolConfig] = Field(default_factory=dict)
    phases: dict[StoryPhase, tuple[str, ...]] = Field(
        default_factory=lambda known: _convened(known.get("councils", ()))
    )

    @model_validator(mode="after")
    def _councils_fit_their_pools(self) -> Self:
        if OUTSIDE in self.pools:
            raise ValueError(f"no pool can be called {OUTSIDE!r}; name it otherwise")
        if twice := sorted(self.pools.keys() & self.profiles.keys()):
            raise ValueError(f"profiles: {twice[0]!r} is a pool already; name it otherwise")
        roles = [council.role for council in self.councils]
        if len(set(roles)) != len(roles):
            raise ValueError(f"councils: a role is named twice in {roles}")
        for council in self.councils:
            texts = self._check_limits(council)
            for name in dict.fromkeys((*council.pools, *council.seated_on)):
                self._check_seat(council, name, texts)
        return self

    @model_validator(mode="after")
    def _phases_convene_councils(self) -> Self:
        known = [council.role for council in self.councils]
        for phase, roles in self.phases.items():
            for role in roles:
                if role not in known:
                    named = ", ".join(known)
                    raise ValueError(f"phase {phase} convenes {role!r}; known roles: {named}")
        return self

    def _check_seat(self, council: CouncilConfig, pool: str, texts: int) -> None:
        if pool not in self.pools:
            known = ", ".join(sorted(self.pools))
            raise ValueError(f"council {council.role} names pool {pool!r}; known pools: {known}")
        needed = council.budgets.largest_prompt(texts)
        if self.pools[pool].window < needed:
            raise ValueError(
                f"council {council.role} needs a window of {needed} tokens by its budgets; "
                f"pool {pool} has {self.pools[pool].window}"
            )

    def _check_limits(self, council: CouncilConfig) -> int:
        """How many texts are exchanged at most, unless a request asks for more samples."""
        seats = len(council.seated().agents)
        try:
            rules = settle(council, Options())
            check_seats(rules, rules.agents or seats)
        except InvalidRequest as error:
            raise ValueError(f"council {council.role}: {error}") from error
        texts = max(seats, rules.copies)
        if texts > self.limits.agents or rules.rounds > self.limits.rounds:
            raise ValueError(
                f"council {council.role} has {texts} agents or samples and {rules.rounds} "
                f"rounds; the limits are {self.limits.agents} and {self.limits.rounds}"
            )
        return texts

    def outside(self, role: str) -> tuple[OutsideAgent, ...]:
        """The agents of a role that are asked over the bus."""
        return next((c.outside for c in self.councils if c.role == role), ())

    def council(self, role: str) -> Council | None:
        """The seated council of a role, within the limits; None if there is none."""
        seated = next((c.seated() for c in self.councils if c.role == role), None)
        if seated is None:
            return None
        tokens = min(seated.token_budget or self.limits.tokens, self.limits.tokens)
        return seated.model_copy(update={"token_budget": tokens})


def _convened(councils: tuple[CouncilConfig, ...]) -> dict[StoryPhase, tuple[str, ...]]:
    """What phases convene by default: those roles of it that have a council."""
    known = {council.role for council in councils}
    return {p: tuple(role for role in roles if role in known) for p, roles in CONVENES.items()}
