"""From a transcript to its end, decided or failed; pure functions that ask nobody anything."""

from __future__ import annotations

from statistics import fmean
from typing import Literal

from engine import ballots
from engine.events import Decided, Failed
from engine.transcript import Transcript
from engine.types import Ballot, Decision, Minority, Objection, Ranked, Severity

RULE, ODDS = "borda", "odds of others"


def decide(state: Transcript) -> Decided:
    """Tally the ballots and state everything that qualifies the choice.

    Votes on the own text are dropped from the tally; agreement is over the complete rankings.
    Ties go to Copeland, then to the odds that others gave, then to the sealed order. With two
    candidates whose only voters wrote them, dropping leaves no ranking: `rule` is then the odds.
    """
    candidates = state.sealed()
    voted = [state.ballots[a.id] for a in state.seated if a.id in state.ballots]
    rankings = ballots.without_own_text(voted)
    beats = ballots.pairwise(rankings, candidates)
    score = ballots.borda(rankings, candidates)
    wins = ballots.copeland(beats, candidates)
    odds = {c: sum(b.scores[c] for b in voted if b.voter != c) for c in candidates}
    order = sorted(candidates, key=lambda c: (-score[c], -wins[c], -odds[c]))
    complete = [ballot.ranking for ballot in voted]
    judged = [ballot.consistency for ballot in voted if ballot.consistency is not None]
    degraded = bool(state.lost) or len(voted) < len(state.seated) > 1
    return Decided(
        decision=Decision(
            degraded=degraded,
            lost=state.lost,
            choice=order[0],
            rule=RULE if any(len(ranking) > 1 for ranking in rankings) else ODDS,
            order=tuple(
                Ranked(author=c, rank=rank, score=score[c]) for rank, c in enumerate(order, 1)
            ),
            margin=score[order[0]] - score[order[1]] if len(order) > 1 else 0.0,
            condorcet=ballots.condorcet(beats, candidates),
            agreement_tau=ballots.mean_tau(complete),
            agreement_w=ballots.kendall_w(complete),
            consistency=fmean(judged) if judged else None,
            objections=_objections(state, order[0]),
            minority=_minority(voted, order[0]),
            tokens=state.tokens,
            stop_reason="deadline" if state.hastened else "degraded" if degraded else "decided",
        )
    )


def failed(
    state: Transcript,
    kind: Literal["QuorumLost", "NoBallots", "DeadlineExceeded", "Cancelled", "Broken"],
    message: str,
) -> Failed:
    """The end without a decision: why, who was lost, and what it cost."""
    return Failed(error_type=kind, message=message, lost=state.lost, tokens=state.tokens)


def _objections(state: Transcript, choice: str) -> tuple[Objection, ...]:
    """The major findings of the last round in which the winner's text was reviewed."""
    critiques = state.critiques.get(choice, [])
    last = max((c.round for c in critiques), default=0)
    revised = state.latest(choice).round
    return tuple(
        Objection(reviewer=c.agent, issue=f.issue, answered=revised >= last)
        for c in critiques
        for f in c.findings
        if c.round == last and f.severity is Severity.MAJOR
    )


def _minority(voted: list[Ballot], choice: str) -> tuple[Minority, ...]:
    """Voters, the winner aside, who put another one's text above the winner's."""
    firsts = {b.voter: next((c for c in b.ranking if c != b.voter), "") for b in voted}
    return tuple(
        Minority(voter=voter, prefers=first)
        for voter, first in firsts.items()
        if voter != choice and first not in ("", choice)
    )
