"""The known mistakes of the earlier implementation, by their numbers: we share none of them.

Number 4, options that change nothing, is in test_known_mistakes_options.py.
"""

import ast
import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from asking import called
from bridging import fleet, healthy, killed, plan, settled
from bus_fakes import connected, ended, letters
from deadline import reaches, until_async
from grpc import StatusCode
from grpc.aio import AioRpcError
from local_desk import doors
from scripted_desk import DEV, ScriptedDesk
from seats import Seat, a_task, crash, result_of, seen_by
from test_planning import PLAN, ROLES, read, refused

from actors import contract
from actors.bridge import Bridge
from actors.bus import Connection, connect
from actors.crew import Kind
from actors.nats_server import NatsServer
from actors.pb import orchestrator_pb2 as pb
from actors.provision import provision
from actors.roster import roster
from actors.streams import PLAN_APPROVED, PLANS, STREAMS
from actors.supervisor import Post, State
from actors.thinking import split_thinking
from edges.desk import Desk
from engine.charters import Joined
from engine.config import BusConfig, Config, NamedAgent
from engine.decision import Decided
from engine.deliberation import deliberate
from engine.errors import Unavailable
from engine.events import END, Critiqued, Event, Failed, Record, Revised
from engine.founding import NewCouncil, founded
from engine.joining import joined
from engine.planning import tasks
from engine.results import result
from engine.testing import FlakyModel, GatedModel, ScriptedModel, a_council, shows, words
from engine.testing import a_task as a_pure_task
from engine.transcript import Transcript
from engine.types import Phase, Reply, Task, Turn

ROOT = Path(__file__).resolve().parent.parent
AGENTS = ("agent-1", "agent-2", "agent-3")


async def events_of(model: ScriptedModel, **fields: object) -> list[Event]:
    """All events of a council of three with a scripted model."""
    task = Task.model_validate({**a_pure_task().model_dump(), **fields})
    async with aclosing(deliberate(task, a_council(), model, words)) as events:
        return [event async for event in events]


def folded(events: Sequence[Event]) -> Transcript:
    """The state after these events."""
    state = Transcript()
    for at, event in enumerate(events):
        state.add(event, float(at))
    return state


def prompt(turn: Turn) -> str:
    """All that a turn shows to its agent."""
    return "\n".join(message.content for message in turn.messages)


def held(model: GatedModel) -> list[Phase]:
    """The phases of the turns that are under way."""
    return [turn.phase for turn, _ in model.held.values()]


async def test_01_agents_are_asked_side_by_side() -> None:
    """All drafts are under way at once, then all critiques; nobody waits for another's turn."""
    model = GatedModel()
    running = asyncio.ensure_future(events_of(model))
    for phase in (Phase.DRAFT, Phase.CRITIQUE, Phase.REVISE, Phase.VOTE):
        await until_async(lambda p=phase: held(model) == [p] * 3, f"three at once: {phase}")
        model.release()
    assert isinstance((await running)[-1], Decided)


async def test_02_no_check_passes_that_did_not_run_and_any_agent_may_win() -> None:
    """The suite has no parts and is no pass; scores differ; whoever is liked wins."""
    for author in AGENTS:
        liked = f"{author} says revise 1"

        def odds(turn: Turn, first: str, _second: str, liked: str = liked) -> float:
            return 0.9 if shows(turn, first, liked) else 0.1

        answer = contract.response(folded(await events_of(ScriptedModel(odds=odds))), durable=True)
        assert answer.winner_id == author
        assert len({found.score for found in answer.results}) > 1
        assert not any(found.checks.all_passed for found in answer.results)
        assert not any(found.checks.ListFields() for found in answer.results)


async def test_03_what_is_asked_reaches_every_model() -> None:
    """A plan's title, description and criteria, rubric and constraints are in each first prompt."""
    said = {
        "title": "Hands of brass",
        "description": "They must not rust.",
        "acceptance_criteria": ["ticks", "tocks"],
        "constraints": {"rubric": "Prefer few parts.", "budget": "forty crowns"},
        "tasks": [{"title": "Cut the wheels"}],
    }
    (task,) = tasks(read({**PLAN, **said, "roles": ["DEV"]}), ROLES)
    model = ScriptedModel()
    async for _ in deliberate(task, a_council(), model, words):
        pass
    drafts = [prompt(turn) for turn in model.turns if turn.phase is Phase.DRAFT]
    assert len(drafts) == 3
    for words_said in ("Hands of brass", "must not rust", "ticks", "tocks", "Prefer few parts"):
        assert all(words_said in draft for draft in drafts)
    assert all("forty crowns" in draft and "Cut the wheels" in draft for draft in drafts)


async def test_03_what_is_asked_at_a_door_reaches_every_model() -> None:
    """Text, rubric, requirements and metadata, of a deliberation and of an orchestration."""
    desk = ScriptedDesk()
    limits = pb.TaskConstraints(
        rubric="Prefer few parts.", requirements=["two hands"], metadata={"budget": "40 crowns"}
    )
    asked = {"role": "dev", "task_description": "Build a clock", "constraints": limits}
    for rpc, kind in (("Deliberate", pb.DeliberateRequest), ("Orchestrate", pb.OrchestrateRequest)):
        desk.model = ScriptedModel()
        await called(desk, rpc, kind(**asked))
        drafts = [prompt(turn) for turn in desk.model.turns if turn.phase is Phase.DRAFT]
        assert len(drafts) == 3
        for said in ("Build a clock", "Prefer few parts.", "two hands", "40 crowns"):
            assert all(said in draft for draft in drafts), (rpc, said)


async def test_05_authors_revise_their_own_texts_by_what_changing_critics_said() -> None:
    """Each critique is shown to the author it is for, and the next round has another critic."""
    model = ScriptedModel()
    events = await events_of(model, rounds=2)
    critics: dict[str, list[str]] = {author: [] for author in AGENTS}
    for critique in (event for event in events if isinstance(event, Critiqued)):
        assert critique.agent != critique.target
        critics[critique.target].append(critique.agent)
    assert all(len(set(those)) == 2 for those in critics.values())
    revisions = [turn for turn in model.turns if turn.phase is Phase.REVISE]
    assert len(revisions) == 6
    for turn in revisions:
        assert f"{critics[turn.agent][turn.round - 1]} misses a proof" in prompt(turn)
        own = f"{turn.agent} says {'draft 0' if turn.round == 1 else 'revise 1'}"
        assert own in prompt(turn)
    revised = [event for event in events if isinstance(event, Revised)]
    assert all(event.text == f"{event.agent} says revise {event.round}" for event in revised)


async def test_06_a_dead_model_is_no_success() -> None:
    """It fails and says so; there is no text that no model wrote, and no score."""
    events = await events_of(FlakyModel({(agent, Phase.DRAFT) for agent in AGENTS}))
    found = result(folded(events))
    assert isinstance(events[-1], Failed)
    assert (found.status, found.error_type, found.results) == ("failed", "QuorumLost", ())
    assert found.winner_id == ""


async def test_06_a_dead_model_is_no_answer_at_a_door() -> None:
    """The call is refused, and what is told of it later has neither winner nor score."""
    desk = ScriptedDesk()
    desk.model = FlakyModel({(agent.id, Phase.DRAFT) for agent in DEV.agents})
    asked = pb.DeliberateRequest(task_id="dead", role="dev", task_description="x")
    assert await called(desk, "Deliberate", asked) is StatusCode.FAILED_PRECONDITION
    found = await called(
        desk, "GetDeliberationResult", pb.GetDeliberationResultRequest(task_id="dead")
    )
    assert found.status == pb.DELIBERATION_STATUS_FAILED
    assert (found.winner_id, list(found.results)) == ("", [])


@pytest.mark.nats
async def test_07_results_and_figures_survive_a_restart(seat: Seat, config: Config) -> None:
    """Another actor and another edge tell the same of what was decided before they were there."""
    first = seat()
    await seen_by(first, a_task())
    before = await result_of(first)
    await crash(first)
    assert await result_of(seat()) == before
    desk = Desk(config, roster(config), all_ready, lambda _: None)
    assert result((await desk.journalled("t-1")).state) == before
    stats = (await desk.status()).stats
    assert stats is not None
    assert (stats.total_deliberations, stats.role_counts) == (1, {"DEV": 1})
    await desk._opened().close()


@pytest.mark.nats
async def test_07_councils_and_agents_survive_a_restart(config: Config, nats: NatsServer) -> None:
    """One that was created, with an agent that was registered, is there for another edge."""
    desk = Desk(config, roster(config), all_ready, lambda _: None)
    founding, guest = NewCouncil(role="security"), NamedAgent(id="guest", pool="small")
    charters = desk.chamber._charters
    await charters.change("SECURITY", lambda fleet: founded(fleet, founding))
    await charters.change("SECURITY", lambda fleet: joined(fleet, "SECURITY", Joined(agent=guest)))
    await desk.journal.close()
    nats.kill()
    nats.start()
    other = Desk(config, roster(config), all_ready, lambda _: None)
    council = (await other.chamber.look()).config.council("SECURITY")
    assert council is not None
    ours = [f"agent-security-00{number}" for number in (1, 2, 3)]
    assert [agent.id for agent in council.agents] == [*ours, "guest"]
    assert [each.role for each in await other.councils()] == ["DEV", "SECURITY"]
    await other.journal.close()


@pytest.fixture
def bus(nats: NatsServer) -> BusConfig:
    """A bus with short waits."""
    return BusConfig(url=nats.url, ack_wait_s=1.0, slots=2)


@pytest.fixture
async def producer(bus: BusConfig, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connection]:
    """A producer's connection, the streams made."""
    monkeypatch.setattr("actors.bridge.FETCH_S", 0.2)
    monkeypatch.setattr("actors.receipts.GIVEN_BACK_S", 0)
    async with connected(bus.url, bus) as client:
        yield client


async def publish(client: Connection, *plans: bytes) -> None:
    """Publish plans as a producer does."""
    for each in plans:
        await client.streams().publish("planning.plan.approved", each)


class Convening:
    """Deliberations that take `takes_s` and meet these errors first."""

    def __init__(self, *errors: Exception, takes_s: float = 0.0) -> None:
        self.errors, self.takes_s, self.begun = list(errors), takes_s, list[str]()

    async def __call__(self, task: Task) -> Record:
        """The end, after its time."""
        self.begun.append(task.role)
        if self.errors:
            raise self.errors.pop(0)
        await asyncio.sleep(self.takes_s)
        return ended(task)


@pytest.mark.nats
async def test_08_poison_is_buried_once_and_failed_work_comes_again(
    bus: BusConfig, producer: Connection
) -> None:
    """What can never be done is one dead letter; what failed is not acknowledged until done."""
    convene = Convening(Unavailable("no engine"))
    bridge = Bridge(fleet(bus), convene, patience_s=0.0)
    await bridge.start()
    await publish(producer, b"{", plan(roles=["DEV"]))
    await healthy(bridge, lambda h: h.handled == 1 and h.buried == 1, "each is settled")
    await reaches(lambda: settled(producer), "nothing comes again")
    assert [letter.kind for letter in await letters(producer)] == ["json_invalid"]
    assert convene.begun == ["DEV", "DEV"]
    await bridge.stop(grace_s=0)


@pytest.mark.nats
async def test_09_work_longer_than_the_ack_wait_is_delivered_once(
    bus: BusConfig, producer: Connection
) -> None:
    """The server hears that it goes on: twice the ack wait, one delivery."""
    convene = Convening(takes_s=2.2)
    bridge = Bridge(fleet(bus), convene)
    await bridge.start()
    await publish(producer, plan(roles=["DEV"]))
    health = await healthy(bridge, lambda h: h.handled == 1, "handled")
    assert (health.redelivered, convene.begun) == (0, ["DEV"])
    await bridge.stop(grace_s=0)


@pytest.mark.nats
async def test_10_a_new_durable_replays_no_old_plan(bus: BusConfig) -> None:
    """What lay there before the first durable is not convened; what comes after it is."""
    client = await connect(bus, "producer", lambda: None)
    js = client.streams()
    await js.add_stream(name=PLANS, subjects=["planning.>"])
    for waiting in (0, 1):
        await publish(client, plan())
        await provision(js, bus)
        assert (await js.consumer_info(PLANS, PLAN_APPROVED)).num_pending == waiting
    await client.leave()


@pytest.mark.nats
async def test_11_a_durable_is_free_for_the_next_when_a_pod_has_died(
    bus: BusConfig, producer: Connection
) -> None:
    """A second bridge listens while the first one is bound and after it has died in its work."""
    stuck, convene = Convening(takes_s=60), Convening()
    first, second = (Bridge(fleet(bus), each) for each in (stuck, convene))
    await first.start()
    await publish(producer, plan(roles=["DEV"]))
    await healthy(first, lambda _: stuck.begun == ["DEV"], "the first works")
    await second.start()
    await killed(first)
    await healthy(second, lambda h: h.handled == 1, "the second does its work")
    assert convene.begun == ["DEV"]
    await second.stop(grace_s=0)


@pytest.mark.nats
async def test_12_streams_keep_for_days(producer: Connection) -> None:
    """What the server itself was told, in its nanoseconds, is what the contract says in days."""
    day, found = 24 * 3600 * 10**9, dict[str, int]()
    for stream in STREAMS:
        raw = await producer.streams()._api_request(f"$JS.API.STREAM.INFO.{stream.name}", b"{}")
        (subject,) = raw["config"]["subjects"]
        found[subject] = raw["config"]["max_age"]
    assert (
        found.items()
        >= {
            "planning.>": 30 * day,
            "context.>": 7 * day,
            "agent.request.>": 7 * day,
            "agent.response.>": 7 * day,
            "orchestration.>": 7 * day,
            "deadletter.>": 45 * day,
        }.items()
    )


@pytest.mark.parametrize("folder", ["engine", "actors", "edges", "conclave", "serve_app.py"])
def test_13_nothing_that_runs_in_a_loop_starts_another(folder: str) -> None:
    """Only commands, which no loop calls, do so."""
    top = ROOT / folder
    files = [top] if top.is_file() else [p for p in top.rglob("*.py") if p.name != "__main__.py"]
    calls = [
        f"{path.name}:{node.lineno}"
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if (
            isinstance(node, ast.Attribute)
            and node.attr in ("run_until_complete", "new_event_loop", "Runner")
        )
        or (isinstance(node, ast.Attribute) and ast.unparse(node) == "asyncio.run")
        or (isinstance(node, ast.ImportFrom) and node.module == "asyncio")
    ]
    assert calls == []


@pytest.mark.nats
async def test_14_whoever_hears_the_end_may_ask_again_at_once(seat: Seat) -> None:
    """In the moment of the end all questions about it are answered; nothing waits for itself."""
    actor = seat()
    async with aclosing(actor.deliberate(a_task())) as stream:
        async for record in stream:
            if isinstance(record.event, END):
                async with asyncio.timeout(5):
                    again, read_back, _ = await asyncio.gather(
                        seen_by(actor, a_task()), result_of(actor), actor.health()
                    )
    assert again[-1] == record
    assert read_back.status == "completed"


@pytest.mark.nats
async def test_15_what_is_not_there_is_not_found(config: Config) -> None:
    """By its own code, not as an error of ours; on each rpc that takes an id or a role."""
    watching = pb.WatchDeliberationRequest(task_id="never")
    async with doors(config, ScriptedModel()) as house:
        for rpc, request in (
            ("GetDeliberationResult", pb.GetDeliberationResultRequest(task_id="never")),
            ("CancelDeliberation", pb.CancelDeliberationRequest(task_id="never")),
            ("DeriveSubtasks", pb.DeriveSubtasksRequest(plan_id="never")),
            ("GetTaskContext", pb.GetTaskContextRequest(task_id="never")),
            ("DeleteCouncil", pb.DeleteCouncilRequest(role="chef")),
            ("RegisterAgent", pb.RegisterAgentRequest(role="chef", agent_id="a")),
            ("UnregisterAgent", pb.UnregisterAgentRequest(role="chef", agent_id="a")),
            ("UnregisterAgent", pb.UnregisterAgentRequest(role="dev", agent_id="never")),
        ):
            with pytest.raises(AioRpcError) as raised:
                await getattr(house.rpc, rpc)(request)
            assert raised.value.code() is StatusCode.NOT_FOUND, (rpc, raised.value.details())
        with pytest.raises(AioRpcError) as raised:
            await anext(aiter(house.rpc.WatchDeliberation(watching)))
        assert raised.value.code() is StatusCode.NOT_FOUND


async def test_15_a_registration_that_fails_has_changed_nothing() -> None:
    """The same agent may be registered once whatever was in the way is gone."""
    desk = ScriptedDesk()
    seat = pb.RegisterAgentRequest(
        agent_id="guest", role="dev", endpoint="http://127.0.0.1:9/v1", metadata={"model": "m"}
    )
    chamber, before = desk.chamber, desk.chamber.charters.fleet
    chamber.councils.trouble = Unavailable("nobody answers there")
    assert await called(desk, "RegisterAgent", seat) is StatusCode.UNAVAILABLE
    assert (chamber.charters.changes, chamber.charters.fleet) == (0, before)
    chamber.councils.trouble = None
    assert (await called(desk, "RegisterAgent", seat)).success
    assert await called(desk, "RegisterAgent", seat) is StatusCode.ALREADY_EXISTS
    assert chamber.charters.changes == 1


async def test_15_the_winner_is_told_once() -> None:
    """It is no candidate, whoever has chosen it."""
    desk, everybody = ScriptedDesk(), {agent.id for agent in DEV.agents}
    asked = pb.OrchestrateRequest(role="dev", task_description="Build a clock")
    for letter in "ABC":
        said = json.dumps({"reason": "it ticks", "choice": letter})
        desk.model = ScriptedModel({("agent-dev-architect", Phase.JUDGE): said})
        answer = await called(desk, "Orchestrate", asked)
        others = {each.proposal.author_id for each in answer.candidates}
        assert len(answer.candidates) == len(others) == 2
        assert others == everybody - {answer.winner.proposal.author_id}


class Thinker(ScriptedModel):
    """A model that thinks before each text, and whose third agent never stops thinking."""

    async def __call__(self, turn: Turn) -> Reply:
        """The scripted reply, its text behind a thought."""
        reply = await super().__call__(turn)
        close = "" if turn.agent == "agent-3" else "</think>"
        text, reasoning = split_thinking(f"<think>secretly{close}{reply.text}")
        return reply.model_copy(update={"text": text, "reasoning": reasoning})


async def test_16_reasoning_is_shown_to_no_peer_and_is_no_proposal() -> None:
    """It is recorded with its turn; a text that never came after it makes its author drop out."""
    model = Thinker()
    events = await events_of(model)
    assert all("secretly" not in prompt(turn) for turn in model.turns)
    found = result(folded(events))
    assert {ranked.proposal.author_id for ranked in found.results} == {"agent-1", "agent-2"}
    assert "secretly" in json.dumps([event.model_dump(mode="json") for event in events])


EVERYBODY = pb.ListCouncilsRequest(include_agents=True)
KINDS: tuple[Kind, ...] = ("agent", "council", "bridge")


async def all_ready() -> State:
    """The supervisor's word while all is well."""
    return state_of()


def state_of(**reasons: str) -> State:
    """A post of each kind, failed where there is a reason."""
    posts = (
        Post(name=k, kind=k, state="failed" if k in reasons else "ready", reason=reasons.get(k, ""))
        for k in KINDS
    )
    return State(since=1.0, bus="", posts=tuple(posts))


@pytest.mark.nats
@pytest.mark.parametrize(
    ("failed", "standing"), [((), "healthy"), (("bridge",), "degraded"), (("agent",), "unhealthy")]
)
async def test_17_the_status_is_what_is_so(
    failed: tuple[str, ...], standing: str, config: Config
) -> None:
    """It follows the posts; without any deliberation the figures are zero and none is made up."""

    async def state() -> State:
        return state_of(**dict.fromkeys(failed, "out of memory"))

    desk = Desk(config, roster(config), state, lambda _: None)
    found = await desk.status()
    assert found.status == standing
    assert bool(found.troubles) == bool(failed)
    assert found.stats is not None
    assert (found.stats.total_deliberations, found.stats.avg_deliberation_time_ms) == (0, 0.0)
    await desk._opened().close()


@pytest.mark.nats
async def test_17_without_the_bus_no_figure_is_told(config: Config, nats: NatsServer) -> None:
    """It is degraded and says why; figures are missing and not zero."""
    desk = Desk(config, roster(config), all_ready, lambda _: None)
    status = pb.GetStatusRequest(include_stats=True)
    assert (await called(desk, "GetStatus", status)).HasField("stats")
    nats.kill()
    found = await called(desk, "GetStatus", status)
    assert (found.status, found.HasField("stats")) == ("degraded", False)
    assert any("no NATS server answers" in each for each in found.troubles)
    assert await called(desk, "GetMetrics", pb.GetMetricsRequest()) is StatusCode.UNAVAILABLE
    await desk.journal.close()
    nats.start()


@pytest.mark.nats
async def test_17_whoever_is_away_is_said_to_be(config: Config) -> None:
    """No council answers and no engine is there: nobody is available, nothing is active."""
    desk = Desk(config, roster(config), all_ready, lambda _: None)
    found = await called(desk, "GetMetrics", pb.GetMetricsRequest())
    assert (found.agents.total_agents, found.agents.active_agents) == (3, 0)
    assert (found.councils.total_councils, found.councils.active_councils) == (1, 0)
    dev = found.councils.health_per_council["council-dev"]
    assert (dev.status, dev.available_agents, dev.busy_agents) == ("degraded", 0, 0)
    (council,) = (await called(desk, "ListCouncils", EVERYBODY)).councils
    assert (council.status, {agent.status for agent in council.agents}) == ("degraded", {"offline"})
    stats = (await called(desk, "GetStatus", pb.GetStatusRequest(include_stats=True))).stats
    assert stats.active_councils == 0
    await desk.journal.close()


@pytest.mark.parametrize(
    "change", [{"story_id": 7}, {"roles": "dev, qa"}, {"timestamp": 1_795_000_000}, {"extra": [1]}]
)
def test_18_honest_events_are_taken(change: dict[str, Any]) -> None:
    """What means something clear is understood, and what is beside it is kept."""
    assert tasks(read({**PLAN, **change}), ROLES)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"plan_id": True}, "string_type at payload.plan_id"),
        ({"roles": {"dev": 1}}, "tuple_type at payload.roles"),
        ({"timestamp": "yesterday"}, "datetime_from_date_parsing at payload.timestamp"),
    ],
)
def test_18_wrong_types_are_refused(change: dict[str, Any], fault: str) -> None:
    """By their kind and place."""
    assert refused({**PLAN, **change}) == fault
