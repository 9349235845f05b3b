"""A council as a request asks for it, made of the configuration and a few words; pure."""

from __future__ import annotations

import re
from itertools import cycle, islice
from typing import Any, TypeVar

from pydantic import Field, ValidationError

from engine.charters import Charter, Fleet, Founding, fits, pool_name
from engine.config import FLEET, CouncilConfig, PoolConfig
from engine.data import Data
from engine.errors import Conflict, InvalidRequest
from engine.options import Options
from engine.types import Budgets, Sampling

Kind = TypeVar("Kind", bound=Data)

AGENTS = 3
"""How many agents a council has where a request does not say."""
ROLE = re.compile(r"[A-Z][A-Z0-9_]{0,31}")
AGENT_TYPES = ("", "vllm")
"""All agents of a new council are engines of ours; others are registered one by one."""
RUBRIC = (
    "Judge whether the text does all that is asked, correctly and completely, and whether it says "
    "how that is shown."
)
PERSONAS = (
    "You do the work: answer what is asked, concretely and completely, in a sensible order.",
    "You live with it afterwards: prefer what is easy to understand, check and change.",
    "You distrust it: look for errors, gaps, misuse and missing cases.",
)
"""What a council of a role is judged by and who sits on it where nothing else is known of it."""

POOL_OPTIONS = frozenset(PoolConfig.model_fields) - {"model", "resources"}
"""What a request may set of a pool: neither which model is loaded nor on which kind of node."""
SAMPLING_OPTIONS = frozenset(Sampling.model_fields)
OPTIONS = frozenset(Options.model_fields) - {"rounds", "num_agents"}
WORDS = frozenset({"rubric", "architect"})
KNOWN_PARAMS = sorted(POOL_OPTIONS | SAMPLING_OPTIONS | OPTIONS | WORDS)


class NewCouncil(Data):
    """A council to be created.

    `num_agents` 0 is the default: as configured, else 3. `deliberation_rounds` 0 leaves the rounds
    to the policy. `enable_peer_review` true wants a policy in which peers review, false one
    without, `vote`. `model_profile` names a pool, which is shared, or a profile, of which the
    council gets a pool of its own; without it, the council sits where it is configured to, else on
    the first pool.

    `custom_params` are options by their names: of deliberation (`policy`, `tally`, ...), of
    sampling (`temperature`, ...), the council's `rubric` and `architect`, and of the pool
    (`replicas`, `window`, ...), which the council then has for itself. `agent_type` is "vllm" or
    empty.
    """

    role: str
    num_agents: int = Field(default=0, ge=0)
    deliberation_rounds: int = Field(default=0, ge=0)
    enable_peer_review: bool | None = None
    model_profile: str = ""
    custom_params: dict[str, str | int | float | bool] = Field(default_factory=dict)
    agent_type: str = ""


def canonical(role: str) -> str:
    """A role as it is written; InvalidRequest where it cannot be one."""
    found = role.strip().upper()
    if not ROLE.fullmatch(found):
        what = f"{role[:40]!r} is no role: a letter, then letters, digits and _, at most 32"
        raise InvalidRequest("role", what)
    return found


def founded(fleet: Fleet, asked: NewCouncil) -> Charter:
    """The charter of a role after its council was created. Conflict, InvalidRequest."""
    role = canonical(asked.role)
    if fleet.number(role) is not None:
        what = f"council {role} exists; DeleteCouncil removes it, or send another role"
        raise Conflict(what)
    _check_words(asked)
    pools, pool = _pools(fleet, asked, role)
    council = _council(fleet, asked, role, pools)
    if why := fits(fleet.base, council, pool):
        raise InvalidRequest("council", why)
    founding = Founding(council=council, pool=pool)
    return Charter(role=role, founded=founding, number=fleet.charter(role).number + 1)


def _check_words(asked: NewCouncil) -> None:
    if asked.agent_type.lower() not in AGENT_TYPES:
        what = f"{asked.agent_type[:40]!r} is not offered; known: vllm"
        raise InvalidRequest("agent_type", what)
    for name in asked.custom_params:
        if name not in KNOWN_PARAMS:
            what = f"no such option; known: {', '.join(KNOWN_PARAMS)}"
            raise InvalidRequest(f"custom_params.{name[:40]}", what)


def _pools(fleet: Fleet, asked: NewCouncil, role: str) -> tuple[tuple[str, ...], PoolConfig | None]:
    """The pools that the council sits on, and its own one as it is to be made."""
    base, name = fleet.base, asked.model_profile
    configured = next((council.pools for council in base.councils if council.role == role), ())
    shared = (name,) if name else configured or (next(iter(base.pools)),)
    profiles = base.pools | base.profiles
    if shared[0] not in profiles:
        what = f"no pool or profile {name[:40]!r}; known: {', '.join(profiles)}"
        raise InvalidRequest("model_profile", what)
    changes = {n: value for n, value in asked.custom_params.items() if n in POOL_OPTIONS}
    if not changes and shared[0] in base.pools:
        return shared, None
    own = _read(PoolConfig, dict(profiles[shared[0]]) | changes)
    return (pool_name(role),), own


def _council(fleet: Fleet, asked: NewCouncil, role: str, pools: tuple[str, ...]) -> CouncilConfig:
    """The council as configured, or as any of its role, with what the request changes."""
    configured = next((each for each in fleet.base.councils if each.role == role), None)
    fields = dict(configured) if configured is not None else _any(fleet, role)
    if asked.num_agents or configured is None:
        _check_number(fleet, asked)
        personas = islice(cycle(fields["personas"]), asked.num_agents or AGENTS)
        fields |= {"personas": tuple(personas), "named": (), "outside": (), "absent": ()}
    params = asked.custom_params
    sampling = {name: value for name, value in params.items() if name in SAMPLING_OPTIONS}
    before = fields.get("sampling", Sampling())
    fields |= {n: value for n, value in params.items() if n in OPTIONS | WORDS}
    fields |= {"pools": pools, "sampling": _read(Sampling, dict(before) | sampling)}
    fields |= _exchange(asked)
    return _read(CouncilConfig, fields)


def _any(fleet: Fleet, role: str) -> dict[str, Any]:
    """What fits any council; its budgets are those that the models were configured for."""
    rubric, personas = FLEET.get(role, (RUBRIC, PERSONAS))
    budgets = next((council.budgets for council in fleet.base.councils), Budgets())
    return {"role": role, "rubric": rubric, "personas": personas, "budgets": budgets}


def _check_number(fleet: Fleet, asked: NewCouncil) -> None:
    most = fleet.base.limits.agents
    if asked.num_agents > most:
        what = f"{asked.num_agents} is over this server's cap of {most}"
        raise InvalidRequest("num_agents", what)


def _exchange(asked: NewCouncil) -> dict[str, Any]:
    """The policy and the rounds that the contract's two fields ask for."""
    policy = asked.custom_params.get("policy")
    found: dict[str, Any] = {}
    if asked.enable_peer_review is not None and policy is None:
        found["policy"] = "council" if asked.enable_peer_review else "vote"
    if asked.enable_peer_review and policy not in (None, "council", "cascade"):
        what = f"nobody reviews in policy {policy!r}; leave one of the two out"
        raise InvalidRequest("enable_peer_review", what)
    if asked.deliberation_rounds:
        found["rounds"] = asked.deliberation_rounds
    return found


def _read(kind: type[Kind], fields: dict[str, Any]) -> Kind:
    """InvalidRequest names the option that is wrong."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "council"
        place = f"custom_params.{where}" if where in KNOWN_PARAMS else where
        raise InvalidRequest(place, first["msg"].removeprefix("Value error, ")) from error
