"""Records, events and connections for the tests of the bus."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from nats.js.errors import NotFoundError

from actors.bus import Connection, connect
from actors.deadletter import Letter, Letters
from actors.messages import envelope
from actors.provision import provision
from actors.streams import OUTBOUND
from actors.telling import Notice, told_first
from engine.config import BusConfig
from engine.events import Failed, Record, Resumed
from engine.types import Task


def record(id: str, seq: int) -> Record:
    """The smallest record there is."""
    return Record(deliberation=id, seq=seq, at=float(seq), event=Resumed())


def last_record(id: str, seq: int) -> Record:
    """The end of a deliberation in which no decision could be had."""
    event = Failed(error_type="QuorumLost", message="gone", lost={}, tokens={})
    return Record(deliberation=id, seq=seq, at=float(seq), event=event)


def outbound(end: Record) -> bytes:
    """The end as it is told to the world."""
    return envelope(
        "orchestration.deliberation.failed",
        {"task_id": end.deliberation},
        key=end.deliberation,
        correlation_id="story-1",
        producer="conclave",
        at=end.at,
        metadata={"record": end.model_dump(mode="json")},
    )


def ended(task: Task) -> Record:
    """What a council hands back for a task."""
    return last_record(task.id, 1)


@asynccontextmanager
async def connected(url: str, bus: BusConfig | None = None) -> AsyncIterator[Connection]:
    """A connection, the streams made."""
    client = await connect(bus or BusConfig(url=url), "test", on_closed=lambda: None)
    try:
        await provision(client.streams(), bus or BusConfig(url=url))
        yield client
    finally:
        await client.leave()


async def stored(client: Connection, stream: str) -> int:
    """How many messages a stream holds."""
    return (await client.streams().stream_info(stream)).state.messages


async def letters(client: Connection) -> list[Letter]:
    """All dead letters, oldest first."""
    return (await Letters(client).all())[::-1]


async def told(client: Connection, subject: str) -> list[dict[str, Any]]:
    """The envelopes on a subject of the outbound stream, oldest first."""
    js, found, last = client.streams(), list[dict[str, Any]](), 0
    while True:
        try:
            message = await js.get_msg(OUTBOUND, seq=last + 1, subject=subject, next=True)
        except NotFoundError:
            return found
        last = message.seq or 0
        found.append(json.loads(message.data or b""))


async def first_stands(client: Connection) -> None:
    """Assert that of two notices in one place the first one stands, told once or twice."""
    place = "deliberation.notice.taken.a"
    for digest, first in (("one", True), ("one", True), ("other", False)):
        assert await told_first(client, Notice(place, place, b"", digest)) is first
