"""The bridge on a real nats-server: every event ends in decisions or in one dead letter."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from bridging import ROLES, fleet, healthy, plan
from bus_fakes import connected, ended, letters, stored
from deadline import reaches
from nats.js.errors import NotFoundError

from actors.bridge import Bridge
from actors.bus import Connection
from actors.nats_server import NatsServer
from actors.provision import floors, note_floor
from actors.streams import PLAN_APPROVED, PLANS
from engine.config import BusConfig
from engine.errors import Conflict, InvalidRequest, NotFound, SetupError, Unavailable
from engine.events import Record
from engine.types import Task

pytestmark = pytest.mark.nats


class Chamber:
    """A convene whose deliberations end when they are let go; ended ones are found done."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.done: dict[str, Record] = {}
        self.running = self.most = 0
        self.open = asyncio.Event()
        self.errors: list[Exception] = []

    async def __call__(self, task: Task) -> Record:
        """Begin, wait to be let go, end; or raise the next error."""
        if task.id in self.done:
            return self.done[task.id]
        self.begun.append(task.role)
        if self.errors:
            raise self.errors.pop(0)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.open.wait()
        finally:
            self.running -= 1
        return self.done.setdefault(task.id, ended(task))


@pytest.fixture(autouse=True)
def _short_fetches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopping waits for a fetch to expire."""
    monkeypatch.setattr("actors.bridge.FETCH_S", 0.2)


@pytest.fixture
def bus(nats: NatsServer) -> BusConfig:
    """A bus with short waits."""
    return BusConfig(url=nats.url, ack_wait_s=1.0, slots=2)


@pytest.fixture
async def client(bus: BusConfig) -> AsyncIterator[Connection]:
    """A producer's connection, the streams made."""
    async with connected(bus.url, bus) as client:
        yield client


@pytest.fixture
async def chamber() -> Chamber:
    """Deliberations under the test's control."""
    return Chamber()


@pytest.fixture
async def bridge(bus: BusConfig, client: Connection, chamber: Chamber) -> AsyncIterator[Bridge]:
    """A running bridge; the streams are there before it."""
    assert client.is_connected
    running = Bridge(fleet(bus), chamber, patience_s=5.0)
    await running.start()
    yield running
    await running.stop(grace_s=0)


async def publish(client: Connection, data: bytes, **headers: str) -> None:
    """Publish a plan event."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    await client.streams().publish("planning.plan.approved", data, headers=named or None)


async def handled(bridge: Bridge, client: Connection, *roles: str) -> None:
    """Publish the bridge's first plans, one for each role, and wait until it has handled them."""
    for role in roles:
        await publish(client, plan(roles=[role]))
    await healthy(bridge, lambda h: h.handled == len(roles), "handled")


async def settled(client: Connection) -> bool:
    """Nothing waits and nothing is unacknowledged."""
    info = await client.streams().consumer_info(PLANS, PLAN_APPROVED)
    return (info.num_pending, info.num_ack_pending) == (0, 0)


async def test_all_roles_of_an_event_are_convened_at_once(
    bridge: Bridge, client: Connection, chamber: Chamber
) -> None:
    """No role waits for another, and the event is acknowledged after the last one only."""
    await publish(client, plan())
    await healthy(bridge, lambda _: chamber.most == 3, "three deliberations at once")
    assert not await settled(client)
    chamber.open.set()
    health = await healthy(bridge, lambda h: h.handled == 1, "handled")
    await reaches(lambda: settled(client), "acknowledged")
    assert (health.buried, health.redelivered, health.last_error) == (0, 0, "")
    assert sorted(chamber.begun) == sorted(ROLES)


async def test_a_slow_deliberation_is_not_delivered_twice(
    bridge: Bridge, client: Connection, chamber: Chamber
) -> None:
    """Known mistake 9: work three times as long as the ack wait, and one delivery."""
    await publish(client, plan(roles=["DEV"]))
    await healthy(bridge, lambda _: chamber.running == 1, "begun")
    asyncio.get_running_loop().call_later(3.2, chamber.open.set)
    health = await healthy(bridge, lambda h: h.handled == 1, "handled")
    await reaches(lambda: settled(client), "acknowledged")
    assert health.redelivered == 0
    assert chamber.begun == ["DEV"]


async def test_a_redelivered_event_finds_its_deliberations_done(
    bridge: Bridge, client: Connection, chamber: Chamber
) -> None:
    """The same event twice is the same deliberations."""
    chamber.open.set()
    event = {"event_type": "planning.plan.approved", "payload": json.loads(plan())}
    data = json.dumps({**event, "idempotency_key": "k", "producer": "planner"}).encode()
    await publish(client, data)
    await publish(client, data)
    await healthy(bridge, lambda h: h.handled == 2, "both handled")
    assert sorted(chamber.begun) == sorted(ROLES)


async def test_passing_trouble_is_retried_in_place(
    bridge: Bridge, client: Connection, chamber: Chamber
) -> None:
    """Two failures, then a decision, within one delivery; the failures are told."""
    chamber.errors = [Unavailable("council DEV restarts"), Unavailable("council DEV restarts")]
    chamber.open.set()
    await publish(client, plan(roles=["DEV"]))
    health = await healthy(bridge, lambda h: h.handled == 1, "handled")
    assert health.redelivered == 0
    assert "council DEV restarts" in health.last_error
    assert chamber.begun == ["DEV"] * 3


async def test_a_good_event_is_not_acknowledged_while_a_role_has_not_ended(
    bus: BusConfig, client: Connection, chamber: Chamber
) -> None:
    """Known mistake 8: patience over, the event goes back to the bus and comes again."""
    bridge = Bridge(fleet(bus), chamber, patience_s=0.0)
    await bridge.start()
    chamber.errors = [Unavailable("away")]
    chamber.open.set()
    await publish(client, plan(roles=["DEV"]))
    await healthy(bridge, lambda _: chamber.begun == ["DEV"], "tried")
    assert not await settled(client)
    health = await healthy(bridge, lambda h: h.handled == 1, "handled")
    assert health.redelivered == 1
    assert await letters(client) == []
    await bridge.stop()


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"{", "json_invalid at event"),
        (b"", "json_invalid at event"),
        (b"[]", "dict_type at event"),
        (b'{"story_id": NaN}', "json_invalid at event"),
        (b'{"story_id": "\xff"}', "json_invalid at event"),
        (plan(plan_id=None), "string_type at payload.plan_id"),
        (b'{"story_id": "s", "approved_by": "p"}', "missing at payload.plan_id"),
        (plan(roles=["dev", "COOK"]), "unknown_role at payload.roles[1]"),
        (plan(title="x" * 300 * 1024), "too_large at event"),
        (plan(title="x" * 1000 * 1024), "too_large at event"),
    ],
)
async def test_an_invalid_event_becomes_one_dead_letter(
    bridge: Bridge, client: Connection, chamber: Chamber, data: bytes, fault: str
) -> None:
    """It is named by kind and place, acknowledged, and the next event is done."""
    await publish(client, data)
    await publish(client, plan(roles=["dev"]))
    chamber.open.set()
    health = await healthy(bridge, lambda h: h.handled == 1, "the next event is handled")
    await reaches(lambda: settled(client), "acknowledged")
    [letter] = await letters(client)
    assert (f"{letter.kind} at {letter.where}", letter.seq) == (fault, 1)
    assert (letter.size, letter.clipped) == (len(data), len(data) > 700 * 1024)
    assert health.connected
    assert chamber.begun == ["DEV"]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidRequest("task.text", "too long"), "invalid_request"),
        (Conflict("another request"), "conflict"),
        (NotFound("no council DEV"), "unknown_role"),
    ],
)
async def test_a_lasting_refusal_of_the_council_is_a_dead_letter(
    bridge: Bridge, client: Connection, chamber: Chamber, error: Exception, kind: str
) -> None:
    """What would be refused for ever is not tried for ever."""
    chamber.errors = [error]
    await publish(client, plan(roles=["DEV"]))
    await healthy(bridge, lambda h: h.buried == 1, "buried")
    assert [letter.kind for letter in await letters(client)] == [kind]


async def test_an_event_that_meets_only_bugs_is_buried_in_the_end(
    bus: BusConfig, client: Connection, chamber: Chamber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Known mistake 8: a poison event does not come for ever, and takes no slot with it."""
    monkeypatch.setattr("actors.receipts.GIVEN_BACK_S", 0)
    chamber.errors = [ValueError("a bug")] * 9
    bridge = Bridge(fleet(bus), chamber)
    await bridge.start()
    await publish(client, plan(roles=["DEV"]))
    health = await healthy(bridge, lambda h: h.buried == 1, "buried")
    [letter] = await letters(client)
    assert (letter.kind, letter.deliveries, health.redelivered) == ("crashed", 5, 4)
    await bridge.stop()


async def test_a_set_up_trouble_keeps_the_event(
    bus: BusConfig, client: Connection, chamber: Chamber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an operator has to mend buries nothing, however often it comes."""
    monkeypatch.setattr("actors.receipts.GIVEN_BACK_S", 0)
    chamber.errors = [SetupError("no model", "Set one")] * 9
    chamber.open.set()
    bridge = Bridge(fleet(bus), chamber)
    await bridge.start()
    await publish(client, plan(roles=["DEV"]))
    health = await healthy(bridge, lambda h: h.handled == 1, "handled")
    assert health.redelivered == 9
    assert await stored(client, "DEADLETTER") == 0
    await bridge.stop()


async def test_stop_leaves_an_unfinished_event_to_another_bridge(
    bus: BusConfig, client: Connection, chamber: Chamber
) -> None:
    """It is given back at once, not after the ack wait of a minute, and nothing is lost."""
    patient = bus.model_copy(update={"ack_wait_s": 60.0})
    first, second = Bridge(fleet(patient), chamber), Bridge(fleet(patient), chamber)
    await first.start()
    await publish(client, plan(roles=["DEV"]))
    await healthy(first, lambda _: chamber.running == 1, "begun")
    await first.stop(grace_s=0)
    assert chamber.running == 0
    chamber.open.set()
    await second.start()
    await healthy(second, lambda h: h.handled == 1, "handled by the second")
    await reaches(lambda: settled(client), "acknowledged")
    await second.stop()


async def test_a_restart_of_the_server_is_seen_and_survived(
    bridge: Bridge, client: Connection, chamber: Chamber, nats: NatsServer
) -> None:
    """While it is away health says so; an event in work ends, and the next one is taken."""
    await publish(client, plan(roles=["DEV"]))
    await healthy(bridge, lambda _: chamber.running == 1, "begun")
    nats.kill()
    away = await healthy(bridge, lambda h: not h.connected and bool(h.last_error), "seen")
    assert away.pending is None
    nats.start()
    chamber.open.set()
    await healthy(bridge, lambda h: h.handled >= 1 and h.connected, "handled")

    async def sent() -> bool:
        try:
            await publish(client, plan(roles=["QA"]))
        except Exception:  # noqa: BLE001 - until the producer is back, too
            return False
        return True

    await reaches(sent, "published")
    await healthy(bridge, lambda _: "QA" in chamber.begun, "the next one")


async def test_a_removed_durable_begins_again_where_it_stood(
    bridge: Bridge, client: Connection, chamber: Chamber
) -> None:
    """Known mistake 10: neither are old plans replayed nor unseen ones skipped."""
    chamber.open.set()
    await handled(bridge, client, "DEV")
    await reaches(lambda: settled(client), "acknowledged")
    await client.streams().delete_consumer(PLANS, PLAN_APPROVED)
    await publish(client, plan(roles=["QA"]))
    health = await healthy(bridge, lambda h: h.handled == 2, "the unseen one is handled")
    assert chamber.begun == ["DEV", "QA"]
    # Whether a pull was waiting or about to be asked then: it ends in one of two ways.
    assert any(name in health.last_error for name in ("ServiceUnavailable", "NotFound"))


async def test_a_stream_made_anew_has_no_place_twice(
    bridge: Bridge, client: Connection, chamber: Chamber
) -> None:
    """An event without an id is known by its place: in the new stream it is another event."""
    chamber.open.set()
    await handled(bridge, client, "DEV")
    js = client.streams()
    await reaches(lambda: _floor_is(client, 1), "noted")
    await js.delete_stream(PLANS)
    await reaches(lambda: _there(client), "made anew")
    await publish(client, plan(roles=["DEV"], title="another"))
    await healthy(bridge, lambda h: h.handled == 2, "handled too")
    assert chamber.begun == ["DEV", "DEV"]
    assert (await js.stream_info(PLANS)).state.last_seq > 1_000_000
    assert await letters(client) == []


async def test_a_stream_made_by_others_is_read_from_its_beginning(
    bridge: Bridge, client: Connection, chamber: Chamber
) -> None:
    """Where it ends before the place that was settled, nothing in it can have been seen."""
    chamber.open.set()
    await handled(bridge, client, "DEV", "QA")
    await reaches(lambda: _floor_is(client, 2), "noted")
    await bridge.stop()
    js = client.streams()
    config = (await js.stream_info(PLANS)).config
    await js.delete_stream(PLANS)
    await js.add_stream(config)
    await publish(client, plan(roles=["ARCHITECT"]), Nats_Msg_Id="m")
    other = Bridge(bridge._config, chamber)
    await other.start()
    await healthy(other, lambda h: h.handled == 1, "handled")
    await other.stop()


async def _floor_is(client: Connection, seq: int) -> bool:
    """Noted now, for it is noted at most once a second otherwise."""
    await note_floor(client.streams(), PLANS, PLAN_APPROVED)
    entry = await (await floors(client.streams())).get(PLAN_APPROVED)
    return entry.value == str(seq).encode()


async def _there(client: Connection) -> bool:
    try:
        await client.streams().stream_info(PLANS)
    except NotFoundError:
        return False
    return True


async def test_a_connection_closed_for_good_is_told(
    bus: BusConfig, client: Connection, chamber: Chamber
) -> None:
    """Only a new process can help then, so the owner hears of it; its own stop is silent."""
    assert client.is_connected
    told: list[str] = []
    bridge = Bridge(fleet(bus), chamber, on_closed=lambda: told.append("closed"))
    await bridge.start()
    assert bridge._client is not None
    await bridge._client.publish("planning." + "x" * 5000, b"")  # over the control line

    async def heard() -> bool:
        return bool(told)

    await reaches(heard, "on_closed")
    await bridge.stop(grace_s=0)
    assert told == ["closed"]
    second = Bridge(fleet(bus), chamber, on_closed=lambda: told.append("stopped"))
    await second.start()
    await second.stop()
    assert told == ["closed"]
