"""Where events go that can never be done, exactly once each, and back; knows no reason for it."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import nats.js.errors
from nats.js.api import Header, RawStreamMsg
from pydantic import Field

from actors.bus import Connection
from actors.messages import NO_MESSAGE, RACING, WRONG_LAST
from actors.patience import BROKEN, patiently, said
from actors.streams import DEADLETTER
from actors.wary import WaryClient
from actors.writer import HEADER_BYTES
from engine.arrival import Arrival
from engine.data import Data
from engine.errors import Conflict, InvalidEvent, NotFound, SetupError, Unavailable
from engine.inbound import IDENTITY, carried

T = TypeVar("T")

HEADERS_SHOWN = 64
TEXT_SHOWN = 512
REPLAYED = "replayed"
ASKED_S = 10.0
"""Who asks for a letter can ask again."""


class Replay(Data):
    """One replay of a letter: when, in Unix seconds, and the sequence of the event it made."""

    at: float
    seq: int


class Letter(Data):
    """An event that could not be done, with what was wrong and where.

    `data` are its bytes in base64, of which a `clipped` letter holds only the first; so it is with
    `headers`. The place in its stream, `stream` and `seq`, is the letter's name. The `replays` are
    noted beside it.
    """

    kind: str
    where: str
    what: str
    subject: str
    stream: str
    seq: int
    deliveries: int
    at: float
    headers: dict[str, str]
    size: int
    sha256: str
    clipped: bool
    headers_clipped: bool = False
    data: str
    replays: tuple[Replay, ...] = Field(default=(), exclude=True)


def letter(arrival: Arrival, error: InvalidEvent, at: float, most: int) -> bytes:
    """The dead letter as JSON of at most `most` bytes; `at` in Unix seconds.

    Headers and bytes of a hostile size are clipped; the whole event stays in its own stream,
    under the `stream` and `seq` given here.
    """
    shown = {_shown(k): _shown(v) for k, v in list(arrival.headers.items())[:HEADERS_SHOWN]}
    document: dict[str, Any] = {
        "kind": error.kind,
        "where": _shown(error.where),
        "what": _shown(error.what),
        "subject": _shown(arrival.subject),
        "stream": arrival.stream,
        "seq": arrival.seq,
        "deliveries": arrival.deliveries,
        "at": at,
        "headers": shown,
        "headers_clipped": shown != arrival.headers,
        "size": len(arrival.data),
        "sha256": hashlib.sha256(arrival.data).hexdigest(),
    }
    while (room := (most - len(json.dumps(document)) - 64) * 3 // 4) < 0 and shown:
        shown.popitem()  # escaped, they may take several times what they took as headers
        document["headers_clipped"] = True
    document["clipped"] = len(arrival.data) > room
    document["data"] = base64.b64encode(arrival.data[: max(room, 0)]).decode()
    return json.dumps(document).encode()


def _shown(text: str) -> str:
    """The beginning of a text that anybody may have written, as what every reader takes."""
    return text[:TEXT_SHOWN].encode("utf-8", "backslashreplace").decode()


async def bury(
    client: Connection, arrival: Arrival, error: InvalidEvent, patience_s: float = 30.0
) -> None:
    """Write the dead letter of an event; it is fine if it is there already.

    Returns when it is durable, raises Unavailable if that takes longer than `patience_s`.
    """
    what = f"dead letter of {arrival.stream} {arrival.seq}"
    data = letter(arrival, error, time.time(), client.max_payload - HEADER_BYTES)
    try:
        await patiently(lambda: _publish(client, arrival, data), what, patience_s)
    except BROKEN as refusal:
        raise Unavailable(f"{what}: NATS refuses it: {said(refusal)}") from refusal


async def _publish(client: Connection, arrival: Arrival, data: bytes) -> None:
    headers = {
        Header.EXPECTED_STREAM.value: DEADLETTER,
        Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: "0",
    }
    try:
        await client.streams().publish(_subject(arrival.stream, arrival.seq), data, headers=headers)
    except nats.js.errors.APIError as error:
        if error.err_code == RACING:
            raise nats.js.errors.ServiceUnavailableError from error
        if error.err_code != WRONG_LAST:
            raise


def _subject(stream: str, seq: int) -> str:
    return f"deadletter.{stream}.{seq}"


class Letters:
    """The dead letters, to be read, and replayed after what was wrong has been mended.

    Unavailable where NATS stays away or refuses.
    """

    def __init__(self, client: Connection) -> None:
        self._js, self._most = client.streams(), client.max_payload

    async def all(self, limit: int = 100) -> list[Letter]:
        """So many letters, newest first."""
        state = (await _asked(lambda: self._js.stream_info(DEADLETTER))).state
        found: list[Letter] = []
        notes: dict[str, tuple[Replay, ...]] = {}
        for seq in range(state.last_seq, max(state.first_seq, 1) - 1, -1):
            message = await self._get(DEADLETTER, seq=seq)
            if message is None:
                continue
            subject = message.subject or ""
            if subject.endswith(f".{REPLAYED}"):
                notes.setdefault(subject, _replays(message))
            else:
                found.append(_opened(message, notes.get(f"{subject}.{REPLAYED}", ())))
            if len(found) == limit:
                break
        return found

    async def one(self, stream: str, seq: int) -> Letter:
        """The letter of the event with that place in its stream; NotFound."""
        named = stream.replace("_", "").replace("-", "").isalnum()  # no wildcard finds another one
        message = await self._get(DEADLETTER, subject=_subject(stream, seq)) if named else None
        if message is None:
            raise NotFound(f"no dead letter {stream}/{seq}; `conclave deadletter list` names all")
        note = await self._get(DEADLETTER, subject=f"{_subject(stream, seq)}.{REPLAYED}")
        return _opened(message, _replays(note) if note else ())

    async def replay(self, stream: str, seq: int, again: bool = False) -> int:
        """Publish the event of a letter once more, as it was; the sequence it has now.

        It keeps its identity: what was decided of it before is not decided again. NotFound where
        neither its stream nor the letter holds all of it, Conflict where it was replayed already,
        unless `again`.
        """
        letter = await self.one(stream, seq)
        if letter.replays and not again:
            made = ", ".join(str(replay.seq) for replay in letter.replays)
            raise Conflict(f"{stream}/{seq} was replayed as {made}; say --again to replay it anew")
        event = await self._original(letter)
        headers = _as_sent(event)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        size = len(event.data) + len(lines.encode()) + 64
        if size > self._most:  # NATS would close the connection
            raise SetupError(
                f"{stream}/{seq} takes {size} bytes, NATS takes {self._most}",
                "Raise max_payload of nats-server",
            )
        ack = await _asked(
            lambda: self._js.publish(event.subject, event.data, stream=stream, headers=headers)
        )
        replays = (*letter.replays, Replay(at=time.time(), seq=ack.seq))
        note = json.dumps([replay.model_dump() for replay in replays]).encode()
        await _asked(lambda: self._js.publish(f"{_subject(stream, seq)}.{REPLAYED}", note))
        return ack.seq

    async def _original(self, letter: Letter) -> Arrival:
        """The event as it came: out of its stream, else out of the letter."""
        message = await self._get(letter.stream, seq=letter.seq)
        data = b"" if message is None else message.data or b""
        if message is not None and hashlib.sha256(data).hexdigest() == letter.sha256:
            subject = message.subject or letter.subject
            return Arrival(letter.stream, letter.seq, subject, data, WaryClient.headers_of(message))
        if letter.clipped or letter.headers_clipped:
            raise NotFound(
                f"the event {letter.stream}/{letter.seq} is gone from its stream and the letter "
                "holds only its beginning; have its producer publish it again"
            )
        data = base64.b64decode(letter.data)
        return Arrival(letter.stream, letter.seq, letter.subject, data, letter.headers)

    async def _get(
        self, stream: str, seq: int | None = None, subject: str | None = None
    ) -> RawStreamMsg | None:
        try:
            return await _asked(lambda: self._js.get_msg(stream, seq=seq, subject=subject))
        except nats.js.errors.NotFoundError as error:
            if error.err_code == NO_MESSAGE:
                return None
            raise SetupError(
                f"stream {stream} is missing", "`conclave streams apply` makes it"
            ) from error


def _opened(message: RawStreamMsg, replays: tuple[Replay, ...]) -> Letter:
    found = Letter.model_validate_json(message.data or b"")
    return found.model_copy(update={"replays": replays})


def _replays(note: RawStreamMsg) -> tuple[Replay, ...]:
    return tuple(Replay.model_validate(each) for each in json.loads(note.data or b"[]"))


def _as_sent(event: Arrival) -> dict[str, str]:
    """The headers without the server's own, which would have it refused or taken for a copy."""
    kept = {
        name: value
        for name, value in event.headers.items()
        if not name.lower().startswith("nats-") and name.isascii() and value.isprintable()
    }
    return {**kept, IDENTITY: carried(event)}


async def _asked(call: Callable[[], Awaitable[T]]) -> T:
    try:
        return await patiently(call, "dead letters", ASKED_S)
    except nats.js.errors.NotFoundError:
        raise
    except BROKEN as error:
        raise Unavailable(f"dead letters: NATS refuses it: {said(error)}") from error
