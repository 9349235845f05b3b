"""Dead letters on a real nats-server: each once, readable, and replayed as the same event."""

import json
from collections.abc import AsyncIterator

import pytest
from bus_fakes import connected, stored

from actors.bus import Connection
from actors.deadletter import Letters, bury, letter
from actors.nats_server import NatsServer
from actors.streams import PLANS
from actors.wary import WaryClient
from engine.arrival import Arrival
from engine.errors import Conflict, InvalidEvent, NotFound
from engine.inbound import IDENTITY, inbound

pytestmark = pytest.mark.nats

SUBJECT = "planning.plan.approved"
WRONG = InvalidEvent("missing", "payload.plan_id", "Field required")


@pytest.fixture
async def client(nats: NatsServer) -> AsyncIterator[Connection]:
    """A connection, the streams made."""
    async with connected(nats.url) as client:
        yield client


async def arrive(client: Connection, data: bytes, **headers: str) -> Arrival:
    """Publish an event and take it as the bridge does."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    ack = await client.streams().publish(SUBJECT, data, headers=named or None)
    return await at(client, ack.seq)


async def at(client: Connection, seq: int) -> Arrival:
    """The event with this sequence."""
    found = await client.streams().get_msg(PLANS, seq=seq)
    return Arrival(PLANS, seq, found.subject or "", found.data or b"", WaryClient.headers_of(found))


def identity(arrival: Arrival) -> tuple[str, str]:
    """Who the event is."""
    event = inbound(arrival, "plan.approved", 10_000)
    return event.source, event.key


@pytest.mark.parametrize("headers", [{}, {"Nats_Msg_Id": "m 1"}, {"Nats_Msg_Id": "früh"}])
async def test_a_replayed_event_is_the_same_event(
    client: Connection, headers: dict[str, str]
) -> None:
    """Same bytes, subject, headers and identity in a new place; replayed twice, still the same."""
    first = await arrive(client, b'{"a": 1}', Trace="tür", Nats_Expected_Stream=PLANS, **headers)
    await bury(client, first, WRONG)
    letters = Letters(client)
    again = await at(client, await letters.replay(PLANS, first.seq))
    assert again.seq == first.seq + 1
    assert (again.data, again.subject) == (first.data, first.subject)
    assert (again.headers["Trace"], identity(again)) == ("tür", identity(first))
    await bury(client, again, WRONG)
    third = await at(client, await letters.replay(PLANS, again.seq))
    assert identity(third) == identity(first)


def test_a_letter_fits_whatever_its_headers_say() -> None:
    """Signs that take six times as much in a letter leave it no larger than NATS takes."""
    headers = {f"{n:03d}" + "\x01" * 500: "\x01" * 512 for n in range(64)}
    event = Arrival(PLANS, 1, SUBJECT, b"{" * 1000, headers)
    small = json.loads(letter(event, WRONG, 1.0, 1 << 20))
    assert (small["headers"], small["headers_clipped"]) == (headers, False)
    for most in (4_000, 250_000):
        data = letter(event, WRONG, 1.0, most)
        assert len(data) <= most
        assert json.loads(data)["headers_clipped"]


async def test_a_replay_is_noted_and_not_repeated_unasked(client: Connection) -> None:
    """The list shows it; a second one says what it made, and `again` does it."""
    first = await arrive(client, b"{")
    await bury(client, first, WRONG)
    letters = Letters(client)
    assert [letter.replays for letter in await letters.all()] == [()]
    made = await letters.replay(PLANS, first.seq)
    with pytest.raises(Conflict, match=f"replayed as {made}; say --again"):
        await letters.replay(PLANS, first.seq)
    second = await letters.replay(PLANS, first.seq, again=True)
    [letter] = await letters.all()
    assert [replay.seq for replay in letter.replays] == [made, second]
    assert await letters.one(PLANS, first.seq) == letter


async def test_letters_are_told_newest_first_up_to_a_limit(client: Connection) -> None:
    """Notes of replays are no letters."""
    for _ in range(3):
        await bury(client, await arrive(client, b"{"), WRONG)
    letters = Letters(client)
    await letters.replay(PLANS, 1)
    assert [letter.seq for letter in await letters.all()] == [3, 2, 1]
    assert [letter.seq for letter in await letters.all(limit=2)] == [3, 2]
    assert await stored(client, "DEADLETTER") == 4


@pytest.mark.parametrize(("stream", "seq"), [(PLANS, 8), ("*", 1), ("NONE", 1), ("a b", 1)])
async def test_an_unknown_letter_is_not_found(client: Connection, stream: str, seq: int) -> None:
    """Neither is one that only a wildcard would find."""
    await bury(client, await arrive(client, b"{"), WRONG)
    with pytest.raises(NotFound, match="conclave deadletter list"):
        await Letters(client).one(stream, seq)


async def test_a_clipped_letter_is_replayed_from_its_stream_while_it_is_there(
    client: Connection,
) -> None:
    """Afterwards it is refused in one line; a whole letter needs no stream."""
    large = json.dumps({"text": "x" * 900_000}).encode()
    clipped, whole = await arrive(client, large), await arrive(client, b"{")
    for event in (clipped, whole):
        await bury(client, event, WRONG)
    letters = Letters(client)
    assert (await at(client, await letters.replay(PLANS, clipped.seq))).data == large
    await client.streams().purge_stream(PLANS)
    with pytest.raises(NotFound, match="gone from its stream"):
        await letters.replay(PLANS, clipped.seq, again=True)
    again = await at(client, await letters.replay(PLANS, whole.seq))
    assert (again.data, json.loads(again.headers[IDENTITY])[1]) == (b"{", str(whole.seq))
