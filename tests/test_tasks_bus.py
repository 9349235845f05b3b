"""Claims about tasks of plans and what agents see of one, on a real bus and over both doors."""

import json
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

import grpc
import pytest
from bridging import healthy
from local_desk import Doors, doors

from actors import plans
from actors.bridge import Bridge
from actors.bus import Connection
from actors.codec import plain
from actors.nats_server import NatsServer
from actors.pb import orchestrator_pb2 as pb
from actors.plans import Plans
from actors.run import Terms
from actors.stories import Stories
from actors.streams import PLANS, REQUESTS
from edges.deriving import requests
from engine.arrival import Arrival
from engine.config import BusConfig, Config, PoolConfig
from engine.errors import Unavailable
from engine.events import Record
from engine.requests import requested
from engine.testing import ScriptedModel, words
from engine.types import Phase, Task, Turn

pytestmark = pytest.mark.nats

DERIVATIONS = "/v1/derivations"


@pytest.fixture
def config(nats: NatsServer, client: Connection) -> Config:
    """The five councils, and the bus."""
    return Config(pools={"small": PoolConfig(model="m")}, bus=BusConfig(url=nats.url))


@pytest.fixture
def model() -> ScriptedModel:
    """What all councils say."""
    return ScriptedModel()


@pytest.fixture
async def house(config: Config, model: ScriptedModel) -> AsyncIterator[Doors]:
    """Both doors."""
    async with doors(config, model) as opened:
        yield opened


async def approve(client: Connection, plan_id: Any = "p-1", **fields: Any) -> int:
    """Publish an approved plan; its place in the stream."""
    event = {"story_id": "s-1", "plan_id": plan_id, "approved_by": "po", "timestamp": 1}
    data = json.dumps({**event, **fields}).encode()
    receipt = await client.streams().publish("planning.plan.approved", data)
    return receipt.seq


async def found(config: Config, client: Connection, plan_id: str) -> str | None:
    """The description of the plan that is found under an id."""
    event = await Plans(client.streams(), config.bus).of(plan_id)
    return event and event.plan.description


async def refused(awaited: Any, code: grpc.StatusCode) -> str:
    """The line of a call that is refused with this status."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await awaited
    assert raised.value.code() is code, raised.value.details()
    return str(raised.value.details())


async def test_a_plan_is_found_by_its_id_the_last_one_of_them(
    config: Config, client: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among others, behind gaps and events that nobody can read; a number is an id too."""
    monkeypatch.setattr(plans, "AT_ONCE", 4)
    await approve(client, description="old")
    gone = await approve(client, "p-9", description="gone")
    await approve(client, description="new")
    await approve(client, "Zwölf", description="spelled")
    await approve(client, 12, description="a number")
    await approve(client, story_id="p-1", plan_id="other", description="p-1 is its story")
    for number in range(9):
        await approve(client, f"q-{number}")
    js = client.streams()
    await js.publish("planning.plan.approved", b'{"plan_id": "p-1"')
    await js.publish("planning.story.transitioned", b'{"plan_id": "p-1", "story_id": "s"}')
    await js.delete_msg(PLANS, gone)
    assert await found(config, client, "p-1") == "new"
    assert await found(config, client, "Zwölf") == "spelled"
    assert await found(config, client, "12") == "a number"
    assert await found(config, client, "p-9") is None
    assert await found(config, client, "p") is None


async def test_what_is_not_found_in_time_is_said_so(
    config: Config, client: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be there: it is no plan that nobody has approved."""
    monkeypatch.setattr(plans, "LOOK_WITHIN_S", 0.0)
    with pytest.raises(Unavailable, match="none of the newest on the bus"):
        await found(config, client, "p-1")


async def test_the_same_request_gives_the_same_tasks_over_every_door(
    house: Doors, client: Connection, model: ScriptedModel
) -> None:
    """The first one has it decided, and each later one finds that; the journal has it as any."""
    await approve(client, title="A clock", acceptance_criteria=["It ticks"])
    body = {"plan_id": " p-1", "case_id": "c-1", "roles": ["dev", "qa"]}
    answer = await house.http.post(DERIVATIONS, json=body)
    assert answer.status_code == 200, answer.text
    derived = answer.json()
    assert derived["total_tasks"] == len(derived["tasks"]) == 2
    assert (derived["plan_id"], derived["story_id"], derived["durable"]) == ("p-1", "s-1", True)
    assert derived["published"] == 0
    asked = len(model.turns)
    assert asked
    request = pb.DeriveSubtasksRequest(plan_id="p-1", case_id="c-1", roles=["DEV", "QA"])
    over_grpc = await house.rpc.DeriveSubtasks(request)
    assert len(model.turns) == asked
    assert over_grpc.derivation_id == derived["derivation_id"]
    assert over_grpc.author_id == derived["author_id"]
    assert over_grpc.total_tasks == 2
    first, second = over_grpc.tasks
    assert (first.role, second.role, first.case_id, first.plan_id) == ("DEV", "QA", "c-1", "p-1")
    assert list(second.dependencies) == [first.task_id]
    assert list(first.constraints.requirements) == ["It ticks"]
    assert first.priority == 1
    assert [task.task_id for task in over_grpc.tasks] == [t["task_id"] for t in derived["tasks"]]
    result = await house.http.get(f"/v1/deliberations/{derived['derivation_id']}")
    assert (result.json()["role"], result.json()["status"]) == ("ARCHITECT", "completed")
    again = await house.http.post(DERIVATIONS, json=body, headers={"Idempotency-Key": "2"})
    assert again.json()["derivation_id"] != derived["derivation_id"]
    request.idempotency_key = "2"
    same = await house.rpc.DeriveSubtasks(request)
    assert same.derivation_id == again.json()["derivation_id"]


async def test_how_a_plan_is_split_is_said_alike_over_every_door(
    house: Doors, client: Connection
) -> None:
    """Each of the strategy's fields reaches the architects' rules."""
    await approve(client)
    how = {"parallel_execution": True, "dependency_order": ["DEV", "QA"], "max_tasks_per_role": 1}
    answer = await house.http.post(DERIVATIONS, json={"plan_id": "p-1", "strategy": how})
    request = pb.DeriveSubtasksRequest(plan_id="p-1", strategy=pb.DerivationStrategy(**how))
    over_grpc = await house.rpc.DeriveSubtasks(request)
    assert over_grpc.derivation_id == answer.json()["derivation_id"]
    task = (await house.desk.known(over_grpc.derivation_id)).state.task
    assert task is not None
    assert task.graph is not None
    assert (task.graph.parallel, task.graph.order) == (True, ("DEV", "QA"))
    assert task.graph.most_per_role == 1


async def test_a_plan_that_is_too_long_is_clipped_as_on_the_bus(
    house: Doors, client: Connection
) -> None:
    """Whoever names a plan cannot shorten it; what was cut is recorded."""
    await approve(client, description="tick " * 5000)
    answer = await house.http.post(DERIVATIONS, json={"plan_id": "p-1"})
    state = (await house.desk.known(answer.json()["derivation_id"])).state
    assert state.brief is not None
    assert "task" in [cut.part for cut in state.brief.clipped]


BAD: list[tuple[dict[str, Any], int, grpc.StatusCode, str]] = [
    ({"plan_id": "p-2"}, 404, grpc.StatusCode.NOT_FOUND, "no approved plan 'p-2' is on the bus"),
    ({"plan_id": ""}, 400, grpc.StatusCode.INVALID_ARGUMENT, "plan_id: "),
    (
        {"plan_id": "p-1", "roles": ["chef"]},
        400,
        grpc.StatusCode.INVALID_ARGUMENT,
        "roles: no role 'CHEF'; known roles: DEV, QA",
    ),
    (
        {"plan_id": "p-1", "strategy": {"max_tasks_per_role": -1}},
        400,
        grpc.StatusCode.INVALID_ARGUMENT,
        "strategy.max_tasks_per_role: ",
    ),
]


@pytest.mark.parametrize(("fields", "status", "code", "line"), BAD)
async def test_what_cannot_be_derived_is_refused_alike_over_every_door(
    house: Doors,
    client: Connection,
    fields: dict[str, Any],
    status: int,
    code: grpc.StatusCode,
    line: str,
) -> None:
    """One line, of the same words, with what to do."""
    await approve(client)
    answer = await house.http.post(DERIVATIONS, json=fields)
    assert answer.status_code == status
    assert answer.json()["detail"].startswith(line)
    how = pb.DerivationStrategy(**fields.get("strategy", {}))
    sent = {**fields, "strategy": how}
    told = await refused(house.rpc.DeriveSubtasks(pb.DeriveSubtasksRequest(**sent)), code)
    assert told == answer.json()["detail"]


async def test_where_no_graph_is_right_there_are_no_tasks(
    house: Doors, client: Connection, model: ScriptedModel
) -> None:
    """The call fails with what was wrong with each graph; nothing is published."""
    await approve(client)
    node = {"id": "t1", "role": "DEV", "description": "x", "depends_on": ["t1"], "priority": 1}
    for number in (1, 2, 3):
        for phase in (Phase.DRAFT, Phase.REVISE):
            agent = f"agent-architect-00{number}"
            model.script[agent, phase] = json.dumps({"tasks": [node]})
    publish = {"auto_publish_to_nats": True}
    answer = await house.http.post(DERIVATIONS, json={"plan_id": "p-1", "strategy": publish})
    assert answer.status_code == 422
    request = pb.DeriveSubtasksRequest(plan_id="p-1")
    failed = grpc.StatusCode.FAILED_PRECONDITION
    told = await refused(house.rpc.DeriveSubtasks(request), failed)
    assert "AllExcluded" in told
    assert "agent-architect-001: these wait for one another for ever: t1" in told
    assert told == answer.json()["detail"]
    assert (await client.streams().stream_info(REQUESTS)).state.messages == 0


async def test_each_task_is_asked_of_its_council_once(
    house: Doors, client: Connection, config: Config, model: ScriptedModel
) -> None:
    """However often it is derived and however late: those before a task first, no second start."""
    await approve(client)
    request = pb.DeriveSubtasksRequest(
        plan_id="p-1",
        roles=["DEV", "QA"],
        strategy=pb.DerivationStrategy(auto_publish_to_nats=True),
    )
    derived = await house.rpc.DeriveSubtasks(request)
    assert derived.published == 2
    js = client.streams()
    sent = [await js.get_msg(REQUESTS, seq=seq) for seq in (1, 2)]
    assert [message.subject for message in sent] == [
        "agent.request.council.dev",
        "agent.request.council.qa",
    ]
    names = [task.task_id for task in derived.tasks]
    assert [(message.headers or {})["Nats-Msg-Id"] for message in sent] == names
    assert (await house.rpc.DeriveSubtasks(request)).published == 2
    assert (await js.stream_info(REQUESTS)).state.messages == 2
    state = (await house.desk.known(derived.derivation_id)).state
    for request in requests(state):  # as after the hour in which the stream knows their names
        await js.publish(request.subject, request.message)

    async def convene(task: Task) -> Record:
        terms = Terms(detached=True, clips=True)
        return (await house.desk._councils.conclude(task, terms)).records[-1]

    begun = len(model.turns)
    bridge = Bridge(config.model_copy(update={"bus": _from_the_first(config.bus)}), convene)
    await bridge.start()
    try:
        await healthy(bridge, lambda health: health.handled == 5, "all events are settled")
    finally:
        await bridge.stop()
    drafts = [t.deliberation for t in model.turns[begun:] if t.phase is Phase.DRAFT]
    assert {name: drafts.count(name) for name in names} == dict.fromkeys(names, 3)
    asked = [(await house.desk.known(name)).state.task for name in names]
    assert [(task.role, task.story_id) for task in asked if task] == [("DEV", "s-1"), ("QA", "s-1")]


def _from_the_first(bus: BusConfig) -> BusConfig:
    return bus.model_copy(update={"start": "all"})


CONTEXT = "/v1/context"


async def tell(client: Connection, kind: str, **fields: Any) -> None:
    """An event tells of the story s-1; returns when it is noted."""
    data = json.dumps({"story_id": "s-1", **fields}).encode()
    arrival = Arrival("CONTEXT", fields["version"], f"context.{kind}", data, at=fields["version"])
    await Stories(client.streams(), BusConfig()).note(arrival, 1 << 18)


async def told(client: Connection) -> None:
    """A milestone, a decision and an update, the oldest first."""
    await tell(client, "milestone.reached", version=1, milestone_id="m", milestone_name="It ticks")
    await tell(client, "decision.added", version=2, decision_id="d", what="No springs")
    await tell(client, "updated", version=3, what="Begun")


def said(turn: Turn) -> str:
    """All that a turn's messages say."""
    return "\n".join(message.content for message in turn.messages)


async def decided(house: Doors, **fields: Any) -> str:
    """Deliberate on something; its id."""
    body = {"role": "DEV", "text": "Build a clock", "rubric": "Short", **fields}
    answer = await house.http.post("/v1/deliberations", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["task_id"])


async def seen(house: Doors, **fields: Any) -> dict[str, Any]:
    """What an agent sees, over HTTP; over gRPC it is the same."""
    answer = await house.http.post(CONTEXT, json=fields)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    sent = {("task_description" if name == "text" else name): v for name, v in fields.items()}
    over_grpc = await house.rpc.GetTaskContext(pb.GetTaskContextRequest(**sent))
    assert over_grpc.context_text == found["context_text"]
    assert over_grpc.version_hash == found["version_hash"]
    assert (over_grpc.token_count, over_grpc.agent_id) == (found["token_count"], found["agent_id"])
    assert plain(over_grpc.blocks) == found["blocks"]
    return found


async def test_what_is_seen_is_what_each_agent_was_asked(
    house: Doors, client: Connection, model: ScriptedModel
) -> None:
    """The whole prompt of its draft with the story, to the letter; its tokens and its hash."""
    await told(client)
    id = await decided(house, story_id="s-1", requirements=["It ticks"], context={"n": 1})
    for turn in [turn for turn in model.turns if turn.phase is Phase.DRAFT]:
        found = await seen(house, task_id=id, agent_id=turn.agent)
        assert found["context_text"] == said(turn)
        assert "No springs" in found["blocks"]["context"]
        assert found["version_hash"] == sha256(said(turn).encode()).hexdigest()
        assert found["token_count"] == words(said(turn)) + 2
        assert (found["role"], found["agent_id"]) == ("DEV", turn.agent)
    first = await seen(house, task_id=id)
    assert first["agent_id"] == "agent-dev-001"
    await tell(client, "updated", version=4, what="Later")
    assert await seen(house, task_id=id, phase="BUILD") == first


async def test_what_will_be_seen_is_what_is_asked_later(
    house: Doors, client: Connection, model: ScriptedModel
) -> None:
    """Of a task that nobody was asked yet; asked by that name, its agents see just that."""
    await told(client)
    before = await seen(house, text="Build a clock", role="dev", story_id="s-1", task_id="t-9")
    assert before == await seen(
        house, text="Build a clock", role="DEV", case_id="s-1", task_id="t-9"
    )
    assert model.turns == []
    await decided(house, task_id="t-9", story_id="s-1", rubric="")
    assert before["context_text"] == said(model.turns[0])
    unnamed = [await seen(house, text="Build a clock", role="QA") for _ in range(2)]
    assert unnamed[0] == unnamed[1]


async def test_a_derived_task_is_seen_before_and_after_its_council_is_asked(
    house: Doors, client: Connection, model: ScriptedModel, config: Config
) -> None:
    """It has the name that its derivation gave it, and the prompt that its event leads to."""
    await told(client)
    await approve(client)
    request = pb.DeriveSubtasksRequest(plan_id="p-1", roles=["DEV", "QA"])
    derived = await house.rpc.DeriveSubtasks(request)
    second = derived.tasks[1]
    found = await seen(house, task_id=second.task_id)
    assert (found["role"], found["task_id"]) == ("QA", second.task_id)
    assert second.description in found["blocks"]["context"]
    assert derived.tasks[0].description in found["blocks"]["context"]
    assert "No springs" in found["blocks"]["context"]
    request.strategy.auto_publish_to_nats = True
    await house.rpc.DeriveSubtasks(request)
    sent = await client.streams().get_msg(REQUESTS, seq=2)
    event = Arrival(REQUESTS, 2, sent.subject or "", sent.data or b"")
    task = requested(event, config).task
    begun = len(model.turns)
    await house.desk._councils.conclude(task, Terms(clips=True))
    assert found["context_text"] == said(model.turns[begun])
    assert await seen(house, task_id=second.task_id) == found


@pytest.mark.parametrize("phase", [Phase.CRITIQUE, Phase.REVISE, Phase.VOTE])
async def test_a_later_turn_is_seen_as_it_was(
    house: Doors, model: ScriptedModel, phase: Phase
) -> None:
    """Of a deliberation that has got so far, the last such turn of the agent."""
    id = await decided(house)
    found = await seen(house, task_id=id, phase=phase.value, agent_id="agent-dev-002")
    asked = [t for t in model.turns if (t.agent, t.phase) == ("agent-dev-002", phase)]
    assert found["context_text"] == said(asked[-1])
    assert found["blocks"]["history"]
    anybody = await seen(house, task_id=id, phase=phase.value.upper())
    assert anybody["context_text"] in {said(t) for t in model.turns if t.phase is phase}


async def test_each_option_changes_what_is_seen(house: Doors, client: Connection) -> None:
    """Which notes of the story and which parts; without any, all of it."""
    await told(client)
    id = await decided(house, story_id="s-1")
    shows = {
        "include_timeline": [True, False, False],
        "include_decisions": [False, True, False],
        "include_summaries": [False, False, True],
    }
    notes = ("It ticks", "No springs", "Begun")
    for option, shown in shows.items():
        found = await seen(house, task_id=id, options={option: True})
        assert [note in found["context_text"] for note in notes] == shown
    newest = await seen(house, task_id=id, options={"max_events": 1})
    assert [note in newest["context_text"] for note in notes] == [False, False, True]
    rubric = await seen(house, task_id=id, options={"scopes": ["rubric"]})
    assert "Short" in rubric["context_text"]
    assert not any(note in rubric["context_text"] for note in notes)
    story = await seen(house, task_id=id, options={"scopes": ["story"]})
    assert "Short" not in story["context_text"]
    whole = await seen(house, task_id=id, options={})
    assert all(note in whole["context_text"] for note in notes)


async def test_another_council_sees_the_task_with_its_own_rubric(house: Doors) -> None:
    """As if it were asked the same; what was recorded of the first is none of its."""
    id = await decided(house)
    found = await seen(house, task_id=id, role="qa")
    assert (found["role"], found["agent_id"]) == ("QA", "agent-qa-001")
    assert "Build a clock" in found["blocks"]["context"]
    assert "every acceptance criterion has a test" in found["blocks"]["context"]


UNSEEN: list[tuple[dict[str, Any], int, str]] = [
    ({}, 400, "task_id: is empty; name a task"),
    ({"task_id": "t-2"}, 404, "no task 't-2'"),
    ({"task_id": "derivation-0.1"}, 404, "no task 'derivation-0.1'"),
    ({"task_id": "t-1.1"}, 404, "no task 't-1.1'"),
    ({"task_id": "t-1", "phase": "LUNCH"}, 400, "phase: no phase 'LUNCH'; known phases: DRAFT,"),
    ({"task_id": "t-1", "phase": "merge"}, 400, "phase: agent-dev-001 has not been asked for a"),
    ({"task_id": "t-1", "phase": "vote", "role": "QA"}, 400, "role: the turns of 't-1' were those"),
    (
        {"task_id": "t-1", "phase": "vote", "options": {"max_events": 1}},
        400,
        "options: a vote is shown as it was",
    ),
    ({"text": "x", "role": "DEV", "phase": "vote"}, 400, "phase: 'key-"),
    ({"task_id": "t-1", "role": "CHEF"}, 400, "role: no council 'CHEF'; known roles: DEV, QA"),
    ({"task_id": "t-1", "agent_id": "bob"}, 400, "agent_id: 'bob' takes no part; those who do"),
    ({"task_id": "t-1", "options": {"max_events": -1}}, 400, "options.max_events: "),
    (
        {"task_id": "t-1", "options": {"scopes": ["weather"]}},
        400,
        "options.scopes: no scope 'weather'; known scopes: rubric, requirements, context, story",
    ),
]


async def test_what_cannot_be_seen_is_refused_alike_over_every_door(house: Doors) -> None:
    """One line with the field and what there is."""
    await decided(house, task_id="t-1")
    for fields, status, beginning in UNSEEN:
        answer = await house.http.post(CONTEXT, json=fields)
        assert answer.status_code == status, answer.text
        assert answer.json()["detail"].startswith(beginning), answer.text
        code = grpc.StatusCode.NOT_FOUND if status == 404 else grpc.StatusCode.INVALID_ARGUMENT
        sent = {("task_description" if name == "text" else name): v for name, v in fields.items()}
        line = await refused(house.rpc.GetTaskContext(pb.GetTaskContextRequest(**sent)), code)
        assert line == answer.json()["detail"]
