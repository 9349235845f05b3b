"""What a message of the journal looks like, and the way to find one; knows nothing of writing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple

import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg
from pydantic import JsonValue, TypeAdapter

from actors.streams import JOURNAL
from engine.data import Data
from engine.errors import SetupError
from engine.events import Record
from engine.types import Task

NO_MESSAGE = 10037
WRONG_LAST = 10071
RACING = 10164
EXPECTED_SUBJECT = "Nats-Expected-Last-Subject-Sequence-Subject"
ROLE, TOOK_MS, TASK = "Conclave-Role", "Conclave-Took-Ms", "Conclave-Task"
"""Headers of an end, so that statistics and duplicates of its event need not read it."""
PRODUCER = "conclave"


class _Batch(Data):
    """The payload of an `.r` message."""

    records: tuple[Record, ...]


class Outcome(NamedTuple):
    """How a deliberation ended, and the digest of its task, empty where that was not kept."""

    status: Literal["completed", "failed"]
    task: str


class Found(NamedTuple):
    """The records of one message, its sequence in the stream, and whether nothing follows it."""

    records: tuple[Record, ...]
    seq: int
    ended: bool


def key_of(id: str) -> str:
    """A deliberation's token in subjects: a client's id never becomes one."""
    return hashlib.sha256(id.encode()).hexdigest()[:32]


def digest_of(task: Task) -> str:
    """What tells a task from every other one of the same id."""
    return hashlib.sha256(task.model_dump_json().encode()).hexdigest()[:32]


def digest_of_all(tasks: Sequence[Task]) -> str:
    """What tells so many tasks from any other ones."""
    return hashlib.sha256("".join(map(digest_of, tasks)).encode()).hexdigest()[:32]


def root_of(id: str) -> str:
    """The subject under which a deliberation is journalled."""
    return f"deliberation.{key_of(id)}"


async def next_message(
    js: JetStreamContext, root: str, after: int, stream: str = JOURNAL
) -> RawStreamMsg | None:
    """The first message of a deliberation behind a stream sequence, None if there is none."""
    try:
        return await js.get_msg(stream, seq=after + 1, subject=f"{root}.>", next=True)
    except nats.js.errors.NotFoundError as error:
        if error.err_code == NO_MESSAGE:
            return None
        raise _missing(stream) from error


async def last_message(
    js: JetStreamContext, root: str, exactly: bool = False
) -> RawStreamMsg | None:
    """The last message of a deliberation, or `exactly` of a subject; None if there is none."""
    try:
        return await js.get_last_msg(JOURNAL, root if exactly else f"{root}.>")
    except nats.js.errors.NotFoundError as error:
        if error.err_code == NO_MESSAGE:
            return None
        raise _missing(JOURNAL) from error


def _missing(stream: str) -> SetupError:
    return SetupError(f"stream {stream} is missing", "Start the engine anew: it makes its streams")


def opened(message: RawStreamMsg) -> Found:
    """Read a message of the journal."""
    assert message.seq is not None
    data = message.data or b""
    if message.subject is not None and message.subject.endswith(".r"):
        return Found(_Batch.model_validate_json(data).records, message.seq, ended=False)
    return Found((ending(data),), message.seq, ended=True)


def outcome(message: RawStreamMsg) -> Outcome | None:
    """What the last message of a deliberation says without being read; None if it is no end."""
    digest = (message.headers or {}).get(TASK, "")
    match (message.subject or "").rpartition(".")[2]:
        case "completed":
            return Outcome("completed", digest)
        case "failed":
            return Outcome("failed", digest)
        case _:
            return None


def envelope(
    event_type: str,
    payload: dict[str, JsonValue],
    key: str,
    correlation_id: str,
    producer: str,
    at: float,
    metadata: dict[str, JsonValue],
) -> bytes:
    """An outbound message of the contract; `at` in Unix seconds."""
    document = {
        "event_type": event_type,
        "payload": payload,
        "idempotency_key": key,
        "correlation_id": correlation_id,
        "timestamp": datetime.fromtimestamp(at, UTC).isoformat(),
        "producer": producer,
        "metadata": metadata,
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode()


def ending(message: bytes) -> Record:
    """The record that the envelope of an end carries in its metadata."""
    return Record.model_validate(
        TypeAdapter(dict[str, JsonValue]).validate_json(message)["metadata"]["record"]  # type: ignore[index, call-overload]
    )
