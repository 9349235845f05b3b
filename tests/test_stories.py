"""Claims about stories on a real bus: nothing told is lost, whoever else writes."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from bus_fakes import connected

import actors.stories
from actors.bus import Connection
from actors.nats_server import NatsServer
from actors.provision import provision
from actors.stories import Stories, subject_of
from actors.streams import STORIES
from actors.verdicts import arrived
from engine.arrival import Arrival
from engine.config import BusConfig
from engine.errors import InvalidEvent, SetupError, Unavailable

pytestmark = pytest.mark.nats

MOST = 256 * 1024


@pytest.fixture
async def client(nats: NatsServer) -> AsyncIterator[Connection]:
    """A connection to the bus, the buckets made."""
    async with connected(nats.url) as client:
        yield client


def keeper(client: Connection, patience_s: float = 10.0, **bus: int) -> Stories:
    return Stories(client.streams(), BusConfig.model_validate(bus), patience_s)


def reached(seq: int, story: str = "s-1", **fields: object) -> Arrival:
    """A milestone, the `seq`th event to arrive."""
    payload = {"story_id": story, "milestone_id": f"m-{seq}", "milestone_name": f"step {seq}"}
    data = json.dumps(payload | fields).encode()
    return Arrival("CONTEXT", seq, "context.milestone.reached", data, at=1000.0 + seq)


async def test_many_writers_at_once_lose_nothing(client: Connection) -> None:
    """Twenty events of one story at the same moment, from twenty keepers: all are noted."""
    await asyncio.gather(*(keeper(client).note(reached(n), MOST) for n in range(1, 21)))
    story = await keeper(client).of("s-1")
    assert story is not None
    assert [note.id for note in story.notes] == [f"m-{n}" for n in range(20, 0, -1)]


async def test_who_loses_too_often_comes_again(
    client: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so and has written nothing; whoever says nothing is noted."""
    monkeypatch.setattr(actors.stories, "RACES", 1)
    tried = [keeper(client).note(reached(n), MOST) for n in range(1, 21)]
    ends = await asyncio.gather(*tried, return_exceptions=True)
    lost = [end for end in ends if end != ()]
    assert all(isinstance(end, Unavailable) for end in lost)
    assert 0 < len(lost) < 20
    story = await keeper(client).of("s-1")
    assert story is not None
    noted = {f"m-{n}" for n, end in enumerate(ends, 1) if end == ()}
    assert {note.id for note in story.notes} == noted


async def test_the_same_event_writes_nothing_again(client: Connection) -> None:
    """A redelivered event leaves the story and its revision as they are."""
    stories = keeper(client)
    await stories.note(reached(1), MOST)
    first = await client.streams().get_last_msg(f"KV_{STORIES}", subject_of("s-1"))
    await stories.note(reached(1), MOST)
    again = await client.streams().get_last_msg(f"KV_{STORIES}", subject_of("s-1"))
    assert again.seq == first.seq


async def test_each_story_has_its_own_notes(client: Connection) -> None:
    """What is told of one is not known of another, and of a third nothing is."""
    stories = keeper(client)
    for story in ("s-1", "s 2.*>\n"):
        await stories.note(reached(1, story, about=story), MOST)
    one, two = await stories.of("s-1"), await stories.of("s 2.*>")
    assert one is not None
    assert two is not None
    assert one.hash != two.hash
    assert await stories.of("s-3") is None


async def test_the_bounds_are_the_configured_ones(client: Connection) -> None:
    """So many notes are kept, so many bytes are shown."""
    few = keeper(client, story_notes=2)
    for n in range(1, 6):
        await few.note(reached(n, why="x" * 3000), MOST)
    kept = await few.of("s-1")
    assert kept is not None
    assert [note.id for note in kept.notes] == ["m-5", "m-4"]
    short = await keeper(client, story_bytes=4096).of("s-1")
    assert short is not None
    assert [note.id for note in short.notes] == ["m-5"]
    assert short.left_out == 1


async def test_an_event_that_can_never_be_noted_is_refused_at_once(client: Connection) -> None:
    """It says what is wrong and where, and the story stays as it is."""
    with pytest.raises(InvalidEvent, match=r"payload\.milestone_name"):
        await keeper(client).note(reached(1, milestone_name=" "), MOST)
    assert await keeper(client).of("s-1") is None


async def test_a_story_that_was_deleted_begins_anew(client: Connection) -> None:
    """An operator may remove it; what is told later is noted."""
    stories = keeper(client)
    await stories.note(reached(1), MOST)
    bucket = await client.streams().key_value(STORIES)
    await bucket.delete(subject_of("s-1").rpartition(".")[2])
    assert await stories.of("s-1") is None
    await stories.note(reached(2), MOST)
    story = await stories.of("s-1")
    assert story is not None
    assert [note.id for note in story.notes] == ["m-2"]


async def test_an_event_off_the_bus_has_the_time_of_its_arrival(client: Connection) -> None:
    """Where it names none itself."""
    js = client.streams()
    await js.publish("context.milestone.reached", reached(1).data)
    events = await js.pull_subscribe("context.milestone.reached", "test")
    (message,) = await events.fetch(1)
    await keeper(client).note(arrived(message), MOST)
    story = await keeper(client).of("s-1")
    assert story is not None
    assert story.notes[0].at == pytest.approx(message.metadata.timestamp.timestamp())


async def test_without_nats_an_event_comes_again(client: Connection, nats: NatsServer) -> None:
    """Both ways are unavailable for as long as they wait; the event is noted when it is back."""
    hasty = Stories(client.jetstream(timeout=0.2), BusConfig(), patience_s=0.1)
    nats.stop()
    with pytest.raises(Unavailable):
        await hasty.note(reached(1), MOST)
    with pytest.raises(Unavailable):
        await hasty.of("s-1")
    nats.start()
    await keeper(client).note(reached(1), MOST)
    assert await keeper(client).of("s-1") is not None


async def test_a_missing_bucket_is_told_and_made_by_the_provisioning(client: Connection) -> None:
    """A line with the remedy, and no empty story."""
    await client.streams().delete_key_value(STORIES)
    for asked in (keeper(client).of("s-1"), keeper(client).note(reached(1), MOST)):
        with pytest.raises(SetupError, match="Start the engine anew"):
            await asked
    await provision(client.streams(), BusConfig())
    await keeper(client).note(reached(1), MOST)


async def test_a_story_that_cannot_be_read_is_no_empty_one(client: Connection) -> None:
    """What another program wrote is not overwritten."""
    await client.streams().publish(subject_of("s-1"), b"{")
    for asked in (keeper(client).of("s-1"), keeper(client).note(reached(1), MOST)):
        with pytest.raises(SetupError, match="cannot be read"):
            await asked
