"""Claims about the decision packet: what it says is out of actual texts, reviews and ballots."""

from collections.abc import Sequence

import pytest
from rehearsal import (
    CLEAN,
    ONE,
    THREE,
    TWO,
    Speaker,
    council_of,
    critique,
    decided,
    of,
    ranked,
    run,
    state_of,
)

from engine.decision import conclude
from engine.errors import InvalidRequest
from engine.events import Checked, Decided, Failed, Revised, Settled
from engine.options import Rule
from engine.packet import CheckResult, StopReason, Verdict
from engine.testing import FlakyModel, ScriptedModel
from engine.turns import Check
from engine.types import CondorcetStatus, Phase, Task, Turn

ALL = (ONE, TWO, THREE)
AGREED = ranked(dict.fromkeys(ALL, ALL))
CYCLE = ranked({ONE: [ONE, TWO, THREE], TWO: [TWO, THREE, ONE], THREE: [THREE, ONE, TWO]})


def checking(verdicts: dict[str, Verdict], *, blocking: bool = True) -> Check:
    """A check whose verdict follows from whose text it is; the others' is that it passed."""

    async def check(_task: Task, text: str) -> Sequence[CheckResult]:
        verdict = verdicts.get(text.split(maxsplit=1)[0], Verdict.PASSED)
        message = "line 3: a stray comma" if verdict is Verdict.FAILED else ""
        return [CheckResult(check="lint", verdict=verdict, blocking=blocking, message=message)]

    return check


async def test_one_mind_is_full_agreement() -> None:
    """Tau and W are 1, the winner beats all, nobody dissents, nothing would reopen it."""
    decision = decided(await run(Speaker(prefers=AGREED), policy="vote"))
    assert (decision.choice, decision.agreement_tau, decision.agreement_w) == (ONE, 1.0, 1.0)
    assert decision.condorcet.winner == ONE
    assert decision.minority == ()
    assert decision.tied == ()
    assert decision.tie_break == ""
    assert decision.seed == "t-1"
    assert {tally.rule for tally in decision.tallies} == set(Rule)


async def test_a_cycle_is_said_and_not_hidden() -> None:
    """W is 0; the tie is named with what broke it, and each dissent with how strong it is."""
    decision = decided(await run(Speaker(prefers=CYCLE), policy="vote"))
    assert decision.condorcet.status is CondorcetStatus.CYCLE
    assert decision.agreement_w == pytest.approx(0.0)
    assert set(decision.tied) == set(ALL)
    assert decision.tie_break == "label"
    (dissent,) = decision.minority
    assert dissent.voter != decision.choice
    assert dissent.by > 0
    assert any(line.startswith("equal by borda") for line in decision.reopen)
    assert any(line.startswith("without the ballot of") for line in decision.reopen)


async def test_a_rule_without_a_winner_is_an_impasse() -> None:
    """No majority, no Condorcet winner: no decision is made up, and the reason names the rule."""
    for rule in (Rule.MAJORITY, Rule.CONDORCET, Rule.UNANIMITY):
        (failed,) = of(await run(Speaker(prefers=CYCLE), policy="vote", tally=rule), Failed)
        assert failed.error_type == "Impasse"
        assert rule in failed.message


async def test_a_dissenter_s_own_findings_stand_beside_its_vote() -> None:
    """What it said against the winner's text when it reviewed it, word for word."""
    prefers = ranked({ONE: [TWO, ONE, THREE], TWO: [ONE, THREE, TWO], THREE: [ONE, TWO, THREE]})

    def says(turn: Turn) -> str | None:
        if turn.phase is Phase.CRITIQUE:
            return critique("it has no hands") if turn.agent == TWO else CLEAN
        return None

    decision = decided(await run(Speaker(says, prefers=prefers), tally=Rule.PLURALITY))
    assert decision.choice == ONE
    assert decision.minority == ()
    prefers = ranked({ONE: [ONE, TWO, THREE], TWO: [THREE, ONE, TWO], THREE: [ONE, TWO, THREE]})
    decision = decided(await run(Speaker(says, prefers=prefers), tally=Rule.BORDA))
    assert decision.choice == ONE
    (dissent,) = decision.minority
    assert (dissent.voter, dissent.prefers) == (TWO, THREE)
    assert dissent.objections == ("it has no hands",)


async def test_an_unanswered_objection_would_reopen_it() -> None:
    """A major finding in the last round whose author wrote nothing after it."""

    def says(turn: Turn) -> str | None:
        if turn.phase is Phase.REVISE and turn.agent == ONE:
            return "   "
        if turn.phase is Phase.CRITIQUE:
            return critique("it has no hands", verdict="accept")
        return None

    decision = decided(await run(Speaker(says, prefers=AGREED)))
    assert decision.choice == ONE
    assert [(o.issue, o.answered) for o in decision.objections] == [("it has no hands", False)]
    assert f"not answered, by {TWO}: it has no hands" in decision.reopen


async def test_who_was_lost_is_the_first_thing_said() -> None:
    """Degraded, with the reason, and as a reason to reopen."""
    decision = decided(await run(FlakyModel({(TWO, Phase.VOTE)})))
    assert decision.degraded
    assert decision.stop_reason is StopReason.DEGRADED
    assert decision.reopen[0] == f"{TWO} was lost: EngineLost: no engine for {TWO}"


async def test_a_failed_check_excludes_before_any_vote() -> None:
    """The favourite of all voters is out; the vote is on the others, and the packet says so."""
    events = await run(
        Speaker(prefers=AGREED), policy="vote", check=checking({ONE: Verdict.FAILED})
    )
    decision = decided(events)
    assert decision.choice == TWO
    assert decision.excluded == (ONE,)
    assert ONE not in {ranked.author for ranked in decision.order}
    assert len(of(events, Checked)) == 3


async def test_a_check_that_does_not_block_only_breaks_ties() -> None:
    """Passed before failed before not applicable is no pass; the cycle goes to the one passed."""
    verdicts = {ONE: Verdict.FAILED, TWO: Verdict.PASSED, THREE: Verdict.NOT_APPLICABLE}
    decision = decided(
        await run(Speaker(prefers=CYCLE), policy="vote", check=checking(verdicts, blocking=False))
    )
    assert (decision.choice, decision.tie_break) == (TWO, "checks")
    assert decision.excluded == ()


async def test_all_texts_excluded_is_no_decision() -> None:
    """Nobody wins for want of others."""
    check = checking(dict.fromkeys(ALL, Verdict.FAILED))
    model = ScriptedModel()
    (failed,) = of(await run(model, policy="vote", check=check), Failed)
    assert failed.error_type == "AllExcluded"
    assert Phase.VOTE not in {turn.phase for turn in model.turns}


async def test_what_a_check_found_is_put_to_the_author() -> None:
    """It counts as a finding where reviews are clean; the new text is checked in its turn."""
    verdicts = {ONE: Verdict.FAILED}

    def says(turn: Turn) -> str | None:
        if turn.phase is Phase.REVISE:
            return f"mended by {turn.agent}"
        return CLEAN if turn.phase is Phase.CRITIQUE else None

    model = Speaker(says)
    events = await run(model, check=checking(verdicts))
    assert [revised.agent for revised in of(events, Revised)] == [ONE]
    (told,) = (t for t in model.turns if t.phase is Phase.REVISE)
    assert "check lint: line 3: a stray comma" in told.messages[-1].content
    assert len(of(events, Checked)) == 4
    assert decided(events).excluded == ()


async def test_checks_are_no_pass_for_a_cascade_that_fails_them() -> None:
    """Two drafts that say the same and fail are no reason to stop."""

    async def check(_task: Task, _text: str) -> Sequence[CheckResult]:
        return [CheckResult(check="lint", verdict=Verdict.FAILED)]

    says = lambda turn: CLEAN if turn.phase is Phase.CRITIQUE else "Answer: 7"  # noqa: E731
    events = await run(Speaker(says), policy="cascade", check=check)
    assert not of(events, Settled)
    assert isinstance(events[-1], Failed)


async def test_one_text_left_is_the_choice_without_a_vote() -> None:
    """By "only text", unopposed; no tally is claimed."""
    check = checking({ONE: Verdict.FAILED, TWO: Verdict.FAILED})
    model = ScriptedModel()
    decision = decided(await run(model, policy="vote", check=check))
    assert (decision.choice, decision.rule) == (THREE, "only text")
    assert decision.condorcet.status is CondorcetStatus.UNOPPOSED
    assert decision.tallies == ()
    assert Phase.VOTE not in {turn.phase for turn in model.turns}


async def test_texts_of_the_same_answer_are_of_one_class() -> None:
    """Two say 7, one 8: the packet shows it, and how far apart they are in bits."""
    says = lambda turn: f"{turn.agent} so:\nAnswer: {8 if turn.agent == TWO else 7}"  # noqa: E731
    decision = decided(await run(Speaker(says), policy="vote"))
    assert decision.classes[ONE] == decision.classes[THREE] != decision.classes[TWO]
    assert decision.entropy == pytest.approx(0.918, abs=0.001)


async def test_the_end_follows_from_the_transcript_alone() -> None:
    """Concluded again from the events before it, it is the same to the last field."""
    for options in ({}, {"policy": "moa"}, {"policy": "self_consistency"}, {"decide": "architect"}):
        events = await run(ScriptedModel(), **options)
        assert conclude(state_of(events[:-1])) == events[-1]
        assert isinstance(events[-1], Decided)


async def test_options_that_contradict_end_nothing_but_raise() -> None:
    """Nothing is recorded of a deliberation that cannot be conducted."""
    with pytest.raises(InvalidRequest):
        await run(ScriptedModel(), policy="single", num_agents=2)


async def test_the_margin_is_what_the_rule_counts() -> None:
    """First places under plurality, means under Borda."""
    council = council_of(5)
    names = [agent.id for agent in council.agents]
    prefers = ranked(dict.fromkeys(names, names))
    decision = decided(
        await run(Speaker(prefers=prefers), council=council, policy="vote", tally=Rule.PLURALITY)
    )
    assert (decision.order[0].score, decision.margin) == (4.0, 3.0)


async def test_a_text_that_never_came_makes_the_decision_degraded() -> None:
    """Tokens for two drafts of three: who has none is named, though nobody was lost."""
    decision = decided(await run(ScriptedModel(), policy="vote", token_budget=2 * 224 + 18))
    assert decision.degraded
    assert decision.lost == {}
    assert [line for line in decision.reopen if "had no text in time" in line]


async def test_a_merged_text_is_checked_too() -> None:
    """One that fails is no choice: the next seat makes another, or there is none."""
    check = checking({"bad": Verdict.FAILED})
    first_bad = Speaker(lambda t: "bad" if t.phase is Phase.MERGE and t.agent == ONE else None)
    assert decided(await run(first_bad, policy="moa", check=check)).choice == TWO
    all_bad = Speaker(lambda t: "bad" if t.phase is Phase.MERGE else None)
    (failed,) = of(await run(all_bad, policy="moa", check=check), Failed)
    assert failed.error_type in ("NoMerge", "AllExcluded")


async def test_agreement_on_what_a_check_excludes_is_no_end() -> None:
    """The exchange goes on, and the mended texts decide."""

    def says(turn: Turn) -> str | None:
        if turn.phase is Phase.CRITIQUE:
            return CLEAN
        return "broken" if turn.phase is Phase.DRAFT else f"{turn.agent} mended it"

    check = checking({"broken": Verdict.FAILED})
    events = await run(Speaker(says), policy="debate", rounds=1, quorum=0.5, check=check)
    assert not of(events, Settled)
    assert decided(events).excluded == ()


async def test_a_finding_that_was_never_answered_stays_open() -> None:
    """A clean review in a later round does not take it away."""

    def says(turn: Turn) -> str | None:
        if turn.phase is Phase.REVISE and turn.agent == ONE:
            return " "
        if turn.phase is Phase.CRITIQUE:
            return critique("no hands") if turn.round == 1 else CLEAN
        return None

    decision = decided(await run(Speaker(says, prefers=AGREED), rounds=2))
    assert [(o.issue, o.answered) for o in decision.objections] == [("no hands", False)]


@pytest.mark.parametrize(
    "options",
    [{"topology": "star", "hub": 9}, {"topology": "k_regular", "k": 9}, {"tally": "kemeny"}],
)
async def test_what_the_council_has_no_seats_for_is_refused(options: dict[str, object]) -> None:
    """Before anything is recorded or asked, also for who uses the engine as a library."""
    model = ScriptedModel()
    with pytest.raises(InvalidRequest):
        await run(model, council=council_of(13 if "tally" in options else 3), **options)
    assert model.turns == []


async def test_an_architect_has_to_be_there() -> None:
    """A council without one says so."""
    council = council_of(3).model_copy(update={"architect": None})
    with pytest.raises(InvalidRequest, match="has no architect"):
        await run(ScriptedModel(), council=council, decide="architect")
