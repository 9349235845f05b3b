"""What is asked of a council over the bus, held to the doors' caps; knows nothing of the bus."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from engine.arrival import Arrival
from engine.caps import check_caps, check_id, council_of, within_iterations
from engine.config import Config
from engine.data import Data
from engine.errors import InvalidEvent, InvalidRequest
from engine.inbound import inbound, understood
from engine.lenient import (
    Count,
    Key,
    Plain,
    Positive,
    Seconds,
    Text,
    Texts,
    Warned,
    Worded,
)
from engine.options import Options
from engine.planning import Constraints, task_id
from engine.policies import settle
from engine.types import Task


def _nothing(value: object) -> object:
    """A null is as good as no metadata."""
    return {} if value is None else value


class Bounds(BaseModel):
    """The constraints of a request; the rest is kept and shown."""

    model_config = ConfigDict(frozen=True, extra="allow")

    rubric: Text = ""
    requirements: Texts = ()
    metadata: Annotated[dict[str, JsonValue], BeforeValidator(_nothing)] = Field(
        default_factory=dict
    )
    max_iterations: Count = None
    timeout_seconds: Seconds = None


class CouncilRequest(BaseModel):
    """The payload of a request. Unknown fields are kept: the agents see them."""

    model_config = ConfigDict(frozen=True, extra="allow")

    task_id: Key = ""
    task_description: Worded
    constraints: Annotated[Bounds, Constraints] = Bounds()
    rounds: Count = None
    num_agents: Positive = None
    story_id: Plain = ""


class Requested(Data):
    """The task that a request asks for. Its id is the request's own, as at any door.

    A request that names none has that of its event.
    """

    task: Task
    correlation_id: str
    warnings: tuple[Warned, ...] = ()


def requested(arrival: Arrival, config: Config) -> Requested:
    """Read a request of any of the three shapes, or raise InvalidEvent for good.

    The role is the last part of the subject. What is over this server's caps is refused.
    """
    role = arrival.subject.rpartition(".")[2]
    endings = (f"council.{role}", "council.request", "council.requested", "agent.request")
    event = inbound(arrival, endings, config.bus.max_event_bytes)
    warnings = list(event.warnings)
    request = understood(CouncilRequest, event.payload, warnings)
    if not request.task_id:
        warnings.append(Warned("task_id_missing", "payload.task_id"))
    try:
        task = _task(request, role, task_id(event.source, event.key, role), config)
    except InvalidRequest as error:
        if error.where == "role":
            raise InvalidEvent("unknown_role", "subject", error.what) from error
        raise InvalidEvent("invalid_request", f"payload.{error.where}", error.what) from error
    return Requested(
        task=task,
        correlation_id=event.correlation_id or task.story_id or task.id,
        warnings=tuple(warnings),
    )


def _task(request: CouncilRequest, role: str, otherwise: str, config: Config) -> Task:
    """The task as a door makes it of the same request; `otherwise` names one without a name."""
    council, bounds = council_of(role, config), request.constraints
    check_id(request.task_id)
    asked = Options(rounds=request.rounds, num_agents=request.num_agents)
    options = within_iterations(asked, council, bounds.max_iterations)
    check_caps(settle(options, council), council, config)
    return Task(
        id=request.task_id or otherwise,
        role=council.role,
        text=request.task_description,
        rubric=bounds.rubric,
        requirements=bounds.requirements,
        context=_context(request),
        timeout_s=bounds.timeout_seconds,
        story_id=request.story_id,
        **dict(options),
    )


def _context(request: CouncilRequest) -> dict[str, JsonValue]:
    """The metadata, as at any door, and all that the task's own fields do not hold.

    What both name is kept as both have it.
    """
    said: dict[str, JsonValue] = dict(request.model_extra or {})
    if request.constraints.model_extra:
        said.setdefault("constraints", request.constraints.model_extra)
    metadata = request.constraints.metadata
    if shared := {name: metadata[name] for name in metadata.keys() & said.keys()}:
        said.setdefault("metadata", shared)
    return {**metadata, **said}
