"""What a message of the journal looks like, and the way to find one; knows nothing of writing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg
from pydantic import JsonValue, TypeAdapter

from actors.streams import JOURNAL
from actors.texts import Reference
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

ENVELOPE = TypeAdapter(dict[str, JsonValue])
TEXTS_OF = ("decisions", "results")
"""Where the payload of an end has its authors' texts."""


class _Batch(Data):
    """The payload of an `.r` message, or where it is if it is too large for one."""

    records: tuple[Record, ...] = ()
    text: Reference | None = None


class Outcome(NamedTuple):
    """How a deliberation ended, and the digest of its task, empty where that was not kept."""

    status: Literal["completed", "failed"]
    task: str


class Found(NamedTuple):
    """The records of one message, its sequence in the stream, and whether nothing follows it.

    `text` is where the message is if it was too large for the stream; it has no records then.
    """

    records: tuple[Record, ...]
    seq: int
    ended: bool
    text: Reference | None = None


def key_of(id: str) -> str:
    """A deliberation's token in subjects: a client's id never becomes one."""
    return hashlib.sha256(id.encode()).hexdigest()[:32]


LATER = ("purpose", "case_id", "shown", "temperature", "top_p", "answer_tokens", "graph")
"""Fields that a task has had since digests of tasks were first kept."""


def digest_of(task: Task) -> str:
    """What tells a task from every other one of the same id.

    A later field counts only where it is set: so a task of before has the digest it was kept with.
    """
    unset = {name for name in LATER if getattr(task, name) in (None, "")}
    return hashlib.sha256(task.model_dump_json(exclude=unset).encode()).hexdigest()[:32]


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
        raise missing(stream) from error


async def last_message(
    js: JetStreamContext, root: str, exactly: bool = False
) -> RawStreamMsg | None:
    """The last message of a deliberation, or `exactly` of a subject; None if there is none."""
    try:
        return await js.get_last_msg(JOURNAL, root if exactly else f"{root}.>")
    except nats.js.errors.NotFoundError as error:
        if error.err_code == NO_MESSAGE:
            return None
        raise missing(JOURNAL) from error


def missing(stream: str) -> SetupError:
    """That a stream of ours is not there, with the remedy."""
    return SetupError(f"stream {stream} is missing", "Start the engine anew: it makes its streams")


def opened(message: RawStreamMsg) -> Found:
    """Read a message of the journal."""
    assert message.seq is not None
    data = message.data or b""
    if message.subject is not None and message.subject.endswith(".r"):
        batch = _Batch.model_validate_json(data)
        return Found(batch.records, message.seq, ended=False, text=batch.text)
    end = _carried(data)
    if isinstance(end, Reference):
        return Found((), message.seq, ended=True, text=end)
    return Found((end,), message.seq, ended=True)


def batch_of(records: list[bytes]) -> bytes:
    """The payload of an `.r` message, of records that are JSON already."""
    return b'{"records":[' + b",".join(records) + b"]}"


def elsewhere(text: Reference) -> bytes:
    """The payload of an `.r` message whose records are in the object store."""
    return _Batch(text=text).model_dump_json(exclude={"records"}).encode()


async def outcome_of(js: JetStreamContext, id: str) -> Outcome | None:
    """How a deliberation ended, None while it has no end: one request, and nothing is read."""
    message = await last_message(js, root_of(id))
    return None if message is None else outcome(message)


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
    return _json(document)


def ending(message: bytes) -> Record:
    """The record that the envelope of an end carries in its metadata."""
    end = _carried(message)
    assert isinstance(end, Record), "it was too large and is in the object store"
    return end


def _carried(message: bytes) -> Record | Reference:
    """What the envelope of an end has in its metadata: its record, or where the whole of it is."""
    record = ENVELOPE.validate_json(message)["metadata"]["record"]  # type: ignore[index, call-overload]
    if isinstance(record, dict) and "object" in record:
        return Reference.model_validate(record)
    return Record.model_validate(record)


def clipped(message: bytes, whole: Reference, most: int) -> bytes:
    """An end's envelope of at most `most` bytes, and where the whole of it is.

    Its payload keeps every small field. The authors' texts are cut as far as is needed, each that
    is says so; a packet that does not fit beside them is left out. `message` too large even so
    comes back too large.
    """
    document: dict[str, Any] = json.loads(message)
    payload = document["payload"]
    document["metadata"]["record"] = payload["clipped"] = whole.model_dump()
    proposals = [each["proposal"] for name in TEXTS_OF for each in payload.get(name, ())]
    texts = [each["content"] for each in proposals]
    room = max(map(len, texts), default=0)
    while len(short := _json(document)) > most and (room or payload.get("packet")):
        room //= 2
        for each, text in zip(proposals, texts, strict=True):
            each["content"], each["clipped"] = text[:room], len(text) > room
        if not room:
            payload["packet"] = None
    return short


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
