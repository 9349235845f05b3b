"""Planning events and the tasks they ask for; knows nothing of the bus that carried them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, NamedTuple

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
)

from engine.arrival import Arrival, check_values, read_object, within
from engine.data import Data
from engine.errors import InvalidEvent
from engine.types import Task

SUBJECT = "planning.plan.approved"


def _listed(value: object) -> object:
    """One item stands for a list of it, nothing for an empty one."""
    if value is None:
        return []
    return [value] if isinstance(value, str | dict) else value


def _split(value: object) -> object:
    """Roles may come as one text with commas."""
    if isinstance(value, str):
        return [role for role in value.split(",") if role.strip()]
    return [] if value is None else value


def _plain(value: object) -> object:
    """Nothing is the empty text."""
    return "" if value is None else value


def _worded(value: object) -> object:
    """A structured text is shown as it came."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else _plain(value)


def _constraints(value: object) -> object:
    """A text or a list of texts are requirements."""
    if value is None:
        return {}
    return {"requirements": value} if isinstance(value, str | list) else value


Trimmed = StringConstraints(strip_whitespace=True, min_length=1, max_length=512)
Name = Annotated[str, Trimmed]
Id = Annotated[str, Trimmed, Field(coerce_numbers_to_str=True)]
Plain = Annotated[str, StringConstraints(strip_whitespace=True), BeforeValidator(_plain)]
Text = Annotated[str, StringConstraints(strip_whitespace=True), BeforeValidator(_worded)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(_listed)]


class PlanConstraints(BaseModel):
    """What a plan's constraints name for the council; the rest is kept and shown."""

    model_config = ConfigDict(frozen=True, extra="allow")

    rubric: Text = ""
    requirements: Texts = ()


class Plan(BaseModel):
    """The payload of an approved plan. Unknown fields are kept: the agents see them."""

    model_config = ConfigDict(frozen=True, extra="allow")

    story_id: Id
    plan_id: Id
    approved_by: Name
    timestamp: datetime
    roles: Annotated[tuple[str, ...], BeforeValidator(_split)] = ()
    title: Plain = ""
    description: Plain = ""
    tasks: Annotated[tuple[JsonValue, ...], BeforeValidator(_listed)] = ()
    acceptance_criteria: Texts = ()
    constraints: Annotated[PlanConstraints, BeforeValidator(_constraints)] = PlanConstraints()


class PlanApproved(Data):
    """An approved plan with its identity: two events of equal `source` and `key` are one."""

    source: str
    key: str
    correlation_id: str
    plan: Plan


class _Identity(NamedTuple):
    source: str
    key: str


def plan_approved(arrival: Arrival, max_bytes: int) -> PlanApproved:
    """Read an event of any of the three shapes, or raise InvalidEvent for good.

    Refused is what cannot be understood; numbers for ids, one text for a list and the like are
    understood; what is not known is kept.
    """
    document = read_object(arrival.data, max_bytes)
    read: Callable[[dict[str, Any], Arrival], tuple[_Identity, object]]
    if "specversion" in document:
        document["payload"] = document.pop("data", None)
        read = _cloud_event
    elif "payload" in document and document.keys() & {"event_type", "idempotency_key", "producer"}:
        read = _envelope
    else:
        read = _bare
    check_values(document, "payload" if read is _bare else "")
    identity, payload = read(document, arrival)
    if not isinstance(payload, dict):
        raise InvalidEvent("dict_type", "payload", "a JSON object is expected")
    try:
        plan = Plan.model_validate(payload)
    except ValidationError as error:
        raise _invalid(error) from error
    said = document.get("correlation_id")
    correlation = said if said and isinstance(said, str) else plan.story_id
    return PlanApproved(
        source=identity.source, key=identity.key, correlation_id=correlation, plan=plan
    )


def _invalid(error: ValidationError) -> InvalidEvent:
    """The first fault, as a path into the payload."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = "payload"
    for step in first["loc"]:
        where = within(where, step)
    return InvalidEvent(first["type"], where, first["msg"])


def _bare(document: dict[str, Any], arrival: Arrival) -> tuple[_Identity, object]:
    return _by_message(arrival), document


def _cloud_event(document: dict[str, Any], _arrival: Arrival) -> tuple[_Identity, object]:
    identity = _Identity(_text(document, "source"), _text(document, "id"))
    for name, value in (("source", identity.source), ("id", identity.key)):
        if not value:
            raise InvalidEvent("missing", name, "CloudEvents require it")
    _check_type(document, "type")
    return identity, _stamped(document["payload"], document.get("time"))


def _envelope(document: dict[str, Any], arrival: Arrival) -> tuple[_Identity, object]:
    key = _text(document, "idempotency_key")
    producer = _text(document, "producer")
    _check_type(document, "event_type")
    identity = _Identity(producer, key) if key else _by_message(arrival)
    return identity, _stamped(document["payload"], document.get("timestamp"))


def _by_message(arrival: Arrival) -> _Identity:
    """The publisher's message id, else the place in the stream."""
    if message_id := arrival.headers.get("Nats-Msg-Id"):
        return _Identity(f"nats-msg-id:{arrival.stream}", message_id)
    return _Identity(f"nats-seq:{arrival.stream}", str(arrival.seq))


def _stamped(payload: object, timestamp: object) -> object:
    """A payload without a timestamp of its own has that of its wrapping."""
    if isinstance(payload, dict) and timestamp is not None:
        return {"timestamp": timestamp, **payload}
    return payload


def _text(document: dict[str, Any], name: str) -> str:
    """A field of the wrapping as text; a number counts as one, nothing as the empty text."""
    value = document.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidEvent("string_type", name, "a text is expected")
    return str(value)


def _check_type(document: dict[str, Any], name: str) -> None:
    """`planning.plan.approved`, `PlanApproved`, `com.example.plan.approved.v1` all name it."""
    said = _text(document, name)
    plain = "".join(letter for letter in said.lower() if letter.isalnum()).removesuffix("v1")
    if plain and not plain.endswith("planapproved"):
        raise InvalidEvent("unknown_type", name, f"{said[:80]!r} on the subject {SUBJECT}")


def tasks(event: PlanApproved, roles_known: tuple[str, ...]) -> tuple[Task, ...]:
    """One task for each role that the plan names, or for each known one if it names none."""
    return tuple(_task(event, role) for role in _roles(event.plan.roles, roles_known))


def _roles(named: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    """Upper case, each once, in the order they were named."""
    all_known = [role.upper() for role in known]
    asked = [role.strip().upper() for role in named]
    for index, role in enumerate(asked):
        if role not in all_known:
            what = f"no council for {named[index][:80]!r}; known: {', '.join(all_known)}"
            raise InvalidEvent("unknown_role", f"payload.roles[{index}]", what)
    return tuple(dict.fromkeys(asked or all_known))


def _task(event: PlanApproved, role: str) -> Task:
    plan = event.plan
    place = f"Plan {plan.plan_id} of story {plan.story_id}"
    return Task(
        id=task_id(event.source, event.key, role),
        role=role,
        title=plan.title or place,
        text=plan.description or plan.title or f"{place} was approved. It has no description.",
        rubric=plan.constraints.rubric,
        requirements=(*plan.acceptance_criteria, *plan.constraints.requirements),
        context=_context(plan),
        story_id=plan.story_id,
        plan_id=plan.plan_id,
    )


def task_id(source: str, key: str, role: str) -> str:
    """The same event and role are the same deliberation, however often they come."""
    text = f"{source}\0{key}\0{role.upper()}"
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{role.lower()}-{digest[:32]}"


def _context(plan: Plan) -> dict[str, JsonValue]:
    """All that the task's own fields do not hold."""
    context: dict[str, JsonValue] = {
        "approved_by": plan.approved_by,
        "timestamp": plan.timestamp.isoformat(),
    }
    if plan.tasks:
        context["tasks"] = list(plan.tasks)
    if plan.constraints.model_extra:
        context["constraints"] = plan.constraints.model_extra
    return {**context, **(plan.model_extra or {})}
