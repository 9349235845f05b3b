"""Council actors on a real journal with scripted models, and what is asked of them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import pytest
from bus_fakes import connected

from actors.bus import Connection
from actors.council import CouncilActor
from actors.journal import Journal
from actors.nats_server import NatsServer
from actors.run import Terms
from actors.testing import ScriptedPool
from engine.config import BusConfig, Config, PoolConfig, fleet_councils
from engine.errors import ConclaveError
from engine.events import Record
from engine.fanout import ended
from engine.results import Result, result
from engine.testing import GatedModel, ScriptedModel
from engine.types import Speak, Task

ONE, TWO, THREE = (agent.id for agent in fleet_councils()[0].seated().agents)

Seat = Callable[..., CouncilActor]


@pytest.fixture
async def client(nats: NatsServer) -> AsyncIterator[Connection]:
    """A connection to the bus, the streams made."""
    async with connected(nats.url) as client:
        yield client


@pytest.fixture
def config(nats: NatsServer, client: Connection) -> Config:
    """One council on one pool, and the bus."""
    return Config(
        pools={"small": PoolConfig(model="/models/small")},
        councils=fleet_councils()[:1],
        bus=BusConfig(url=nats.url),
    )


@pytest.fixture
async def seat(config: Config) -> AsyncIterator[Seat]:
    """Makes actors of the one council; `deaths` of each hears of its end."""
    seated: list[CouncilActor] = []

    def make(
        model: Speak | None = None,
        trouble: ConclaveError | None = None,
        die: Callable[[int], None] = lambda code: None,
    ) -> CouncilActor:
        pool = ScriptedPool(model or ScriptedModel(), trouble)
        seated.append(CouncilActor(config, "DEV", lambda _config, _council: {"small": pool}, die))
        return seated[-1]

    yield make
    for actor in seated:
        await crash(actor)


async def crash(actor: CouncilActor) -> None:
    """End an actor as a SIGKILL would: nothing of it is waited for, nothing more is written."""
    everything = [*actor._tasks, *filter(None, [actor._keeping])]
    await ended(*everything)
    await actor._outside.close()
    if actor._journal is not None:
        await actor._journal.close()


def a_task(id: str = "t-1", **fields: object) -> Task:
    """What the council is asked."""
    return Task.model_validate({"id": id, "role": "DEV", "text": "Build a clock"} | fields)


async def seen_by(actor: CouncilActor, task: Task, terms: Terms | None = None) -> list[Record]:
    """All records that the actor streams for a task."""
    async with aclosing(actor.deliberate(task, terms)) as stream:
        return [record async for record in stream]


async def journalled(url: str, id: str = "t-1") -> list[Record]:
    """What the journal itself holds."""
    journal = await Journal.connect(BusConfig(url=url), "looking")
    try:
        return list((await journal.read(id)).records)
    finally:
        await journal.close()


async def answering(model: GatedModel) -> None:
    """Let every turn go as it comes, until it is cancelled."""
    while True:
        model.release()
        await asyncio.sleep(0)


async def result_of(actor: CouncilActor, id: str = "t-1") -> Result:
    """What the actor knows of a deliberation."""
    found = await actor.read(id)
    return result(found.state, found.durable)


async def publish_all(url: str, records: list[Record]) -> None:
    """Put the records into the journal, as an actor did that is no more."""
    journal = await Journal.connect(BusConfig(url=url), "of yesterday")
    writer = journal.writer(records[0].deliberation, 0)
    for record in records:
        writer.append(record)
    await writer.flush()
    await writer.close()
    await journal.close()
