"""Claims about splitting plans: what architects are asked, and what becomes of their answers."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from engine import deriving
from engine.arrival import Arrival
from engine.config import Config, Limits, PoolConfig, fleet_councils
from engine.deliberation import deliberate
from engine.deriving import Strategy, author_of, question, requests_of, tasks_of
from engine.errors import InvalidRequest, NotDerived
from engine.events import Decided, Record
from engine.planning import Plan, PlanApproved
from engine.replay import replay
from engine.requests import requested
from engine.taskgraph import TOKENS_OF_A_TASK, check
from engine.testing import ScriptedModel, words
from engine.transcript import Transcript, fold
from engine.types import GraphRules, JsonForm, Phase, Task

CONFIG = Config(pools={"small": PoolConfig(model="/models/small")})
ARCHITECTS = CONFIG.council("ARCHITECT")
assert ARCHITECTS is not None
ONE, TWO, THREE = (agent.id for agent in ARCHITECTS.agents)
ROLES = ("DEV", "QA")


def a_plan(**fields: Any) -> PlanApproved:
    """An approved plan with some of its fields set."""
    plan = {
        "story_id": "s-1",
        "plan_id": "p-1",
        "approved_by": "po",
        "timestamp": datetime(2026, 11, 22, tzinfo=UTC),
        "title": "A clock",
        "description": "Build a clock that strikes",
        "acceptance_criteria": ["It ticks"],
        "constraints": {"rubric": "Short", "requirements": ["No springs"]},
    }
    read = Plan.model_validate({**plan, **fields})
    return PlanApproved(source="po", key="k", correlation_id="c", plan=read)


def asked(**how: Any) -> Task:
    """What the architects are asked of the plan for two roles."""
    return question(a_plan(), CONFIG, roles=ROLES, strategy=Strategy.model_validate(how))


def rules_of(task: Task) -> GraphRules:
    """What the graph must keep to."""
    assert task.graph is not None
    return task.graph


def a_graph(*tasks: tuple[str, str, list[str]]) -> str:
    """A text of the architects: the id, the role and the dependencies of each task."""
    nodes = [
        {"id": id, "role": role, "description": f"Do {id}", "depends_on": before, "priority": 2}
        for id, role, before in tasks
    ]
    return json.dumps({"tasks": nodes})


GOOD = a_graph(("t1", "DEV", []), ("t2", "QA", ["t1"]))
CYCLE = a_graph(("t1", "DEV", ["t2"]), ("t2", "QA", ["t1"]))


class LaterTask(Task):
    """What a task may say one day."""

    urgency: int = 0


def test_the_same_question_has_its_id_when_tasks_can_say_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So asking again behind an upgrade finds what was derived, and publishes nothing twice."""
    before = asked()
    monkeypatch.setattr(deriving, "Task", LaterTask)
    later = asked()
    assert isinstance(later, LaterTask)
    assert later.id == before.id


async def decided(task: Task, model: ScriptedModel) -> Transcript:
    """The end of its deliberation, with the check that the council runs."""
    return fold(await records_of(task, model))


async def records_of(task: Task, model: ScriptedModel) -> list[Record]:
    """The records of its deliberation."""
    assert ARCHITECTS is not None
    events = [e async for e in deliberate(task, ARCHITECTS, model, words, check=check)]
    return [
        Record(deliberation=task.id, seq=seq, at=float(seq), event=event)
        for seq, event in enumerate(events, 1)
    ]


def writing(first: str, then: str | None = None, *agents: str) -> ScriptedModel:
    """Agents, all unless named, that draft the one text and revise to the other."""
    texts = {Phase.DRAFT: first, Phase.REVISE: then or first}
    return ScriptedModel({(a, p): t for a in agents or (ONE, TWO, THREE) for p, t in texts.items()})


async def test_the_decision_of_the_architects_is_tasks() -> None:
    """With names that follow from the derivation, in an order in which they can be done."""
    task = asked(parallel_execution=True)
    state = await decided(task, writing(GOOD))
    first, second = tasks_of(state)
    assert (first.task_id, second.task_id) == (f"{task.id}.1", f"{task.id}.2")
    assert (first.role, first.description, first.dependencies) == ("DEV", "Do t1", ())
    assert (second.role, second.dependencies) == ("QA", (first.task_id,))
    assert (first.plan_id, first.case_id, first.priority) == ("p-1", "s-1", 2)
    assert first.constraints.rubric == "Short"
    assert first.constraints.requirements == ("It ticks", "No springs")
    assert first.constraints.metadata == {"derivation_id": task.id}
    assert author_of(state) in (ONE, TWO, THREE)


async def test_a_graph_is_asked_for_in_drafts_and_revisions_and_its_tokens_are_given() -> None:
    """Its schema in both, its rules in the prompt, and what the window has room for."""
    model = ScriptedModel()
    task = asked()
    state = await decided(task, model)
    graph = rules_of(task)
    texts = [turn for turn in model.turns if turn.phase in (Phase.DRAFT, Phase.REVISE)]
    assert {turn.phase for turn in texts} == {Phase.DRAFT, Phase.REVISE}
    assert {turn.form.kind for turn in texts} == {"json"}
    assert {turn.max_tokens for turn in texts} == {graph.tokens}
    assert graph.tokens > CONFIG.councils[2].budgets.draft
    for turn in texts:
        page = "".join(message.content for message in turn.messages)
        assert "Build a clock that strikes" in page
        assert f"At most {graph.most_per_role} tasks of each role and {graph.most} in all" in page
        assert "It ticks" in page
        assert "Answer in JSON." in turn.messages[-1].content
        assert "step by step" not in page
    assert isinstance(state.end, Decided)
    assert {t.role for t in tasks_of(state)} == {*ROLES}


async def test_an_author_is_told_its_fault_and_mends_it() -> None:
    """Also where no reviewer found anything: the check's word is in the prompt of the revision."""
    model = writing(CYCLE, GOOD)
    for agent in (ONE, TWO, THREE):
        model.script[agent, Phase.CRITIQUE] = '{"findings": [], "verdict": "accept"}'
    state = await decided(asked(), model)
    revisions = [turn for turn in model.turns if turn.phase is Phase.REVISE]
    assert len(revisions) == 3
    fault = "check task graph: these wait for one another for ever: t1, t2"
    assert all(fault in turn.messages[-1].content for turn in revisions)
    assert len(tasks_of(state)) == 2


async def test_a_graph_with_a_fault_is_never_chosen() -> None:
    """However much the voters like it: the only right one wins."""
    model = writing(CYCLE, None, ONE, TWO)
    model.script |= writing(GOOD, None, THREE).script
    state = await decided(asked(), model)
    assert author_of(state) == THREE
    assert state.excluded == {ONE, TWO}


async def test_where_all_graphs_have_faults_there_are_no_tasks() -> None:
    """What is wrong with each is told; no task is made up in their place."""
    model = writing(CYCLE, None, ONE, TWO)
    model.script |= writing(a_graph(("t1", "CHEF", [])), None, THREE).script
    task = asked()
    state = await decided(task, model)
    with pytest.raises(NotDerived) as raised:
        tasks_of(state)
    line = str(raised.value)
    assert line.startswith(f"{task.id} has no graph of tasks")
    assert "AllExcluded" in line
    assert f"{ONE}: these wait for one another for ever: t1, t2" in line
    assert f"{THREE}: no role CHEF; known roles: DEV, QA" in line


async def test_a_text_that_is_no_graph_is_asked_for_again_and_then_missing() -> None:
    """Nothing is guessed out of prose; why it could not be read is told."""
    model = writing("First build it, then test it.")
    state = await decided(asked(), model)
    assert model.asked()[ONE, Phase.DRAFT] == 2
    with pytest.raises(NotDerived, match=f"QuorumLost.*{ONE}: the answer: Invalid JSON"):
        tasks_of(state)


async def test_its_records_suffice_to_repeat_it() -> None:
    """A replay asks nobody and comes to the same end."""
    records = await records_of(asked(), writing(CYCLE, GOOD))
    assert (await replay(records)).reproduced


def test_the_same_question_has_the_same_name() -> None:
    """Whatever may have passed meanwhile; whether it is published is no part of it."""
    assert asked() == asked()
    assert asked(auto_publish_to_nats=True) == asked()


@pytest.mark.parametrize(
    "other",
    [
        asked(parallel_execution=True),
        asked(dependency_order=("DEV", "QA")),
        asked(max_tasks_per_role=1),
        question(a_plan(), CONFIG, roles=("DEV",)),
        question(a_plan(), CONFIG, case_id="c-1", roles=ROLES),
        question(a_plan(), CONFIG, roles=ROLES, key="again"),
        question(a_plan(description="Build two clocks"), CONFIG, roles=ROLES),
        question(a_plan(plan_id="p-2"), CONFIG, roles=ROLES),
    ],
)
def test_another_question_has_another_name(other: Task) -> None:
    """Each thing that is said makes a derivation of its own."""
    assert other.id != asked().id


def test_what_is_said_of_the_tasks_is_in_their_rules() -> None:
    """Roles in any case and each once, the chain, the order, the most of each role."""
    plain = rules_of(asked())
    assert (plain.roles, plain.parallel, plain.order) == (ROLES, False, ())
    assert plain.most_per_role == CONFIG.limits.tasks_per_role
    said = question(
        a_plan(),
        CONFIG,
        roles=("qa", "Dev", "QA"),
        strategy=Strategy(
            parallel_execution=True, dependency_order=("dev", "qa"), max_tasks_per_role=1
        ),
    )
    found = rules_of(said)
    assert (found.roles, found.parallel, found.order) == (("QA", "DEV"), True, ("DEV", "QA"))
    assert (found.most_per_role, found.most) == (1, 2)
    assert any("comes later in: DEV, QA" in line for line in said.requirements)
    every = rules_of(question(a_plan(), CONFIG))
    assert every.roles == tuple(council.role for council in CONFIG.councils)


def test_without_a_case_the_story_is_the_case() -> None:
    """The one that is named is carried on each task; the story stays the plan's."""
    assert asked().context["case_id"] == "s-1"
    named = question(a_plan(), CONFIG, case_id="c-9")
    assert (named.context["case_id"], named.story_id) == ("c-9", "s-1")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"roles": ("CHEF",)}, "roles: no role 'CHEF'; known roles: DEV, QA, ARCHITECT"),
        (
            {"roles": ROLES, "strategy": Strategy(dependency_order=("DATA",))},
            "strategy.dependency_order: no role 'DATA'; known roles: DEV, QA",
        ),
        (
            {"strategy": Strategy(max_tasks_per_role=9)},
            "strategy.max_tasks_per_role: 9 is over this server's cap of 8",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused_with_its_place(fields: Any, told: str) -> None:
    """Roles that are not known, or not among those wanted, and numbers over the cap."""
    with pytest.raises(InvalidRequest, match=told.replace(".", r"\.")):
        question(a_plan(), CONFIG, **fields)


def test_a_server_may_cap_the_tasks_of_a_role() -> None:
    """Its cap holds where nothing is asked, and a smaller number may be asked."""
    config = CONFIG.model_copy(update={"limits": Limits(tasks_per_role=2)})
    assert rules_of(question(a_plan(), config)).most_per_role == 2
    with pytest.raises(InvalidRequest, match="cap of 2"):
        question(a_plan(), config, strategy=Strategy(max_tasks_per_role=3))


def test_a_server_that_cannot_split_a_plan_says_so() -> None:
    """It has no architects, or their window has no room for one task."""
    lacking = CONFIG.model_copy(update={"councils": fleet_councils()[:2]})
    with pytest.raises(NotDerived, match="no council ARCHITECT"):
        question(a_plan(), lacking)
    pools = {"small": PoolConfig(model="m", window=2000)}
    with pytest.raises(NotDerived, match="leaves 16 for a graph of tasks, and one takes 96"):
        question(a_plan(), CONFIG.model_copy(update={"pools": pools}))


def test_a_larger_window_holds_more_tasks() -> None:
    """As many as its room is worth, to the most that are allowed."""
    pools = {"small": PoolConfig(model="m", window=8192)}
    wide = rules_of(question(a_plan(), CONFIG.model_copy(update={"pools": pools})))
    narrow = rules_of(question(a_plan(), CONFIG))
    assert narrow.most < wide.most
    assert wide.tokens - narrow.tokens == (wide.most - narrow.most) * TOKENS_OF_A_TASK


async def test_a_council_reads_a_task_as_it_was_derived() -> None:
    """Its event is a request like any other: the id is the task's, all else is shown."""
    state = await decided(asked(), writing(GOOD))
    first, second = requests_of(state)
    data = json.dumps(requests_of(state)[second]).encode()
    found = requested(Arrival("R", 1, "agent.request.council.qa", data, at=9e9), CONFIG)
    assert found.warnings == ()
    task = found.task
    assert (task.id, task.role, task.text) == (second, "QA", "Do t2")
    assert (task.rubric, task.requirements) == ("Short", ("It ticks", "No springs"))
    assert task.story_id == "s-1"
    assert (task.context["plan_id"], task.context["priority"]) == ("p-1", 2)
    before: Any = task.context["dependencies"]
    assert [(each["task_id"], each["description"]) for each in before] == [(first, "Do t1")]
    again = requested(Arrival("R", 2, "agent.request.council.qa", data, at=9e9 + 1), CONFIG)
    assert again.task == task


async def test_what_is_no_derivation_has_no_tasks() -> None:
    """Another deliberation, or one that is not decided yet."""
    state = Transcript()
    state.task = Task(id="t", role="DEV", text="x")
    with pytest.raises(NotDerived, match="'t' is no derivation"):
        tasks_of(state)
    records = await records_of(asked(), writing(GOOD))
    with pytest.raises(NotDerived, match="is not decided yet"):
        tasks_of(fold(records[:-1]))


async def test_every_policy_can_be_asked_for_a_graph() -> None:
    """A fork under one that merges or debates is held to the same form."""
    for policy in ("moa", "debate", "best_of_n"):
        model = ScriptedModel()
        state = await decided(asked().model_copy(update={"policy": policy}), model)
        assert tasks_of(state)
        texts = [t for t in model.turns if t.phase in (Phase.DRAFT, Phase.REVISE, Phase.MERGE)]
        assert all(isinstance(turn.form, JsonForm) for turn in texts)


async def test_wherever_it_was_interrupted_it_comes_to_the_same_tasks() -> None:
    """Taken up behind any of its records, it asks no finished turn again."""
    task = asked()
    whole = await records_of(task, writing(CYCLE, GOOD))
    tasks = tasks_of(fold(whole))
    for kept in range(1, len(whole), 5):
        model = writing(CYCLE, GOOD)
        assert ARCHITECTS is not None
        stream = deliberate(task, ARCHITECTS, model, words, whole[:kept], check=check)
        state = fold(whole[:kept])
        async for event in stream:
            state.add(event)
        assert tasks_of(state) == tasks
        finished = fold(whole[:kept]).outcomes
        assert not finished.keys() & {turn.id for turn in model.turns}
