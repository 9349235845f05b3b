"""One pool and one council as an operator may set them, as frozen data; knows of no other ones."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from engine.data import Data
from engine.named import NamedAgent, OutsideAgent
from engine.options import Options
from engine.shares import check_gpus
from engine.types import OUTSIDE, Agent, Budgets, Council, Sampling


class PoolConfig(Data):
    """One pool: `replicas` agent actors, each with its own engine of the same model.

    `model` is a folder or a Hugging Face id. `cpus` and `gpus` are what Ray places each actor by;
    `cores` binds a CPU engine's threads ("0-1", one range per replica, "|" between them).
    `max_running` turns are generated together, `max_queued` more may wait, further ones are
    refused. `turn_timeout_s` bounds one turn, with every attempt at it.

    `resources` are further Ray resources that place the actor. `window` is the model's context in
    tokens, `block_size` the tokens of a cache block. A CPU engine takes `kv_cache_gb` of memory for
    its cache, a GPU engine `gpu_memory_share` of each of its GPUs for all; left out, it is 0.9 of
    what it has of it. With `gpus` below 1 engines share a GPU; with `tensor_parallel` above 1 the
    model is cut into as many parts, each on a whole GPU of one node. `thinking` lets a model reason
    where its chat template leaves the choice; the councils' budgets must then hold the reasoning
    too. `reasoning_parser` is vLLM's name of the model's parser; reasoning is never shown to peers.
    Every `canary_every_s` one token is asked for; without it in `canary_timeout_s` the engine is
    taken for dead.
    """

    model: str
    replicas: int = Field(default=1, ge=1)
    cpus: float = Field(default=1.0, ge=0.0)
    gpus: float = Field(default=0.0, ge=0.0)
    resources: dict[str, float] = Field(default_factory=dict)
    cores: str = ""
    kv_cache_gb: float = Field(default=1.0, gt=0.0)
    tensor_parallel: int = Field(default=1, ge=1)
    gpu_memory_share: float | None = Field(default=None, gt=0.0, le=1.0)
    window: int = Field(default=4096, ge=512)
    block_size: int = Field(default=32, ge=1)
    max_running: int = Field(default=32, ge=1)
    max_queued: int = Field(default=256, ge=0)
    reasoning_parser: str = ""
    thinking: bool = False
    turn_timeout_s: float = Field(default=300.0, gt=0.0)
    canary_every_s: float = Field(default=8.0, gt=0.0)
    canary_timeout_s: float = Field(default=60.0, gt=0.0)

    @model_validator(mode="after")
    def _engine_has_a_share(self) -> Self:
        if self.cpus == 0 and self.gpus == 0:
            raise ValueError("an engine needs cpus or gpus above 0, or Ray sees an idle node")
        check_gpus(self.gpus, self.tensor_parallel, self.gpu_memory_share)
        return self

    @property
    def cores_by_replica(self) -> tuple[str, ...]:
        """The cores of each replica; the last range serves all further ones."""
        ranges = self.cores.split("|")
        return tuple(ranges[min(i, len(ranges) - 1)] for i in range(self.replicas))


class CouncilConfig(Options):
    """One council at first start: a persona per agent, seated on the pools in turn.

    Behind them sit the `named` ones, then those from `outside`; numbered seats whose ids are
    `absent` stay empty. Its options hold where a request sets none. The `architect` is the persona
    of the agent that decides where it is asked to; it sits on the first pool.
    """

    role: str = Field(pattern=r"^[A-Z][A-Z0-9_]{0,31}$")
    personas: tuple[str, ...] = Field(min_length=1)
    rubric: str
    pools: tuple[str, ...] = Field(default=("small",), min_length=1)
    named: tuple[NamedAgent, ...] = ()
    outside: tuple[OutsideAgent, ...] = ()
    absent: tuple[str, ...] = ()
    budgets: Budgets = Budgets()
    sampling: Sampling = Sampling()
    architect: str = (
        "You are the architect: you weigh the whole, and you answer for what is chosen."
    )

    def seated(self) -> Council:
        """The council with an agent for each persona, `agent-<role lower>-001` onwards."""
        agents = (*self._numbered(), *map(self._called, self.named), *map(self._seat, self.outside))
        architect = Agent(
            id=f"agent-{self.role.lower()}-architect",
            role="ARCHITECT",
            persona=self.architect,
            pool=self.pools[0],
            sampling=self.sampling,
        )
        return Council(
            role=self.role,
            agents=agents,
            rubric=self.rubric,
            budgets=self.budgets,
            architect=architect,
            **{name: getattr(self, name) for name in Options.model_fields},
        )

    @property
    def seated_on(self) -> tuple[str, ...]:
        """The pools that its agents and its architect sit on."""
        own = (a.pool for a in self.seated().agents if a.pool != OUTSIDE)
        return tuple(dict.fromkeys((self.pools[0], *own)))

    def _numbered(self) -> tuple[Agent, ...]:
        every = (
            Agent(
                id=f"agent-{self.role.lower()}-{number:03}",
                role=self.role,
                persona=persona,
                pool=self.pools[(number - 1) % len(self.pools)],
                sampling=self.sampling,
            )
            for number, persona in enumerate(self.personas, 1)
        )
        return tuple(agent for agent in every if agent.id not in self.absent)

    def _called(self, agent: NamedAgent) -> Agent:
        return Agent(
            id=agent.id,
            role=self.role,
            persona=agent.persona,
            pool=agent.pool,
            sampling=self.sampling,
        )

    def _seat(self, agent: OutsideAgent) -> Agent:
        return Agent(id=agent.id, role=self.role, persona=agent.persona, pool=OUTSIDE)

    @model_validator(mode="after")
    def _seats_make_a_council(self) -> Self:
        council = self.seated()
        ids = [agent.id for agent in (*council.agents, *filter(None, [council.architect]))]
        twice = next((id for id in ids if ids.count(id) > 1), None)
        if twice is not None:
            raise ValueError(f"council {self.role} seats {twice!r} twice; name it otherwise")
        if {agent.id for agent in council.agents} <= {agent.id for agent in self.outside}:
            raise ValueError(f"council {self.role} needs an agent on a pool of ours")
        return self
