"""An event of any of the three shapes, read leniently; knows nothing of what it is about."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, JsonValue, ValidationError
from pydantic_core import from_json

from engine.arrival import Arrival, check_values, read_object, within
from engine.data import Data
from engine.errors import InvalidEvent
from engine.lenient import Warned

Payload = TypeVar("Payload", bound=BaseModel)

IDENTITY = "Conclave-Identity"
"""The header by which an event that is published once more is still the same event."""


class Inbound(Data):
    """What any event says: two of equal `source` and `key` are one. The payload is as it came.

    `correlation_id` is empty where the event names none. `warnings` are about the wrapping. Where
    it is not `timed`, the payload's time is one that stands in.
    """

    source: str
    key: str
    correlation_id: str
    payload: dict[str, JsonValue]
    timed: bool = True
    warnings: tuple[Warned, ...] = ()


class _Identity(NamedTuple):
    source: str
    key: str


class _Read(NamedTuple):
    """What is in a wrapping; `time` is the wrapping's own."""

    identity: _Identity
    payload: object
    time: object
    warnings: list[Warned]


def inbound(
    arrival: Arrival, ending: str | tuple[str, ...], max_bytes: int, timed: bool = False
) -> Inbound:
    """Read an event of any of the three shapes, or raise InvalidEvent for good.

    A type that is said must end in `ending`, such as `plan.approved`, or in one of several, but
    for case and marks.
    The wrapping's time stands in for one missing in the payload. An event that should be `timed`
    is warned of then, and has at least the time at which the stream took it.
    """
    document = read_object(arrival.data, max_bytes)
    endings = (ending,) if isinstance(ending, str) else ending
    read: Callable[[dict[str, Any], Arrival, tuple[str, ...]], _Read]
    if "specversion" in document:
        document["payload"] = document.pop("data", None)
        read = _cloud_event
    elif "payload" in document and document.keys() & {"event_type", "idempotency_key", "producer"}:
        read = _envelope
    else:
        read = _bare
    check_values(document, "payload" if read is _bare else "")
    identity, payload, time, warnings = read(document, arrival, endings)
    if not isinstance(payload, dict):
        raise InvalidEvent("dict_type", "payload", "a JSON object is expected")
    own_time = payload.get("timestamp") is not None
    if not own_time:
        payload = _stamped(payload, time, arrival.at if timed else None)
        warnings += [Warned("timestamp_missing", "payload.timestamp")] if timed else []
    said = document.get("correlation_id")
    return Inbound(
        source=identity.source,
        key=identity.key,
        correlation_id=said if said and isinstance(said, str) else "",
        payload=payload,
        timed=own_time,
        warnings=tuple(warnings),
    )


def understood(
    kind: type[Payload], payload: dict[str, JsonValue], warnings: list[Warned] | None = None
) -> Payload:
    """The payload as what it is about; InvalidEvent names its first fault.

    What had to be understood is added to the `warnings`.
    """
    try:
        return kind.model_validate(payload, context=warnings)
    except ValidationError as error:
        raise _invalid(error) from error


def _invalid(error: ValidationError) -> InvalidEvent:
    """The first fault, as a path into the payload."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = "payload"
    for step in first["loc"]:
        where = within(where, step)
    return InvalidEvent(first["type"], where, first["msg"])


def _bare(document: dict[str, Any], arrival: Arrival, _endings: tuple[str, ...]) -> _Read:
    return _Read(_by_message(arrival), document, None, [])


def _cloud_event(document: dict[str, Any], _arrival: Arrival, endings: tuple[str, ...]) -> _Read:
    identity = _Identity(_text(document, "source"), _text(document, "id"))
    for name, value in (("source", identity.source), ("id", identity.key)):
        if not value:
            raise InvalidEvent("missing", name, "CloudEvents require it")
    warnings = _check_type(document, "type", endings)
    if document["specversion"] != "1.0":
        warnings.append(Warned("unknown_version", "specversion"))
    return _Read(identity, document["payload"], document.get("time"), warnings)


def _envelope(document: dict[str, Any], arrival: Arrival, endings: tuple[str, ...]) -> _Read:
    key = _text(document, "idempotency_key")
    producer = _text(document, "producer")
    warnings = _check_type(document, "event_type", endings)
    lacking = [n for n, said in (("idempotency_key", key), ("producer", producer)) if not said]
    warnings += [Warned(f"{name}_missing", name) for name in lacking]
    identity = _Identity(producer, key) if key else _by_message(arrival)
    return _Read(identity, document["payload"], document.get("timestamp"), warnings)


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
    """As strict as with the fields of a wrapping: anybody may have written it."""
    try:
        source, key = from_json(said, allow_inf_nan=False)
    except (ValueError, TypeError):
        source = key = None
    if not (isinstance(source, str) and isinstance(key, str)) or "\0" in source:
        raise InvalidEvent(
            "identity_invalid", IDENTITY, "a JSON list of source and key is expected"
        )
    return _Identity(source, key)


def _stamped(payload: dict[str, JsonValue], time: Any, at: float | None) -> dict[str, JsonValue]:
    """A payload without a timestamp of its own has that of its wrapping, or of its message."""
    if time is None and at is not None:
        time = datetime.fromtimestamp(at, UTC).isoformat()
    return payload if time is None else {**payload, "timestamp": time}


def _text(document: dict[str, Any], name: str) -> str:
    """A field of the wrapping as text; a number counts as one, nothing as the empty text."""
    value = document.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidEvent("string_type", name, "a text is expected")
    return str(value)


def _check_type(document: dict[str, Any], name: str, endings: tuple[str, ...]) -> list[Warned]:
    """`planning.plan.approved`, `PlanApproved`, `com.example.plan.approved.v1` all name it."""
    said = _text(document, name)
    plain = _plainly(said).removesuffix("v1")
    if plain and not plain.endswith(tuple(map(_plainly, endings))):
        raise InvalidEvent("unknown_type", name, f"{said[:80]!r} where {endings[0]!r} is expected")
    return [] if plain else [Warned("type_missing", name)]


def _plainly(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())
