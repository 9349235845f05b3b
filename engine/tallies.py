"""Voting rules by name over one profile, and where they disagree; knows nothing of agents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from engine import condorcet, counts, kemeny
from engine.ballots import Profile
from engine.options import Rule
from engine.packet import Tally
from engine.strengths import strengths

SCORES: Mapping[Rule, Callable[[Profile], dict[str, float]]] = {
    Rule.PLURALITY: counts.firsts,
    Rule.MAJORITY: counts.firsts,
    Rule.SUPER_MAJORITY: counts.firsts,
    Rule.UNANIMITY: counts.firsts,
    Rule.APPROVAL: counts.approvals,
    Rule.BORDA: counts.borda,
    Rule.MRR: counts.reciprocal_ranks,
    Rule.IRV: counts.rounds_survived,
    Rule.CONDORCET: condorcet.pairwise_wins,
    Rule.COPELAND: condorcet.copeland,
    Rule.SCHULZE: condorcet.schulze,
    Rule.RANKED_PAIRS: condorcet.ranked_pairs,
    Rule.MINIMAX: condorcet.minimax,
    Rule.BUCKLIN: counts.bucklin,
    Rule.KEMENY: kemeny.best_places,
    Rule.SCORE: counts.z_scores,
}


def tally(rule: Rule, profile: Profile) -> Tally:
    """The candidates in the order of one rule, and who has won by it.

    ValueError from Kemeny's rule above 12 candidates.
    """
    if rule is Rule.BRADLEY_TERRY:
        found = strengths(profile)
        scores, low, high = found.scores, found.low, found.high
    else:
        scores, low, high = SCORES[rule](profile), {}, {}
    best = max(scores.values())
    firsts = [c for c in profile.candidates if scores[c] == best] if _heard(rule, profile) else []
    winners = tuple(c for c in firsts if best >= _needed(rule, profile, c))
    return Tally(rule=rule, scores=scores, winners=winners, low=low, high=high)


def all_tallies(profile: Profile) -> tuple[Tally, ...]:
    """Every rule over one profile, in the order of Rule; Kemeny's only where it is feasible."""
    feasible = len(profile.candidates) <= kemeny.MOST
    return tuple(tally(rule, profile) for rule in Rule if feasible or rule is not Rule.KEMENY)


def dissenting(tallies: Sequence[Tally], choice: str) -> tuple[Rule, ...]:
    """The rules that name winners, the choice not among them."""
    return tuple(t.rule for t in tallies if t.winners and choice not in t.winners)


def settled(tally: Tally, keys: Mapping[str, tuple[float | int | str, ...]]) -> tuple[str, ...]:
    """All candidates in strict order: that of the tally, and by `keys`, smaller first, in a tie."""
    return tuple(c for tier in tally.tiers for c in sorted(tier, key=lambda c: keys[c]))


def _needed(rule: Rule, profile: Profile, candidate: str) -> float:
    """The smallest score with which the candidate wins by the rule.

    A majority is one of the voters who judge the candidate: its author, who also votes, does not.
    """
    v = sum(candidate in ranking for ranking in profile.rankings)
    needed = {
        Rule.MAJORITY: v // 2 + 1,
        Rule.SUPER_MAJORITY: -(-2 * v // 3),
        Rule.UNANIMITY: v,
        Rule.CONDORCET: len(profile.candidates) - 1,
    }
    return needed.get(rule, float("-inf"))


def _heard(rule: Rule, profile: Profile) -> bool:
    """Whether any ballot speaks to the rule: it names a candidate and, for approval, was asked."""
    return any(
        ballot.ranking and (rule is not Rule.APPROVAL or ballot.approved is not None)
        for ballot in profile.ballots
    )
