"""A whole Ray killed in the middle: from the bus alone another one goes on, and repeats nothing."""

import json
from contextlib import aclosing
from functools import partial
from pathlib import Path

import psutil
import pytest
from bus_fakes import connected
from deadline import until_async
from ray_twins import Stage, ray_for_tests
from test_supervisor import ready, seats, supervised

from actors.councils import Councils
from actors.journal import Journal
from actors.nats_server import NatsServer
from actors.roster import roster
from actors.run import Terms
from engine.arrival import Arrival
from engine.config import BusConfig, Config, PoolConfig, fleet_councils
from engine.events import END, Decided, Drafted, Record, Resumed
from engine.planning import SUBJECT, plan_approved, tasks
from engine.types import Task

pytestmark = [pytest.mark.ray, pytest.mark.nats, pytest.mark.timeout(240)]

ACCEPTED = Task(id="t-1", role="QA", text="Test a clock")
PLAN = {
    "story_id": "s",
    "plan_id": "p",
    "approved_by": "po",
    "timestamp": "2026-11-22",
    "roles": ["DEV"],
}


async def told(config: Config, id: str, wanted: type, count: int = 1) -> list[Record]:
    """The records up to the one that makes so many of the wanted kind, or up to the end."""
    journal, found, seen = await Journal.connect(config.bus, "looking"), list[Record](), 0
    async with aclosing(journal.follow(id)) as records:
        async for record in records:
            found.append(record)
            seen += isinstance(record.event, wanted)
            if seen == count or isinstance(record.event, END):
                break
    await journal.close()
    return found


async def begun(config: Config, stage: Stage) -> Task:
    """An event's deliberation and an accepted one, all of whose drafts are journalled."""
    names = roster(config)
    async with supervised(config.bus, seats(config, names, stage)) as watching:
        await ready(watching)
        async with connected(config.bus.url, config.bus) as client:
            data = json.dumps(PLAN).encode()
            ack = await client.streams().publish(SUBJECT, data)
        arrival = Arrival(stream=ack.stream, seq=ack.seq, subject=SUBJECT, data=data)
        (planned,) = tasks(plan_approved(arrival, config.bus.max_event_bytes), ("DEV", "QA"))
        await Councils(names).accept(ACCEPTED, Terms())
        for task in (planned, ACCEPTED):
            await told(config, task.id, Drafted, 3)
        return planned


def kill_all_but(spared: int) -> None:
    """SIGKILL for every process that was started from here, in no order."""
    family = psutil.Process().children(recursive=True)
    for process in family:
        if process.pid != spared:
            process.kill()


async def test_what_was_under_way_ends_in_another_cluster(nats: NatsServer, tmp_path: Path) -> None:
    """An event's deliberation and an accepted one, with nobody asking again; drafts are kept."""
    config = Config(
        pools={"small": PoolConfig(model="/models/small")},
        councils=fleet_councils()[:2],
        bus=BusConfig(url=nats.url, ack_wait_s=2.0),
    )
    stage = Stage(folder=tmp_path)
    stage.open("draft")
    with ray_for_tests():
        planned = await begun(config, stage)
        await until_async(partial(stage.asked, "critique"), "it goes on")
        kill_all_but(nats.pid)
    stage.open("critique", "revise", "vote")
    with ray_for_tests():
        async with supervised(config.bus, seats(config, roster(config), stage)) as watching:
            await ready(watching)
            for task in (planned, ACCEPTED):
                records = await told(config, task.id, Decided)
                assert isinstance(records[-1].event, Decided)
                assert any(isinstance(record.event, Resumed) for record in records)
    assert stage.asked("draft") == 6
