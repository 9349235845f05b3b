"""A story's transitions: honest ones are understood, wrong ones named, and whom they concern."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.arrival import Arrival
from engine.errors import InvalidEvent
from engine.transitions import CONVENES, StoryPhase, Transitioned, phase_tasks, transitioned

MOVED: dict[str, Any] = {
    "story_id": "story-7",
    "from_phase": "DRAFT",
    "to_phase": "DESIGN",
    "timestamp": "2026-11-22T14:00:00Z",
}


def read(payload: dict[str, Any], at: float | None = None) -> Transitioned:
    """The transition in a message."""
    data = json.dumps(payload).encode()
    arrival = Arrival("PLANNING_EVENTS", 5, "planning.story.transitioned", data, at=at)
    return transitioned(arrival, 10_000)


def enveloped(payload: dict[str, Any]) -> dict[str, Any]:
    """The envelope of the contract around a payload."""
    kind = "planning.story.transitioned"
    return {"event_type": kind, "idempotency_key": "k", "producer": "p", "payload": payload}


def cloud(payload: dict[str, Any]) -> dict[str, Any]:
    """CloudEvents 1.0, structured."""
    return {"specversion": "1.0", "type": "StoryTransitioned", "source": "/p", "id": "k"} | {
        "data": payload
    }


@pytest.mark.parametrize("shape", [dict, enveloped, cloud])
def test_each_shape_asks_for_the_roles_of_the_phase(shape: Any) -> None:
    """One task a role, with the story and all else that is said; phases in any case."""
    event = read(shape({**MOVED, "to_phase": " design ", "sprint": 3}))
    made = phase_tasks(event, CONVENES)
    assert [task.role for task in made] == ["ARCHITECT", "DATA"]
    assert (made[0].story_id, made[0].context["sprint"]) == ("story-7", 3)
    assert made[0].title == "Story story-7 went from DRAFT to DESIGN"
    assert made[0].id != made[1].id


@pytest.mark.parametrize(
    ("phase", "roles"),
    [("DRAFT", []), ("BUILD", ["DEV", "DEVOPS"]), ("TEST", ["QA"]), ("DOCS", [])],
)
def test_a_phase_convenes_its_roles(phase: str, roles: list[str]) -> None:
    """Some phases concern nobody."""
    event = read({**MOVED, "to_phase": phase})
    assert [task.role for task in phase_tasks(event, CONVENES)] == roles


def test_another_configuration_convenes_others() -> None:
    """Whom a phase convenes is the operator's choice."""
    [task] = phase_tasks(read(MOVED), {StoryPhase.DESIGN: ("QA",)})
    assert task.role == "QA"


def test_a_story_that_says_what_it_is_is_quoted() -> None:
    """The description is the task, criteria are requirements."""
    said = {"title": "Refunds", "description": "Take it back", "acceptance_criteria": ["a"]}
    [task, _] = phase_tasks(read(MOVED | said), CONVENES)
    assert (task.title, task.text, task.requirements) == ("Refunds", "Take it back", ("a",))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"story_id": None}, "string_type at payload.story_id"),
        ({"from_phase": None}, "string_type at payload.from_phase"),
        ({"to_phase": "REVIEW"}, "enum at payload.to_phase"),
        ({"to_phase": 3}, "enum at payload.to_phase"),
        ({"to_phase": None}, "enum at payload.to_phase"),
        ({"timestamp": "soon"}, "datetime_from_date_parsing at payload.timestamp"),
        ({"timestamp": None}, "datetime_type at payload.timestamp"),
    ],
)
def test_what_cannot_be_meant_is_named(change: dict[str, Any], fault: str) -> None:
    """A phase that nobody knows concerns nobody we know."""
    with pytest.raises(InvalidEvent) as caught:
        read(MOVED | change)
    assert f"{caught.value.kind} at {caught.value.where}" == fault


def test_an_unknown_phase_that_is_left_is_no_fault() -> None:
    """Nothing follows from it, so it is kept as it is said, with a warning."""
    event = read({**MOVED, "from_phase": "backlog"})
    assert event.transition.from_phase == "BACKLOG"
    assert [tuple(each) for each in event.warnings] == [("unknown_phase", "payload.from_phase")]


def test_a_time_that_stands_in_is_no_part_of_the_task() -> None:
    """Two copies of one event that differ in nothing else make the same tasks."""
    timeless = enveloped({k: v for k, v in MOVED.items() if k != "timestamp"})
    first, again = read(timeless, at=1.0), read(timeless, at=2.0)
    assert phase_tasks(first, CONVENES) == phase_tasks(again, CONVENES)
    assert [kind for kind, _ in first.warnings] == ["timestamp_missing"]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
fields = st.sampled_from([*MOVED, "title", "description", "acceptance_criteria", "payload", "x"])


@given(st.dictionaries(fields, values, max_size=4), st.sampled_from([dict, enveloped, cloud]))
def test_no_values_raise_anything_else(change: dict[str, Any], shape: Any) -> None:
    """Any values in any fields make tasks that can be kept, or one InvalidEvent."""
    try:
        made = phase_tasks(read(shape(MOVED | change)), CONVENES)
    except InvalidEvent as error:
        assert all((error.kind, error.where, error.what))  # noqa: PT017 - only if it is raised
    else:
        assert all(type(t).model_validate_json(t.model_dump_json()) == t for t in made)
