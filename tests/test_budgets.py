"""Claims about budgets of tokens and time: they bite, and leave enough for a decision."""

import asyncio
from contextlib import aclosing

import pytest
from deadline import until_async
from hypothesis import given
from hypothesis import strategies as st
from rehearsal import COUNCIL, ONE, THREE, TWO, Speaker, decided, of, recorded, run, task

from engine.deliberation import Bell, deliberate
from engine.events import (
    END,
    Aborted,
    Asked,
    Decided,
    Drafted,
    Event,
    Failed,
    Hastened,
    Revised,
    Voted,
)
from engine.packet import StopReason
from engine.policies import POLICIES
from engine.testing import GatedModel, ScriptedModel, words
from engine.transcript import fold
from engine.types import ChoiceForm, JsonForm, LabelOdds, Phase, Reply, Stopped, Turn, Usage

DRAFT, CRITIQUE = COUNCIL.budgets.draft, COUNCIL.budgets.critique
VOTE = 3 * 6
"""Tokens of three ballots of six questions."""


class Full(ScriptedModel):
    """Every reply takes all the tokens it may."""

    async def __call__(self, turn: Turn) -> Reply:
        reply = await super().__call__(turn)
        if reply.choices:
            return reply
        usage = Usage(prompt=10, generated=turn.max_tokens)
        return reply.model_copy(update={"usage": usage})


def spent(events: list[Event]) -> int:
    return fold(recorded(events)).usage.generated


@pytest.mark.parametrize(
    ("budget", "turns"),
    [
        (3 * DRAFT + VOTE, (3, 0)),
        (3 * DRAFT + VOTE + 3 * CRITIQUE, (3, 0)),
        (3 * DRAFT + VOTE + 3 * (CRITIQUE + DRAFT), (3, 3)),
        (3 * DRAFT + VOTE + 3 * (CRITIQUE + DRAFT) - 1, (3, 2)),
        (2 * DRAFT + VOTE, (2, 0)),
    ],
)
async def test_what_the_decision_takes_is_kept_back(budget: int, turns: tuple[int, int]) -> None:
    """Drafts and revisions are asked for as long as the vote still fits behind them."""
    events = await run(Full(), token_budget=budget)
    assert (len(of(events, Drafted)), len(of(events, Revised))) == turns
    assert spent(events) <= budget
    assert len(of(events, Voted)) == 3
    whole = turns == (3, 3)
    assert decided(events).stop_reason is (StopReason.DECIDED if whole else StopReason.BUDGET)
    assert bool(of(events, Hastened)) != whole


async def test_a_budget_that_holds_no_draft_is_no_decision() -> None:
    """It ends at once, says why, and has asked nobody anything."""
    model = Full()
    (failed,) = of(await run(model, token_budget=DRAFT), Failed)
    assert failed.error_type == "BudgetExceeded"
    assert "within the budget" in failed.message
    assert model.turns == []


async def test_the_architect_has_its_share_kept_back_too() -> None:
    """With exactly drafts, votes and the last word, that is what there is."""
    budget = 3 * DRAFT + VOTE + CRITIQUE
    events = await run(Full(), token_budget=budget, decide="architect", policy="vote")
    assert {e.phase for e in of(events, Asked)} == {Phase.DRAFT, Phase.VOTE, Phase.JUDGE}
    assert spent(events) == budget
    events = await run(Full(), token_budget=budget - 1, decide="architect", policy="vote")
    assert len(of(events, Drafted)) == 2


async def test_asking_again_is_paid_for_out_of_the_same_budget() -> None:
    """An unreadable ballot is not asked again at the cost of the architect's word."""
    faint = LabelOdds(odds={"1": 0.5, "2": 0.5}, mass=1e-6)

    class Mumbling(Full):
        async def __call__(self, turn: Turn) -> Reply:
            reply = await super().__call__(turn)
            if isinstance(turn.form, ChoiceForm) and turn.agent == ONE:
                return reply.model_copy(update={"choices": (faint,) * len(reply.choices)})
            return reply

    budget = 3 * DRAFT + VOTE + CRITIQUE
    model = Mumbling()
    events = await run(model, token_budget=budget, decide="architect", policy="vote")
    assert model.asked()[ONE, Phase.VOTE] == 1
    assert model.asked()["agent-dev-architect", Phase.JUDGE] == 1
    assert spent(events) <= budget
    assert decided(events).stop_reason is StopReason.BUDGET


@given(
    st.integers(1, 4000),
    st.sampled_from(list(POLICIES)),
    st.sampled_from(["odds", "ranking"]),
)
def test_no_budget_is_ever_overdrawn(budget: int, policy: str, ballot: str) -> None:
    """In any policy, whatever the budget: it ends, within it, and says so if it was cut short."""
    options = {"ballot": ballot} if "ballot" in POLICIES[policy].takes else {}
    events = asyncio.run(run(Full(), policy=policy, token_budget=budget, **options))
    assert isinstance(events[-1], END)
    assert spent(events) <= budget
    if isinstance(events[-1], Failed):
        assert events[-1].error_type == "BudgetExceeded"
        assert of(events, Hastened)[0].cause is StopReason.BUDGET


async def test_a_resumed_run_has_only_what_is_left_of_the_budget() -> None:
    """What was spent before the interruption counts."""
    budget = 3 * DRAFT + VOTE + CRITIQUE + DRAFT
    events = await run(Full(), token_budget=budget)
    for cut in range(2, len(events)):
        rest = await run(Full(), recorded(events[:cut]), token_budget=budget)
        assert spent([*events[:cut], *rest]) <= budget
        assert isinstance(rest[-1], Decided)


class Telling(GatedModel):
    """Knows what a turn had cost when it is stopped: five tokens."""

    async def __call__(self, turn: Turn) -> Reply:
        try:
            return await super().__call__(turn)
        except asyncio.CancelledError:
            raise Stopped(Usage(prompt=20, aborted=5)) from None


async def hurried(model: GatedModel, bell: Bell) -> list[Event]:
    """One author is held for ever; hurried when the others have gone as far as they can."""
    events: list[Event] = []

    async def follow() -> None:
        async with aclosing(deliberate(task(), COUNCIL, model, words, (), bell)) as stream:
            events.extend([event async for event in stream])

    following = asyncio.create_task(follow())

    def only_three_is_held() -> bool:
        model.release(lambda turn: turn.agent != THREE)
        return {turn.agent for turn, _ in model.held.values()} == {THREE} and len(model.turns) == 4

    await until_async(only_three_is_held, "the others are done")
    bell.hurry.set()
    while not following.done():
        model.release(lambda turn: turn.phase is Phase.VOTE)
        await asyncio.sleep(0)
    return events


async def test_turns_that_are_stopped_are_counted_with_what_they_had_cost() -> None:
    """One event each, their tokens apart from those of replies, their number in the packet."""
    model = Telling()
    events = await hurried(model, Bell())
    aborted = of(events, Aborted)
    assert {event.turn for event in aborted} == {turn.id for turn in model.cancelled}
    assert aborted
    decision = decided(events)
    assert decision.aborted == len(aborted)
    assert decision.stop_reason is StopReason.DEADLINE
    assert sum(usage.aborted for usage in decision.tokens.values()) == 5 * len(aborted)
    kinds = [event.kind for event in events]
    assert kinds.index("aborted") < kinds.index("hastened") < kinds.index("voted")


async def test_turns_whose_cost_nobody_knows_are_counted_all_the_same() -> None:
    """A Speak that only stops tells no tokens; the call is counted."""
    decision = decided(await hurried(GatedModel(), Bell()))
    assert decision.aborted > 0
    assert sum(usage.aborted for usage in decision.tokens.values()) == 0


async def test_a_failure_counts_what_was_stopped_too() -> None:
    """Hurried before the first draft: three calls were under way."""
    model, bell, events = GatedModel(), Bell(), []
    stream = deliberate(task(), COUNCIL, model, words, (), bell)
    async for event in stream:
        events.append(event)
        if len(of(events, Asked)) == 3:
            bell.hurry.set()
    (failed,) = of(events, Failed)
    assert (failed.error_type, failed.aborted) == ("DeadlineExceeded", 3)
    assert failed.message == "no agent had a text in time"


async def test_texts_that_came_in_time_are_what_is_voted_on() -> None:
    """The one whose draft never came has no text, and votes all the same."""
    events = await hurried(GatedModel(), Bell())
    assert {ranked.author for ranked in decided(events).order} == {ONE, TWO}
    assert {voted.agent for voted in of(events, Voted)} == {ONE, TWO, THREE}


async def test_a_ranking_has_room_for_all_its_letters() -> None:
    """The cap of a ballot as JSON grows with the texts on it."""
    model = Speaker()
    await run(model, policy="vote", ballot="ranking")
    (cap,) = {t.max_tokens for t in model.turns if isinstance(t.form, JsonForm)}
    assert 40 <= cap <= 64
