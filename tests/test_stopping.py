"""Claims about when an exchange ends before its last round, and what keeps it going."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rehearsal import (
    CLEAN,
    ONE,
    THREE,
    TWO,
    Speaker,
    council_of,
    critique,
    decided,
    in_phase,
    of,
    recorded,
    run,
    state_of,
)

from engine.events import Asked, Critiqued, Event, Revised, Settled, Voted
from engine.packet import StopReason
from engine.stopping import change, distance, leader
from engine.testing import FlakyModel, ScriptedModel
from engine.types import Phase, Reply, Turn


def answering(answers: Callable[[Turn], str], case: str = CLEAN) -> Callable[[Turn], str | None]:
    """Texts that end in an answer; every critique is the same."""

    def says(turn: Turn) -> str | None:
        if turn.phase is Phase.CRITIQUE:
            return case
        return f"{turn.agent} thinks.\nAnswer: {answers(turn)}"

    return says


def settled(events: list[Event]) -> list[tuple[StopReason, int]]:
    return [(event.reason, event.round) for event in of(events, Settled)]


async def test_all_of_one_mind_end_the_debate_when_a_probe_finds_nothing() -> None:
    """After the drafts, with one agent asked for the case against; no ballot is needed."""
    model = Speaker(answering(lambda _turn: "7"))
    events = await run(model, policy="debate", rounds=3, quorum=0.6)
    assert settled(events) == [(StopReason.UNANIMOUS, 0)]
    assert [(c.probe, c.round) for c in of(events, Critiqued)] == [(True, 1)]
    assert not of(events, Revised)
    assert not of(events, Voted)
    decision = decided(events)
    assert (decision.stop_reason, decision.rule) == (StopReason.UNANIMOUS, "classes")


async def test_a_quorum_of_one_mind_ends_it_too_and_the_ballots_decide() -> None:
    """Two of three are enough at 0.6; one who disagrees is asked for the case against."""
    model = Speaker(answering(lambda turn: "8" if turn.agent == TWO else "7"))
    events = await run(model, policy="debate", rounds=3, quorum=0.6)
    assert settled(events) == [(StopReason.QUORUM_STABLE, 0)]
    assert [c.agent for c in of(events, Critiqued)] == [TWO]
    assert len(of(events, Voted)) == 3
    assert decided(events).stop_reason is StopReason.QUORUM_STABLE


@pytest.mark.parametrize(("quorum", "rounds_held"), [(0.6, 0), (0.7, 2), (0.0, 2)])
async def test_the_quorum_is_a_share_of_the_texts(quorum: float, rounds_held: int) -> None:
    """Two of three are 0.67; zero is no quorum at all."""
    model = Speaker(answering(lambda turn: "8" if turn.agent == TWO else "7"))
    events = await run(model, policy="debate", rounds=2, quorum=quorum)
    assert len(of(events, Revised)) == 3 * rounds_held


async def test_stability_asks_for_the_same_answer_in_so_many_rounds() -> None:
    """Drafts and one round agree: that is two in a row. A change of mind begins anew."""
    same = Speaker(answering(lambda _turn: "7"))
    events = await run(same, policy="debate", rounds=4, quorum=1.0, stability=2)
    assert settled(events) == [(StopReason.UNANIMOUS, 1)]
    moved = Speaker(answering(lambda turn: "7" if turn.phase is Phase.DRAFT else "8"))
    events = await run(moved, policy="debate", rounds=4, quorum=1.0, stability=2)
    assert settled(events) == [(StopReason.UNANIMOUS, 2)]


async def test_an_objection_keeps_the_exchange_going_and_reaches_the_author() -> None:
    """What the probe finds is put to the author of the leading text in the next round."""
    model = Speaker(answering(lambda _turn: "7", critique("seven is no prime")))
    events = await run(model, policy="debate", rounds=1, quorum=0.6)
    assert settled(events) == []
    (probe,) = of(events, Critiqued)
    told = [
        t
        for t in model.turns
        if t.phase is Phase.REVISE and "seven is no prime" in t.messages[-1].content
    ]
    assert [turn.agent for turn in told] == [probe.target]
    assert decided(events).stop_reason is StopReason.DECIDED


async def test_nobody_heard_is_no_consent() -> None:
    """A probe that cannot be read does not end the exchange."""
    model = Speaker(answering(lambda _turn: "7", "not JSON"))
    events = await run(model, policy="debate", rounds=1, quorum=0.6)
    assert settled(events) == []
    assert len(of(events, Revised)) == 3


async def test_a_council_whose_reviews_are_clean_goes_on_unless_told_otherwise() -> None:
    """Another reviewer looks in the next round; `until_clean` takes the first round's word."""
    clean = in_phase(Phase.CRITIQUE, CLEAN)
    assert len(of(await run(Speaker(clean), rounds=3), Critiqued)) == 9
    events = await run(Speaker(clean), rounds=3, until_clean=True)
    assert len(of(events, Critiqued)) == 3
    assert settled(events) == [(StopReason.NO_NEW_FINDINGS, 1)]
    assert decided(events).stop_reason is StopReason.NO_NEW_FINDINGS


async def test_one_finding_keeps_all_going() -> None:
    """A round is clean only as a whole."""
    clean_but_one = Speaker(
        lambda t: CLEAN if t.phase is Phase.CRITIQUE and t.agent != TWO else None
    )
    events = await run(clean_but_one, rounds=2, until_clean=True)
    assert len(of(events, Critiqued)) == 6


async def test_a_round_that_changes_little_is_the_last() -> None:
    """Revisions that turn one word of ten: below 0.2 there is no next round."""
    text = "one two three four five six seven eight nine "
    model = Speaker(lambda t: None if t.phase is Phase.CRITIQUE else f"{text}{t.round}")
    events = await run(model, rounds=3, gain=0.2)
    assert settled(events) == [(StopReason.DIMINISHING, 1)]
    assert len(of(await run(model, rounds=3, gain=0.05), Revised)) == 9


async def test_a_change_of_just_the_share_goes_on() -> None:
    """One word of ten is a change of 0.1: at 0.1 that is not less."""
    text = "one two three four five six seven eight nine "
    model = Speaker(lambda t: None if t.phase is Phase.CRITIQUE else f"{text}{t.round}")
    state = state_of(await run(model))
    events = await run(model, rounds=2, gain=change(state, 1))
    assert settled(events) == []


async def test_a_text_that_never_came_changes_nothing() -> None:
    """With no text at all there is no change, and the draft of a lost author is none either."""
    state = state_of(await run(FlakyModel({(ONE, Phase.DRAFT)}), policy="vote"))
    assert change(state, 0) == 0.0
    nobody = {(agent, Phase.DRAFT) for agent in (ONE, TWO, THREE)}
    assert change(state_of(await run(FlakyModel(nobody))), 1) == 0.0


async def test_two_texts_that_agree_are_a_quorum() -> None:
    """Of two agents as of three; but not before as many rounds as stability asks for."""
    model = Speaker(answering(lambda _turn: "7"))
    events = await run(model, council=council_of(2), policy="debate", rounds=1, quorum=1.0)
    assert settled(events) == [(StopReason.UNANIMOUS, 0)]
    options = {"policy": "debate", "rounds": 3, "quorum": 1.0, "stability": 3}
    events = await run(Speaker(answering(lambda _turn: "7")), **options)
    assert settled(events) == [(StopReason.UNANIMOUS, 2)]


async def test_a_lone_text_never_agrees_with_itself() -> None:
    """With two of three drafts gone... a quorum needs two texts that say the same."""
    model = FlakyModel({(ONE, Phase.DRAFT)})
    events = await run(model, policy="debate", rounds=1, quorum=0.1)
    assert settled(events) == []


async def test_without_a_rule_no_lane_waits_for_another() -> None:
    """Reviews of the second round are asked while drafts are still out; a rule holds them back."""

    class Slow(ScriptedModel):
        async def __call__(self, turn: Turn) -> Reply:
            if turn.agent == THREE and turn.phase is Phase.DRAFT:
                for _ in range(400):
                    await asyncio.sleep(0)
            return await super().__call__(turn)

    def second_before_last_draft(events: list[Event]) -> bool:
        asked = of(events, Asked)
        kinds = [type(e).__name__ for e in events]
        last_draft = max(n for n, kind in enumerate(kinds) if kind == "Drafted")
        second = [e for e in asked if e.round == 2]
        return any(events.index(e) < last_draft for e in second)

    assert second_before_last_draft(await run(Slow(), rounds=2))
    assert not second_before_last_draft(await run(Slow(), rounds=2, until_clean=True))


async def test_what_was_settled_stays_so_when_resumed() -> None:
    """No further round is asked for, whatever the rules would say of what came after."""
    clean = Speaker(in_phase(Phase.CRITIQUE, CLEAN))
    events = await run(clean, rounds=3, until_clean=True)
    cut = events.index(of(events, Settled)[0]) + 1
    model = Speaker(in_phase(Phase.CRITIQUE, CLEAN))
    rest = await run(model, recorded(events[:cut]), rounds=3, until_clean=True)
    assert {turn.phase for turn in model.turns} == {Phase.VOTE}
    assert rest[-1] == events[-1]


@given(st.lists(st.text("ab ", max_size=12), min_size=2, max_size=2))
def test_change_is_a_share(texts: list[str]) -> None:
    """0 for the same words in any order, 1 where none is left; symmetric."""
    before, after = texts
    assert 0 <= distance(before, after) <= 1
    assert distance(before, after) == distance(after, before)
    assert distance(before, " ".join(reversed(before.split()))) == 0
    assert distance("a b", "c d") == 1


async def test_change_counts_texts_that_stand_as_unchanged() -> None:
    """One of three rewritten whole is a third."""

    def says(turn: Turn) -> str | None:
        if turn.phase is Phase.CRITIQUE:
            return CLEAN if turn.agent != TWO else critique("all of it")
        return "new words" if turn.phase is Phase.REVISE else "old text"

    state = state_of(await run(Speaker(says)))
    assert change(state, 1) == pytest.approx(1 / 3)
    assert leader(state, 0) == state.sealed()[0]
    assert leader(state, 1) == next(a for a in state.sealed() if a != ONE)
