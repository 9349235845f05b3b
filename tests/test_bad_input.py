"""Whatever is published: a dead letter with its reason, or understood, and the next one is heard.

The pure reader of the engine says which; the bridge and nats-server are real. `make fuzz` tries
thousands of other inputs.
"""

import asyncio
import json
import math
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from bridging import ROLES, fleet
from bus_fakes import connected, ended, stored
from deadline import reaches
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from nats.js.errors import BadRequestError
from raw_client import RawClient

from actors.bridge import Bridge
from actors.bus import Connection
from actors.nats_server import NatsServer
from actors.streams import PLAN_APPROVED, PLANS
from engine.arrival import MAX_DEPTH, Arrival
from engine.config import BusConfig
from engine.errors import InvalidEvent
from engine.events import Record
from engine.planning import SUBJECT, plan_approved, said, tasks
from engine.types import Task

pytestmark = pytest.mark.nats

NEXT_WITHIN_S = 3.0
"""Three times the second in which the next valid event has to be handled."""
BATCH = 50
CONFLICT = ("conflict", "event")
AT_LEAST = 125
MOST = BusConfig().max_event_bytes

FIELDS = {"story_id": "s", "plan_id": "p", "approved_by": "po", "timestamp": "2026-11-22"}
ENVELOPE = {
    "event_type": SUBJECT,
    "idempotency_key": "k",
    "producer": "planner",
    "correlation_id": "c",
    "timestamp": "2026-11-22T00:00:00Z",
    "payload": {**FIELDS, "roles": ["DEV"], "tasks": [{"title": "t"}]},
}
CLOUD_EVENT = {
    "specversion": "1.0",
    "type": SUBJECT,
    "source": "/planner",
    "id": "1",
    "data": {**FIELDS, "acceptance_criteria": ["a"], "constraints": {"rubric": "r"}},
}
EVENTS: tuple[dict[str, Any], ...] = (FIELDS, ENVELOPE, CLOUD_EVENT)


class House:
    """A bridge behind which every deliberation ends at once, and a way to publish anything."""

    def __init__(self, client: Connection) -> None:
        self.client = client
        self.convened: Counter[str] = Counter()
        self.reasons: dict[int, tuple[str, str]] = {}
        self.bodies: dict[tuple[str, str], str] = {}
        self.closed = 0
        self.bridge: Bridge

    async def convene(self, task: Task) -> Record:
        """End at once."""
        self.convened[task.id] += 1
        return ended(task)

    def close(self) -> None:
        """What must not be called."""
        self.closed += 1

    async def publish(self, data: bytes, headers: dict[str, str] | None = None) -> Arrival:
        """Publish; the message as the bridge gets it."""
        ack = await self.client.streams().publish(SUBJECT, data, headers=headers)
        return Arrival(PLANS, ack.seq, SUBJECT, data, headers or {}, at=time.time())

    async def settled(self) -> bool:
        """All that is in the stream is acknowledged; what is new is not pending at once."""
        js = self.client.streams()
        info = await js.consumer_info(PLANS, PLAN_APPROVED)
        assert info.ack_floor is not None
        return info.ack_floor.stream_seq == (await js.stream_info(PLANS)).state.last_seq

    async def read_letters(self) -> None:
        """Look at the new ones; there is at most one for each event."""
        js, read = self.client.streams(), len(self.reasons)
        for place in range(read + 1, await stored(self.client, "DEADLETTER") + 1):
            letter = json.loads((await js.get_msg("DEADLETTER", place)).data or b"")
            assert letter["seq"] not in self.reasons, "a dead letter twice"
            self.reasons[letter["seq"]] = (letter["kind"], letter["where"])

    async def judged(self, arrivals: list[Arrival]) -> None:
        """All of them became what the engine's reader says, once; and the next one is heard."""
        await reaches(self.settled, "all are settled")
        await self.read_letters()
        for arrival in arrivals:
            wrong, wanted = expected(arrival)
            shown = arrival.data[:300], arrival.headers
            if wanted and self.reasons.get(arrival.seq) == CONFLICT:
                continue
            assert self.reasons.get(arrival.seq) == wrong, shown
            assert all(self.convened[task.id] for task in wanted), shown
            if wanted:
                self.hold(arrival)
        for arrival in arrivals:
            if self.reasons.get(arrival.seq) == CONFLICT:
                self.hold(arrival, another=True)
        await self.hears_the_next()

    def hold(self, arrival: Arrival, *, another: bool = False) -> None:
        """An identity belongs to one body; what was buried for it is `another` one."""
        event = plan_approved(arrival, MOST)
        belongs = self.bodies.setdefault((event.source, event.key), said(event))
        assert (belongs != said(event)) == another, arrival.data[:300]

    async def hears_the_next(self) -> None:
        """A valid event is handled at once, by a bridge that is as it was."""
        before, began = (await self.bridge.health()).handled, time.monotonic()
        await self.publish(json.dumps(FIELDS).encode())

        async def heard() -> bool:
            return (await self.bridge.health()).handled > before

        await reaches(heard, "the next event is handled", NEXT_WITHIN_S)
        assert time.monotonic() - began < NEXT_WITHIN_S
        health = await self.bridge.health()
        assert health.connected
        assert (self.closed, self.client.stats["reconnects"]) == (0, 0)


def expected(arrival: Arrival) -> tuple[tuple[str, str] | None, tuple[Task, ...]]:
    """The kind and place of the fault, or the tasks."""
    try:
        return None, tasks(plan_approved(arrival, MOST), ROLES)
    except InvalidEvent as error:
        return (error.kind, error.where), ()


@pytest.fixture
async def house(nats: NatsServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """A running bridge with short waits."""
    monkeypatch.setattr("actors.bridge.FETCH_S", 0.2)
    bus = BusConfig(url=nats.url, ack_wait_s=1.0, slots=4)
    async with connected(nats.url, bus) as client:
        made = House(client)
        made.bridge = Bridge(fleet(bus), made.convene, made.close, patience_s=5.0)
        await made.bridge.start()
        yield made
        await made.bridge.stop(grace_s=0)


def nested(depth: int) -> list[Any]:
    """Lists in one another."""
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


def changed(**changes: object) -> bytes:
    """The bare event with other or further fields."""
    return json.dumps(FIELDS | changes).encode()


CORPUS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "json_invalid"),
    "zeros": (b"\0" * 100, "json_invalid"),
    "a depth bomb": (b"[" * 200_000, "json_invalid"),
    "a closed depth bomb": (b"[" * 100_000 + b"]" * 100_000, "json_invalid"),
    "an object bomb": (b'{"a":' * 20_000 + b"1" + b"}" * 20_000, "json_invalid"),
    "too deep": (changed(extra=nested(MAX_DEPTH + 1)), "too_deep"),
    "deep enough": (changed(extra=nested(MAX_DEPTH - 3)), ""),
    "not a number": (changed(weight=math.nan), "json_invalid"),
    "infinity": (changed(weight=math.inf), "json_invalid"),
    "beyond infinity": (json.dumps(FIELDS).encode()[:-1] + b', "x": 1e999}', "finite_number"),
    "a lone surrogate": (json.dumps(FIELDS).encode()[:-1] + rb', "x": "\ud800"}', "json_invalid"),
    "bad UTF-8": (b'{"story_id": "\xff"}', "json_invalid"),
    "UTF-16": (json.dumps(FIELDS).encode("utf-16"), "json_invalid"),
    "a byte order mark": (b"\xef\xbb\xbf" + json.dumps(FIELDS).encode(), ""),
    "a million digits": (b'{"story_id": ' + b"1" * 200_000 + b"}", "json_invalid"),
    "four thousand digits": (changed(weight=10**4000), ""),
    "a key twice": (b'{"plan_id": "q", ' + json.dumps(FIELDS).encode()[1:], "duplicate_key"),
    "a NUL in a text": (changed(title="a\0b"), "nul_character"),
    "a NUL in a key": (changed(**{"a\0": 1}), "nul_character"),
    "one byte too many": (
        changed(x="")[:-2] + b"x" * (MOST + 1 - len(changed(x=""))) + b'"}',
        "too_large",
    ),
    "the largest": (changed(x="")[:-2] + b"x" * (MOST - len(changed(x=""))) + b'"}', ""),
    "an id of 5,000 characters": (changed(plan_id="x" * 5000), "string_too_long"),
    "a key of 5,000 characters": (changed(**{"x" * 5000: 1}), ""),
    "an identity of 5,000 characters": (json.dumps(CLOUD_EVENT | {"id": "x" * 5000}).encode(), ""),
    "a subject as identity": (json.dumps(CLOUD_EVENT | {"id": "a.*.> \r\n"}).encode(), ""),
    "no object": (b'"plan"', "dict_type"),
    "null": (b"null", "dict_type"),
    "many keys": (json.dumps({**FIELDS, **{str(n): 0 for n in range(20_000)}}).encode(), ""),
    "many roles": (changed(roles=["DEV"] * 20_000), ""),
    "wrong types": (changed(story_id={"a": 1}), "string_type"),
    "a role nobody has": (changed(roles=["COOK"]), "unknown_role"),
    "another type": (
        json.dumps(ENVELOPE | {"event_type": "plan.rejected"}).encode(),
        "unknown_type",
    ),
}


async def test_each_of_the_corpus_becomes_what_it_should_and_the_next_is_heard(
    house: House,
) -> None:
    """Depth bombs, surrogates, huge numbers, sizes: one dead letter with that kind, or none."""
    for name, (data, kind) in CORPUS.items():
        arrival = await house.publish(data)
        wrong, _ = expected(arrival)
        assert (wrong[0] if wrong else "") == kind, name
        await house.judged([arrival])


HEADERS: dict[str, dict[str, str]] = {
    "60 kB, and the server takes 64": {"X": "x" * 60_000},
    "5,000 of them": {f"X-{n}": "x" for n in range(5_000)},
    "a message id of 5,000 characters": {"Nats-Msg-Id": "x" * 5000},
    "a message id as a subject": {"Nats-Msg-Id": "a.*.>"},
    "a word for a status": {"Status": "approved"},
    "the server's own end": {"Status": "404", "Description": "No Messages"},
    "the server's own trouble": {"Status": "503"},
    "the server's own conflict": {"Status": "409", "Description": "Consumer Deleted"},
    "a heartbeat": {"Status": "100", "Description": "Idle Heartbeat"},
    "letters of elsewhere": {"X": "für 会議"},
    "an identity of half a letter": {"Conclave-Identity": '["\\ud800", "k"]'},
    "an identity that is no list": {"Conclave-Identity": "k"},
}


@pytest.mark.parametrize("data", [json.dumps(FIELDS).encode(), b"{"], ids=["valid", "invalid"])
async def test_no_header_of_a_producer_hides_an_event(house: House, data: bytes) -> None:
    """Above all none that reads as if the server had said it: it would be swallowed for ever."""
    for headers in HEADERS.values():
        await house.judged([await house.publish(data, headers)])
    with pytest.raises(BadRequestError, match="header size"):
        await house.publish(data, {"X": "x" * 100_000})


BLOCKS = {
    "cut short": b"NATS/1.0",
    "without an end": b"NATS/1.0\r\n",
    "of another protocol": b"HTTP/1.1 200 OK\r\n\r\n",
    "with a status": b"NATS/1.0 503\r\n\r\n",
    "with a heartbeat": b"NATS/1.0 100 Idle Heartbeat\r\n\r\n",
    "with a status in no text": b"NATS/1.0 \xff\xff\xff\r\n\r\n",
    "without a colon": b"NATS/1.0\r\nnothing\r\n\r\n",
    "not in UTF-8": b"NATS/1.0\r\nId: \xff\xfe\r\nX\xff: y\r\n\r\n",
    "of bare line ends": b"NATS/1.0\r\nA: b\rc\nd\r\n\r\n",
}


async def test_no_header_block_deafens_the_bridge(house: House, nats: NatsServer) -> None:
    """Bytes that are no headers at all are none, and the event in them is an event."""
    async with RawClient(nats.url) as raw:
        for block in BLOCKS.values():
            assert (
                await raw.publish(SUBJECT.encode(), block, json.dumps(FIELDS).encode())
                == b"PONG\r\n"
            )
            assert await raw.publish(SUBJECT.encode(), block, b"{") == b"PONG\r\n"

    async def there() -> bool:
        return await stored(house.client, PLANS) == 2 * len(BLOCKS)

    await reaches(there, "all are stored")
    await reaches(house.settled, "all are settled")
    assert await stored(house.client, "DEADLETTER") == len(BLOCKS)
    assert (await house.bridge.health()).handled == len(BLOCKS)
    await house.hears_the_next()


async def test_a_producer_that_the_server_throws_out_takes_nobody_with_it(
    house: House, nats: NatsServer
) -> None:
    """A subject over the control line and a payload over the limit end that connection alone."""
    for subject, size in ((f"planning.{'x' * 5000}", 1), (SUBJECT, 2_000_000)):
        async with RawClient(nats.url) as raw:
            answer = await raw.publish(subject.encode(), b"NATS/1.0\r\n\r\n", b"x" * size)
            assert answer.startswith(b"-ERR")
        await house.hears_the_next()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def _paths(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in a document."""
    found = [path] if path else []
    if isinstance(value, dict):
        found += [p for key, item in value.items() for p in _paths(item, (*path, key))]
    elif isinstance(value, list):
        found += [p for place, item in enumerate(value) for p in _paths(item, (*path, place))]
    return found


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid event in which a few values are replaced, removed, doubled or renamed."""
    document = json.loads(json.dumps(draw(st.sampled_from(EVENTS))))
    for _ in range(draw(st.integers(1, 3))):
        paths = _paths(document)
        if not paths:
            break
        *way, last = draw(st.sampled_from(paths))
        place: Any = document
        for step in way:
            place = place[step]
        how = draw(st.sampled_from(("replace", "remove", "add")))
        if how == "replace":
            place[last] = draw(JSON)
        elif how == "remove":
            del place[last]
        elif isinstance(place, dict):
            place[draw(st.text(max_size=8))] = draw(JSON)
    return json.dumps(document, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")


@st.composite
def cut(draw: st.DrawFn) -> bytes:
    """The bytes of a valid event with a few of them changed, dropped or put in."""
    data = bytearray(json.dumps(draw(st.sampled_from(EVENTS))).encode())
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)))
        data[place : place + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(data)


STRATEGIES: dict[str, st.SearchStrategy[bytes]] = {
    "bytes": st.binary(max_size=200),
    "JSON": JSON.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass")),
    "mutated": mutated(),
    "cut": cut(),
}


def drawn(strategy: st.SearchStrategy[bytes]) -> list[bytes]:
    """As many as the profile says: hundreds, thousands for `make fuzz`."""
    found: list[bytes] = []
    most = max(AT_LEAST, settings.default.max_examples) if settings.default else AT_LEAST

    @settings(
        max_examples=most,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(strategy)
    def collect(data: bytes) -> None:
        found.append(data)

    collect()
    return found


@pytest.mark.parametrize("kind", STRATEGIES)
async def test_whatever_is_published_is_buried_or_understood(house: House, kind: str) -> None:
    """Bytes, JSON, and events that were changed a little: what the reader says becomes of them."""
    inputs = drawn(STRATEGIES[kind])
    assert len(inputs) >= AT_LEAST
    for begin in range(0, len(inputs), BATCH):
        batch = inputs[begin : begin + BATCH]
        await house.judged(list(await asyncio.gather(*map(house.publish, batch))))
