"""Events that tell of a story, read leniently; knows nothing of what else is known of it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    TypeAdapter,
    ValidationError,
)

from engine.arrival import Arrival
from engine.brief import line
from engine.errors import InvalidEvent
from engine.inbound import Inbound, inbound, understood
from engine.lenient import Id, Warned, Worded, counted
from engine.story import Note


def _technical(value: object) -> object:
    """What a decision is of unless it says so."""
    return "TECHNICAL" if value in (None, "") else value


class _Telling(BaseModel):
    """An event about a story. Unknown fields are kept: the agents see them."""

    model_config = ConfigDict(frozen=True, extra="allow")

    story_id: Id


class _Update(_Telling):
    version: Annotated[int, BeforeValidator(counted), Field(ge=0, lt=1 << 63)]


class _Milestone(_Telling):
    milestone_id: Id
    milestone_name: Worded


class _Decision(_Telling):
    decision_id: Id
    decision_type: Annotated[Worded, BeforeValidator(_technical)] = "TECHNICAL"


class _Kind(NamedTuple):
    """How an event is read: what it makes, its shape, its type's ending, what names its matter."""

    name: Literal["update", "milestone", "decision"]
    shape: type[_Telling]
    ending: str
    matter: str


KINDS: dict[str, _Kind] = {
    "context.updated": _Kind("update", _Update, "context.updated", ""),
    "context.milestone.reached": _Kind(
        "milestone", _Milestone, "milestone.reached", "milestone_id"
    ),
    "context.decision.added": _Kind("decision", _Decision, "decision.added", "decision_id"),
}
"""The events that tell of a story, by their subjects."""


class Told(NamedTuple):
    """What an event adds, to which story, and what of it had to be understood."""

    story_id: str
    note: Note
    warnings: tuple[Warned, ...]


def told(arrival: Arrival, max_bytes: int) -> Told:
    """Read an event of one of KINDS in any of the three shapes; InvalidEvent for good."""
    kind = KINDS.get(arrival.subject)
    if kind is None:
        raise InvalidEvent("unknown_subject", "subject", f"only {', '.join(KINDS)} tell of stories")
    event = inbound(arrival, kind.ending, max_bytes)
    warnings = list(event.warnings)
    read = understood(kind.shape, event.payload, warnings)
    fields: dict[str, Any] = {**dict(read), **(read.model_extra or {})}
    at = _time(fields.get("timestamp"))
    if at is not None:
        del fields["timestamp"]
    note = Note(
        kind=kind.name,
        id=fields.pop(kind.matter, ""),
        version=read.version if isinstance(read, _Update) else 0,
        at=_not_after(arrival.at, at),
        text="\n".join(line(k, v) for k, v in fields.items() if k != "story_id"),
        event=_identity(event),
        seq=arrival.seq,
    )
    return Told(read.story_id, note, tuple(warnings))


def _not_after(arrived: float | None, said: float | None) -> float:
    """When an event happened: at the time it names, unless that is still to come."""
    times = [time for time in (arrived, said) if time is not None]
    return min(times, default=0.0)


def _time(said: JsonValue) -> float | None:
    """A time in Unix seconds, of no more than microseconds; None where it cannot be read."""
    try:
        read = TypeAdapter(datetime).validate_python(said)
        known = read if read.tzinfo else read.replace(tzinfo=UTC)
        return round(known.astimezone(UTC).timestamp(), 6)
    except (ValidationError, OverflowError, ValueError):
        return None


def _identity(event: Inbound) -> str:
    text = f"{event.source}\0{event.key}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
