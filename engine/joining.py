"""Agents that join a council in force or leave it, and the end of a council; pure."""

from __future__ import annotations

import re
from typing import TypeVar

from pydantic import Field, ValidationError

from engine.charters import Capabilities, Charter, Fleet, Joined, fits, with_changes
from engine.config import CouncilConfig, NamedAgent, OutsideAgent
from engine.data import Data
from engine.errors import Conflict, InvalidRequest, NotFound, Unmet
from engine.founding import PERSONAS

A = TypeVar("A", bound=Data)

BUS = "nats"
"""The endpoint of an agent that is asked over the bus."""
SETTINGS = {
    "persona": "persona",
    "model": "model",
    "api_key_env": "key_env",
    "answer_within_s": "answer_within_s",
    "silent_after_s": "silent_after_s",
}
"""What a metadata key sets of an agent outside."""
PLACES = {"id": "agent_id", "endpoint": "endpoint"} | {
    field: f"metadata.{name}" for name, field in SETTINGS.items()
}
"""Where a request says what a field of an agent is made of."""
UNNAMED = "*"
"""In the place of a model: the only one that the endpoint has."""
SECRET = re.compile(r"key|secret|token|password|authorization", re.IGNORECASE)
MOST_LABELS, LONGEST_LABEL = 16, 256


class NewAgent(Data):
    """An agent to be seated on a council in force.

    Without an `endpoint` it speaks through a pool of ours, `capabilities.model_profile` or the
    council's first. With `nats` it is asked over the bus. With the base URL of an OpenAI-compatible
    API its turns go there, to the model in metadata `model` or `capabilities.model_profile`, at
    most `capabilities.max_concurrent_tasks` at once.

    Of `metadata` we know `persona`, and for agents outside `answer_within_s`, `silent_after_s`,
    `model` and `api_key_env`: the name of the environment variable of the engine with the key,
    CONCLAVE_KEY_ and more. The key itself is never sent. Other entries are labels, kept as they
    are.
    """

    agent_id: str
    capabilities: Capabilities = Capabilities()
    endpoint: str = ""
    metadata: dict[str, str] = Field(default_factory=dict)


def in_force_of(fleet: Fleet, role: str) -> CouncilConfig:
    """The council of a role in any case; NotFound names those there are."""
    wanted = role.strip().upper()
    for council in fleet.config.councils:
        if council.role == wanted:
            return council
    known = ", ".join(council.role for council in fleet.config.councils) or "none"
    raise NotFound(f"no council {wanted[:40]!r}; known roles: {known}")


def dissolved(fleet: Fleet, role: str) -> Charter:
    """The charter of a role after its council was deleted. NotFound."""
    council = in_force_of(fleet, role)
    return Charter(role=council.role, deleted=True, number=fleet.charter(council.role).number)


def joining(fleet: Fleet, role: str, asked: NewAgent) -> Joined:
    """The agent that a request asks to be seated. NotFound, Conflict, InvalidRequest."""
    council = in_force_of(fleet, role)
    _check_free(council, asked.agent_id)
    _check_metadata(asked)
    if asked.endpoint == "":
        agent: NamedAgent | OutsideAgent = _ours(fleet, council, asked)
    else:
        agent = _outside(asked)
    labels = {name: said for name, said in asked.metadata.items() if name not in SETTINGS}
    return Joined(agent=agent, capabilities=asked.capabilities, labels=labels)


def joined(fleet: Fleet, role: str, who: Joined) -> Charter:
    """The charter of a role after an agent was seated. NotFound, Conflict, InvalidRequest."""
    council = in_force_of(fleet, role)
    _check_free(council, who.agent.id)
    before = fleet.charter(council.role)
    charter = before.model_copy(update={"joined": (*before.joined, who)})
    if why := _misfit(fleet, charter):
        raise InvalidRequest("agent", why)
    return charter


def left(fleet: Fleet, role: str, agent_id: str) -> Charter:
    """The charter of a role after an agent was removed. NotFound, Unmet for the last one."""
    council = in_force_of(fleet, role)
    seated = council.seated().agents
    if agent_id not in {agent.id for agent in seated}:
        there = ", ".join(agent.id for agent in seated)
        what = f"no agent {agent_id[:64]!r} in council {council.role}; there are: {there}"
        raise NotFound(what)
    before = fleet.charter(council.role)
    rest = tuple(each for each in before.joined if each.agent.id != agent_id)
    gone = before.left if len(rest) < len(before.joined) else (*before.left, agent_id)
    charter = before.model_copy(update={"joined": rest, "left": gone})
    if why := _misfit(fleet, charter):
        remedy = "register another one first, or delete the council"
        raise Unmet(f"{agent_id} cannot leave: {why}", remedy)
    return charter


def _misfit(fleet: Fleet, charter: Charter) -> str:
    founded = charter.founded
    seated = with_changes(_first(fleet, charter), charter)
    return fits(fleet.base, seated, founded.pool if founded is not None else None)


def _first(fleet: Fleet, charter: Charter) -> CouncilConfig:
    """The council before anybody joined or left."""
    return next(c for c in fleet.founded.councils if c.role == charter.role)


def _check_free(council: CouncilConfig, agent_id: str) -> None:
    if agent_id in {agent.id for agent in council.seated().agents}:
        what = f"council {council.role} seats {agent_id!r} already; send another agent_id"
        raise Conflict(what)


def _check_metadata(asked: NewAgent) -> None:
    if len(asked.metadata) > MOST_LABELS:
        raise InvalidRequest("metadata", f"has more than {MOST_LABELS} entries")
    for name, said in asked.metadata.items():
        where = f"metadata.{name[:40]}"
        if len(name) + len(said) > LONGEST_LABEL and name != "persona":
            raise InvalidRequest(where, f"is longer than {LONGEST_LABEL} characters")
        if name not in SETTINGS and SECRET.search(name):
            what = "a secret is never sent; api_key_env names the variable that holds the key"
            raise InvalidRequest(where, what)
        if name in SETTINGS and name != "persona" and asked.endpoint == "":
            raise InvalidRequest(where, "is for an agent with an endpoint")
        if name in ("model", "api_key_env") and asked.endpoint == BUS:
            raise InvalidRequest(where, "is for an agent with the URL of an API")


def _ours(fleet: Fleet, council: CouncilConfig, asked: NewAgent) -> NamedAgent:
    own = fleet.own_pool(council.role)
    shared = (name for name in fleet.base.pools if name in fleet.config.pools)
    known = [*([own] if own else []), *shared]
    pool = asked.capabilities.model_profile or council.pools[0]
    if pool not in known:
        what = f"no pool {pool[:40]!r} that runs; known: {', '.join(known)}"
        raise InvalidRequest("capabilities.model_profile", what)
    persona = asked.metadata.get("persona") or _persona(fleet, council.role, asked.agent_id)
    return _agent(NamedAgent, {"id": asked.agent_id, "pool": pool, "persona": persona})


def _persona(fleet: Fleet, role: str, agent_id: str) -> str:
    """That of the seat of this name, if the council had one; else one of those that fit any."""
    charter = fleet.charter(role)
    seats = _first(fleet, charter).seated().agents
    known = {agent.id: agent.persona for agent in seats}
    return known.get(agent_id, PERSONAS[len(charter.joined) % len(PERSONAS)])


def _outside(asked: NewAgent) -> OutsideAgent:
    known = {SETTINGS[name]: said for name, said in asked.metadata.items() if name in SETTINGS}
    fields: dict[str, object] = {"id": asked.agent_id, **known}
    if asked.endpoint != BUS:
        model = known.get("model") or asked.capabilities.model_profile or UNNAMED
        fields |= {"endpoint": asked.endpoint, "model": model}
        if asked.capabilities.max_concurrent_tasks:
            fields["at_once"] = asked.capabilities.max_concurrent_tasks
    return _agent(OutsideAgent, fields)


def _agent(kind: type[A], fields: dict[str, object]) -> A:
    """InvalidRequest names the field of the request that is wrong."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        what = " ".join(first["msg"].removeprefix("Value error, ").split())
        raise InvalidRequest(PLACES.get(str((*first["loc"], "")[0]), "endpoint"), what) from error
