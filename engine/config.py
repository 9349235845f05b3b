"""What an operator may set, as frozen data; knows nothing of files, environment or actors."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from engine.data import Data
from engine.errors import InvalidRequest
from engine.named import REMEMBERED_S, NamedAgent, OutsideAgent
from engine.options import Options
from engine.policies import check_seats, settle
from engine.shares import check_gpus
from engine.transitions import CONVENES, StoryPhase
from engine.types import OUTSIDE, Agent, Budgets, Council, Sampling

__all__ = ["REMEMBERED_S", "NamedAgent", "OutsideAgent"]

MOST_STORY_BYTES = 768 * 1024
"""A story is kept in one message, and NATS takes 1 MiB unless told otherwise."""


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


class BusConfig(Data):
    """The NATS server, and how the bridge takes events from it.

    `url` names a server, or several of one cluster with commas between them. `slots` events of
    each kind are worked on at once. `start` says where a durable begins when it is created for the
    first time: `now` leaves old events alone, `all` takes every one still in the stream, a time
    (ISO 8601 with its zone) those stored since.
    `ack_wait_s` is how long the server waits for a sign of life before it gives an event to
    another bridge; one is sent every third of it. `max_event_bytes` bounds an event, and a request
    over HTTP alike. Of a story, the newest `story_notes` milestones and decisions are kept, and
    as many of the newest are shown as fit `story_bytes`, which also bounds a single one.

    `replicas` of each stream and bucket are kept by as many servers. `provision` says whether the
    engine makes and mends them itself, or only checks them and leaves that to an operator.

    The connection is by TLS where `tls_ca` (a file of the authorities to trust) is given or the
    url begins with tls://. The server has to prove that it is `tls_hostname`, by default the url's
    host, and we show `tls_cert` with `tls_key` if there are any. Who we are is said by `user` and
    `password_file`, by `token_file`, by `creds_file` (a JWT with its key) or by `nkey_file`. All
    are files, read when we connect: no secret is in the configuration.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    url: str = "nats://127.0.0.1:4222"
    slots: int = Field(default=4, ge=1)
    start: str = "now"
    ack_wait_s: float = Field(default=30.0, ge=1.0)
    max_event_bytes: int = Field(default=256 * 1024, ge=1024)
    replicas: Literal[1, 3, 5] = 1
    provision: bool = True
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    tls_hostname: str = ""
    user: str = Field(default="", pattern=r"^[A-Za-z0-9_-]*$")
    password_file: str = ""
    token_file: str = ""
    creds_file: str = ""
    nkey_file: str = ""
    story_notes: int = Field(default=32, ge=1)
    story_bytes: int = Field(default=8 * 1024, ge=4096)

    @property
    def servers(self) -> list[str]:
        """The URL of each server."""
        return [each.strip() for each in self.url.split(",")]

    @property
    def tls(self) -> bool:
        """Whether the connection must be by TLS."""
        return bool(self.tls_ca) or any(each.startswith("tls://") for each in self.servers)

    @field_validator("url")
    @classmethod
    def _shows_no_secret(cls, url: str) -> str:
        if "@" in url:
            raise ValueError(
                "holds credentials, which others can see; name bus.user and bus.password_file"
            )
        return url

    @field_validator("start")
    @classmethod
    def _is_a_beginning(cls, start: str) -> str:
        if start not in ("now", "all") and not _zoned(start):
            raise ValueError("is now, all, or a time such as 2026-01-31T08:00:00Z, with its zone")
        return start

    @model_validator(mode="after")
    def _credentials_fit_together(self) -> Self:
        if bool(self.user) != bool(self.password_file):
            raise ValueError("user and password_file go together")
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("tls_cert and tls_key go together")
        if (self.tls_cert or self.tls_hostname) and not self.tls:
            raise ValueError("tls_cert and tls_hostname need TLS: set tls_ca, or a url with tls://")
        ways = ("user", "token_file", "creds_file", "nkey_file")
        given = [way for way in ways if getattr(self, way)]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)}: we can be one of them")
        return self

    @model_validator(mode="after")
    def _a_story_is_one_message(self) -> Self:
        most = (self.story_notes + 1) * self.story_bytes
        if most > MOST_STORY_BYTES:
            raise ValueError(
                f"bus: story_notes and story_bytes allow a story of {most} bytes; "
                f"one message holds {MOST_STORY_BYTES}"
            )
        return self


def _zoned(time: str) -> bool:
    try:
        return datetime.fromisoformat(time).tzinfo is not None
    except ValueError:
        return False


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


FLEET = {
    "DEV": (
        (
            "Judge whether the text says exactly what to build, in which order, and how each step "
            "is shown to work. Prefer the smallest change that meets every requirement."
        ),
        (
            "You implement it: name the modules, the interfaces and the order of the work.",
            "You maintain it for years: prefer what is easy to read, test and change.",
            "You distrust it: look for errors, races, misuse and missing cases.",
        ),
    ),
    "QA": (
        (
            "Judge whether every acceptance criterion has a test that could fail, and whether the "
            "likely failures are covered before the unlikely ones."
        ),
        (
            "You design the tests: one for each criterion, with its data and expected result.",
            "You attack it: boundary values, bad input, concurrency, interruption.",
            "You release it: what must be green, what is watched, when it is rolled back.",
        ),
    ),
    "ARCHITECT": (
        (
            "Judge whether the parts have clear duties, the data flows one way, and the hard "
            "decisions are named with what was given up."
        ),
        (
            "You draw the boundaries: components, contracts, and who owns which data.",
            "You guard quality: latency, availability, cost and how they are measured.",
            "You simplify: what can be left out, bought, or decided later.",
        ),
    ),
    "DEVOPS": (
        (
            "Judge whether it can be rolled out, watched and taken back safely, by people who did "
            "not write it."
        ),
        (
            "You roll it out: environments, configuration, steps, and the way back.",
            "You watch it: signals, thresholds, and what the one on call does.",
            "You secure it: secrets, permissions, supply chain, limits.",
        ),
    ),
    "DATA": (
        (
            "Judge whether the data is modelled, moved and kept correctly, and whether old data "
            "survives the change."
        ),
        (
            "You model it: entities, keys, constraints, and indexes for the real queries.",
            "You move it: migrations that can be interrupted, backfills, and checks of both.",
            "You protect it: retention, privacy, backups, and proof that a restore works.",
        ),
    ),
}
"""The five councils of a software-delivery fleet: the rubric, then a persona per agent."""


def fleet_councils(
    pools: tuple[str, ...] = ("small",),
    sampling: Sampling | None = None,
    budgets: Budgets | None = None,
) -> tuple[CouncilConfig, ...]:
    """The five councils of three agents each, all seated on the given pools."""
    return tuple(
        CouncilConfig(
            role=role,
            rubric=rubric,
            personas=personas,
            pools=pools,
            sampling=sampling or Sampling(),
            budgets=budgets or Budgets(),
        )
        for role, (rubric, personas) in FLEET.items()
    )
