"""Claims about changes of councils on a real bus: none is lost, and councils live by them."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from api_twin import ApiTwin
from bus_fakes import connected, last_record, letters, stored
from deadline import reaches, until_async
from recording import recorded
from seats import Seat, a_task, answering, crash, journalled, seen_by

from actors import council
from actors.bridge import Bridge
from actors.bus import Connection
from actors.charters import MOST_BYTES, STREAM, Charters
from actors.council import CouncilActor
from actors.nats_server import NatsServer
from actors.roster import roster
from actors.run import Stop, Terms
from actors.streams import PLAN_APPROVED, PLANS
from actors.testing import ScriptedPool
from edges.asked import DeliberationRequest
from edges.desk import Desk
from engine.charters import Charter, Fleet, Joined
from engine.config import Config, NamedAgent, OutsideAgent
from engine.errors import Conflict, Ended, InvalidRequest, SetupError, Unavailable, Unmet
from engine.events import Decided, Failed
from engine.fanout import ended
from engine.founding import NewCouncil, founded
from engine.joining import NewAgent, dissolved, joined, joining, left
from engine.testing import GatedModel, ScriptedModel
from engine.transcript import fold
from engine.types import Council, Phase, Task
from serve_app import Edge

pytestmark = pytest.mark.nats

SECURITY = NewCouncil(role="SECURITY", num_agents=2)


@pytest.fixture
async def charters(config: Config, client: Connection) -> Charters:
    """Those of a door."""
    return Charters(lambda call: call(client.streams()), config)


def another(config: Config, client: Connection) -> Charters:
    """Those of another process, which knows of nothing yet."""
    return Charters(lambda call: call(client.streams()), config)


async def seated(charters: Charters, agent_id: str) -> None:
    """Seat an agent of ours on DEV."""
    who = Joined(agent=NamedAgent(id=agent_id, pool="small", persona="p"))
    await charters.change("DEV", lambda fleet: joined(fleet, "DEV", who))


def agents(fleet: Fleet, role: str = "DEV") -> list[str]:
    council = fleet.config.council(role)
    assert council is not None
    return [agent.id for agent in council.agents]


async def test_a_change_is_seen_by_everybody_and_outlives_the_server(
    config: Config, client: Connection, charters: Charters, nats: NatsServer
) -> None:
    """Created, changed and deleted; read anew by a process that starts after a kill."""
    await charters.change("SECURITY", lambda fleet: founded(fleet, SECURITY))
    await seated(charters, "fourth")
    await charters.change("DEV", lambda fleet: left(fleet, "DEV", "agent-dev-002"))
    nats.kill()
    nats.start()
    async with connected(nats.url) as fresh:
        other = another(config, fresh)
        assert agents(await other.look()) == ["agent-dev-001", "agent-dev-003", "fourth"]
        assert agents(other.fleet, "SECURITY") == ["agent-security-001", "agent-security-002"]
        await other.change("DEV", lambda fleet: dissolved(fleet, "DEV"))
        third = await another(config, fresh).look()
        assert [council.role for council in third.config.councils] == ["SECURITY"]


async def test_two_writers_lose_nothing_of_one_another(config: Config, client: Connection) -> None:
    """Each change is made on what the other one left."""
    writers = [another(config, client) for _ in range(2)]
    names = [f"a-{number}" for number in range(6)]
    await asyncio.gather(*(seated(writers[n % 2], name) for n, name in enumerate(names)))
    assert sorted(agents(await another(config, client).look())[3:]) == names
    both = (each.change("SECURITY", lambda f: founded(f, SECURITY)) for each in writers)
    found = await asyncio.gather(*both, return_exceptions=True)
    assert {type(each) for each in found} == {Fleet, Conflict}
    assert await stored(client, STREAM) == 2


async def test_a_lost_receipt_is_no_conflict(
    config: Config, client: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written under our own mark is ours, though nobody said so."""
    charters = another(config, client)
    written = charters._written

    async def lost(charter: Charter) -> bool:
        await written(charter)
        return False

    monkeypatch.setattr(charters, "_written", lost)
    fleet = await charters.change("SECURITY", lambda f: founded(f, SECURITY))
    assert fleet.number("SECURITY") == 1


async def test_nothing_new_costs_one_question(
    config: Config, client: Connection, charters: Charters
) -> None:
    """What is in force is the same object as long as nobody changed it."""
    await seated(charters, "x")
    asked: list[object] = []

    async def ask(call):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        asked.append(call)
        return await call(client.streams())

    other = Charters(ask, config)
    before = await other.look()
    asked.clear()
    assert await other.look() is before
    assert len(asked) == 1
    await client.streams().publish("$KV.conclave-councils.QA", b'{"from": "tomorrow"}')
    assert agents(await other.look()) == agents(before)


async def test_what_another_version_wrote_is_told_and_not_written_over(
    config: Config, client: Connection, charters: Charters
) -> None:
    """Whoever knows how to read it finds it as it was left."""
    data = b'{"role": "DEV", "from": "tomorrow"}'
    await client.streams().publish("$KV.conclave-councils.DEV", data)
    [trouble] = (await charters.look()).troubles
    assert trouble.startswith("council DEV is as configured: ")
    with pytest.raises(SetupError, match="nats kv del conclave-councils DEV"):
        await seated(charters, "x")
    with pytest.raises(SetupError):
        await charters.change("DEV", lambda fleet: dissolved(fleet, "DEV"))
    assert (await client.streams().get_last_msg(STREAM, "$KV.conclave-councils.DEV")).data == data


@pytest.mark.parametrize("size", [MOST_BYTES, 1024 * 1024 - 200, 2 * 1024 * 1024])
async def test_a_council_that_is_too_large_to_be_kept_is_refused(
    charters: Charters, client: Connection, size: int
) -> None:
    """NATS would hang up for good on who sends it."""
    who = Joined(agent=NamedAgent(id="x", pool="small", persona="p" * size))
    with pytest.raises(InvalidRequest, match=f"at most {MOST_BYTES} are kept"):
        await charters.change("DEV", lambda fleet: joined(fleet, "DEV", who))
    await seated(charters, "y")
    assert agents(charters.fleet)[-1] == "y"


async def test_without_the_bus_nothing_changes_and_the_last_known_holds(
    charters: Charters, nats: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused in one line, in bounded time."""
    monkeypatch.setattr("actors.charters.CHANGE_WITHIN_S", 0.3)
    monkeypatch.setattr("actors.charters.LOOK_WITHIN_S", 0.3)
    await seated(charters, "x")
    nats.kill()
    with pytest.raises(Unavailable) as refused:
        await asyncio.wait_for(seated(charters, "y"), 5)
    assert "\n" not in str(refused.value)
    assert agents(await charters.soon())[-1] == "x"
    nats.start()


async def test_a_running_deliberation_keeps_its_seats_and_a_new_one_has_the_new_ones(
    seat: Seat, charters: Charters
) -> None:
    """An agent joins and another leaves while it runs; neither stops it."""
    model = GatedModel()
    actor = seat(model)
    running = asyncio.create_task(seen_by(actor, a_task("old")))
    await until_async(lambda: len(model.held) == 3, "the drafts are asked for")
    await seated(charters, "fourth")
    await charters.change("DEV", lambda fleet: left(fleet, "DEV", "agent-dev-001"))
    other = asyncio.create_task(seen_by(actor, a_task("other")))
    await until_async(lambda: len(model.held) == 6, "both are at work")
    model.release(lambda turn: turn.deliberation == "other")
    speaking = (await actor.health()).speaking
    assert {f"agent-dev-00{n}" for n in (1, 2, 3)} <= {*speaking}
    answers = asyncio.create_task(answering(model))
    await other
    old, new = await running, await seen_by(actor, a_task("new"))
    answers.cancel()
    assert [a.id for a in fold(old).seated] == [f"agent-dev-00{n}" for n in (1, 2, 3)]
    assert [a.id for a in fold(new).seated] == ["agent-dev-002", "agent-dev-003", "fourth"]
    assert {type(records[-1].event) for records in (old, new)} == {Decided}
    assert (await actor.health()).agents == ("agent-dev-002", "agent-dev-003", "fourth")


async def test_an_interrupted_deliberation_goes_on_with_the_seats_it_had(
    config: Config, client: Connection
) -> None:
    """By another actor, which has seen the new ones only, and on the pools of the old ones."""
    pools = {**config.pools, "large": config.pools["small"]}
    config = config.model_copy(update={"pools": pools})
    charters = another(config, client)
    models = {"small": GatedModel(), "large": GatedModel()}

    def pools_of(_config: Config, council: Council) -> dict[str, ScriptedPool]:
        return {agent.pool: ScriptedPool(models[agent.pool]) for agent in council.agents}

    who = Joined(agent=NamedAgent(id="fourth", pool="large"))
    await charters.change("DEV", lambda fleet: joined(fleet, "DEV", who))
    actor = CouncilActor(config, "DEV", pools_of)
    running = asyncio.create_task(seen_by(actor, a_task()))
    await until_async(lambda: models["large"].held, "the drafts are asked for")

    async def convened() -> bool:
        return bool(await journalled(config.bus.url))

    await reaches(convened, "it is journalled")
    await charters.change("DEV", lambda fleet: left(fleet, "DEV", "fourth"))
    await crash(actor)
    with pytest.raises(Unavailable):
        await running
    answers = [asyncio.create_task(answering(model)) for model in models.values()]
    later = CouncilActor(config, "DEV", pools_of)
    end = (await seen_by(later, a_task()))[-1].event
    assert (await later.health()).pools == ("small",)
    await crash(later)
    await ended(*answers)
    assert isinstance(end, Decided)
    assert not end.decision.degraded
    assert "fourth" in {proposal.author for proposal in end.decision.order}


async def test_a_deleted_council_begins_nothing_and_ends_what_it_has(
    seat: Seat, charters: Charters, config: Config
) -> None:
    """What can be decided in the time is; all else ends undecided, accepted work included."""
    model = GatedModel()
    actor = seat(model)
    attached = asyncio.create_task(seen_by(actor, a_task("attached")))
    await until_async(lambda: len(model.held) == 3, "the drafts are asked for")
    await actor.accept(a_task("accepted"), Terms(detached=True))
    await charters.change("DEV", lambda fleet: dissolved(fleet, "DEV"))
    with pytest.raises(InvalidRequest, match="no council 'DEV' any more"):
        await seen_by(actor, a_task("late"))
    dissolving = asyncio.create_task(actor.dissolve(1.0))
    await until_async(lambda: len(model.held) == 6, "both are asked for drafts")
    model.release(lambda turn: turn.deliberation == "attached" and turn.phase is Phase.DRAFT)
    await asyncio.wait_for(dissolving, 15)
    ends = [(await journalled(config.bus.url, id))[-1].event for id in ("attached", "accepted")]
    assert all(isinstance(end, Failed) for end in ends)
    assert (await attached)[-1].event == ends[0]
    for end in ends:
        assert isinstance(end, Failed)
        assert end.error_type in ("Cancelled", "NoBallots", "QuorumLost", "DeadlineExceeded")
    assert await actor._backlog().all() == []


async def test_what_waits_for_an_engine_ends_with_its_council(
    config: Config, charters: Charters
) -> None:
    """Nothing was ever asked; it is told why there will be no decision."""

    class Starting(ScriptedPool):
        async def ready(self) -> None:
            await asyncio.Event().wait()

    pools = {"small": Starting(ScriptedModel())}
    actor = CouncilActor(config, "DEV", lambda _config, _council: pools)
    waiting = asyncio.create_task(seen_by(actor, a_task()))
    await until_async(lambda: "t-1" in actor._runs, "it waits")
    await asyncio.wait_for(actor.dissolve(0.2), 5)
    end = (await waiting)[-1].event
    assert isinstance(end, Failed)
    assert (end.error_type, end.message) == ("Cancelled", "its council was deleted")
    await crash(actor)


async def test_accepted_work_that_nobody_is_at_ends_with_its_council(
    seat: Seat, charters: Charters, config: Config
) -> None:
    """An actor that died left it; the one that is to go had not taken it up yet."""
    actor = seat(GatedModel())
    await actor.accept(a_task(), Terms(detached=True))
    await crash(actor)
    later = seat()
    await asyncio.wait_for(later.dissolve(5.0), 5)
    end = (await journalled(config.bus.url))[-1].event
    assert isinstance(end, Failed)
    assert end.message == "its council was deleted"
    assert await later._backlog().all() == []


async def created_anew(charters: Charters) -> Charter:
    """DEV deleted and founded once more; what is in force of it then."""
    await charters.change("DEV", lambda fleet: dissolved(fleet, "DEV"))
    fleet = await charters.change("DEV", lambda fleet: founded(fleet, NewCouncil(role="DEV")))
    return fleet.charter("DEV")


async def test_a_deleted_council_ends_nothing_of_the_next_one(
    seat: Seat, charters: Charters, config: Config
) -> None:
    """Both keep accepted work in one place, and the old one may end long after the new began."""
    old = seat()
    charter = await created_anew(charters)
    pool = ScriptedPool(GatedModel())
    new = CouncilActor(config, "DEV", lambda _c, _council: {"small": pool}, known=(charter,))
    await new.accept(a_task(), Terms(detached=True))
    await asyncio.wait_for(old.dissolve(1.0), 5)
    assert [work.task.id for work in await new._backlog().all()] == ["t-1"]
    assert not (await new.read("t-1")).state.end
    await crash(new)


async def test_the_next_council_leaves_to_a_deleted_one_what_that_accepted(
    seat: Seat, charters: Charters, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two at one deliberation would supersede each other; later nobody else is there to do it."""
    old = seat(GatedModel())
    await old.accept(a_task(), Terms(detached=True))
    charter = await created_anew(charters)
    pool = ScriptedPool(ScriptedModel())
    new = CouncilActor(config, "DEV", lambda _c, _council: {"small": pool}, known=(charter,))
    [work] = await new._backlog().all()
    assert not new._is_ours(work)
    monkeypatch.setattr(council, "ELDERS_S", -1.0)
    await crash(old)
    await new.health()

    async def decided() -> bool:
        return isinstance((await journalled(config.bus.url))[-1].event, Decided)

    await reaches(decided, "it is taken up")
    await crash(new)


async def test_who_waits_for_a_run_to_stop_begins_none_in_a_deleted_council(
    seat: Seat, charters: Charters
) -> None:
    """A caller comes while the last one's leaving is written down, and the council goes."""
    model = GatedModel()
    actor = seat(model)
    first = asyncio.create_task(seen_by(actor, a_task()))
    await until_async(lambda: len(model.held) == 3, "the drafts are asked for")
    run = actor._runs["t-1"]
    await ended(first)
    assert run.why is Stop.SUSPEND
    second = asyncio.create_task(seen_by(actor, a_task()))
    await asyncio.sleep(0)
    actor._seating.close()
    with pytest.raises(InvalidRequest, match="any more"):
        await asyncio.wait_for(second, 5)
    assert not actor._runs


async def test_a_deleted_council_decides_what_it_can_in_time(
    seat: Seat, charters: Charters
) -> None:
    """Drafts are there, a review never comes: it is decided without, before the time is over."""
    model = GatedModel()
    actor = seat(model)
    running = asyncio.create_task(seen_by(actor, a_task(), Terms(detached=True)))
    await until_async(lambda: len(model.held) == 3, "the drafts are asked for")
    dissolving = asyncio.create_task(actor.dissolve(3.0))
    model.release(lambda turn: turn.phase is Phase.DRAFT)
    await until_async(lambda: len(model.held) == 3, "the reviews are asked for")

    async def votes() -> None:
        while True:
            model.release(lambda turn: turn.phase is Phase.VOTE)
            await asyncio.sleep(0.01)

    voting = asyncio.create_task(votes())
    end = (await asyncio.wait_for(running, 10))[-1].event
    voting.cancel()
    await dissolving
    assert isinstance(end, Decided)
    assert end.decision.stop_reason == "deadline"


async def test_a_later_council_of_the_role_is_not_this_one(seat: Seat, charters: Charters) -> None:
    """Deleted and created anew within a moment, the old actor takes nothing for the new one."""
    actor = seat()
    await seen_by(actor, a_task("t-0"))
    await charters.change("DEV", lambda fleet: dissolved(fleet, "DEV"))
    await charters.change("DEV", lambda fleet: founded(fleet, NewCouncil(role="DEV")))
    with pytest.raises(InvalidRequest, match="any more"):
        await seen_by(actor, a_task())
    assert len((await actor.read("t-0")).records) > 3


@pytest.fixture
async def api() -> AsyncIterator[ApiTwin]:
    """An outside model, well-behaved."""
    async with ApiTwin().on() as api:
        yield api


async def test_an_outside_model_takes_part_like_any_agent(
    seat: Seat, charters: Charters, api: ApiTwin
) -> None:
    """It drafts, reviews, revises and votes over HTTP; what it cost is in the account."""
    asked = NewAgent(agent_id="guest", endpoint=api.url, metadata={"model": "m-1"})
    who = joining(charters.fleet, "DEV", asked)
    await charters.change("DEV", lambda fleet: joined(fleet, "DEV", who))
    actor = seat()
    records = await seen_by(actor, a_task())
    end = records[-1].event
    assert isinstance(end, Decided)
    assert not end.decision.degraded
    state = fold(records)
    assert state.proposals["guest"][-1].text == "m-1 says something"
    assert "guest" in state.ballots
    kinds = ["answers" in str(each.get("response_format")) for each in api.asked]
    assert (kinds.count(True), len(kinds)) == (1, len(api.asked))
    assert len(api.asked) >= 3
    own = [a for a in fold(records).seated if a.id == "guest"]
    assert "endpoint" not in own[0].model_dump_json()


async def test_an_outside_model_that_fails_is_dropped_and_the_council_decides(
    seat: Seat, charters: Charters, api: ApiTwin
) -> None:
    """With its reason; nothing stands in for it."""
    agent = OutsideAgent(id="guest", endpoint=api.url, model="m-1", answer_within_s=0.5)
    await charters.change("DEV", lambda fleet: joined(fleet, "DEV", Joined(agent=agent)))
    api.say = lambda _: [None]  # type: ignore[assignment, return-value]
    end = (await seen_by(seat(), a_task()))[-1].event
    assert isinstance(end, Decided)
    assert end.decision.degraded
    assert "no answer in 0.5 s" in end.decision.lost["guest"]


def bridge_of(config: Config, asked: list[Task]) -> Bridge:
    """A bridge whose councils note what they are asked, and end it at once."""

    async def convene(task: Task):  # type: ignore[no-untyped-def]  # noqa: ANN202
        asked.append(task)
        return last_record(task.id, 1)

    return Bridge(config, convene)


async def test_the_bridge_convenes_the_councils_that_there_are(
    config: Config, client: Connection, charters: Charters
) -> None:
    """A plan without roles goes to all of now; a new role has its subject, an old one none."""
    asked: list[Task] = []
    bridge = bridge_of(config, asked)
    await bridge.start()
    js = client.streams()

    async def settled(count: int) -> bool:
        info = await js.consumer_info(PLANS, PLAN_APPROVED)
        return (await bridge.health()).handled + (await bridge.health()).buried >= count and (
            info.num_pending == 0
        )

    plan = {"story_id": "s", "approved_by": "po", "timestamp": "2026-11-22"}
    await js.publish("planning.plan.approved", json.dumps({**plan, "plan_id": "1"}).encode())
    await reaches(lambda: settled(1), "the first plan is settled")
    await charters.change("SECURITY", lambda fleet: founded(fleet, SECURITY))
    await charters.change("DEV", lambda fleet: dissolved(fleet, "DEV"))
    await js.publish("planning.plan.approved", json.dumps({**plan, "plan_id": "2"}).encode())
    await reaches(lambda: settled(2), "the second plan is settled")
    for role in ("security", "dev"):
        request = json.dumps({"task_id": role, "task_description": "Clock"}).encode()
        await js.publish(f"agent.request.council.{role}", request)
    await reaches(lambda: settled(4), "both requests are settled")
    await bridge.stop(grace_s=0.5)
    assert [(task.role, task.plan_id) for task in asked] == [
        ("DEV", "1"),
        ("SECURITY", "2"),
        ("SECURITY", ""),
    ]
    [letter] = await letters(client)
    assert letter.kind == "unknown_role"


async def test_a_created_council_has_an_actor_of_its_own(
    config: Config, charters: Charters
) -> None:
    """Made with the charters of then, it deliberates as it was asked for."""
    fleet = await charters.change("SECURITY", lambda fleet: founded(fleet, SECURITY))
    known = tuple(fleet.charters.values())
    pools = {"small": ScriptedPool(ScriptedModel())}
    actor = CouncilActor(config, "SECURITY", lambda _config, _council: pools, known=known)
    records = await seen_by(actor, a_task(role="SECURITY"))
    assert [a.id for a in fold(records).seated] == agents(fleet, "SECURITY")
    assert isinstance(records[-1].event, Decided)
    await crash(actor)


async def test_a_new_replica_knows_the_councils_before_it_is_asked(
    config: Config, charters: Charters
) -> None:
    """Nobody is told that there is no such council, nor asks one that was deleted."""
    await charters.change("SECURITY", lambda fleet: founded(fleet, SECURITY))
    await charters.change("DEV", lambda fleet: dissolved(fleet, "DEV"))
    edge = Edge.__new__(Edge)
    await Edge.__init__(edge, config, roster(config), NotImplemented)
    desk = edge._desk
    assert desk.admit(DeliberationRequest(role="security", text="Is it safe?")).role == "SECURITY"
    with pytest.raises(InvalidRequest, match="no council 'DEV'; known roles: SECURITY"):
        desk.admit(DeliberationRequest(role="DEV", text="Build a clock"))
    assert desk._following is not None
    await ended(desk._following)
    await desk.journal.close()


async def test_a_new_replica_does_not_wait_for_a_bus_that_is_away(
    config: Config, nats: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is configured can be asked."""
    monkeypatch.setattr("actors.charters.CHANGE_WITHIN_S", 0.3)
    nats.kill()
    desk = Desk(config, roster(config), NotImplemented)
    await asyncio.wait_for(desk.begin(), 10)
    assert desk.admit(DeliberationRequest(role="DEV", text="Build a clock")).role == "DEV"
    assert desk._following is not None
    await ended(desk._following)
    await desk.journal.close()
    nats.start()


async def test_what_a_deleted_council_left_cannot_be_ended_and_why_is_said(
    config: Config, charters: Charters
) -> None:
    """What is to be done first; what had ended before has ended."""
    desk = Desk(config, roster(config), NotImplemented, lambda _name: None)
    for name, most in (("left", 2), ("done", None)):
        writer = desk.journal.writer(name, 0)
        for record in (await recorded(a_task(name)))[:most]:
            writer.append(record)
        await writer.flush()
    await charters.change("SECURITY", lambda fleet: founded(fleet, SECURITY))
    await charters.change("DEV", lambda fleet: dissolved(fleet, "DEV"))
    await desk.chamber.look()
    with pytest.raises(Unmet, match=r"council DEV of 'left' was deleted.*create it again"):
        await desk.cancel("left")
    with pytest.raises(Ended, match="'done' has ended already"):
        await desk.cancel("done")
    await desk.journal.close()


async def test_the_bucket_may_not_be_there_yet(config: Config, nats: NatsServer) -> None:
    """Before anything was provisioned, the configuration holds."""
    from actors.bus import connect

    client = await connect(config.bus, "bare", lambda: None)
    await client.streams().delete_stream(STREAM)
    assert (await another(config, client).look()).config == config
    await client.leave()
    async with connected(nats.url):
        pass
