"""A planning event that a client hands in, as the event of the bus that it is; posts nothing."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

from pydantic import Field, JsonValue

from engine import planning
from engine.arrival import Arrival
from engine.config import Config
from engine.data import Data
from engine.errors import InvalidEvent, InvalidRequest
from engine.transitions import SUBJECT, phase_tasks, transitioned
from engine.types import Task

PRODUCER = "conclave-door"
MOST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999."""

SUBJECTS = {"planapproved": planning.SUBJECT, "storytransitioned": SUBJECT}
"""Where an event is told, by how its type ends, but for case and marks."""

UNNAMED = "unnamed"
"""Who approved a plan of which nobody says it."""

ASKED_AS = {
    "story_id": "case_id",
    "plan_id": "plan_id",
    "from_phase": "from_state",
    "to_phase": "to_state",
    "timestamp": "timestamp_ms",
}
"""The field of which a part of the payload was made; all others are in the metadata."""


class PlanningEvent(Data):
    """What has happened: `plan.approved`, or `story.transitioned` from a phase to another one.

    The story is the `story_id` of the metadata, else the case. All else that an event of the bus
    may say stands in the metadata: roles, title, description, approved_by and so on.
    """

    event_type: str = Field(min_length=1, max_length=200)
    case_id: str = ""
    plan_id: str = ""
    from_state: str = ""
    to_state: str = ""
    timestamp_ms: int = Field(default=0, ge=0, le=MOST_MS)
    metadata: dict[str, JsonValue] = Field(default_factory=dict)


class Posted(Data):
    """An event as it is to be told, and the tasks that every bridge will derive of it."""

    subject: str
    key: str
    payload: dict[str, JsonValue]
    tasks: tuple[Task, ...]


def posted(event: PlanningEvent, key: str, config: Config) -> Posted:
    """What is to be told; InvalidRequest names the field that would make it a dead letter.

    Without a `key` the same words are the same event.
    """
    subject = _subject(event.event_type)
    payload = _payload(event, subject)
    said = event.model_dump(mode="json", exclude_defaults=True)
    key = key or hashlib.sha256(_json(said)).hexdigest()[:32]
    document: dict[str, JsonValue] = {
        "event_type": subject,
        "payload": payload,
        "idempotency_key": key,
    }
    data = _json({**document, "producer": PRODUCER})
    arrival = Arrival(stream="", seq=0, subject=subject, data=data, at=0.0)
    try:
        found = _tasks(arrival, config)
    except InvalidEvent as error:
        raise InvalidRequest(_asked_as(error.where), error.what) from error
    return Posted(subject=subject, key=key, payload=payload, tasks=found)


def _tasks(arrival: Arrival, config: Config) -> tuple[Task, ...]:
    """As a bridge derives them."""
    most = config.bus.max_event_bytes
    if arrival.subject == SUBJECT:
        return phase_tasks(transitioned(arrival, most), config.phases)
    roles = tuple(council.role for council in config.councils)
    return planning.tasks(planning.plan_approved(arrival, most), roles)


def _subject(event_type: str) -> str:
    plain = "".join(letter for letter in event_type.lower() if letter.isalnum()).removesuffix("v1")
    for ending, subject in SUBJECTS.items():
        if plain.endswith(ending):
            return subject
    known = ", ".join(subject.removeprefix("planning.") for subject in SUBJECTS.values())
    raise InvalidRequest("event_type", f"{event_type[:80]!r} is none of {known}")


def _payload(event: PlanningEvent, subject: str) -> dict[str, JsonValue]:
    """The event's own fields, and all that came with it; what is empty is not said."""
    transition = subject == SUBJECT
    own: dict[str, JsonValue] = {
        "story_id": event.metadata.get("story_id") or event.case_id,
        "case_id": event.case_id,
        "plan_id": event.plan_id,
        "from_phase" if transition else "from_state": event.from_state,
        "to_phase" if transition else "to_state": event.to_state,
    }
    if event.timestamp_ms:
        at = datetime.fromtimestamp(event.timestamp_ms / 1000, UTC)
        own["timestamp"] = at.isoformat()
    if not transition and not event.metadata.get("approved_by"):
        own["approved_by"] = UNNAMED
    said = {name: value for name, value in own.items() if value}
    return {**event.metadata, **said}


def _asked_as(where: str) -> str:
    """Where the client finds what is wrong."""
    field, mark, rest = where.removeprefix("payload.").partition("[")
    return f"{ASKED_AS.get(field, f'metadata.{field}')}{mark}{rest}" if field else where


def _json(document: dict[str, JsonValue]) -> bytes:
    try:
        text = json.dumps(document, sort_keys=True, ensure_ascii=False, allow_nan=False)
        return text.encode()
    except ValueError as error:
        raise InvalidRequest("metadata", f"cannot be told as JSON: {error}") from error
