"""Claims about orchestrations, work in the background and planning events, at every door."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import httpx
import pytest
import pytest_asyncio
from deadline import until_async
from door import serving_http
from grpc import StatusCode
from scripted_desk import CONFIG, DEV, ScriptedDesk, suspended
from serve_twin import serving

from actors.messages import LATER, digest_of
from actors.pb import orchestrator_pb2 as pb
from actors.pb.orchestrator_pb2_grpc import OrchestratorServiceStub
from edges.grpc import GrpcDoor
from edges.orders import OrchestrationRequest, orchestration
from engine.errors import InvalidRequest
from engine.options import Decide, Rule
from engine.planning import task_id
from engine.policies import settle
from engine.posted import PRODUCER
from engine.testing import FlakyModel, ScriptedModel
from engine.transcript import fold
from engine.types import GraphRules, Phase, Shown, Task

ARCHITECT = "agent-dev-architect"
ASKED = pb.OrchestrateRequest(task_description="Build a clock", role="dev")


class House:
    """Both doors with one scripted desk."""

    def __init__(self, url: str, channel: Any, desk: ScriptedDesk) -> None:
        self.url, self.desk = url, desk
        self.stub: Any = OrchestratorServiceStub(channel)

    async def post(self, path: str, headers: dict[str, str] | None = None, **body: Any) -> Any:
        """Ask over HTTP."""
        async with httpx.AsyncClient(timeout=20) as http:
            return await http.post(f"{self.url}{path}", json=body, headers=headers)

    async def orchestrate(self, **fields: Any) -> pb.OrchestrateResponse:
        """The usual request over gRPC, with some fields set."""
        request = pb.OrchestrateRequest(**fields)
        request.MergeFrom(ASKED)
        answer: pb.OrchestrateResponse = await self.stub.Orchestrate(request)
        return answer


@pytest.fixture(scope="module")
def http() -> Iterator[tuple[str, ScriptedDesk]]:
    """The HTTP door."""
    desk = ScriptedDesk()
    with serving_http(desk) as url:
        yield url, desk


@pytest_asyncio.fixture
async def house(http: tuple[str, ScriptedDesk]) -> AsyncIterator[House]:
    """Both, with a desk that knows of nothing."""
    url, desk = http
    desk.clear()

    class Door(GrpcDoor):
        def __init__(self) -> None:
            self._desk = desk

    async with serving(Door()) as address, grpc.aio.insecure_channel(address) as channel:
        yield House(url, channel, desk)


async def refused(awaited: Any, code: StatusCode) -> str:
    """The line of a call that is refused so."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await awaited
    assert caught.value.code() is code, caught.value.details()
    return str(caught.value.details())


def chooses(letter: str) -> ScriptedModel:
    """A council whose architect chooses the text of that letter."""
    said = json.dumps({"reason": "it alone says how it is wound up", "choice": letter})
    return ScriptedModel({(ARCHITECT, Phase.JUDGE): said})


async def test_the_architect_selects_and_the_winner_is_told_once(house: House) -> None:
    """Known mistake 15: the winner is no candidate; the record of the choice is in the journal."""
    house.desk.model = chooses("C")
    answer = await house.orchestrate(task_id="mine")
    authors = [each.proposal.author_id for each in answer.candidates]
    assert sorted([answer.winner.proposal.author_id, *authors]) == [a.id for a in DEV.agents]
    assert (answer.winner.rank, [c.rank for c in answer.candidates]) == (1, [2, 3])
    assert (answer.selected_by, answer.reason) == (ARCHITECT, "it alone says how it is wound up")
    assert answer.decision.override.by == ARCHITECT
    assert answer.decision.override.instead_of in authors
    assert (answer.execution_id, answer.task_id) == ("mine", "mine")
    assert answer.metadata.execution_id == "mine"
    assert answer.duration_ms > 0
    assert not answer.degraded
    judged = fold(house.desk.known["mine"]).judged
    assert judged is not None
    assert judged.choice == answer.winner.proposal.author_id


async def test_the_choice_is_made_among_the_first_k(house: House) -> None:
    """More than those the architect is not shown by a letter."""
    for k in ("2", "3"):
        house.desk.model = model = ScriptedModel()
        await house.orchestrate(options=options(custom_params={"k": k}))
        (turn,) = (turn for turn in model.turns if turn.phase is Phase.JUDGE)
        form: Any = turn.form
        assert len(form.json_schema["properties"]["choice"]["enum"]) == int(k)


def options(**fields: Any) -> pb.OrchestratorOptions:
    """Options with everything switched on."""
    usual = {"enable_peer_review": True, "enable_architect_selection": True}
    return pb.OrchestratorOptions(**(usual | fields))


async def test_an_architect_that_fails_leaves_the_choice_to_the_ballots(house: House) -> None:
    """The decision is there all the same; that it lacks the architect's word is told, and why."""
    house.desk.model = FlakyModel({(ARCHITECT, Phase.JUDGE)})
    answer = await house.orchestrate()
    assert answer.degraded
    assert answer.selected_by == "ballots"
    assert answer.reason.startswith("the architect had no word, so the ballots decided: EngineLost")
    assert ARCHITECT in answer.lost
    house.desk.model = ScriptedModel({(ARCHITECT, Phase.JUDGE): "no JSON"})
    answer = await house.orchestrate()
    assert (answer.degraded, answer.selected_by) == (True, "ballots")
    assert answer.reason.startswith("the architect had no word that could be used")


async def test_every_option_changes_what_is_done(house: House) -> None:
    """Known mistake 4: review, rounds, selection and the custom parameters are honoured."""
    asked = [
        options(),
        options(enable_peer_review=False),
        options(deliberation_rounds=2),
        options(enable_architect_selection=False),
        options(custom_params={"policy": "debate", "tally": "schulze", "num_agents": "2"}),
    ]
    for each in asked:
        house.desk.model = ScriptedModel()
        answer = await house.orchestrate(options=each)
        phases = {turn.phase for turn in house.desk.model.turns}
        reviews, selects = each.enable_peer_review, each.enable_architect_selection
        assert (Phase.CRITIQUE in phases) == (reviews and "policy" not in each.custom_params)
        assert (Phase.REVISE in phases) == reviews
        assert (Phase.JUDGE in phases) == selects
        assert answer.selected_by == (ARCHITECT if selects else "ballots")
    rules = [settle(task, DEV) for task, _ in house.desk.asked]
    assert [r.rounds for r in rules] == [1, 0, 2, 1, 2]
    assert (rules[4].policy, rules[4].tally, rules[4].agents) == ("debate", Rule.SCHULZE, 2)
    assert len(answer.candidates) == 1


async def test_without_options_all_is_done(house: House) -> None:
    """A client that sends none wants a review and the architect's word."""
    await house.orchestrate()
    assert settle(house.desk.asked[0][0], DEV).decide is Decide.ARCHITECT
    await house.orchestrate(options=pb.OrchestratorOptions())
    bare = settle(house.desk.asked[1][0], DEV)
    assert (bare.decide, bare.rounds) == (Decide.BALLOTS, 0)


async def test_what_it_belongs_to_is_kept_with_the_task(house: House) -> None:
    """Case, story, plan, what it is, and which notes of the story are shown."""
    shown = pb.ContextOptions(include_decisions=True, include_timeline=True, max_events=4)
    await house.orchestrate(case_id="c", story_id="s", plan_id="p", context_options=shown)
    task = house.desk.asked[0][0]
    assert (task.case_id, task.story_id, task.plan_id) == ("c", "s", "p")
    assert task.purpose == "orchestration"
    assert task.shown == Shown(kinds=("milestone", "decision"), most=4)
    assert (await house.orchestrate()).execution_id == house.desk.asked[1][0].id
    assert Task.model_validate_json(task.model_dump_json()) == task


BAD: list[tuple[dict[str, Any], str]] = [
    ({"role": "chef"}, "role: no council 'CHEF'"),
    ({"task_description": " "}, "task_description: is empty"),
    ({"constraints": {"timeout_seconds": -1}}, "constraints.timeout_seconds: "),
    ({"options": options(deliberation_rounds=9)}, "options.deliberation_rounds: 9 is over"),
    ({"options": options(deliberation_rounds=-1)}, "options.deliberation_rounds: "),
    (
        {"options": options(deliberation_rounds=1, enable_peer_review=False)},
        "options.deliberation_rounds: 1 rounds are peer review",
    ),
    (
        {"options": options(custom_params={"x": "1"})},
        "options.custom_params.x: is no parameter; kn",
    ),
    ({"options": options(custom_params={"k": "0"})}, "options.custom_params.k: "),
    ({"options": options(custom_params={"k": "two"})}, "options.custom_params.k: "),
    ({"options": options(custom_params={"tally": "dice"})}, "options.custom_params.tally: "),
    (
        {"options": options(custom_params={"policy": "single"})},
        "options.enable_architect_selection: means nothing under policy 'single'",
    ),
    (
        {"options": pb.OrchestratorOptions(custom_params={"k": "2"})},
        "options.custom_params.k: has a meaning only with decide 'architect'",
    ),
    ({"context_options": {"scopes": ["x"]}}, "context_options.scopes: no event has a scope"),
    ({"context_options": {"max_events": -1}}, "context_options.max_events: "),
    ({"context_options": {"max_events": 1}}, "context_options: has a meaning only with a story"),
    ({"task_id": "a", "idempotency_key": "b"}, "task_id: is an idempotency key already"),
]


@pytest.mark.parametrize(("fields", "words"), BAD, ids=lambda v: str(v)[:40])
async def test_what_cannot_be_done_is_refused_as_the_client_knows_it(
    house: House, fields: dict[str, Any], words: str
) -> None:
    """INVALID_ARGUMENT with the field of the contract; nobody is asked."""
    usual = {"role": "dev", "task_description": "Build a clock"}
    request = pb.OrchestrateRequest(**(usual | fields))
    line = await refused(house.stub.Orchestrate(request), StatusCode.INVALID_ARGUMENT)
    assert line.startswith(words)
    assert house.desk.asked == []


async def test_an_orchestration_over_http_is_the_same(house: House) -> None:
    """Winner and candidates apart, the whole result beside them; by its headers also later."""
    house.desk.model = chooses("B")
    body = {"role": "dev", "text": "Build a clock", "task_id": "mine", "case_id": "c"}
    answer = await house.post("/v1/orchestrations", **body, options={"custom_params": {"k": "2"}})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert answer.headers["location"] == "/v1/deliberations/mine"
    assert (found["execution_id"], found["selected_by"]) == ("mine", ARCHITECT)
    winner = found["winner"]["proposal"]["author_id"]
    assert winner == found["result"]["winner_id"]
    assert winner not in [each["proposal"]["author_id"] for each in found["candidates"]]
    later = await house.post("/v1/orchestrations", {"Prefer": "respond-async"}, **body)
    assert (later.status_code, later.json()["status"]) == (202, "in_progress")
    told = await house.post("/v1/orchestrations", {"Accept": "text/event-stream"}, **body)
    assert "event: judged" in told.text
    assert {task.purpose for task, _ in house.desk.asked} == {"orchestration"}
    wrong = await house.post("/v1/orchestrations", **body, options={"custom_params": {"x": ""}})
    assert (wrong.status_code, wrong.json()["title"]) == (400, "InvalidRequest")
    assert (await house.post("/v1/orchestrations", role="dev")).status_code == 400


async def test_one_without_a_decision_has_no_winner(house: House) -> None:
    """A status over gRPC; over HTTP the result, with what there was and why it ended."""
    house.desk.end = "QuorumLost"
    await refused(house.stub.Orchestrate(ASKED), StatusCode.FAILED_PRECONDITION)
    found = (await house.post("/v1/orchestrations", role="dev", text="x")).json()
    assert (found["winner"], found["decision"], found["selected_by"]) == (None, None, "")
    assert found["reason"] == "so it was"
    assert found["result"]["status"] == "failed"
    state = fold(await suspended(Task(id="t", role="DEV", text="x"), 6))
    assert orchestration(state, True).winner is None


async def test_work_in_the_background_is_accepted_at_once(house: House) -> None:
    """Its id and no result yet; it is detached, so that no caller's leaving ends it."""
    request = pb.DeliberateRequest(role="dev", task_description="x", task_id="mine", rounds=2)
    answer = await house.stub.DeliberateForBacklogReview(request)
    assert (answer.task_id, answer.winner_id, list(answer.results)) == ("mine", "", [])
    assert house.desk.asked[0][0].rounds == 2
    assert house.desk.left == []
    bad = house.stub.DeliberateForBacklogReview(pb.DeliberateRequest(role="chef"))
    await refused(bad, StatusCode.INVALID_ARGUMENT)
    await until_async(lambda: not house.desk.left)


PLAN = {"event_type": "plan.approved", "case_id": "s-1", "plan_id": "p-1"}


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"event_type": "plan.rejected"}, "event_type", "is none of plan.approved, story.transitioned"),
    ({"case_id": ""}, "case_id", ""),
    ({"plan_id": " "}, "plan_id", ""),
    ({"metadata": {"roles": "DEV,chef"}}, "metadata.roles[1]", "no council for 'chef'"),
    ({"metadata": {"title": "a\0b"}}, "metadata.title", "NUL"),
    ({"event_type": "story.transitioned", "to_state": "BUILD"}, "from_state", ""),
    (
        {"event_type": "story.transitioned", "from_state": "x", "to_state": "LATER"},
        "to_state",
        "DRAFT",
    ),
]


@pytest.mark.parametrize(("fields", "where", "says"), WRONG, ids=lambda v: str(v)[:30])
async def test_what_would_be_a_dead_letter_is_refused(
    house: House, fields: dict[str, Any], where: str, says: str
) -> None:
    """At both doors, by the field that the client knows; nothing is put on the bus."""
    event = PLAN | fields
    request = pb.PlanningEventRequest(**event)
    line = await refused(house.stub.ProcessPlanningEvent(request), StatusCode.INVALID_ARGUMENT)
    assert line.startswith(f"{where}: ")
    assert says in line
    answer = await house.post("/v1/planning-events", **event)
    assert (answer.status_code, answer.json()["detail"]) == (400, line)


async def test_a_planning_event_is_taken_at_both_doors(house: House) -> None:
    """With the ids of what follows from it, the same for the same key wherever it is sent."""
    sent = (("idempotency-key", "k"),)
    answer = await house.stub.ProcessPlanningEvent(pb.PlanningEventRequest(**PLAN), metadata=sent)
    over_http = await house.post("/v1/planning-events", {"Idempotency-Key": "k"}, **PLAN)
    assert answer.processed
    assert over_http.status_code == 202
    assert over_http.json()["derived_task_ids"] == list(answer.derived_task_ids)
    assert list(answer.derived_task_ids) == [task_id(PRODUCER, "k", r) for r in ("DEV", "QA")]
    field = pb.PlanningEventRequest(**PLAN, idempotency_key="k")
    assert (
        await house.stub.ProcessPlanningEvent(field)
    ).derived_task_ids == answer.derived_task_ids
    assert {key for _, key in house.desk.events} == {"k"}


def test_what_has_a_field_of_its_own_is_no_custom_parameter() -> None:
    """Rounds and the choice are said once."""
    for name in ("rounds", "decide", "shortlist"):
        options = {"custom_params": {name: "1"}}
        request = OrchestrationRequest.model_validate(
            {"role": "dev", "text": "x", "options": options}
        )
        with pytest.raises(InvalidRequest, match="is no parameter"):
            request.task(CONFIG)


GRAPH = GraphRules(roles=("DEV",), most_per_role=1, most=1, tokens=1)


def test_a_task_of_before_has_the_digest_that_it_was_kept_with() -> None:
    """What a task can say since then counts only where it says it."""
    before = Task(id="t-1", role="DEV", text="Build a clock", story_id="s-1")
    assert digest_of(before) == "0fa9715bd912ace1e5b54c220ff1fdb4"
    for later in LATER:
        value = {"purpose": "orchestration", "case_id": "c", "shown": Shown(), "graph": GRAPH}.get(
            later, 1
        )
        assert digest_of(before.model_copy(update={later: value})) != digest_of(before)
    assert digest_of(before.model_copy(update={"temperature": 0.0})) != digest_of(before)
