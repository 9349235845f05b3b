"""Claims about planning events that clients hand in: which events of the bus they are."""

import pytest

from engine.config import Config, PoolConfig, fleet_councils
from engine.errors import InvalidRequest
from engine.planning import task_id
from engine.posted import PRODUCER, PlanningEvent, posted

CONFIG = Config(
    pools={"small": PoolConfig(model="/models/small")},
    councils=tuple(c for c in fleet_councils() if c.role in ("DEV", "QA")),
    phases={"BUILD": ("DEV",), "DOCS": ()},
)
PLAN = {"event_type": "plan.approved", "case_id": "s-1", "plan_id": "p-1"}


@pytest.mark.parametrize(
    "said", ["plan.approved", "planning.plan.approved", "PLAN_APPROVED", "com.x.PlanApproved.v1"]
)
def test_a_plan_asks_every_council_or_those_it_names(said: str) -> None:
    """However its type is written; the ids are those that a bridge will derive."""
    event = PlanningEvent.model_validate(PLAN | {"event_type": said})
    found = posted(event, "k", CONFIG)
    assert found.subject == "planning.plan.approved"
    assert [task.id for task in found.tasks] == [task_id(PRODUCER, "k", r) for r in ("DEV", "QA")]
    named = event.model_copy(update={"metadata": {"roles": "qa", "title": "Clock", "team": "a"}})
    (task,) = posted(named, "k", CONFIG).tasks
    assert (task.role, task.title, task.plan_id, task.story_id) == ("QA", "Clock", "p-1", "s-1")
    assert task.context == {"approved_by": "unnamed", "case_id": "s-1", "team": "a"}


def test_a_transition_asks_the_roles_of_its_phase() -> None:
    """As on the bus: BUILD convenes DEV here, and a phase of nobody's convenes nobody."""
    fields = {"event_type": "story.transitioned", "case_id": "s", "from_state": "design"}
    event = PlanningEvent.model_validate(fields | {"to_state": "build", "timestamp_ms": 1000})
    (task,) = posted(event, "k", CONFIG).tasks
    assert (task.role, task.context["timestamp"]) == ("DEV", "1970-01-01T00:00:01+00:00")
    assert posted(event.model_copy(update={"to_state": "DOCS"}), "k", CONFIG).tasks == ()


def test_the_same_words_are_the_same_event() -> None:
    """Without a key; one that differs in anything is another one."""
    event = PlanningEvent.model_validate(PLAN)
    other = event.model_copy(update={"timestamp_ms": 1})
    keys = [posted(each, "", CONFIG).key for each in (event, event, other)]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"event_type": "plan.rejected"}, "event_type"),
        ({"case_id": ""}, "case_id"),
        ({"plan_id": ""}, "plan_id"),
        ({"metadata": {"roles": "DEV,chef"}}, "metadata.roles[1]"),
        ({"metadata": {"n": float("nan")}}, "metadata"),
        ({"event_type": "story.transitioned", "to_state": "BUILD"}, "from_state"),
    ],
)
def test_what_would_be_a_dead_letter_is_refused(change: dict[str, object], where: str) -> None:
    """By the field in which the client said it."""
    with pytest.raises(InvalidRequest) as refused:
        posted(PlanningEvent.model_validate(PLAN | change), "k", CONFIG)
    assert refused.value.where == where
