"""A story's way from phase to phase, and the tasks it asks for; knows nothing of the bus."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, JsonValue, ValidationInfo

from engine.arrival import Arrival
from engine.data import Data
from engine.inbound import inbound, understood
from engine.lenient import Id, Name, Plain, Texts, Time, Warned, warn
from engine.planning import task_id
from engine.types import Task

SUBJECT = "planning.story.transitioned"


class StoryPhase(StrEnum):
    """Where a story stands."""

    DRAFT = "DRAFT"
    DESIGN = "DESIGN"
    BUILD = "BUILD"
    TEST = "TEST"
    DOCS = "DOCS"


CONVENES = {
    StoryPhase.DESIGN: ("ARCHITECT", "DATA"),
    StoryPhase.BUILD: ("DEV", "DEVOPS"),
    StoryPhase.TEST: ("QA",),
}
"""The roles that a phase convenes where the configuration does not say otherwise."""


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


def _left(value: object, info: ValidationInfo) -> object:
    """The phase that is left may be any: nothing follows from it."""
    said = _upper(value)
    if isinstance(said, str) and said not in StoryPhase.__members__:
        warn(info, "unknown_phase")
    return said


class Transition(BaseModel):
    """The payload of a transition. Unknown fields are kept: the agents see them."""

    model_config = ConfigDict(frozen=True, extra="allow")

    story_id: Id
    from_phase: Annotated[Name, BeforeValidator(_left)]
    to_phase: Annotated[StoryPhase, BeforeValidator(_upper)]
    timestamp: Time
    title: Plain = ""
    description: Plain = ""
    acceptance_criteria: Texts = ()


class Transitioned(Data):
    """A transition with its identity: two events of equal `source` and `key` are one.

    Where it is not `timed`, the time is one that stands in, as with a plan.
    """

    source: str
    key: str
    correlation_id: str
    transition: Transition
    timed: bool = True
    warnings: tuple[Warned, ...] = ()


def transitioned(arrival: Arrival, max_bytes: int) -> Transitioned:
    """Read a transition of any of the three shapes, or raise InvalidEvent for good.

    The phases may be in any case. An unknown one that is entered is refused: nothing says whom it
    concerns.
    """
    event = inbound(arrival, "story.transitioned", max_bytes, timed=True)
    warnings = list(event.warnings)
    transition = understood(Transition, event.payload, warnings)
    return Transitioned(
        source=event.source,
        key=event.key,
        correlation_id=event.correlation_id or transition.story_id,
        transition=transition,
        timed=event.timed,
        warnings=tuple(warnings),
    )


def phase_tasks(
    event: Transitioned, convenes: dict[StoryPhase, tuple[str, ...]]
) -> tuple[Task, ...]:
    """One task for each role that the entered phase convenes; none for a phase of nobody's."""
    return tuple(_task(event, role) for role in convenes.get(event.transition.to_phase, ()))


def _task(event: Transitioned, role: str) -> Task:
    story = event.transition
    moved = f"Story {story.story_id} went from {story.from_phase} to {story.to_phase}"
    return Task(
        id=task_id(event.source, event.key, role),
        role=role,
        title=story.title or moved,
        text=story.description or f"{moved}. Say what the {story.to_phase} phase needs of {role}.",
        requirements=story.acceptance_criteria,
        context=_context(event),
        story_id=story.story_id,
    )


def _context(event: Transitioned) -> dict[str, JsonValue]:
    """All that the task's own fields do not hold."""
    story = event.transition
    context: dict[str, JsonValue] = {"from_phase": story.from_phase, "to_phase": story.to_phase}
    if event.timed:
        context["timestamp"] = story.timestamp.isoformat()
    return {**context, **(story.model_extra or {})}
