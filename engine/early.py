"""Whether the outstanding ballots can still change who wins; knows nothing of who is waited for."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from engine.ballots import ballot_from_ranking, profile
from engine.condorcet import margins, strongest_paths
from engine.options import Rule
from engine.tallies import tally
from engine.types import Ballot

EARLY_RULES = frozenset(
    {
        Rule.PLURALITY,
        Rule.MAJORITY,
        Rule.SUPER_MAJORITY,
        Rule.UNANIMITY,
        Rule.APPROVAL,
        Rule.BORDA,
        Rule.MRR,
        Rule.CONDORCET,
        Rule.COPELAND,
        Rule.SCHULZE,
        Rule.MINIMAX,
    }
)
"""The rules for which a choice can be decided early; by the others it is known with all ballots."""


def decided(
    rule: Rule, candidates: Sequence[str], cast: Sequence[Ballot], outstanding: Sequence[str]
) -> str | None:
    """The candidate that alone wins however the outstanding voters complete the ballots, or None.

    A completion is a full ranking by each of them, approving of any number of first places; the
    vote on the own text is dropped. By a rule not in EARLY_RULES the answer is None. By one of
    them it is exact; Schulze's is never wrong and, above 4 candidates or voters, may come late.
    """
    if rule not in EARLY_RULES:
        return None
    for leader in candidates:
        rivals = [candidate for candidate in candidates if candidate != leader] or [leader]
        if all(_holds(rule, candidates, cast, outstanding, leader, rival) for rival in rivals):
            return leader
    return None


def _holds(
    rule: Rule,
    candidates: Sequence[str],
    cast: Sequence[Ballot],
    outstanding: Sequence[str],
    leader: str,
    rival: str,
) -> bool:
    """Whether the leader alone wins in the completion that is worst for it against the rival.

    A candidate alone is its own rival: a ballot has to name it.
    """
    worst = [_worst(voter, candidates, leader, rival) for voter in outstanding]
    if rule is Rule.SCHULZE and leader != rival:
        return _stronger(candidates, cast, worst, leader, rival)
    return tally(rule, profile(candidates, [*cast, *worst])).winners == (leader,)


def _worst(voter: str, candidates: Sequence[str], leader: str, rival: str) -> Ballot:
    """The rival first and alone approved of, the leader last.

    No other ballot is better for the one or worse for the other, and the rules ask for no more;
    only Schulze's asks how the others lie in between, as a path may lead over them.
    """
    first = [rival] if rival not in (voter, leader) else []
    last = [leader] if leader != voter else []
    others = _others(voter, candidates, leader, rival)
    return ballot_from_ranking(voter, [*first, *others, *last], approved=len(first))


def _stronger(
    candidates: Sequence[str],
    cast: Sequence[Ballot],
    worst: Sequence[Ballot],
    leader: str,
    rival: str,
) -> bool:
    """Whether the leader's path is the stronger one wherever the worst ballots put the others.

    Margins between the others lie within as many ballots as judge them; the leader's path is taken
    at their lower ends and the rival's at their upper ends. No single set of ballots need do both,
    so the answer may be no where yes is true, but not the other way round.
    """
    low = margins(profile(candidates, [*cast, *worst]))
    high = dict(low)
    for ballot in worst:
        for above, below in combinations(_others(ballot.voter, candidates, leader, rival), 2):
            low[above, below] -= 2
            high[below, above] += 2
    forth, back = strongest_paths(low, candidates), strongest_paths(high, candidates)
    return forth[leader, rival] > back[rival, leader]


def _others(voter: str, candidates: Sequence[str], leader: str, rival: str) -> list[str]:
    """Whom the voter judges besides the two."""
    return [candidate for candidate in candidates if candidate not in {voter, leader, rival}]
