"""Whether the outstanding ballots can still change who wins; knows nothing of who is waited for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, permutations, product
from math import factorial, prod

from engine.ballots import ballot_from_ranking, profile
from engine.condorcet import margins, strongest_paths
from engine.tallies import Rule, tally
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
MOST = 1300
"""Completions that are tried for one pair of candidates before a bound has to do (Schulze only)."""


def decided(
    rule: Rule, candidates: Sequence[str], cast: Sequence[Ballot], outstanding: Sequence[str]
) -> str | None:
    """The candidate that alone wins however the outstanding voters complete the ballots, or None.

    A completion is a full ranking by each of them, approving of any number of first places; the
    vote on the own text is dropped. It suffices to look at what is worst for a leader against each
    rival: the rival first and the leader last on every ballot. The answer is exact, except by
    Schulze's rule with so many candidates and outstanding voters that a bound takes over, which
    may answer late but never wrongly. By a rule not in EARLY_RULES it is None.
    """
    if rule not in EARLY_RULES:
        return None
    for leader in candidates:
        rivals = [candidate for candidate in candidates if candidate != leader]
        if all(_holds(rule, candidates, cast, outstanding, leader, r) for r in rivals or [leader]):
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
    """Whether the leader alone wins in every completion that is worst for it against the rival."""
    worst = [_worst(voter, candidates, leader, rival) for voter in outstanding]
    if rule is not Rule.SCHULZE:
        completions: Iterable[Sequence[Ballot]] = [[next(ballots) for ballots in worst]]
    elif leader != rival and _surely_stronger(candidates, cast, outstanding, leader, rival):
        return True
    elif prod(factorial(len(_others(v, candidates, leader, rival))) for v in outstanding) > MOST:
        return False
    else:
        completions = product(*worst)
    winners = (tally(rule, profile(candidates, [*cast, *more])).winners for more in completions)
    return all(won == (leader,) for won in winners)


def _worst(voter: str, candidates: Sequence[str], leader: str, rival: str) -> Iterator[Ballot]:
    """Every ballot with the rival first and alone approved of, and the leader last.

    Only Schulze's rule asks how the others lie in between, as a path may lead over them.
    """
    first = [rival] if rival not in (voter, leader) else []
    last = [leader] if leader not in (voter, rival) else []
    for order in permutations(_others(voter, candidates, leader, rival)):
        yield ballot_from_ranking(voter, [*first, *order, *last], approved=len(first))


def _others(voter: str, candidates: Sequence[str], leader: str, rival: str) -> list[str]:
    """Whom the voter judges besides the two."""
    return [candidate for candidate in candidates if candidate not in {voter, leader, rival}]


def _surely_stronger(
    candidates: Sequence[str],
    cast: Sequence[Ballot],
    outstanding: Sequence[str],
    leader: str,
    rival: str,
) -> bool:
    """Whether the leader's path is the stronger one though each margin is worst for itself.

    Margins between the others lie within as many ballots as judge them; the leader's path is taken
    at their lower ends and the rival's at their upper ends. Such ballots need not exist, so a
    leader may be refused that could be trusted, but not the other way round.
    """
    worst = [next(_worst(voter, candidates, leader, rival)) for voter in outstanding]
    low = margins(profile(candidates, [*cast, *worst]))
    high = dict(low)
    for ballot in worst:
        for above, below in combinations(_others(ballot.voter, candidates, leader, rival), 2):
            low[above, below] -= 2
            high[below, above] += 2
    forth, back = strongest_paths(low, candidates), strongest_paths(high, candidates)
    return forth[leader, rival] > back[rival, leader]
