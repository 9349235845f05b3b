"""From a transcript to its end, decided or failed; pure functions that ask nobody anything."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from engine.agreement import entropy, kendall_w, margin, mean_tau
from engine.condorcet import condorcet
from engine.dissent import minority, objections, reopening
from engine.events import Decided, Failed, Failure
from engine.options import Decide
from engine.packet import Decision, Override, Ranked, StopReason
from engine.policies import Choice
from engine.standing import CLASSES, ONLY, Texts, unwritten
from engine.stopping import classes
from engine.tallies import dissenting
from engine.transcript import Transcript
from engine.types import Condorcet, CondorcetStatus

OUT_OF: dict[StopReason, Failure] = {
    StopReason.DEADLINE: "DeadlineExceeded",
    StopReason.BUDGET: "BudgetExceeded",
}


def conclude(state: Transcript) -> Decided | Failed:
    """The end of a deliberation in which nothing more is asked.

    The same transcript always gives the same end.
    """
    texts = Texts(state)
    lacking = _lacking(texts)
    return failed(state, *lacking) if lacking else Decided(decision=_decision(texts))


def failed(state: Transcript, kind: Failure, message: str) -> Failed:
    """The end without a decision: why, who was lost, and what it cost."""
    return Failed(
        error_type=kind,
        message=message,
        lost=state.lost,
        tokens=state.tokens,
        aborted=len(state.aborted),
    )


def quorum_is_lost(state: Transcript) -> bool:
    """Whether half of the seated agents or more are gone without a text, though they had time."""
    gone = sum(a.id in state.lost and a.id not in state.proposals for a in state.seated)
    return state.hastened is None and gone * 2 >= len(state.seated)


def _lacking(texts: Texts) -> tuple[Failure, str] | None:
    """What keeps a transcript from a decision, if anything does."""
    state = texts.state
    if quorum_is_lost(state):
        return "QuorumLost", f"{len(state.authors)} of {len(state.seated)} have a text"
    if not state.authors:
        return _too_late(state, "QuorumLost", "no agent had a text")
    if not texts.candidates:
        return "AllExcluded", "every text failed a check that excludes"
    return _unchosen(texts) if texts.is_open else None


def _unchosen(texts: Texts) -> tuple[Failure, str] | None:
    """What is missing for a choice among several texts, if anything is."""
    state = texts.state
    if texts.rules.choice is Choice.MERGE:
        missing = _too_late(state, "NoMerge", "no agent had made one text of all")
        return None if state.merged in texts.candidates else missing
    if not texts.cast:
        return _too_late(state, "NoBallots", "no agent had cast a ballot that can be used")
    if not texts.standing.order:
        return "Impasse", f"no text has what {texts.rules.tally} asks for"
    return None


def _too_late(state: Transcript, otherwise: Failure, what: str) -> tuple[Failure, str]:
    """What is missing because time or tokens ran out, where they did."""
    if state.hastened is None:
        return otherwise, what
    deadline = state.hastened.cause is StopReason.DEADLINE
    return OUT_OF[state.hastened.cause], f"{what} {'in time' if deadline else 'within the budget'}"


def _decision(texts: Texts) -> Decision:
    state, standing = texts.state, texts.standing
    override = _override(texts)
    choice = state.judged.choice if override and state.judged else standing.order[0]
    order = (choice, *(author for author in standing.order if author != choice))
    cast, scores = texts.cast, standing.scores
    complete = [ballot.ranking for ballot in cast]
    said = {a: label for a, label in classes(state, texts.last_round).items() if a in order}
    dissent = dissenting(texts.tallies, choice)
    return Decision(
        degraded=_is_degraded(texts),
        lost=state.lost,
        choice=choice,
        rule=standing.rule,
        order=tuple(
            Ranked(author=author, rank=rank, score=scores[author])
            for rank, author in enumerate(order, 1)
        ),
        margin=_margin(texts, choice, list(said.values())),
        condorcet=_condorcet(texts),
        agreement_tau=mean_tau(cast),
        agreement_w=kendall_w(complete),
        consistency=_consistency(texts),
        objections=objections(state, choice),
        minority=minority(state, cast, choice),
        tokens=state.tokens,
        stop_reason=_stop_reason(texts),
        policy=texts.rules.policy,
        tallies=texts.tallies,
        dissenting_rules=dissent,
        tied=standing.tied,
        tie_break=standing.tie_break,
        override=override,
        classes=said,
        entropy=entropy(list(said.values())),
        excluded=tuple(sorted(state.excluded)),
        spared=texts.spared,
        reopen=reopening(texts, choice, dissent),
        aborted=len(state.aborted),
        seed=state.task.salt if state.task else "",
    )


def _margin(texts: Texts, choice: str, said: Sequence[str]) -> float:
    """By how much the choice leads, in what the rule counts; an answer leads other answers."""
    standing = texts.standing
    if standing.rule == CLASSES:
        return margin(said)
    others = [standing.scores[author] for author in standing.order if author != choice]
    return standing.scores[choice] - max(others, default=standing.scores[choice])


def _override(texts: Texts) -> Override | None:
    """Where the architect chose another text than the ballots."""
    judged, first = texts.state.judged, texts.standing.order[0]
    if judged is None or judged.choice == first or not texts.is_open:
        return None
    return Override(
        by=judged.agent, rule=texts.standing.rule, instead_of=first, reason=judged.reason
    )


def _condorcet(texts: Texts) -> Condorcet:
    if texts.standing.rule == ONLY:
        return Condorcet(status=CondorcetStatus.UNOPPOSED, winner=texts.candidates[0])
    if not texts.cast:
        return Condorcet(status=CondorcetStatus.UNASKED)
    return condorcet(texts.profile)


def _consistency(texts: Texts) -> float | None:
    known = [b.consistency for b in texts.cast if b.consistency is not None]
    return fmean(known) if known else None


def _is_degraded(texts: Texts) -> bool:
    """Whether anybody is missing whose word should have counted."""
    state = texts.state
    heard = {*state.ballots, *texts.spared}
    unheard = texts.cast and any(voter.id not in heard for voter in state.voters)
    no_last_word = texts.rules.decide is Decide.ARCHITECT and texts.is_open and not state.judged
    lacking = unheard or unwritten(state) or state.unchecked or no_last_word
    return bool(state.lost or lacking)


def _stop_reason(texts: Texts) -> StopReason:
    state = texts.state
    if state.hastened:
        return state.hastened.cause
    if state.settled:
        return state.settled.reason
    return StopReason.DEGRADED if _is_degraded(texts) else StopReason.DECIDED
