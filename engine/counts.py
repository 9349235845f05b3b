"""Rules that count places or scores on each ballot; knows nothing of candidates taken in pairs.

Each gives every candidate what the rule counts, higher is better. m is the number of candidates
left on a ballot, r the place of one of them there, 1 for the first; v is the number of ballots
that name a candidate at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from statistics import fmean, pstdev

from engine.ballots import Profile

DIGITS = 12
"""Decimal places of a mean of z-scores: what differs only after them is a tie."""


def firsts(profile: Profile) -> dict[str, float]:
    """First places."""
    return _counted(profile.candidates, [ranking[0] for ranking in profile.rankings])


def approvals(profile: Profile) -> dict[str, float]:
    """Voters that approve of the candidate."""
    liked = [c for b in profile.ballots if b.approved is not None for c in b.ranking[: b.approved]]
    return _counted(profile.candidates, liked)


def borda(profile: Profile) -> dict[str, float]:
    """Mean of (m - r) / (m - 1), 0..1 (arXiv 2505.10772)."""
    return _mean_points(profile, _borda_points)


def reciprocal_ranks(profile: Profile) -> dict[str, float]:
    """Mean of 1 / r, 0..1 (arXiv 2505.10772)."""
    return _mean_points(profile, _reciprocal)


def rounds_survived(profile: Profile) -> dict[str, float]:
    """Instant run-off: the rounds that a candidate stays in (arXiv 2505.10772).

    A round drops all that have the fewest first places among those still in, together, so that no
    tie is broken by an order that no voter gave; it ends when all still in have equally many.
    """
    left, survived = list(profile.candidates), dict.fromkeys(profile.candidates, 0.0)
    while True:
        tops = [next((c for c in ranking if c in left), "") for ranking in profile.rankings]
        votes = _counted(left, [top for top in tops if top])
        fewest = min(votes.values())
        staying = [candidate for candidate in left if votes[candidate] > fewest]
        if not staying:
            return survived
        left = staying
        survived |= {candidate: survived[candidate] + 1 for candidate in staying}


def bucklin(profile: Profile) -> dict[str, float]:
    """Ballots that have the candidate in the first k places.

    k is the smallest number for which one candidate is there on more than v/2 ballots; where there
    is none, because many left their own text out, all places count.
    """
    counts = dict.fromkeys(profile.candidates, 0.0)
    for depth in range(len(profile.candidates)):
        for ranking in profile.rankings:
            if depth < len(ranking):
                counts[ranking[depth]] += 1
        if 2 * max(counts.values()) > len(profile.rankings):
            break
    return counts


def z_scores(profile: Profile) -> dict[str, float]:
    """Mean of the voters' z-scores, by the population's standard deviation.

    They take out that one voter is generous and another one uses the whole scale. A voter that
    scores all alike says nothing.
    """
    given: dict[str, list[float]] = {candidate: [] for candidate in profile.candidates}
    for ballot in profile.ballots:
        scores = ballot.scores.values()
        spread = pstdev(scores) if scores else 0.0
        if round(spread, DIGITS) > 0:
            middle = fmean(scores)
            for candidate, score in ballot.scores.items():
                given[candidate].append((score - middle) / spread)
    return {c: round(fmean(got), DIGITS) if got else 0.0 for c, got in given.items()}


def raw_means(profile: Profile) -> dict[str, float]:
    """Mean of the scores as the other voters gave them; a candidate without any has 0."""
    given = {
        candidate: [b.scores[candidate] for b in profile.ballots if candidate in b.scores]
        for candidate in profile.candidates
    }
    return {candidate: fmean(got) if got else 0.0 for candidate, got in given.items()}


def _borda_points(place: int, m: int) -> Fraction:
    return Fraction(m - place, m - 1)


def _reciprocal(place: int, _m: int) -> Fraction:
    return Fraction(1, place)


def _counted(candidates: Sequence[str], named: Sequence[str]) -> dict[str, float]:
    """How often each candidate is named."""
    counts = dict.fromkeys(candidates, 0.0)
    for candidate in named:
        counts[candidate] += 1
    return counts


def _mean_points(profile: Profile, points: Callable[[int, int], Fraction]) -> dict[str, float]:
    """Mean of points(r, m) over the ballots that rank the candidate, else 0.

    A ballot of one candidate compares nothing and is left out. Fractions keep equal means equal.
    """
    given: dict[str, list[Fraction]] = {candidate: [] for candidate in profile.candidates}
    worth = {
        m: [points(place, m) for place in range(1, m + 1)]
        for m in {len(ranking) for ranking in profile.rankings} - {1}
    }
    for ranking in profile.rankings:
        for candidate, got in zip(ranking, worth.get(len(ranking), ()), strict=False):
            given[candidate].append(got)
    return {c: _mean(got) if got else 0.0 for c, got in given.items()}


def _mean(fractions: Sequence[Fraction]) -> float:
    """The mean as near as a float can be; those of one denominator are added as whole numbers."""
    sums: Counter[int] = Counter()
    for fraction in fractions:
        sums[fraction.denominator] += fraction.numerator
    whole = sum((Fraction(n, denominator) for denominator, n in sums.items()), Fraction(0))
    return float(whole / len(fractions))
