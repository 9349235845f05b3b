"""An event of any of the three shapes, read leniently; knows nothing of what it is about."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
)

from engine.arrival import Arrival, check_values, read_object, within
from engine.data import Data
from engine.errors import InvalidEvent

Payload = TypeVar("Payload", bound=BaseModel)

IDENTITY = "Conclave-Identity"
"""The header by which an event that is published once more is still the same event."""


def listed(value: object) -> object:
    """One item stands for a list of it, nothing for an empty one."""
    if value is None:
        return []
    return [value] if isinstance(value, str | dict) else value


def split(value: object) -> object:
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


Trimmed = StringConstraints(strip_whitespace=True, min_length=1, max_length=512)
Name = Annotated[str, Trimmed]
Id = Annotated[str, Trimmed, Field(coerce_numbers_to_str=True)]
Plain = Annotated[str, StringConstraints(strip_whitespace=True), BeforeValidator(_plain)]
Text = Annotated[str, StringConstraints(strip_whitespace=True), BeforeValidator(_worded)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(listed)]


class Inbound(Data):
    """What any event says: two of equal `source` and `key` are one. The payload is as it came.

    `correlation_id` is empty where the event names none.
    """

    source: str
    key: str
    correlation_id: str
    payload: dict[str, JsonValue]


class _Identity(NamedTuple):
    source: str
    key: str


def inbound(arrival: Arrival, ending: str, max_bytes: int) -> Inbound:
    """Read an event of any of the three shapes, or raise InvalidEvent for good.

    A type that is said must end in `ending`, such as `plan.approved`, but for case and marks.
    """
    document = read_object(arrival.data, max_bytes)
    read: Callable[[dict[str, Any], Arrival, str], tuple[_Identity, object]]
    if "specversion" in document:
        document["payload"] = document.pop("data", None)
        read = _cloud_event
    elif "payload" in document and document.keys() & {"event_type", "idempotency_key", "producer"}:
        read = _envelope
    else:
        read = _bare
    check_values(document, "payload" if read is _bare else "")
    identity, payload = read(document, arrival, ending)
    if not isinstance(payload, dict):
        raise InvalidEvent("dict_type", "payload", "a JSON object is expected")
    said = document.get("correlation_id")
    return Inbound(
        source=identity.source,
        key=identity.key,
        correlation_id=said if said and isinstance(said, str) else "",
        payload=payload,
    )


def understood(kind: type[Payload], payload: dict[str, JsonValue]) -> Payload:
    """The payload as what it is about; InvalidEvent names its first fault."""
    try:
        return kind.model_validate(payload)
    except ValidationError as error:
        raise _invalid(error) from error


def _invalid(error: ValidationError) -> InvalidEvent:
    """The first fault, as a path into the payload."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = "payload"
    for step in first["loc"]:
        where = within(where, step)
    return InvalidEvent(first["type"], where, first["msg"])


def _bare(document: dict[str, Any], arrival: Arrival, _ending: str) -> tuple[_Identity, object]:
    return _by_message(arrival), document


def _cloud_event(
    document: dict[str, Any], _arrival: Arrival, ending: str
) -> tuple[_Identity, object]:
    identity = _Identity(_text(document, "source"), _text(document, "id"))
    for name, value in (("source", identity.source), ("id", identity.key)):
        if not value:
            raise InvalidEvent("missing", name, "CloudEvents require it")
    _check_type(document, "type", ending)
    return identity, _stamped(document["payload"], document.get("time"))


def _envelope(document: dict[str, Any], arrival: Arrival, ending: str) -> tuple[_Identity, object]:
    key = _text(document, "idempotency_key")
    producer = _text(document, "producer")
    _check_type(document, "event_type", ending)
    identity = _Identity(producer, key) if key else _by_message(arrival)
    return identity, _stamped(document["payload"], document.get("timestamp"))


def carried(arrival: Arrival) -> str:
    """What IDENTITY must say for an event to stay the same one in another place of its stream."""
    return json.dumps(_by_message(arrival))


def _by_message(arrival: Arrival) -> _Identity:
    """What it was in its first place, else the publisher's message id, else the place."""
    if said := arrival.headers.get(IDENTITY):
        return _first_identity(said)
    if message_id := arrival.headers.get("Nats-Msg-Id"):
        return _Identity(f"nats-msg-id:{arrival.stream}", message_id)
    return _Identity(f"nats-seq:{arrival.stream}", str(arrival.seq))


def _first_identity(said: str) -> _Identity:
    try:
        source, key = json.loads(said)
    except (ValueError, TypeError, RecursionError):
        source = key = None
    if not (isinstance(source, str) and isinstance(key, str)):
        raise InvalidEvent(
            "identity_invalid", IDENTITY, "a JSON list of source and key is expected"
        )
    return _Identity(source, key)


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


def _check_type(document: dict[str, Any], name: str, ending: str) -> None:
    """`planning.plan.approved`, `PlanApproved`, `com.example.plan.approved.v1` all name it."""
    said = _text(document, name)
    plain = _plainly(said).removesuffix("v1")
    if plain and not plain.endswith(_plainly(ending)):
        raise InvalidEvent("unknown_type", name, f"{said[:80]!r} where {ending!r} is expected")


def _plainly(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())
