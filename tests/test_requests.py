"""Requests to councils over the bus: the same tasks as at any door, held to the same caps."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.arrival import Arrival
from engine.config import Config, PoolConfig
from engine.errors import InvalidEvent
from engine.requests import Requested, requested

CONFIG = Config(pools={"small": PoolConfig(model="/models/small")})
ASKED: dict[str, Any] = {"task_id": "t-1", "task_description": "Build a clock"}


def read(payload: object, role: str = "dev", seq: int = 5) -> Requested:
    """The request in a message."""
    data = json.dumps(payload).encode()
    return requested(Arrival("AGENT_REQUESTS", seq, f"agent.request.council.{role}", data), CONFIG)


def refused(payload: dict[str, Any], role: str = "dev") -> str:
    """Kind and place of what is wrong with a request."""
    with pytest.raises(InvalidEvent) as caught:
        read(payload, role)
    return f"{caught.value.kind} at {caught.value.where}"


def enveloped(payload: dict[str, Any], kind: str = "agent.request.council.dev") -> dict[str, Any]:
    """The envelope of the contract around a payload."""
    return {"event_type": kind, "idempotency_key": "k", "producer": "p", "payload": payload}


def cloud(payload: dict[str, Any]) -> dict[str, Any]:
    """CloudEvents 1.0, structured."""
    return {"specversion": "1.0", "type": "council.requested", "source": "/p", "id": "k"} | {
        "data": payload
    }


@pytest.mark.parametrize("role", ["dev", "DEV", "Dev"])
def test_the_role_is_that_of_the_subject(role: str) -> None:
    """In any case."""
    assert read(ASKED, role).task.role == "DEV"


def test_a_request_without_an_id_has_that_of_its_event() -> None:
    """The same event again is the same deliberation, another one is not."""
    bare = {"task_description": "Build a clock"}
    one, same, other = read(bare, seq=5), read(bare, seq=5), read(bare, seq=6)
    assert one.task.id == same.task.id != other.task.id
    assert [tuple(each) for each in one.warnings] == [("task_id_missing", "payload.task_id")]


def test_further_fields_are_shown_to_the_agents() -> None:
    """Those of the constraints too."""
    more = {"priority": "high", "constraints": {"budget": 5}}
    assert read(ASKED | more).task.context == {"priority": "high", "constraints": {"budget": 5}}


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"rounds": 5}, "invalid_request at payload.rounds"),
        ({"num_agents": 4}, "invalid_request at payload.num_agents"),
        ({"task_id": ".."}, "invalid_request at payload.task_id"),
        ({"task_id": "a/events"}, "invalid_request at payload.task_id"),
        ({"task_id": "x" * 201}, "string_too_long at payload.task_id"),
        ({"task_id": True}, "string_type at payload.task_id"),
        ({"task_description": " "}, "string_too_short at payload.task_description"),
        ({"task_description": None}, "string_too_short at payload.task_description"),
        ({"rounds": True}, "number_type at payload.rounds"),
        ({"rounds": -1}, "greater_than_equal at payload.rounds"),
        ({"rounds": 1.5}, "int_from_float at payload.rounds"),
        ({"num_agents": "many"}, "int_parsing at payload.num_agents"),
        (
            {"constraints": {"timeout_seconds": -1}},
            "greater_than at payload.constraints.timeout_seconds",
        ),
        (
            {"constraints": {"max_iterations": True}},
            "number_type at payload.constraints.max_iterations",
        ),
        ({"constraints": 5}, "model_type at payload.constraints"),
    ],
)
def test_what_cannot_be_done_is_named(more: dict[str, Any], fault: str) -> None:
    """Over this server's caps, or no request at all."""
    assert refused(ASKED | more) == fault


def test_what_two_places_name_is_kept_as_both_have_it() -> None:
    """Of the same name in the metadata and beside the constraints neither is dropped."""
    bounds = {"metadata": {"team": "a", "x": 1}, "y": 2}
    event = read({"task_description": "Build", "constraints": bounds, "team": "b"})
    constraints = {"y": 2}
    shown = {"x": 1, "team": "b", "metadata": {"team": "a"}, "constraints": constraints}
    assert event.task.context.items() >= shown.items()


def test_a_null_is_no_metadata() -> None:
    """As with every other field that may be left out."""
    bounds = {"metadata": None}
    assert read({"task_description": "Build", "constraints": bounds}).task.text == "Build"


def test_an_unknown_role_is_named_by_its_place() -> None:
    """It stands in the subject."""
    assert refused(ASKED, "cook") == "unknown_role at subject"
    assert refused(enveloped(ASKED, "agent.request.agent.x")) == "unknown_type at event_type"


@pytest.mark.parametrize(
    ("more", "warned"),
    [
        ({"rounds": "2"}, ("text_for_number", "payload.rounds")),
        ({"num_agents": 0}, ("zero_for_unset", "payload.num_agents")),
        ({"constraints": {"timeout_seconds": 0}}, ("zero_for_unset", "payload.timeout_seconds")),
        ({"task_id": 7}, ("number_for_text", "payload.task_id")),
        ({"constraints": "be brief"}, ("list_for_constraints", "payload.constraints")),
    ],
)
def test_what_had_to_be_understood_is_warned_of(
    more: dict[str, Any], warned: tuple[str, str]
) -> None:
    """It is taken all the same."""
    assert [tuple(each) for each in read(ASKED | more).warnings] == [warned]


def test_no_rounds_are_no_rounds() -> None:
    """Zero is an answer here, and none where somebody has to take part."""
    assert read(ASKED | {"rounds": 0}).task.rounds == 0
    assert read(ASKED | {"num_agents": 0}).task.num_agents is None


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
fields = st.sampled_from([*ASKED, "constraints", "rounds", "num_agents", "story_id", "payload"])
bounds = st.sampled_from(["rubric", "requirements", "metadata", "max_iterations", "x"])


@given(
    st.dictionaries(fields, values, max_size=3),
    st.dictionaries(bounds, values, max_size=3),
    st.sampled_from([dict, enveloped, cloud]),
)
def test_no_values_raise_anything_else(
    change: dict[str, Any], constraints: dict[str, Any], shape: Any
) -> None:
    """Any values in any fields make a task that can be kept, or one InvalidEvent."""
    try:
        task = read(shape(ASKED | {"constraints": constraints} | change)).task
    except InvalidEvent as error:
        assert all((error.kind, error.where, error.what))  # noqa: PT017 - only if it is raised
    else:
        assert type(task).model_validate_json(task.model_dump_json()) == task
