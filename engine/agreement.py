"""How far voters or texts agree; knows nothing of who wins.

Agreement of voters is measured on complete ballots, own texts included. It is never the spread of
mean places: of three voters in a full cycle every candidate has the same mean place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from math import log2, sqrt
from operator import mul
from statistics import fmean

from engine.types import Ballot


def mean_tau(ballots: Sequence[Ballot]) -> float | None:
    """Mean of Kendall's tau-b over the pairs of voters that have one, -1..1; None where none has.

    Of two voters' scores over the same candidates it is (C - D) / sqrt((n0 - n1) (n0 - n2)), with
    C and D the pairs ordered alike and otherwise, n0 all pairs, n1 and n2 those that tie for one
    voter (Kendall 1945). There is none where a voter orders no pair.
    """
    candidates = sorted(ballots[0].scores) if ballots else []
    signs = [_signs(ballot.scores, candidates) for ballot in ballots]
    taus = [_tau_b(one, other) for one, other in combinations(signs, 2)]
    return fmean(found) if (found := [tau for tau in taus if tau is not None]) else None


def kendall_w(rankings: Sequence[Sequence[str]]) -> float | None:
    """Kendall's W = 12 S / (v^2 (m^3 - m)) of v rankings of the same m candidates, 0..1.

    S is the sum of squares of the rank sums about their mean; a full cycle has 0. None for fewer
    than two rankings or candidates, and where the rankings are not of the same candidates.
    """
    if len(rankings) < 2 or len(rankings[0]) < 2 or len({frozenset(r) for r in rankings}) > 1:
        return None
    v, m = len(rankings), len(rankings[0])
    sums = [sum(ranking.index(candidate) for ranking in rankings) for candidate in rankings[0]]
    mean = v * (m - 1) / 2
    return 12 * sum((s - mean) ** 2 for s in sums) / (v * v * (m**3 - m))


def entropy(classes: Sequence[str]) -> float:
    """Shannon entropy of the answer classes in bits, 0 where all are one; one label an author."""
    n = len(classes)
    return sum(count / n * log2(n / count) for count in Counter(classes).values())


def margin(classes: Sequence[str]) -> float:
    """Share of the largest answer class less that of the second, 0..1; 0 without classes."""
    sizes = sorted(Counter(classes).values(), reverse=True)
    return (sizes[0] - sum(sizes[1:2])) / len(classes) if sizes else 0.0


def _signs(scores: Mapping[str, float], candidates: Sequence[str]) -> list[int]:
    """How a voter orders each pair: 1 the first above the second, -1 the other way, 0 equal."""
    return [_sign(scores[a] - scores[b]) for a, b in combinations(candidates, 2)]


def _tau_b(one: Sequence[int], other: Sequence[int]) -> float | None:
    """Tau-b of two voters' orders of the same pairs; the zeros are the ties."""
    ordered = (len(one) - one.count(0)) * (len(other) - other.count(0))
    return sum(map(mul, one, other)) / sqrt(ordered) if ordered else None


def _sign(number: float) -> int:
    return (number > 0) - (number < 0)
