"""How far voters or texts agree; knows nothing of who wins.

Agreement of voters is measured on complete ballots, own texts included. It is never the spread of
mean places: of three voters in a full cycle every candidate has the same mean place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from math import log2, sqrt
from statistics import fmean

from engine.types import Ballot


def tau_b(one: Mapping[str, float], other: Mapping[str, float]) -> float | None:
    """Kendall's tau-b of two voters' scores over the candidates that both score, -1..1.

    (C - D) / sqrt((n0 - n1) (n0 - n2)) with C and D the pairs ordered alike and otherwise, n0 all
    pairs, n1 and n2 those that tie for one voter (Kendall 1945). None where a voter orders no pair.
    """
    both = [candidate for candidate in one if candidate in other]
    signs = [(_sign(one[a] - one[b]), _sign(other[a] - other[b])) for a, b in combinations(both, 2)]
    ordered = sum(x != 0 for x, _ in signs) * sum(y != 0 for _, y in signs)
    return sum(x * y for x, y in signs) / sqrt(ordered) if ordered else None


def mean_tau(ballots: Sequence[Ballot]) -> float | None:
    """Mean tau-b over the pairs of voters that have one; None where no pair has."""
    taus = [tau_b(one.scores, other.scores) for one, other in combinations(ballots, 2)]
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


def largest(classes: Sequence[str]) -> tuple[str, ...]:
    """The answer classes that most authors share, in the order they first come; none of none."""
    sizes = Counter(classes)
    most = max(sizes.values(), default=0)
    return tuple(label for label, size in sizes.items() if size == most)


def _sign(number: float) -> int:
    return (number > 0) - (number < 0)
