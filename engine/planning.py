"""Planning events and the tasks they ask for; knows nothing of the bus that carried them."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, JsonValue, ValidationInfo

from engine.arrival import Arrival
from engine.data import Data
from engine.errors import InvalidEvent
from engine.inbound import inbound, understood
from engine.lenient import (
    Id,
    Name,
    Plain,
    Text,
    Texts,
    Time,
    Warned,
    listed,
    split,
    warn,
)
from engine.types import Task

SUBJECT = "planning.plan.approved"


def _constraints(value: object, info: ValidationInfo) -> object:
    """A text or a list of texts are requirements."""
    if isinstance(value, str | list):
        warn(info, "list_for_constraints")
        return {"requirements": [value] if isinstance(value, str) else value}
    return {} if value is None else value


Constraints = BeforeValidator(_constraints)


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
    timestamp: Time
    roles: Annotated[tuple[str, ...], BeforeValidator(split)] = ()
    title: Plain = ""
    description: Plain = ""
    tasks: Annotated[tuple[JsonValue, ...], BeforeValidator(listed)] = ()
    acceptance_criteria: Texts = ()
    constraints: Annotated[PlanConstraints, Constraints] = PlanConstraints()


FIRST = frozenset(
    {
        "story_id",
        "plan_id",
        "approved_by",
        "timestamp",
        "roles",
        "title",
        "description",
        "tasks",
        "acceptance_criteria",
        "constraints",
    }
)
FIRST_CONSTRAINTS = frozenset({"rubric", "requirements"})
"""What a plan could say when identities were first kept: it counts even where it is not set."""


class PlanApproved(Data):
    """An approved plan with its identity: two events of equal `source` and `key` are one.

    Where a plan says no time of its own (not `timed`), that of its wrapping or message stands in,
    which another copy of the event need not share; so it is no part of any task.
    """

    source: str
    key: str
    correlation_id: str
    plan: Plan
    timed: bool = True
    warnings: tuple[Warned, ...] = ()


def plan_approved(arrival: Arrival, max_bytes: int) -> PlanApproved:
    """Read an approved plan of any of the three shapes, or raise InvalidEvent for good.

    Refused is what cannot be understood; numbers for ids, one text for a list and the like are
    understood; what is not known is kept.
    """
    event = inbound(arrival, "plan.approved", max_bytes, timed=True)
    warnings = list(event.warnings)
    plan = understood(Plan, event.payload, warnings)
    return PlanApproved(
        source=event.source,
        key=event.key,
        correlation_id=event.correlation_id or plan.story_id,
        plan=plan,
        timed=event.timed,
        warnings=tuple(warnings),
    )


def said(event: PlanApproved) -> str:
    """What a plan says, as one text: another plan of the same identity says something else.

    It is the same for every copy of an event, whatever wrapping it came in, and it does not depend
    on the councils that there are. A field that a plan has had since identities were first kept
    counts only where it is set: so a plan of before says what it said.
    """
    plan = event.plan
    fields = _said(plan, FIRST) | {"constraints": _said(plan.constraints, FIRST_CONSTRAINTS)}
    if not event.timed:
        del fields["timestamp"]
    return json.dumps(fields, sort_keys=True)


def _said(model: BaseModel, first: frozenset[str]) -> dict[str, JsonValue]:
    """The first fields, and of all others those that were set."""
    names = {*first, *model.model_fields_set}
    found: dict[str, JsonValue] = model.model_dump(mode="json", include=names)
    return found


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
        context=context_of(event),
        story_id=plan.story_id,
        plan_id=plan.plan_id,
    )


def task_id(source: str, key: str, role: str) -> str:
    """The same event and role are the same deliberation, however often they come."""
    text = f"{source}\0{key}\0{role.upper()}"
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{role.lower()}-{digest[:32]}"


def context_of(event: PlanApproved) -> dict[str, JsonValue]:
    """All that the task's own fields do not hold."""
    plan = event.plan
    context: dict[str, JsonValue] = {"approved_by": plan.approved_by}
    if event.timed:
        context["timestamp"] = plan.timestamp.isoformat()
    if plan.tasks:
        context["tasks"] = list(plan.tasks)
    if plan.constraints.model_extra:
        context["constraints"] = plan.constraints.model_extra
    return {**context, **(plan.model_extra or {})}
