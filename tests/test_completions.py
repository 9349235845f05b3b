"""Claims about completions of other servers: what is asked of them, and what is heard."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.completions import LONGEST_REASON, Heard, answer, body, heard, reason
from engine.errors import GaveUp, SpeechFailed
from engine.types import OUTSIDE, ChoiceForm, Form, JsonForm, Message, Phase, TextForm, Turn, Usage

CHOICE = ChoiceForm(questions=(" A or B?", " B or A?"), labels=("A", "B"))
FINDINGS = JsonForm(json_schema={"type": "object"})


def a_turn(form: Form | None = None) -> Turn:
    """A turn of an agent elsewhere."""
    return Turn(
        deliberation="t-1",
        agent="api",
        pool=OUTSIDE,
        phase=Phase.DRAFT,
        round=0,
        target="api",
        messages=(Message(role="system", content="Be brief."), Message(role="user", content="Go")),
        form=form or TextForm(),
        max_tokens=7,
    )


def test_a_form_goes_along_as_schema_or_in_words() -> None:
    """Either the server holds the answer to it, or the prompt says it; a text has none."""
    assert "response_format" not in body(a_turn(), "m", schema=True)
    held = body(a_turn(FINDINGS), "m", schema=True)
    assert held["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "draft", "schema": FINDINGS.json_schema, "strict": True},
    }
    told = body(a_turn(FINDINGS), "m", schema=False)
    assert "response_format" not in told
    assert json.dumps(told["messages"]).count("JSON of this schema") == 1
    assert held["messages"] == body(a_turn(), "m", schema=True)["messages"]


def test_all_questions_of_a_choice_are_one_request() -> None:
    """In their order, with room for the JSON around the answers."""
    asked = body(a_turn(CHOICE), "m", schema=True)
    assert "1. A or B?\\n2. B or A?" in json.dumps(asked["messages"])
    assert asked["max_tokens"] == 7 + 16 + 2 * 8
    schema = json.dumps(asked["response_format"])
    assert '"minItems": 2' in schema
    assert '"enum": ["A", "B"]' in schema


def said_in(*texts: str, why: str = "stop") -> Heard:
    """What is heard of a stream of these texts."""
    found = Heard()
    for text in texts:
        found = heard(found, {"choices": [{"delta": {"content": text}}]})
    found = heard(found, {"choices": [{"delta": {}, "finish_reason": why}]})
    return heard(found, {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}})


def test_a_stream_is_heard_in_pieces() -> None:
    """Its text, whether it was cut off, and what it cost."""
    found = said_in("Hel", "lo", why="length")
    assert (found.text, found.truncated, found.done) == ("Hello", True, True)
    reply = answer(a_turn(), found, "Hello", "thought")
    assert (reply.text, reply.reasoning, reply.truncated) == ("Hello", "thought", True)
    assert reply.usage == Usage(prompt=9, generated=4)


@pytest.mark.parametrize(
    ("text", "best"),
    [
        ('{"answers": ["B", "A"]}', ["B", "A"]),
        ('```json\n["A", "B"]\n```', ["A", "B"]),
        ("I like A best", []),
        ('{"answers": ["A"]}', []),
        ("[" * 100_000, []),
    ],
)
def test_a_choice_is_read_or_is_none(text: str, best: list[str]) -> None:
    """No odds are made up for what is no ballot."""
    found = answer(a_turn(CHOICE), said_in(text), text, "")
    assert [max(each.odds, key=lambda label: each.odds[label]) for each in found.choices] == best


def test_json_is_what_is_inside_its_fence() -> None:
    """Models put one around it."""
    assert answer(a_turn(FINDINGS), Heard(), '```json\n{"a": 1}\n```', "").text == '{"a": 1}'


def test_a_cost_is_what_the_server_counted_else_a_token_a_chunk() -> None:
    """Of a turn that comes to nothing."""
    assert said_in("a", "b").spent == Usage(aborted=4)
    assert heard(Heard(), {"choices": [{"delta": {"content": "a"}}]}).spent == Usage(aborted=1)


@pytest.mark.parametrize(
    "chunk", [3, {"choices": 3}, {"choices": ["x"]}, {"error": {"message": "no"}}]
)
def test_what_is_no_completion_is_given_up(chunk: object) -> None:
    """Whatever it is instead."""
    with pytest.raises(GaveUp):
        heard(Heard(), chunk)


def test_a_reason_is_one_short_line() -> None:
    """In the server's words, without what a terminal would obey."""
    assert reason({"error": {"message": "no\n\x1b[31m more"}}) == "no [31m more"
    assert reason({}) == "{}"
    assert reason("") == "nothing more"
    assert len(reason("x" * 1000)) == LONGEST_REASON


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda deeper: (
        st.lists(deeper, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "delta", "content", "usage", "error", "completion_tokens"]),
            deeper,
            max_size=4,
        )
    ),
)


@given(st.lists(JSON, max_size=4))
def test_whatever_is_heard_is_a_completion_or_a_failure(chunks: list[object]) -> None:
    """Nothing that a server can send is a bug of ours."""
    found = Heard()
    try:
        for each in chunks:
            found = heard(found, each)
    except SpeechFailed:
        return
    assert found.spent.aborted >= 0
