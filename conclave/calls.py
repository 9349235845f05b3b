"""Each call of the HTTP API as data: what is sent, and what its answer is; sends nothing.

A call that is `repeatable` may be sent twice and be done once. Those that begin something are, by
an id or a key that they carry.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

from pydantic import TypeAdapter

from actors.listing import Page, Wanted
from edges.asked import DeliberationRequest
from edges.forking import ForkRequest
from edges.orders import Accepted, Orchestration, OrchestrationRequest
from edges.tasks import ContextRequest, Derivation, DerivationRequest, TaskContext
from edges.views import Changed, CouncilInfo, Created, Deleted, Metrics, Status, StoryView
from engine.data import Data
from engine.errors import InvalidRequest
from engine.founding import NewCouncil
from engine.joining import NewAgent
from engine.posted import PlanningEvent
from engine.results import Result

PATH = "/v1/deliberations"
ORCHESTRATIONS = "/v1/orchestrations"
COUNCILS = "/v1/councils"
CREATED_WITHIN_S = 330.0
"""The server gives the engines of a new council five minutes to start."""
DECIDED_WITHIN_S = 1000.0
"""What is deliberated on may take all the time that a server allows one by default."""
LATER = {"Prefer": "respond-async"}

Answer = TypeVar("Answer")
Fields = Mapping[str, Any]

RESULT = TypeAdapter(Result)


@dataclass(frozen=True)
class Call(Generic[Answer]):
    """One request and how its answer is read, which may take as long as the client says."""

    method: str
    path: str
    reads: TypeAdapter[Answer]
    repeatable: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    timeout_s: float | None = None


@dataclass(frozen=True)
class Stream:
    """A request whose answer is records: those behind the one whose `seq` is `after`."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    after: int = 0


def accept(request: DeliberationRequest | Fields, key: str) -> Call[Result]:
    """Begin a deliberation that goes on by itself."""
    sent = _identified(request, key)
    return Call("POST", PATH, RESULT, headers=_keyed(key) | LATER, body=_encoded(sent))


def stream(request: DeliberationRequest | Fields, key: str) -> Stream:
    """Deliberate while somebody listens."""
    return Stream("POST", PATH, _keyed(key), _encoded(_identified(request, key)))


def fork(id: str, request: ForkRequest | Fields, key: str) -> Stream:
    """Fork a deliberation and listen."""
    return Stream("POST", f"{_path(id)}/forks", _keyed(key), _encoded(_identified(request, key)))


def orchestrate(request: OrchestrationRequest | Fields, key: str) -> Call[Orchestration]:
    """Deliberate and have the architect select: sent again, it goes on."""
    return Call(
        "POST",
        ORCHESTRATIONS,
        TypeAdapter(Orchestration),
        headers=_keyed(key),
        body=_encoded(_identified(request, key)),
        timeout_s=DECIDED_WITHIN_S,
    )


def stream_orchestration(request: OrchestrationRequest | Fields, key: str) -> Stream:
    """Orchestrate while somebody listens."""
    sent = _encoded(_identified(request, key))
    return Stream("POST", ORCHESTRATIONS, _keyed(key), sent)


def plan(event: PlanningEvent | Fields, key: str) -> Call[Accepted]:
    """Put a planning event on the bus: without a key the same words are the same event."""
    sent = _encoded(_fields(event))
    return Call(
        "POST", "/v1/planning-events", TypeAdapter(Accepted), headers=_keyed(key), body=sent
    )


def watch(id: str, after: int) -> Stream:
    """The records of a deliberation, past and to come."""
    return Stream("GET", f"{_path(id)}/events", after=after)


def read(id: str) -> Call[Result]:
    """How a deliberation stands."""
    return Call("GET", _path(id), RESULT)


def cancel(id: str) -> Call[Result]:
    """End a deliberation; a second time there is nothing left to end."""
    return Call("DELETE", _path(id), RESULT, repeatable=False)


def page(wanted: Wanted, limit: int, cursor: str) -> Call[Page]:
    """The deliberations of the journal that are wanted."""
    fields = {name: value for name, value in wanted if value != ""}
    path = _asking(PATH, limit=limit, cursor=cursor or None, **fields)
    return Call("GET", path, TypeAdapter(Page))


def metrics(metric_type: str, time_range_ms: int) -> Call[Metrics]:
    """The whole in figures."""
    path = _asking("/v1/metrics", metric_type=metric_type, time_range_ms=time_range_ms)
    return Call("GET", path, TypeAdapter(Metrics))


def councils() -> Call[tuple[CouncilInfo, ...]]:
    """Every council."""
    return Call("GET", COUNCILS, TypeAdapter(tuple[CouncilInfo, ...]))


def create_council(request: NewCouncil | Fields) -> Call[Created]:
    """Create a council: the server gives its engines five minutes to start."""
    sent = _encoded(_fields(request))
    return Call(
        "POST",
        COUNCILS,
        TypeAdapter(Created),
        repeatable=False,
        body=sent,
        timeout_s=CREATED_WITHIN_S,
    )


def delete_council(role: str) -> Call[Deleted]:
    """Have a council take no new work."""
    return Call("DELETE", _council(role), TypeAdapter(Deleted), repeatable=False)


def register(role: str, request: NewAgent | Fields) -> Call[Changed]:
    """Seat an agent."""
    path, sent = f"{_council(role)}/agents", _encoded(_fields(request))
    return Call("POST", path, TypeAdapter(Changed), repeatable=False, body=sent)


def unregister(role: str, agent_id: str) -> Call[Changed]:
    """Leave a seat empty."""
    path = f"{_council(role)}/agents/{_quoted(agent_id, 'agent_id')}"
    return Call("DELETE", path, TypeAdapter(Changed), repeatable=False)


def status() -> Call[Status]:
    """The whole."""
    return Call("GET", "/v1/status", TypeAdapter(Status))


def story(id: str) -> Call[StoryView]:
    """What is known of a story."""
    return Call("GET", f"/v1/stories/{_quoted(id, 'story_id')}", TypeAdapter(StoryView))


def derive(request: DerivationRequest | Fields, key: str) -> Call[Derivation]:
    """Split a plan into tasks: sent again, it finds what is there by then."""
    sent = _encoded(_fields(request))
    return Call(
        "POST",
        "/v1/derivations",
        TypeAdapter(Derivation),
        headers=_keyed(key),
        body=sent,
        timeout_s=DECIDED_WITHIN_S,
    )


def context(request: ContextRequest | Fields) -> Call[TaskContext]:
    """What an agent sees of a task."""
    return Call("POST", "/v1/context", TypeAdapter(TaskContext), body=_encoded(_fields(request)))


def document(path: str) -> Call[Any]:
    """Whatever a path answers."""
    return Call("GET", path, TypeAdapter(Any))


def _identified(request: Data | Fields, key: str) -> dict[str, Any]:
    """A request's fields with the id by which it may be sent again, unless a key does that."""
    fields = _fields(request)
    if not key and not fields.get("task_id"):
        fields["task_id"] = str(uuid.uuid4())
    return fields


def _fields(request: Data | Fields) -> dict[str, Any]:
    """Those of a request that were set."""
    if not isinstance(request, Data):
        return dict(request)
    try:
        return request.model_dump(mode="json", exclude_unset=True)
    except ValueError as error:
        raise _no_json(error) from error


def _keyed(key: str) -> dict[str, str]:
    """The header that a key goes in; InvalidRequest where it cannot stand in one."""
    if not (key.isascii() and key.isprintable() and key == key.strip()):
        what = "can have letters of ASCII, digits, marks, and spaces between them"
        raise InvalidRequest("key", what)
    return {"Idempotency-Key": key} if key else {}


def _path(id: str) -> str:
    return f"{PATH}/{_quoted(id, 'task_id')}"


def _council(role: str) -> str:
    return f"{COUNCILS}/{_quoted(role, 'role')}"


def _quoted(name: str, where: str) -> str:
    """A name as a part of a path; InvalidRequest where it would lead to another place."""
    if name in ("", ".", ".."):
        raise InvalidRequest(where, f"{name!r} is no name in a path")
    return quote(name, safe="", errors="replace")


def _asking(path: str, **fields: object) -> str:
    """A path with those of its parameters that are set."""
    named = {name: value for name, value in fields.items() if value is not None}
    return f"{path}?{urlencode(named, errors='replace')}" if named else path


def _encoded(body: Fields) -> bytes:
    """A body as JSON; what came off a command line may be neither a number nor a text."""
    try:
        return json.dumps(body, allow_nan=False).encode()
    except (ValueError, TypeError) as error:
        raise _no_json(error) from error


def _no_json(error: Exception) -> InvalidRequest:
    return InvalidRequest("request", f"cannot be sent as JSON: {' '.join(str(error).split())}")
