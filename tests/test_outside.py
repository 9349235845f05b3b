"""Claims about agents outside: what they are told, and how what they answer is read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from recording import recorded

from engine.arrival import Arrival
from engine.caps import check_caps
from engine.config import Config, CouncilConfig, OutsideAgent, PoolConfig
from engine.errors import InvalidEvent, InvalidRequest
from engine.events import Record
from engine.forks import fork
from engine.options import Options
from engine.outside import (
    Completed,
    Failed,
    Progress,
    clipped,
    reply,
    request,
    response,
)
from engine.policies import settle
from engine.replay import replay
from engine.testing import ScriptedModel, words
from engine.transcript import fold
from engine.types import (
    OUTSIDE,
    ChoiceForm,
    Council,
    Form,
    JsonForm,
    Message,
    Phase,
    Reply,
    Task,
    TextForm,
    Turn,
)

POOLS = {"small": PoolConfig(model="m"), "large": PoolConfig(model="l")}
SAID = {"task_id": "turn-1", "agent_id": "expert", "role": "DEV"}
CHOICE = ChoiceForm(questions=("Which?", "And which?"), labels=("1", "2"))
JSON = JsonForm(json_schema={"type": "object"})


def with_outside(*agents: object, **more: object) -> Config:
    """A configuration of one council of two and these agents."""
    council = {"role": "DEV", "personas": ["a", "b"], "rubric": "r", "outside": agents} | more
    return Config.model_validate({"pools": POOLS, "councils": [council]})


def council() -> Council:
    """Two agents of ours and one from outside, as seated."""
    seated = with_outside({"id": "expert", "persona": "p"}).council("DEV")
    assert seated is not None
    return seated


def read(payload: object, kind: str = "completed") -> object:
    """What a response says."""
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return response(Arrival("AGENT_RESPONSES", 1, f"agent.response.{kind}", data), 1000)


def turn(form: Form) -> Turn:
    """Something to ask."""
    return Turn(
        deliberation="t-1",
        agent="expert",
        pool=OUTSIDE,
        phase=Phase.DRAFT,
        round=0,
        target="expert",
        messages=(Message(role="system", content="Be brief."), Message(role="user", content="Go")),
        form=form,
        max_tokens=7,
    )


def test_agents_outside_sit_after_the_others() -> None:
    """Where a pool's name would be, a mark says where they are."""
    seats = [(agent.id, agent.pool) for agent in council().agents]
    assert seats == [("agent-dev-001", "small"), ("agent-dev-002", "small"), ("expert", OUTSIDE)]
    assert council().agents[-1].role == "DEV"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"outside": [{"id": "a.b"}]}, "String should match pattern"),
        ({"outside": [{"id": "a>"}]}, "String should match pattern"),
        ({"outside": [{"id": ""}]}, "String should match pattern"),
        ({"outside": [{"id": "x"}, {"id": "x"}]}, "council DEV seats 'x' twice"),
        ({"outside": [{"id": "agent-dev-001"}]}, "council DEV seats 'agent-dev-001' twice"),
        ({"outside": [{"id": "agent-dev-architect"}]}, "seats 'agent-dev-architect' twice"),
        ({"outside": [{"id": "x", "answer_within_s": 3601}]}, "less than or equal to 3600"),
        ({"outside": [{"id": "x", "silent_after_s": 0}]}, "greater than 0"),
        ({"outside": [{"id": f"x{n}"} for n in range(8)]}, "has 10 agents or samples"),
        ({"pools": [OUTSIDE]}, "names pool 'outside'; known pools: large, small"),
    ],
)
def test_what_cannot_be_seated_is_refused(change: dict[str, object], says: str) -> None:
    """An id is one part of a subject, each is there once, and all count."""
    with pytest.raises(ValidationError, match=says):
        with_outside(**change)  # type: ignore[arg-type]


def test_no_pool_has_the_name_of_what_is_outside() -> None:
    """Its agents would be asked over the bus."""
    with pytest.raises(ValidationError, match="no pool can be called 'outside'"):
        Config.model_validate({"pools": {OUTSIDE: POOLS["small"]}})


def test_caps_are_those_of_the_engines() -> None:
    """An agent without an engine has no window; it counts among those who write."""
    config = with_outside({"id": "expert"})
    check_caps(settle(Options(num_agents=3), council()), council(), config)
    with pytest.raises(InvalidRequest, match="num_agents: 4 is over this server's cap of 3"):
        check_caps(settle(Options(num_agents=4), council()), council(), config)


@pytest.mark.parametrize(
    ("form", "says"),
    [
        (TextForm(), '"proposal": a text of at most 7 tokens'),
        (JSON, '"output": JSON of this schema: {"type": "object"}'),
        (CHOICE, '"output": a list with 1 or 2 for each of these:\nWhich?\nAnd which?'),
    ],
)
def test_the_description_alone_says_all_that_is_needed(form: Form, says: str) -> None:
    """All messages and how to answer; beside it the same as data."""
    task = Task(id="t-1", role="DEV", text="x", story_id="s", plan_id="p")
    told = request(turn(form), task, OutsideAgent(id="expert", silent_after_s=3))
    description = told["task_description"]
    assert isinstance(description, str)
    assert description.startswith("Be brief.\n\nGo\n\nAnswer on agent.response.completed")
    assert says in description
    assert told["task_id"] == turn(form).id
    assert (told["deliberation"], told["story_id"], told["plan_id"]) == ("t-1", "s", "p")
    assert (told["answer_within_s"], told["silent_after_s"]) == (120, 3)
    assert [m["content"] for m in told["messages"]] == ["Be brief.", "Go"]  # type: ignore[index, union-attr, call-overload]
    assert told["form"] == form.model_dump(mode="json")


def test_three_shapes_carry_the_same_response() -> None:
    """Bare, enveloped, CloudEvents; what is not known is passed over."""
    said = SAID | {"output": "text", "timestamp": "2026-01-01T00:00:00Z", "mood": "good"}
    envelope = {"event_type": "agent.response.completed", "payload": said, "producer": "x"}
    cloud = {"specversion": "1.0", "id": "1", "source": "/x", "type": "completed", "data": said}
    wanted = Completed(task_id="turn-1", agent_id="expert", output="text")
    assert read(said) == read(envelope) == read(cloud) == wanted


def test_the_subject_says_what_a_response_is() -> None:
    """A failure has its reason in a line, progress needs nothing."""
    broken = read(SAID | {"error": "a\n\x1b[31m b", "error_type": "Busy"}, "failed")
    assert isinstance(broken, Failed)
    assert broken.reason == "Busy: a [31m b"
    silent, long = read(SAID, "failed"), read(SAID | {"error": "x" * 900}, "failed")
    assert isinstance(silent, Failed)
    assert isinstance(long, Failed)
    assert silent.reason == "it does not say why"
    assert len(long.reason) == 500
    assert isinstance(read(SAID | {"progress_pct": None}, "progress"), Progress)


@pytest.mark.parametrize(
    ("payload", "kind", "fault", "where"),
    [
        (b"{", "completed", "json_invalid", "event"),
        ([1], "completed", "dict_type", "event"),
        ({"task_id": "x"}, "completed", "missing", "payload.agent_id"),
        (SAID | {"task_id": []}, "failed", "string_type", "payload.task_id"),
        (SAID | {"progress_pct": "half"}, "progress", "float_parsing", "payload.progress_pct"),
        (SAID | {"output": "\0"}, "completed", "nul_character", "payload.output"),
        (SAID | {"output": "x" * 1000}, "completed", "too_large", "event"),
        (SAID, "shrugged", "unknown_subject", "subject"),
        (
            {"event_type": "agent.response.failed", "payload": SAID},
            "completed",
            "unknown_type",
            "event_type",
        ),
    ],
)
def test_what_cannot_be_read_is_named(payload: object, kind: str, fault: str, where: str) -> None:
    """By its kind and its place."""
    with pytest.raises(InvalidEvent) as found:
        read(payload, kind)
    assert (found.value.kind, found.value.where) == (fault, where)


def answered(form: Form, **said: object) -> Reply:
    """A reply of an answer."""
    return reply(form, Completed.model_validate(SAID | said))


@pytest.mark.parametrize(
    ("form", "said", "text"),
    [
        (TextForm(), {"proposal": "mine", "output": "other"}, "mine"),
        (TextForm(), {"output": "mine"}, "mine"),
        (TextForm(), {"proposal": {"author": {}, "content": "mine"}}, "mine"),
        (TextForm(), {"output": {"steps": [1]}}, '{"steps": [1]}'),
        (TextForm(), {}, ""),
        (JSON, {"output": {"verdict": "é"}, "proposal": "other"}, '{"verdict": "é"}'),
        (JSON, {"proposal": '{"verdict": 1}'}, '{"verdict": 1}'),
        (JSON, {"output": False}, "false"),
    ],
)
def test_an_answer_is_found_where_it_may_be(form: Form, said: dict[str, object], text: str) -> None:
    """A text first in `proposal`, everything else first in `output`; no tokens are claimed."""
    found = answered(form, **said)
    assert found.text == text
    assert found.usage.generated == 0


@pytest.mark.parametrize(
    ("output", "odds"),
    [
        (["1", "2"], [(1.0, 0.0, 1.0), (0.0, 1.0, 1.0)]),
        ([1, " 2 "], [(1.0, 0.0, 1.0), (0.0, 1.0, 1.0)]),
        ('["2", "2"]', [(0.0, 1.0, 1.0)] * 2),
        ([{"1": 0.6, "2": 0.2}, {"2": 1}], [(0.75, 0.25, 0.8), (0.0, 1.0, 1.0)]),
    ],
)
def test_labels_and_probabilities_are_odds(
    output: object, odds: list[tuple[float, float, float]]
) -> None:
    """A bare label is certain; probabilities are brought to 1, and their sum is kept."""
    found = [(o.odds["1"], o.odds["2"], o.mass) for o in answered(CHOICE, output=output).choices]
    assert [tuple(pytest.approx(x) for x in each) for each in odds] == found


@pytest.mark.parametrize(
    "output",
    [
        None,
        "1",
        ["1"],
        ["1", "3"],
        ["1", None],
        ["1", True],
        ["1", {}],
        ["1", {"1": -1}],
        ["1", {"1": 2}],
        ["1", {"1": "0.5"}],
        ["1", {"1": 0, "2": 0}],
        ["1", {"3": 1}],
        '["1", NaN]',
        "[" * 50_000,
    ],
)
def test_other_answers_choose_nothing(output: object) -> None:
    """Not even the questions that were answered: the voter is asked again, with what it said."""
    found = answered(CHOICE, output=output)
    assert found.choices == ()
    assert bool(found.text) is (output is not None)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON_VALUES, JSON_VALUES, st.sampled_from([TextForm(), JSON, CHOICE]))
def test_whatever_is_answered_is_a_reply(output: object, proposal: object, form: Form) -> None:
    """It can be kept as JSON, and odds are a distribution."""
    data = json.dumps(SAID | {"output": output, "proposal": proposal}).encode()
    try:
        said = read(data)
    except InvalidEvent:
        return
    assert isinstance(said, Completed)
    found = reply(form, said)
    assert Reply.model_validate_json(found.model_dump_json()) == found
    assert all(sum(o.odds.values()) == pytest.approx(1) for o in found.choices)


@given(st.binary(max_size=200), st.sampled_from(["completed", "failed", "progress", "x"]))
def test_any_bytes_are_a_response_or_a_fault(data: bytes, kind: str) -> None:
    """Nothing else is raised."""
    with pytest.raises(InvalidEvent):
        read(data, kind)


def test_a_long_text_is_cut_and_says_so() -> None:
    """By the count of the council; one that fits stays, and so do odds."""
    assert clipped(Reply(text="a b c d e"), 3, words) == Reply(text="a b [clipped]", truncated=True)
    assert clipped(Reply(text="a b c"), 3, words) == Reply(text="a b c")
    odds = answered(CHOICE, output=["1", "2"])
    assert clipped(odds, 1, words) == odds


@pytest.fixture
async def records() -> list[Record]:
    """A deliberation in which an agent outside took part."""
    return await recorded(Task(id="t-1", role="DEV", text="x"), council=council())


async def test_a_deliberation_with_one_is_replayed_without_it(records: list[Record]) -> None:
    """All that was answered is in the records."""
    assert (await replay(records)).reproduced


async def test_a_fork_on_another_pool_leaves_the_agents_outside_where_they_are(
    records: list[Record],
) -> None:
    """No model can stand for them; their turns in the same words are taken over."""
    made = fork(records, "f-1", model="large")
    model = ScriptedModel()
    state = fold(await recorded(made.task, model, made.council, known=made.known))
    seats = {agent.id: agent.pool for agent in state.seated}
    assert seats == {"agent-dev-001": "large", "agent-dev-002": "large", "expert": OUTSIDE}
    asked = [(turn.agent, turn.phase) for turn in model.turns]
    assert ("expert", Phase.DRAFT) not in asked
    assert ("agent-dev-001", Phase.DRAFT) in asked


def test_a_council_has_an_agent_of_its_own() -> None:
    """The tokens of all texts are counted by its pool."""
    with pytest.raises(ValidationError, match="personas"):
        CouncilConfig(role="DEV", personas=(), rubric="r", outside=(OutsideAgent(id="x"),))
