"""Claims about a planning event that is handed in at a door, on a real bus with a real bridge."""

import json
from collections.abc import AsyncIterator

import pytest
from bridging import Deciding, fleet, settled
from bus_fakes import connected, letters, stored
from deadline import reaches
from recording import recorded

from actors.bridge import Bridge
from actors.bus import Connection
from actors.nats_server import NatsServer
from actors.roster import roster
from actors.streams import PLANS
from edges.desk import Desk
from engine.config import BusConfig
from engine.errors import Conflict, InvalidRequest, Unavailable
from engine.posted import PlanningEvent, posted

pytestmark = pytest.mark.nats

PLAN = PlanningEvent(event_type="plan.approved", case_id="s-1", plan_id="p-1")


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
    """A connection, the streams made."""
    async with connected(bus.url, bus) as client:
        yield client


@pytest.fixture
async def desk(bus: BusConfig, client: Connection) -> AsyncIterator[Desk]:
    """The desk of every door; its councils are away."""
    made = Desk(fleet(bus), roster(fleet(bus)), NotImplemented, lambda _name: None)
    yield made
    await made._opened().close()


async def test_a_bridge_works_on_exactly_what_the_door_said(
    bus: BusConfig, client: Connection, desk: Desk
) -> None:
    """The ids of the answer are those that are convened, for a plan and for a transition."""
    moved = {"event_type": "story.transitioned", "from_state": "DRAFT", "to_state": "TEST"}
    events = [PLAN, PlanningEvent.model_validate({"case_id": "s-1", **moved})]
    said = [id for each in events for id in (await desk.plan(each)).derived_task_ids]
    convene = Deciding(client)
    bridge = Bridge(fleet(bus), convene, patience_s=5.0)
    await bridge.start()
    try:
        await reaches(lambda: settled(client), "all is settled")
    finally:
        await bridge.stop(grace_s=0)
    assert sorted(task.id for task in convene.asked) == sorted(said)
    assert len(said) == 4
    assert await letters(client) == []
    for event in events:
        for task in posted(event, "", fleet(bus)).tasks:
            assert task in convene.asked


async def test_the_same_event_is_on_the_bus_once(client: Connection, desk: Desk) -> None:
    """By its key, or by its words; the answer says that it was there, with the same ids."""
    first, again = await desk.plan(PLAN), await desk.plan(PLAN)
    assert again.derived_task_ids == first.derived_task_ids
    assert "was there already" in again.message
    assert await stored(client, PLANS) == 1
    await desk.plan(PLAN, "k")
    assert await stored(client, PLANS) == 2
    message = await client.streams().get_msg(PLANS, 2)
    document = json.loads(message.data or b"")
    assert document["idempotency_key"] == "k"
    assert document["event_type"] == message.subject == "planning.plan.approved"


async def test_a_key_that_is_taken_is_refused(bus: BusConfig, desk: Desk) -> None:
    """Another event of a key whose deliberations have begun would only be buried."""
    task = posted(PLAN, "k", fleet(bus)).tasks[0]
    writer = desk._opened().writer(task.id, 0)
    writer.append((await recorded(task))[0])
    await writer.flush()
    assert (await desk.plan(PLAN, "k")).processed
    other = PLAN.model_copy(update={"plan_id": "p-2"})
    with pytest.raises(Conflict, match="belongs to another request"):
        await desk.plan(other, "k")


async def test_nothing_reaches_the_bus_that_would_be_a_dead_letter(
    client: Connection, desk: Desk
) -> None:
    """It is refused at the door instead."""
    bad = PLAN.model_copy(update={"metadata": {"roles": "CHEF"}})
    with pytest.raises(InvalidRequest, match="no council for 'CHEF'"):
        await desk.plan(bad)
    assert await stored(client, PLANS) == 0


async def test_while_the_bus_is_away_nothing_is_promised(nats: NatsServer, desk: Desk) -> None:
    """Unavailable, at once."""
    await desk.plan(PLAN)
    nats.stop()
    with pytest.raises(Unavailable):
        await desk.plan(PLAN)
