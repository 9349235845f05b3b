"""What has stopped shows within 15 s in the status and in the readiness, and so does its return."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

import pytest
from bus_fakes import connected, last_record
from deadline import reaches
from seats import publish_all

from actors import supervisor
from actors.answer import AgentHealth, Load
from actors.crew import Seat
from actors.nats_server import NatsServer
from actors.provision import provision
from actors.roster import PREFIX, roster
from actors.streams import JOURNAL
from actors.supervisor import Supervisor
from actors.testing import LocalHandle, local_call
from edges.desk import Desk
from edges.views import Standing
from engine.config import BusConfig, Config, PoolConfig

SHOWN_WITHIN_S = 15.0
AGENT = f"{PREFIX}agent:small:0:x"


class AgentTwin:
    """An agent actor that answers unless it hangs; `silent_s` is what its engine owes."""

    def __init__(self) -> None:
        self.answers = asyncio.Event()
        self.answers.set()
        self.silent_s = 0.0

    async def health(self) -> AgentHealth:
        """As it is."""
        await self.answers.wait()
        return AgentHealth(
            pool="small",
            replica=0,
            pid=1,
            model="m",
            state="ready",
            up_since=1.0,
            window=4096,
            load=Load(),
            generated=0,
            turns=0,
            silent_s=self.silent_s,
        )


class Watched(NamedTuple):
    """A supervisor of one agent, the desk that asks it, and the handles that there are."""

    desk: Desk
    agent: AgentTwin
    handles: dict[str, LocalHandle]
    watching: Supervisor


@pytest.fixture
async def watched(nats: NatsServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    """The real supervisor and the real desk over an actor in this process."""
    async with connected(nats.url):
        agent = AgentTwin()
        handles = {AGENT: LocalHandle(agent)}
        monkeypatch.setattr(supervisor, "find_actor", handles.get)
        monkeypatch.setattr(supervisor, "named_actors", list)
        monkeypatch.setattr(supervisor, "named_groups", list)
        monkeypatch.setattr(supervisor, "call", local_call)
        config = Config(pools={"small": PoolConfig(model="m")}, bus=BusConfig(url=nats.url))
        watching = Supervisor(config.bus, [Seat(AGENT, "agent", lambda: None)])
        watching.start()

        async def state() -> supervisor.State:
            return watching.state()

        desk = Desk(config, roster(config), state, lambda _name: None)
        yield Watched(desk, agent, handles, watching)
        await watching.stop()
        await desk.journal.close()


async def shows(desk: Desk, standing: Standing, words: str = "") -> None:
    """Return once both answers say so, in time."""

    async def so() -> bool:
        ready, status = await asyncio.gather(desk.readiness(), desk.status())
        said = "\n".join(ready.troubles)
        alike = set(ready.troubles) <= set(status.troubles)
        return ready.status == status.status == standing and words in said and alike

    await reaches(so, f"{standing}: {words}", SHOWN_WITHIN_S)


@pytest.mark.nats
async def test_a_killed_agent_actor_shows_until_there_is_another(watched: Watched) -> None:
    """Nothing can be decided without any."""
    await shows(watched.desk, "healthy")
    watched.handles.pop(AGENT).kill()
    await shows(watched.desk, "unhealthy", AGENT)
    watched.handles[AGENT] = LocalHandle(watched.agent)
    await shows(watched.desk, "healthy")


@pytest.mark.nats
async def test_a_hung_agent_actor_shows_before_it_is_replaced(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not killed for that yet, and well as soon as it answers."""
    monkeypatch.setattr(supervisor, "SILENT_S", 0.2)
    monkeypatch.setattr(supervisor, "LOOK_EVERY_S", 0.05)
    await shows(watched.desk, "healthy")
    watched.agent.answers.clear()
    await shows(watched.desk, "unhealthy", f"{AGENT}: failed has given no answer for 0.2 s")
    watched.agent.answers.set()
    await shows(watched.desk, "healthy")
    assert watched.watching.state().posts[0].made == 0


@pytest.mark.nats
async def test_a_hung_engine_shows_and_is_asked_all_the_same(watched: Watched) -> None:
    """A slow one may still answer: so it is degraded, and no door is closed for that."""
    await shows(watched.desk, "healthy")
    watched.agent.silent_s = supervisor.SILENT_S + 0.1
    await shows(watched.desk, "degraded", f"{AGENT}: ready but its engine has given no token")
    watched.agent.silent_s = supervisor.SILENT_S - 0.1
    await shows(watched.desk, "healthy")


def test_what_hangs_shows_in_time_by_default() -> None:
    """The pauses between two looks and the waiting together, for an actor and for its engine."""
    look = supervisor.LOOK_EVERY_S
    assert look + supervisor.SILENT_S < SHOWN_WITHIN_S
    canary = PoolConfig(model="m").canary_every_s
    assert canary + supervisor.SILENT_S + look < SHOWN_WITHIN_S


@pytest.mark.nats
async def test_a_journal_that_is_gone_shows(watched: Watched, nats: NatsServer) -> None:
    """Once, with the remedy, though the bus itself is there."""
    await shows(watched.desk, "healthy")
    async with connected(nats.url) as client:
        await client.streams().delete_stream(JOURNAL)
        await shows(watched.desk, "degraded", f"journal: stream {JOURNAL} is missing. Start")
        status = await watched.desk.status()
        assert (len(status.troubles), status.stats) == (1, None)
        await provision(client.streams(), BusConfig(url=nats.url))
    await shows(watched.desk, "healthy")


@pytest.mark.nats
async def test_a_journal_still_to_be_counted_is_told_and_no_trouble(
    watched: Watched, nats: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are no figures rather than wrong ones; all that is asked is decided meanwhile."""
    await publish_all(nats.url, [last_record("t-1", 1)])
    catalogue, gate = watched.desk.journal.catalogue, asyncio.Event()
    take = catalogue._take

    async def held(*batch: object) -> None:
        await gate.wait()
        await take(*batch)  # type: ignore[arg-type]

    monkeypatch.setattr(catalogue, "_take", held)
    monkeypatch.setattr("actors.catalogue.CURRENT_WITHIN_S", 0.05)
    await shows(watched.desk, "healthy")
    status = await watched.desk.status()
    assert status.stats is None
    assert [line[:31] for line in status.troubles] == ["the journal is still being read"]
    gate.set()
    await reaches(lambda: _counted(watched.desk), "all is counted")
    assert (await watched.desk.status()).troubles == ()


async def _counted(desk: Desk) -> bool:
    return (await desk.status()).stats is not None


@pytest.mark.nats
@pytest.mark.parametrize(
    ("stop", "go_on"),
    [
        (lambda nats: nats.kill(), lambda nats: nats.start()),
        (
            lambda nats: os.kill(nats.pid, signal.SIGSTOP),
            lambda nats: os.kill(nats.pid, signal.SIGCONT),
        ),
    ],
    ids=["killed", "hung"],
)
async def test_a_bus_that_stops_shows(
    stop: Callable[[NatsServer], None],
    go_on: Callable[[NatsServer], None],
    watched: Watched,
    nats: NatsServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also one that keeps its connections open and says nothing."""
    monkeypatch.setattr("actors.bus.REQUEST_S", 1.0)
    await shows(watched.desk, "healthy")
    stop(nats)
    try:
        await shows(watched.desk, "degraded", "NATS")
        assert (await watched.desk.status()).stats is None
    finally:
        go_on(nats)
    await shows(watched.desk, "healthy")
