"""Voting rules by name over one profile, and where they disagree; knows nothing of agents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from itertools import groupby

from pydantic import Field

from engine import condorcet, counts, kemeny
from engine.ballots import Profile
from engine.strengths import strengths
from engine.types import Data


class Rule(StrEnum):
    """What decides. m candidates are on a ballot, v ballots name any; scores count as follows.

    Plurality and its thresholds count first places: majority needs more than v/2 of them, super
    majority 2v/3, unanimity all. Approval counts voters; Borda and mean reciprocal rank take means
    over ballots; IRV counts rounds survived, Bucklin ballots that have the candidate in the
    decisive first places, score takes mean z-scores. Condorcet counts wins, all of which it needs,
    Copeland wins less losses, minimax takes the smallest margin, Schulze and ranked pairs count
    layers below, Kemeny places below, Bradley-Terry estimates log-odds strengths.
    """

    PLURALITY = "plurality"
    MAJORITY = "majority"
    SUPER_MAJORITY = "super_majority"
    UNANIMITY = "unanimity"
    APPROVAL = "approval"
    BORDA = "borda"
    MRR = "mrr"
    IRV = "irv"
    CONDORCET = "condorcet"
    COPELAND = "copeland"
    SCHULZE = "schulze"
    RANKED_PAIRS = "ranked_pairs"
    MINIMAX = "minimax"
    BUCKLIN = "bucklin"
    KEMENY = "kemeny"
    SCORE = "score"
    BRADLEY_TERRY = "bradley_terry"


class Tally(Data):
    """What one rule makes of a profile.

    `scores` are what the rule counts, higher is better. `tiers` hold all candidates, best first,
    those with equal scores together in sealed order. `winners` are the first tier; none where no
    ballot speaks to the rule or its threshold is missed. `low` and `high` are the ends of the 95 %
    intervals of Bradley-Terry strengths, else empty.
    """

    rule: Rule
    scores: dict[str, float]
    tiers: tuple[tuple[str, ...], ...]
    winners: tuple[str, ...]
    low: dict[str, float] = Field(default_factory=dict)
    high: dict[str, float] = Field(default_factory=dict)


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
    tiers = _tiers(scores)
    won = scores[tiers[0][0]] >= _needed(rule, profile)
    winners = tiers[0] if won and _heard(rule, profile) else ()
    return Tally(rule=rule, scores=scores, tiers=tiers, winners=winners, low=low, high=high)


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


def _tiers(scores: Mapping[str, float]) -> tuple[tuple[str, ...], ...]:
    """Candidates by falling score, those with equal ones together."""
    ordered = sorted(scores, key=lambda candidate: -scores[candidate])
    return tuple(tuple(tier) for _, tier in groupby(ordered, key=lambda c: scores[c]))


def _needed(rule: Rule, profile: Profile) -> float:
    """The smallest score that wins by the rule."""
    v = len(profile.rankings)
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
