"""The outline of a deliberation is what its whole transcript says, however often it is put away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recording import RECORDS, MixedModel, a_task, kept, no_sundial, recorded

from engine.deliberation import Bell
from engine.events import Asked, Decided, Drafted, Record, Resumed
from engine.outline import Outline, put_away, taken_up
from engine.results import result
from engine.transcript import fold
from engine.types import Phase, Usage


def outlined(records: list[Record]) -> Outline:
    """The fold, put away and taken up again after each record."""
    found = Outline()
    for record in records:
        found.add(record.event, record.at)
        found = taken_up(put_away(found))
    return found


def agrees(records: list[Record]) -> None:
    """Everything that both know is the same."""
    found, state = outlined(records), fold(records)
    said = result(state)
    assert state.task is not None
    assert state.rules is not None
    assert (found.id, found.role, found.story_id) == (said.task_id, said.role, said.story_id)
    assert (found.status, found.began, found.ended) == (said.status, state.began, state.ended)
    assert (found.worked_s, found.usage) == (state.worked_s, state.usage)
    assert (found.policy, found.purpose) == (state.rules.policy, state.task.purpose)
    assert (found.winner, found.error_type) == (said.winner_id, said.error_type)
    assert found.task.endswith(state.task.text)
    if said.decision is not None:
        assert found.stop_reason == said.decision.stop_reason
        assert found.decision == said.results[0].proposal.content


@pytest.mark.parametrize("name", sorted(path.stem for path in RECORDS.glob("*.jsonl")))
def test_the_outline_of_kept_records_is_their_transcripts(name: str) -> None:
    """Also of records from before some fields were kept, and of all that begins alike."""
    records = kept(name)
    for length in range(1, len(records) + 1):
        agrees(records[:length])


@given(st.integers(0, 10**6), st.integers(0, 9), st.sampled_from(["council", "debate", "moa"]))
async def test_the_outline_of_any_course_is_its_transcripts(
    seed: int, ring: int, policy: str
) -> None:
    """Agents are lost, replies unreadable, turns stopped, texts excluded; some end undecided."""
    bell = Bell()
    task = a_task(policy=policy, title="Time", purpose="orchestration")
    agrees(await recorded(task, MixedModel(seed, bell, ring), bell=bell, check=no_sundial))


def test_a_reply_takes_from_its_last_asking_on() -> None:
    """What was asked before an interruption is not counted, nor what a fork has already."""
    asked = Asked(turn="t", agent="a", phase=Phase.DRAFT, round=0, target="")
    drafted = Drafted(turn="t", agent="a", text="x", reasoning="", truncated=False, usage=Usage())
    found = Outline()
    for event, at in ((asked, 1.0), (Resumed(), 50.0), (asked, 60.0), (drafted, 62.5)):
        found.add(event, at)
    assert (found.turns, found.replied_s) == (1, 2.5)
    found.add(drafted.model_copy(update={"turn": "of the origin"}), 70.0)
    assert (found.turns, found.replied_s) == (1, 2.5)


async def test_every_reply_of_a_deliberation_is_counted() -> None:
    """A council's turns, none of which was asked twice."""
    records = await recorded(a_task())
    asked = sum(isinstance(record.event, Asked) for record in records)
    assert isinstance(records[-1].event, Decided)
    assert outlined(records).turns == asked == 12
