"""Claims about what readers get of a transcript: the view at any time, and the bus payloads."""

import pytest

from engine.config import fleet_councils
from engine.deliberation import deliberate
from engine.events import Drafted, Event, Failed, Record, Suspended
from engine.results import STOP_REASONS, payload, result
from engine.testing import FlakyModel, ScriptedModel, words
from engine.transcript import Transcript, fold
from engine.types import Phase, Task

COUNCIL = fleet_councils()[0].seated()
ONE, TWO, THREE = (agent.id for agent in COUNCIL.agents)
TASK = Task(id="t-1", role="DEV", text="Build a clock", story_id="s-1", plan_id="p-1")


async def events_of(model: ScriptedModel) -> list[Event]:
    return [event async for event in deliberate(TASK, COUNCIL, model, words)]


def after(events: list[Event]) -> Transcript:
    """The state after these events, each one second later than the one before."""
    records = (Record(deliberation="t-1", seq=n, at=n, event=e) for n, e in enumerate(events, 1))
    return fold(records)


async def test_a_decision_is_seen_with_its_order_and_its_revisions() -> None:
    """The winner comes first; each text carries what it was before, and when it was written."""
    events = await events_of(ScriptedModel())
    view = result(after(events))
    assert view.decision is not None
    assert (view.status, view.winner_id) == ("completed", view.decision.choice)
    assert [r.rank for r in view.results] == [1, 2, 3]
    assert view.results[0].proposal.author_id == view.winner_id
    assert view.results[0].proposal.revisions == (f"{view.winner_id} says draft 0",)
    assert view.results[0].proposal.created_at_ms % 1000 == 0
    assert view.duration_ms == (len(events) - 1) * 1000
    assert view.usage.generated > 0


async def test_before_the_end_there_are_texts_but_neither_ranks_nor_scores() -> None:
    """An unfinished deliberation shows what is written, and whether anybody works on it."""
    events = await events_of(ScriptedModel())
    begun = events[: next(n for n, e in enumerate(events) if isinstance(e, Drafted)) + 1]
    view = result(after(begun), durable=False)
    assert (view.status, view.duration_ms, view.durable) == ("in_progress", 0, False)
    assert [(r.rank, r.score) for r in view.results] == [(None, None)]
    assert result(after([*begun, Suspended(reason="nobody waits")])).status == "suspended"


async def test_the_payload_of_a_decision_claims_no_check_that_did_not_run() -> None:
    """Each text on the bus has its place, and null for every check."""
    state = after(await events_of(ScriptedModel()))
    said = payload(state)
    assert isinstance(said["decisions"], list)
    first = said["decisions"][0]
    assert isinstance(first, dict)
    assert first["checks"] == {"lint": None, "dryrun": None, "policy": None, "score": None}
    assert (first["rank"], said["winner_id"]) == (1, result(state).winner_id)
    assert said["timestamp"] == state.ended
    assert isinstance(said["packet"], dict)
    assert said["packet"]["choice"] == said["winner_id"]


async def test_the_payload_of_a_failure_says_why_and_keeps_the_texts() -> None:
    """What was written before the quorum was lost stays readable, unranked."""
    events = await events_of(FlakyModel({(ONE, Phase.DRAFT), (TWO, Phase.DRAFT)}))
    said = payload(after(events))
    assert (said["error_type"], said["stop_reason"]) == ("QuorumLost", "degraded")
    assert isinstance(said["results"], list)
    (left,) = said["results"]
    assert isinstance(left, dict)
    assert isinstance(left["proposal"], dict)
    assert left["proposal"]["author"] == {"agent_id": THREE, "role": "DEV"}
    assert (left["rank"], left["score"]) == (None, None)
    assert result(after(events)).status == "failed"


@pytest.mark.parametrize("kind", Failed.model_fields["error_type"].annotation.__args__)
def test_every_kind_of_failure_has_its_word_on_the_bus(kind: str) -> None:
    """No kind of failure can be added without the contract's stop reason for it."""
    assert STOP_REASONS[kind]
