"""The supervisor in a real Ray: every seat is filled once, by an actor that answers."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import ray
from bus_fakes import connected
from deadline import reaches, until, until_async
from ray_twins import Moody, Stage, ray_for_tests, staged_pools

from actors import crew as crews
from actors import retiring, supervisor
from actors.appointing import Appointing
from actors.council import CouncilActor
from actors.councils import Councils, find_actor, named_actors
from actors.crew import Seat, crew
from actors.journal import Journal
from actors.nats_server import NatsServer, free_port
from actors.roster import PREFIX, Roster, living, roster
from actors.run import Conclusion
from actors.supervisor import Post, State, Supervisor, Wanted
from edges.asked import DeliberationRequest
from edges.desk import Desk
from engine.arrival import Arrival
from engine.config import BusConfig, Config, PoolConfig, fleet_councils
from engine.errors import InvalidRequest, NotFound, Unavailable
from engine.events import Decided, Record, Resumed
from engine.fanout import ended
from engine.founding import NewCouncil
from engine.joining import NewAgent
from engine.planning import SUBJECT, plan_approved, tasks
from engine.types import Task

pytestmark = [pytest.mark.ray, pytest.mark.nats, pytest.mark.timeout(180)]


@pytest.fixture(scope="module", autouse=True)
def _ray() -> Iterator[None]:
    """One Ray for all tests here."""
    with ray_for_tests():
        yield


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Look often, and leave no actor to the next test."""
    monkeypatch.setattr(supervisor, "LOOK_EVERY_S", 0.1)
    yield
    for name in named_actors():
        ray.kill(find_actor(name))
    until(lambda: not named_actors(), "all actors are gone")


@pytest.fixture
def config(nats: NatsServer) -> Config:
    """Two councils on one pool that nobody fills."""
    return Config(
        pools={"small": PoolConfig(model="/models/small")},
        councils=fleet_councils()[:2],
        bus=BusConfig(url=nats.url),
    )


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """What the councils' models wait for."""
    return Stage(folder=tmp_path)


def seats(config: Config, names: Roster, stage: Stage) -> list[Seat]:
    """The crew of a configuration without agents, its councils on the stage."""
    pools = partial(staged_pools, stage)
    fills = {
        name: partial(create, CouncilActor, name, config, role, pools)
        for role, name in names.councils.items()
    }
    found = [seat for seat in crew(config, names) if seat.kind != "agent"]
    return [seat._replace(fill=fills.get(seat.name, seat.fill)) for seat in found]


def create(cls: type, name: str, *arguments: Any) -> Any:
    """A detached actor as the crew makes them."""
    return crews._create(cls, name, {"num_cpus": 0}, *arguments)


def moody(folder: Path, *moods: str, name: str = "moody") -> Seat:
    """A seat whose actors have these moods, one after another."""
    full = f"{PREFIX}council:{name}:{folder.name}"
    return Seat(full, "council", partial(create, Moody, full, folder, *moods))


@asynccontextmanager
async def supervised(bus: BusConfig, seats: list[Seat]) -> AsyncIterator[Supervisor]:
    """A supervisor at work."""
    watching = Supervisor(bus, seats)
    watching.start()
    try:
        yield watching
    finally:
        await watching.stop()


async def ready(watching: Supervisor, seconds: float = 90.0) -> None:
    """Return when nothing is amiss."""
    await until_async(lambda: not watching.state().troubles, "all is ready", seconds)


def post(watching: Supervisor) -> Post:
    """How the one seat stands."""
    return watching.state().posts[0]


async def in_journal(url: str, id: str, wanted: Callable[[Record], bool], count: int) -> None:
    """Return when that many wanted records are durable."""
    journal = await Journal.connect(BusConfig(url=url), "looking")

    async def there() -> bool:
        return sum(map(wanted, (await journal.read(id)).records)) >= count

    try:
        await reaches(there, "the records are journalled")
    finally:
        await journal.close()


async def test_everything_is_created_and_a_plan_gets_its_decisions(
    config: Config, stage: Stage
) -> None:
    """Councils and bridge come to be, and what is published on the bus is decided by each role."""
    names = roster(config)
    stage.open("draft", "critique", "revise", "vote")
    async with supervised(config.bus, seats(config, names, stage)) as watching:
        await ready(watching)
        assert [(p.kind, p.made) for p in watching.state().posts] == [
            ("council", 1),
            ("council", 1),
            ("bridge", 1),
        ]
        plan = {"story_id": "s", "plan_id": "p", "approved_by": "po", "timestamp": "2026-11-22"}
        data = json.dumps(plan).encode()
        async with connected(config.bus.url, config.bus) as client:
            ack = await client.streams().publish(SUBJECT, data)
        arrival = Arrival(stream=ack.stream, seq=ack.seq, subject=SUBJECT, data=data)
        asked = tasks(plan_approved(arrival, config.bus.max_event_bytes), tuple(names.councils))
        assert len(asked) == 2
        for task in asked:
            await in_journal(config.bus.url, task.id, lambda r: isinstance(r.event, Decided), 1)


async def test_a_killed_council_is_replaced_and_its_deliberation_concluded(
    config: Config, stage: Stage
) -> None:
    """The caller waits through the death, and no journalled turn is asked again."""
    names = roster(config)
    councils, seat = Councils(names, patience_s=60.0), seats(config, names, stage)[0]
    task = Task(id="t-1", role="DEV", text="Build a clock")
    stage.open("draft")
    async with supervised(config.bus, [seat]) as watching:
        await ready(watching)
        concluding = asyncio.create_task(councils.conclude(task))
        await until_async(lambda: stage.asked("critique") == 3, "critiques are asked for", 60)
        await in_journal(config.bus.url, "t-1", lambda r: r.event.kind == "drafted", 3)
        before = await councils.health("DEV")
        assert before is not None
        assert (before.status, before.running) == ("busy", ("t-1",))
        os.kill(before.pid, signal.SIGKILL)
        stage.open("critique", "revise", "vote")
        conclusion = await asyncio.wait_for(concluding, 90)
        assert post(watching).made == 2
        after = await councils.health("DEV")
        assert after is not None
        assert after.pid != before.pid
    assert conclusion.durable
    assert isinstance(conclusion.records[-1].event, Decided)
    assert sum(isinstance(r.event, Resumed) for r in conclusion.records) == 1
    assert (stage.asked("draft"), stage.asked("critique")) == (3, 6)
    assert await councils.read("DEV", "t-1") == conclusion
    with pytest.raises(NotFound):
        await councils.read("DEV", "t-2")


async def test_a_council_that_stays_away_is_told(config: Config) -> None:
    """Without an actor a caller waits as long as it said, and no role is invented."""
    councils = Councils(roster(config), patience_s=0.3)
    with pytest.raises(Unavailable, match="council DEV is away"):
        await councils.conclude(Task(id="t-1", role="DEV", text="Build a clock"))
    with pytest.raises(Unavailable, match="council DEV is away"):
        await councils.read("DEV", "t-1")
    assert await councils.health("DEV") is None
    with pytest.raises(InvalidRequest, match="known roles: DEV, QA"):
        await councils.conclude(Task(id="t-1", role="CHEF", text="Cook"))


async def test_an_outage_of_nats_at_the_end_is_told(
    config: Config, stage: Stage, nats: NatsServer
) -> None:
    """With NATS away the decision comes after the given time, as one that is not durable yet."""
    names = roster(config)
    stage.open("draft")
    async with supervised(config.bus, seats(config, names, stage)[:1]) as watching:
        await ready(watching)
        task = Task(id="t-1", role="DEV", text="Build a clock")
        concluding = asyncio.create_task(
            Councils(names).conclude(task, patience=partial(asyncio.sleep, 0.2))
        )
        await until_async(lambda: stage.asked("critique") == 3, "critiques are asked for", 60)
        nats.kill()
        stage.open("critique", "revise", "vote")
        conclusion = await asyncio.wait_for(concluding, 60)
    assert isinstance(conclusion.records[-1].event, Decided)
    assert not conclusion.durable


@pytest.mark.parametrize("mood", ["hung", "broken", "unfit"])
async def test_an_actor_that_does_not_do_is_replaced(
    nats: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mood: str
) -> None:
    """One that answers no more, one whose answer is a bug and one that can never work make room."""
    monkeypatch.setattr(supervisor, "ANSWER_WITHIN_S", 2.0)
    reasons = {"hung": "no answer in 2 s", "broken": "ZeroDivisionError", "unfit": "No memory"}
    async with supervised(BusConfig(url=nats.url), [moody(tmp_path, mood, "well")]) as watching:
        await until_async(lambda: reasons[mood] in post(watching).reason, "its reason is shown", 60)
        await ready(watching)
        assert (post(watching).made, post(watching).reason) == (2, "")


async def test_what_stays_unfit_is_shown_and_tried_ever_more_slowly(
    nats: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its reason and remedy stay in sight between the attempts, whose pauses grow."""
    drawn: list[list[float]] = []
    pauses = supervisor.pauses

    def noted(first_s: float, longest_s: float) -> Iterator[float]:
        drawn.append([])
        for pause in pauses(first_s, longest_s):
            drawn[-1].append(pause)
            yield pause

    monkeypatch.setattr(supervisor, "pauses", noted)
    seen: set[str] = set()
    async with supervised(BusConfig(url=nats.url), [moody(tmp_path, "unfit")]) as watching:
        await until_async(lambda: post(watching).state == "failed", "it is found unfit", 60)

        def made_anew() -> bool:
            seen.add(post(watching).reason)
            return max(map(len, drawn)) >= 4

        await until_async(made_anew, "it was tried again and again", 60)
    assert seen == {"No memory. Add some"}
    slowing = max(drawn, key=len)
    assert slowing[0] < slowing[2] < 1.0
    assert slowing[1] < slowing[3]


async def test_a_name_that_cannot_be_filled_is_shown(nats: NatsServer) -> None:
    """What Ray refuses is a reason, and the watching goes on."""

    def refused() -> None:
        raise ValueError("num_gpus must be a multiple of 1")

    seat = Seat(f"{PREFIX}agent:small:0:x", "agent", refused)
    async with supervised(BusConfig(url=nats.url), [seat]) as watching:
        await until_async(lambda: "num_gpus" in post(watching).reason, "the reason is shown")
        watching.check()
        assert post(watching).made == 0


async def test_old_actors_are_drained_and_removed(
    nats: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever they answer to it, and also those that an old supervisor makes once more."""
    monkeypatch.setattr(supervisor, "LOOK_BACK_AFTER_S", 0.0)
    (old_folder := tmp_path / "old").mkdir()
    (new_folder := tmp_path / "new").mkdir()
    old, new = moody(old_folder, "broken", name="old"), moody(new_folder, "well", name="new")
    old.fill()
    async with supervised(BusConfig(url=nats.url), [new]) as watching:
        await ready(watching)
        await until_async(lambda: find_actor(old.name) is None, "the old one is gone")
        assert (old_folder / "drained").exists()
        old.fill()
        await watching._look_back()  # as it does by itself, later
        await until_async(lambda: find_actor(old.name) is None, "it is gone again")
        assert find_actor(new.name) is not None
        assert not (new_folder / "drained").exists()


async def test_two_supervisors_make_each_actor_once(nats: NatsServer, tmp_path: Path) -> None:
    """While one replica of Serve takes over from another, nothing is made twice."""
    crew_of_three = []
    for name in "abc":
        (tmp_path / name).mkdir()
        crew_of_three.append(moody(tmp_path / name, "well", name=name))
    bus = BusConfig(url=nats.url)
    async with supervised(bus, crew_of_three) as one, supervised(bus, crew_of_three) as two:
        await asyncio.gather(ready(one), ready(two))
        made = [
            sum(p.made for p in both)
            for both in zip(one.state().posts, two.state().posts, strict=True)
        ]
    assert made == [1, 1, 1]
    assert [len(list((tmp_path / name).iterdir())) for name in "abc"] == [1, 1, 1]


async def test_nats_away_at_start_is_one_line_until_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line says where it was looked for and what to do; then streams are made."""
    monkeypatch.setattr(supervisor, "REACH_WITHIN_S", 0.5)
    server = NatsServer(tmp_path, free_port())
    async with supervised(BusConfig(url=server.url), []) as watching:
        assert watching.state().bus == "not provisioned yet"
        where = f"no NATS server answers at 127.0.0.1:{server.port}"
        await until_async(lambda: where in watching.state().bus, "its absence is told")
        assert "start nats-server" in watching.state().bus
        assert "\n" not in watching.state().bus
        server.start()
        await ready(watching)
    server.stop()


async def test_a_dead_watching_is_no_secret() -> None:
    """`check` raises what ended it, so that Serve replaces the replica."""

    def broken() -> None:
        raise ZeroDivisionError("a bug")

    bus = BusConfig(url=f"nats://127.0.0.1:{free_port()}")
    watching = Supervisor(bus, [Seat(f"{PREFIX}council:x:y", "council", broken)])
    watching.check()
    watching.start()
    assert watching._work is not None
    watching.check()
    await asyncio.wait({watching._work}, timeout=20)
    with pytest.raises(ZeroDivisionError):
        watching.check()


class Living:
    """What a replica of the supervisor and one of the doors have, with the councils on a stage."""

    def __init__(self, config: Config, stage: Stage) -> None:
        self._config, self._stage = config, stage
        self._appointing = Appointing(config)
        self.watching = Supervisor(config.bus, [], self._look)
        self.desk = Desk(config, roster(config), self._state)

    async def _state(self) -> State:
        return self.watching.state()

    async def _look(self) -> Wanted:
        wanted = await self._appointing.look()
        seats = [self._staged(seat) for seat in wanted.seats if seat.kind != "bridge"]
        return wanted._replace(seats=seats)

    def _staged(self, seat: Seat) -> Seat:
        """A council with a scripted model; in an engine's place something that is well, or not."""
        if seat.kind == "agent":
            folder, mood = (
                self._stage.folder / seat.name,
                "unfit" if "unfit" in seat.name else "well",
            )
            folder.mkdir(exist_ok=True)
            return seat._replace(fill=partial(create, Moody, seat.name, folder, mood))
        fill = cast("partial[Any]", seat.fill)
        _name, role, config, known = fill.args
        pools = partial(staged_pools, self._stage)
        made = (CouncilActor, seat.name, config, role, pools, os._exit, known)
        return seat._replace(fill=partial(create, *made))

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[Desk]:
        """The doors, while the supervisor watches."""
        self.watching.start()
        await self.desk.begin()
        try:
            yield self.desk
        finally:
            assert self.desk._following is not None
            await ended(self.desk._following)
            await self.watching.stop()
            await self.desk._opened().close()
            if self._appointing._line is not None:
                await self._appointing._line.close()


def asked(desk: Desk, id: str) -> "asyncio.Task[Conclusion]":
    """Have the new council deliberate."""
    task = desk.admit(DeliberationRequest(role="security", text="Is it safe?", task_id=id))
    return asyncio.create_task(desk.conclude(task, 60.0))


async def test_a_council_lives_from_its_creation_to_its_end(
    config: Config, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Created with a pool, joined while it deliberates, there after a restart, and dissolved.

    One whose engine cannot be is not left behind.
    """
    monkeypatch.setattr(retiring, "DISSOLVE_WITHIN_S", 20.0)
    config = config.model_copy(update={"councils": config.councils[:1], "phases": {}})
    stage.open("draft", "revise", "vote")
    async with Living(config, stage).at_work() as desk:
        unfit = NewCouncil(role="unfit", custom_params={"max_running": "4"})
        with pytest.raises(Unavailable, match=r"pool council-unfit: No memory\. Add some"):
            await asyncio.wait_for(desk.chamber.create(unfit), 90)
        new = NewCouncil(role="security", custom_params={"max_running": "4"})
        made = await asyncio.wait_for(desk.chamber.create(new), 90)
        assert made.agents == tuple(f"agent-security-00{n}" for n in (1, 2, 3))
        names = living(desk._fleet)
        [engine] = names.agents["council-security"]
        assert find_actor(engine) is not None
        first = asked(desk, "first")
        await until_async(lambda: stage.asked("critique") == 3, "reviews are asked for", 60)
        await desk.chamber.register("security", NewAgent(agent_id="fourth"))
        second = asked(desk, "second")
        await until_async(lambda: stage.asked("draft") == 3 + 4, "the new seats draft", 60)
        stage.open("critique")
        found = await asyncio.gather(first, second)
        assert [len(each.state.seated) for each in found] == [3, 4]
        before = await desk._councils.health("SECURITY")
        assert before is not None
    async with Living(config, stage).at_work() as desk:
        await until_async(lambda: "SECURITY" in desk._councils.roles, "it is known again")
        after = await desk._councils.health("SECURITY")
        assert after is not None
        assert (after.pid, len(after.agents)) == (before.pid, 4)
        (stage.folder / "critique").unlink()
        running = asked(desk, "third")
        await until_async(lambda: stage.asked("critique") == 3 + 4 + 4, "reviews are asked for", 60)
        gone = await desk.chamber.delete("security")
        assert (gone.agents_removed, gone.running) == (4, ("third",))
        with pytest.raises(InvalidRequest, match=r"known roles: DEV$"):
            asked(desk, "fourth")
        stage.open("critique")
        end = (await asyncio.wait_for(running, 60)).records[-1].event
        assert isinstance(end, Decided)
        await until_async(lambda: find_actor(names.councils["SECURITY"]) is None, "it is gone", 30)
        await until_async(lambda: find_actor(engine) is None, "so is its pool", 30)
        await until_async(lambda: len(named_actors()) == 2, "only DEV and its pool are left", 60)
        assert (await desk.read("third")).state.end is not None
