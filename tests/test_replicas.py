"""Claims about three servers: each keeps all, and the death of one loses and repeats nothing."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bus_fakes import ended, first_stands, last_record, outbound, record
from deadline import reaches
from nats.js import JetStreamContext
from nats.js.api import ClusterInfo
from servers import Furnished, cluster

from actors.bridge import Bridge
from actors.bus import connect
from actors.journal import Journal
from actors.patience import BROKEN, patiently
from actors.provision import applied, examined, wanted_streams
from actors.streams import DURABLES, JOURNAL, PLAN_APPROVED, PLANS
from engine.config import BusConfig, Config, PoolConfig, fleet_councils

pytestmark = pytest.mark.nats

RECORDS = 300
EVENTS = 20


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Furnished]]:
    """A cluster of three."""
    with cluster(tmp_path) as running:
        yield running


async def decided(task: Any) -> Any:
    """A convene whose deliberations are found ended."""
    return ended(task)


def plan(number: int) -> bytes:
    """An approved plan as a producer sends it."""
    event = {"story_id": "s", "approved_by": "po", "timestamp": "2026-11-22", "roles": ["DEV"]}
    return json.dumps({**event, "plan_id": f"p-{number}"}).encode()


async def test_the_death_of_a_leader_loses_and_repeats_nothing(
    servers: list[Furnished], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one server alone keeps is seen and mended; appends and events outlive a kill -9."""
    monkeypatch.setattr("actors.bridge.FETCH_S", 0.5)
    bus = BusConfig(url=",".join(s.url for s in servers), replicas=3, ack_wait_s=2.0)
    client = await connect(bus, "test", lambda: None)
    js = client.streams()
    await _kept_by_all(js, bus)
    councils = fleet_councils()[:1]
    config = Config(pools={"small": PoolConfig(model="m")}, councils=councils, bus=bus)
    bridge = Bridge(config, decided)
    await bridge.start()
    publishing = asyncio.create_task(_publish(js))
    journal = await Journal.connect(bus, "journal")
    writer = journal.writer("t-1", 0)
    for seq in range(1, RECORDS):
        writer.append(record("t-1", seq))
        if seq == RECORDS // 3:
            await writer.flush()
            await _kill_leader(js, servers)
        await asyncio.sleep(0.001)
    end = last_record("t-1", RECORDS)
    await writer.end(end, outbound(end))
    await writer.close()
    assert [each.seq for each in (await journal.read("t-1")).records] == [*range(1, RECORDS + 1)]
    await publishing

    async def settled() -> bool:
        info = await js.consumer_info(PLANS, PLAN_APPROVED)
        return (info.num_pending, info.num_ack_pending) == (0, 0)

    await reaches(_whenever(settled), "all events are settled", 40.0)
    assert (await bridge.health()).handled >= EVENTS
    await bridge.stop(grace_s=0.5)
    await journal.close()
    await client.leave()


async def test_of_two_notices_in_one_place_the_first_stands(servers: list[Furnished]) -> None:
    """Three servers take the second for a duplicate, with no error: it is not the one that stands.

    One server alone refuses it, for what is expected to be there.
    """
    bus = BusConfig(url=",".join(s.url for s in servers), replicas=3)
    client = await connect(bus, "test", lambda: None)
    await applied(client.streams(), bus)
    await first_stands(client)
    await client.leave()


async def _kept_by_all(js: JetStreamContext, bus: BusConfig) -> None:
    """Make everything; have one stream kept by one server alone, and mend that."""
    await applied(js, bus)
    await js.update_stream((await js.stream_info("CONTEXT")).config, num_replicas=1)
    drifts = [str(each) for each in await examined(js, bus) if not each.sound]
    assert drifts == ["stream CONTEXT differs in num_replicas: 1 -> 3"]
    await applied(js, bus)
    assert [each for each in await examined(js, bus) if not each.sound] == []

    async def kept() -> bool:
        infos = [(await js.stream_info(str(w.name))).cluster for w in wanted_streams(bus)]
        infos += [(await js.consumer_info(d.stream, d.name)).cluster for d in DURABLES]
        return all(info and _current(info) == 2 for info in infos)

    await reaches(_whenever(kept), "all is kept by all three")


def _current(info: ClusterInfo) -> int:
    """How many followers have all."""
    return sum(bool(peer.current) for peer in info.replicas or [])


def _whenever(look: Any) -> Any:
    """While a leader is elected nobody answers, which is no answer."""

    async def looked() -> bool:
        try:
            return bool(await look())
        except BROKEN:
            return False

    return looked


async def _kill_leader(js: JetStreamContext, servers: list[Furnished]) -> None:
    """Kill -9 the server that leads the journal."""
    info = (await js.stream_info(JOURNAL)).cluster
    assert info is not None
    [leader] = [each for each in servers if each.further["server_name"] == info.leader]
    leader.kill()


async def _publish(js: JetStreamContext) -> None:
    """Publish as a producer does that wants each of its events stored once."""
    for number in range(EVENTS):
        headers = {"Nats-Msg-Id": f"p-{number}"}
        await patiently(
            lambda n=number, h=headers: js.publish("planning.plan.approved", plan(n), headers=h),
            "publishing",
            30.0,
        )
        await asyncio.sleep(0.05)
