"""What is too large for a message is kept by reference: whole for us, clipped for the world."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from bus_fakes import connected, last_record, outbound, record, stored
from deadline import reaches
from nats.js import JetStreamContext

from actors.bus import Connection
from actors.journal import Journal
from actors.messages import clipped
from actors.nats_server import NatsServer
from actors.texts import get, put, reference
from engine.config import BusConfig
from engine.errors import SetupError
from engine.events import Drafted, Record
from engine.types import Usage

MOST = 64 * 1024
BUCKET = "OBJ_conclave-texts"


def drafted(seq: int, size: int) -> Record:
    """A record with a text of so many characters."""
    event = Drafted(
        turn=f"t{seq}",
        agent="a",
        text="é" * size,
        reasoning="",
        truncated=False,
        usage=Usage(prompt=1, cached=0, generated=1),
    )
    return Record(deliberation="x", seq=seq, at=float(seq), event=event)


def an_end(*texts: str, packet: object = None) -> bytes:
    """The envelope of a decision over these texts."""
    decisions = [
        {"proposal": {"author": {"agent_id": f"a-{n}", "role": "DEV"}, "content": text}, "rank": n}
        for n, text in enumerate(texts, 1)
    ]
    payload = {"task_id": "x", "story_id": "s-1", "role": "DEV", "winner_id": "a-1"}
    return json.dumps(
        {
            "event_type": "orchestration.deliberation.completed",
            "payload": payload | {"decisions": decisions, "packet": packet},
            "metadata": {"record": last_record("x", 9).model_dump(mode="json")},
        }
    ).encode()


def test_an_end_is_clipped_no_more_than_it_must_be() -> None:
    """Small fields, short texts and the packet stay; what is cut says so and where the whole is."""
    whole = an_end("short", "long" * 50_000, packet={"choice": "a-1"})
    short = json.loads(clipped(whole, reference(whole), MOST))
    assert MOST / 4 < len(json.dumps(short)) <= MOST
    assert short["metadata"]["record"] == short["payload"]["clipped"]
    assert short["payload"]["clipped"] == {
        "bucket": "conclave-texts",
        "object": reference(whole).object,
        "size": len(whole),
    }
    kept = {name: short["payload"][name] for name in ("task_id", "story_id", "role", "winner_id")}
    assert kept == {"task_id": "x", "story_id": "s-1", "role": "DEV", "winner_id": "a-1"}
    assert short["payload"]["packet"] == {"choice": "a-1"}
    first, second = (each["proposal"] for each in short["payload"]["decisions"])
    assert (first["content"], first["clipped"]) == ("short", False)
    assert second["clipped"]
    assert ("long" * 50_000).startswith(second["content"])


def test_a_packet_that_does_not_fit_is_left_out() -> None:
    """Only when no text is left to be cut."""
    whole = an_end("text", packet={"objections": ["no"] * 50_000})
    short = json.loads(clipped(whole, reference(whole), MOST))
    assert short["payload"]["packet"] is None
    assert short["payload"]["winner_id"] == "a-1"


@pytest.fixture
async def narrow(nats: NatsServer, monkeypatch: pytest.MonkeyPatch) -> NatsServer:
    """A server that takes messages of 64 KiB at most."""
    monkeypatch.setattr("actors.nats_server.MAX_PAYLOAD", MOST)
    nats.restart()
    return nats


@pytest.fixture
async def client(narrow: NatsServer) -> AsyncIterator[Connection]:
    """A connection to it, the streams made."""
    async with connected(narrow.url) as client:
        yield client


@pytest.fixture
async def journal(narrow: NatsServer, client: Connection) -> AsyncIterator[Journal]:
    """A journal on it."""
    opened = await Journal.connect(BusConfig(url=narrow.url), "journal", patience_s=20.0)
    yield opened
    await opened.close()


async def written(journal: Journal) -> list[Record]:
    """A deliberation whose second record and whose end are each too large."""
    writer = journal.writer("x", 0)
    records = [record("x", 1), drafted(2, 100_000), drafted(3, 10), last_record("x", 4)]
    event = records[3].event.model_copy(update={"message": "gone" * 50_000})
    records[3] = records[3].model_copy(update={"event": event})
    for each in records[:3]:
        writer.append(each)
    await writer.end(records[3], outbound(records[3]))
    return records


@pytest.mark.nats
async def test_large_records_and_ends_are_read_as_any_others(
    journal: Journal, client: Connection, narrow: NatsServer
) -> None:
    """By reading, following and asking for the end, also from another process's journal."""
    records = await written(journal)
    assert not client.is_closed
    other = await Journal.connect(BusConfig(url=narrow.url), "other")
    for each in (journal, other):
        found = await each.read("x")
        assert (list(found.records), found.ended) == (records, True)
        assert await each.end("x") == records[3]
        async with aclosing(each.follow("x", after_seq=1)) as stream:
            assert [record async for record in stream] == records[1:]
    await other.close()

    async def copied() -> bool:
        return await stored(client, "ORCHESTRATOR_EVENTS") == 1

    await reaches(copied, "the end is copied")
    copy = await client.streams().get_last_msg(
        "ORCHESTRATOR_EVENTS", "orchestration.deliberation.failed"
    )
    told = json.loads(copy.data or b"")
    assert told["payload"]["task_id"] == "x"
    assert told["metadata"]["record"]["object"] == reference(outbound(records[3])).object


@pytest.mark.nats
async def test_many_records_never_make_a_message_too_large(journal: Journal) -> None:
    """A batch ends where the server's limit is, if that is lower than ours."""
    writer = journal.writer("x", 0)
    for seq in range(1, 31):
        writer.append(drafted(seq, 5000))
    await writer.flush()
    assert writer.messages >= 5
    assert len((await journal.read("x")).records) == 30
    await writer.close()


@pytest.mark.nats
async def test_a_text_is_put_once(client: Connection) -> None:
    """What is there is not sent again; what is not named by anybody is in nobody's way."""
    js, text = client.streams(), b"t" * 300_000
    named = await put(js, text, MOST)
    held = (await js.stream_info(BUCKET)).state
    assert await put(js, text, MOST) == named
    assert (await js.stream_info(BUCKET)).state == held
    assert await get(js, named) == text


@pytest.mark.nats
async def test_a_server_killed_between_text_and_message_does_no_harm(
    journal: Journal, narrow: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text is there and no message names it yet: it is put again, or found, and all is read."""
    publish, killed = JetStreamContext.publish, list[str]()

    async def deadly(js: JetStreamContext, subject: str, *args: bytes, **named: object) -> object:
        if subject.endswith(".r") and not killed:
            killed.append(subject)
            narrow.kill()
            narrow.start()
        return await publish(js, subject, *args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(JetStreamContext, "publish", deadly)
    writer = journal.writer("x", 0)
    writer.append(drafted(1, 100_000))
    await writer.flush()
    assert killed
    assert (await journal.read("x")).records == (drafted(1, 100_000),)
    await writer.close()


@pytest.mark.nats
@pytest.mark.parametrize("damage", ["missing", "cut", "bits"])
async def test_a_missing_or_damaged_text_is_one_clear_error(
    journal: Journal, client: Connection, damage: str
) -> None:
    """It says which and what to do, soon, by every way of reading."""
    await written(journal)
    js = client.streams()
    subject = "$O.conclave-texts.M.>" if damage == "missing" else "$O.conclave-texts.C.>"
    state = (await js.stream_info(BUCKET, subjects_filter=subject)).state
    for each in state.subjects or {}:
        last = await js.get_last_msg(BUCKET, each)
        assert last.seq is not None
        await js.delete_msg(BUCKET, last.seq)
        if damage == "bits":
            await js.publish(each, (last.data or b"")[:-1] + b"?")
    clear = r"text [0-9a-f]{64} of the bucket conclave-texts is (missing|damaged).*Restore"
    for reading in (journal.read("x"), journal.end("x"), anext(journal.follow("x", 1))):
        with pytest.raises(SetupError, match=clear):
            await asyncio.wait_for(reading, 5)
