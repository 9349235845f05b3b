"""The streams and durables on a real nats-server: made once, mended, or refused in one line."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from bus_fakes import letters
from deadline import reaches

from actors.bus import Connection, connect
from actors.deadletter import bury
from actors.nats_server import NatsServer
from actors.provision import provision
from actors.streams import DAY, PLAN_APPROVED, PLANS, STREAMS
from engine.arrival import Arrival
from engine.config import BusConfig
from engine.errors import InvalidEvent, SetupError, Unavailable

pytestmark = pytest.mark.nats

AGES = {
    "PLANNING_EVENTS": 30,
    "CONTEXT": 7,
    "AGENT_REQUESTS": 7,
    "AGENT_RESPONSES": 7,
    "ORCHESTRATOR_EVENTS": 7,
    "DELIBERATIONS": 45,
    "DEADLETTER": 45,
}


@pytest.fixture
async def client(nats: NatsServer) -> AsyncIterator[Connection]:
    """A connection to a server without streams."""
    client = await connect(BusConfig(url=nats.url), "test", on_closed=lambda: None)
    yield client
    await client.leave()


@pytest.fixture
def bus(nats: NatsServer) -> BusConfig:
    """The default bus."""
    return BusConfig(url=nats.url)


async def test_streams_are_made_with_ages_in_the_right_unit(
    client: Connection, bus: BusConfig
) -> None:
    """Known mistake 12: what the server keeps is days, read back in its own nanoseconds."""
    js = client.streams()
    await provision(js, bus)
    raw = await js._api_request("$JS.API.STREAM.LIST", b"{}")
    kept = {
        each["config"]["name"]: each["config"]
        for each in raw["streams"]
        if not each["config"]["name"].startswith(("KV_", "OBJ_"))
    }
    assert {name: c["max_age"] / 1e9 / DAY for name, c in kept.items()} == AGES
    ours = {name for name, c in kept.items() if c["discard"] == "new"}
    assert ours == {"DELIBERATIONS", "DEADLETTER"}
    assert kept["PLANNING_EVENTS"]["max_msgs"] == 1_000_000


async def test_requests_to_agents_outside_are_remembered_for_an_hour(
    client: Connection, bus: BusConfig
) -> None:
    """Also where the stream was there before; what an operator set of others stays."""
    js = client.streams()
    for name, subject in (("AGENT_REQUESTS", "agent.request.>"), ("CONTEXT", "context.>")):
        await js.add_stream(name=name, subjects=[subject], duplicate_window=60)
    await provision(js, bus)
    found = [(await js.stream_info(name)).config for name in ("AGENT_REQUESTS", "CONTEXT")]
    assert [config.duplicate_window for config in found] == [3600, 60]


async def test_provisioning_again_changes_nothing(client: Connection, bus: BusConfig) -> None:
    """Also when several do it at once, and what an operator set besides stays."""
    js = client.streams()
    await asyncio.gather(*(provision(js, bus) for _ in range(5)))
    await js.update_stream((await js.stream_info("CONTEXT")).config, max_bytes=10**6)
    await js.publish("planning.plan.approved", b"{}")
    before = [(await js.stream_info(str(s.name))).config for s in STREAMS]
    durable = await js.consumer_info(PLANS, PLAN_APPROVED)
    await provision(js, bus)
    assert [(await js.stream_info(str(s.name))).config for s in STREAMS] == before
    again = await js.consumer_info(PLANS, PLAN_APPROVED)
    assert (again.config, again.created, again.num_pending) == (durable.config, durable.created, 1)


async def test_what_differs_is_updated_in_place(client: Connection, bus: BusConfig) -> None:
    """An old stream and an old durable get our settings and keep their messages and place."""
    js = client.streams()
    await js.add_stream(name=PLANS, subjects=["planning.>"], max_age=60)
    await js.add_stream(name="ORCHESTRATOR_EVENTS", subjects=["orchestration.>"])
    await js.publish("planning.plan.approved", b"{}")
    await js.add_consumer(
        PLANS,
        durable_name=PLAN_APPROVED,
        filter_subject="planning.plan.approved",
        ack_wait=5,
        max_deliver=3,
    )
    await provision(js, bus)
    planning = await js.stream_info(PLANS)
    durable = await js.consumer_info(PLANS, PLAN_APPROVED)
    outbound = await js.stream_info("ORCHESTRATOR_EVENTS")
    assert (planning.config.max_age, planning.state.messages) == (30 * DAY, 1)
    assert (durable.config.ack_wait, durable.config.max_deliver) == (30, -1)
    assert durable.num_pending == 1
    assert outbound.config.sources is not None


async def test_a_durable_of_another_make_is_refused_with_the_remedy(
    client: Connection, bus: BusConfig
) -> None:
    """A push durable of the same name cannot be changed: the command that removes it is told."""
    js = client.streams()
    await js.add_stream(name=PLANS, subjects=["planning.>"])
    await js.add_consumer(
        PLANS, durable_name=PLAN_APPROVED, deliver_subject="somewhere", ack_policy="none"
    )
    with pytest.raises(SetupError, match=f"nats consumer rm {PLANS} {PLAN_APPROVED}"):
        await provision(js, bus)


async def test_a_taken_subject_is_refused_with_the_stream_named(
    client: Connection, bus: BusConfig
) -> None:
    """Another stream on our subjects is an error of the set-up."""
    js = client.streams()
    await js.add_stream(name="THEIRS", subjects=["planning.plan.*"])
    with pytest.raises(SetupError, match=rf"stream {PLANS}: .*overlap.*nats stream ls"):
        await provision(js, bus)


@pytest.mark.parametrize(("start", "pending"), [("now", 0), ("all", 2)])
async def test_a_first_durable_begins_where_it_is_told(
    client: Connection, bus: BusConfig, start: str, pending: int
) -> None:
    """Known mistake 10: old plans are replayed only if that was asked for."""
    js = client.streams()
    await js.add_stream(name=PLANS, subjects=["planning.>"])
    for _ in range(2):
        await js.publish("planning.plan.approved", b"{}")
    await provision(js, bus.model_copy(update={"start": start}))
    assert (await js.consumer_info(PLANS, PLAN_APPROVED)).num_pending == pending


async def test_a_removed_durable_skips_nothing(client: Connection, bus: BusConfig) -> None:
    """What came after it stood is there when it is made again, although start says now."""
    js = client.streams()
    await provision(js, bus)
    await js.publish("planning.plan.approved", b"{}")
    await js.delete_consumer(PLANS, PLAN_APPROVED)
    await provision(js, bus)
    assert (await js.consumer_info(PLANS, PLAN_APPROVED)).num_pending == 1


async def test_no_server_is_one_line() -> None:
    """The first connect gives up in time, and names the places."""
    bus = BusConfig(url="nats://127.0.0.1:1, nats://127.0.0.1:2")
    with pytest.raises(Unavailable) as caught:
        await connect(bus, "test", lambda: None, patience_s=0.3)
    assert "127.0.0.1:1, 127.0.0.1:2" in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_any_of_the_servers_that_are_named_will_do(nats: NatsServer) -> None:
    """One that is away is passed over."""
    client = await connect(BusConfig(url=f"nats://127.0.0.1:1,{nats.url}"), "test", lambda: None)
    assert client.is_connected
    await client.leave()


async def test_the_same_message_is_buried_once(client: Connection, bus: BusConfig) -> None:
    """Redelivered, also at the same time and beyond any window of duplicates: one letter."""
    await provision(client.streams(), bus)
    headers = {"Evil\udc80": "\udc80" * 5000, "Nats-Msg-Id": "1"}
    arrival = Arrival(PLANS, 7, "planning.plan.approved", b"\xff{", headers, deliveries=2)
    error = InvalidEvent("json_invalid", "event", "no JSON")
    await asyncio.gather(*(bury(client, arrival, error) for _ in range(20)))
    [letter] = await letters(client)
    assert (letter.stream, letter.seq, letter.deliveries) == (PLANS, 7, 2)
    assert (letter.kind, letter.data, letter.clipped) == ("json_invalid", "/3s=", False)


async def test_a_server_that_comes_late_is_waited_for(nats: NatsServer) -> None:
    """Provisioning goes on once JetStream answers."""
    client = await connect(BusConfig(url=nats.url), "test", on_closed=lambda: None)
    nats.kill()
    making = asyncio.create_task(provision(client.streams(), BusConfig(url=nats.url)))
    nats.start()
    await making

    async def made() -> bool:
        return len(await client.streams().streams_info()) >= len(STREAMS)

    await reaches(made, "all streams")
    await client.leave()
