"""Claims about what each turn asks for: caps, sampling, who reviews whom, and about the quorum."""

import pytest

from engine.deliberation import deliberate
from engine.events import Decided, Event, Failed, Rejected
from engine.testing import FlakyModel, ScriptedModel, a_council, words
from engine.types import Budgets, Phase, Sampling, Task


async def run(model: ScriptedModel, agents: int = 3, rounds: int = 1) -> list[Event]:
    """Everything that happens in a council of so many."""
    council = a_council(agents).model_copy(update={"budgets": Budgets(draft=200, critique=100)})
    hot = [a.model_copy(update={"sampling": Sampling(temperature=1.5)}) for a in council.agents]
    council = council.model_copy(update={"agents": tuple(hot)})
    task = Task(id="t-1", role="TEST", text="Build a clock", rounds=rounds)
    return [event async for event in deliberate(task, council, model, words)]


async def test_each_phase_has_its_cap() -> None:
    """Drafts and revisions take the draft's tokens, critiques their own, an answer is one token."""
    model = ScriptedModel()
    await run(model)
    caps = {turn.phase: turn.max_tokens for turn in model.turns}
    assert caps == {Phase.DRAFT: 200, Phase.CRITIQUE: 100, Phase.REVISE: 200, Phase.VOTE: 1}


async def test_an_agent_speaks_with_its_own_sampling() -> None:
    """Every turn carries how its agent's tokens are to be drawn."""
    model = ScriptedModel()
    await run(model)
    assert {turn.sampling.temperature for turn in model.turns} == {1.5}


async def test_a_vote_is_of_no_round_and_about_all() -> None:
    """Records of a vote name neither a round nor one author."""
    model = ScriptedModel()
    await run(model)
    votes = [(turn.round, turn.target) for turn in model.turns if turn.phase is Phase.VOTE]
    assert votes == [(0, "all")] * 3


@pytest.mark.parametrize(
    ("round", "reviewers"),
    [(1, ["agent-2", "agent-3", "agent-4", "agent-1"]), (2, ["agent-3", "agent-4", "agent-1"])],
)
async def test_the_ring_of_reviewers_turns_by_one_a_round(round: int, reviewers: list[str]) -> None:
    """In the first round the next agent reviews, in the second the one after that."""
    model = ScriptedModel()
    await run(model, agents=4, rounds=2)
    asked = [t for t in model.turns if t.phase is Phase.CRITIQUE and t.round == round]
    found = {turn.target: turn.agent for turn in asked}
    assert [found[f"agent-{n}"] for n in range(1, len(reviewers) + 1)] == reviewers


async def test_whoever_is_lost_is_stepped_over_on_the_ring() -> None:
    """The review falls to the next agent that is still there, never to the author."""
    model = FlakyModel({("agent-2", Phase.DRAFT)})
    await run(model, agents=4)
    asked = {t.target: t.agent for t in model.turns if t.phase is Phase.CRITIQUE}
    assert asked == {"agent-1": "agent-3", "agent-3": "agent-4", "agent-4": "agent-1"}


@pytest.mark.parametrize(("lost", "end"), [(1, Decided), (2, Failed)])
async def test_a_quorum_is_more_than_half(lost: int, end: type) -> None:
    """Of four agents two texts are not enough, three are."""
    failing = {(f"agent-{n}", Phase.DRAFT) for n in range(1, lost + 1)}
    events = await run(FlakyModel(failing), agents=4)
    assert isinstance(events[-1], end)


async def test_two_texts_without_a_ballot_decide_nothing() -> None:
    """Only a text that stands alone needs no vote."""
    failing = {(f"agent-{n}", Phase.VOTE) for n in (1, 2)}
    (*_, last) = await run(FlakyModel(failing), agents=2)
    assert isinstance(last, Failed)
    assert last.error_type == "NoBallots"


async def test_a_model_is_told_why_its_reply_could_not_be_used() -> None:
    """The reason of the rejection is in the record and in the prompt that asks again."""
    model = ScriptedModel({("agent-1", Phase.CRITIQUE): "I like it"})
    events = await run(model)
    first, _ = (event.reason for event in events if isinstance(event, Rejected))
    again = [t for t in model.turns if t.agent == "agent-1" and t.phase is Phase.CRITIQUE][1]
    assert first in again.messages[-1].content
    assert "JSON" in first
