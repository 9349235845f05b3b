"""Bradley-Terry strengths out of pairwise wins; knows nothing of ballots beyond their rankings.

The chance that i is judged better than j is 1 / (1 + exp(s_j - s_i)) (Bradley and Terry 1952).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import exp, log1p, sqrt

from engine.ballots import Profile

PRIOR = 0.5
"""Virtual wins each way between any two candidates: strengths stay finite where one always wins."""
QUANTILE = 1.959963984540054
"""How many standard errors a 95 % interval of the normal distribution reaches to each side."""
DIGITS = 9
"""Decimal places of a strength: what differs only after them is a tie."""
ENOUGH = 1e-9
"""A step shorter than that is the last: the error is about its square."""

Matrix = list[list[float]]


@dataclass(frozen=True)
class Strengths:
    """Log-odds strength of each candidate, with mean 0, and the ends of its 95 % interval."""

    scores: dict[str, float]
    low: dict[str, float]
    high: dict[str, float]


def strengths(profile: Profile) -> Strengths:
    """The likeliest strengths, the prior included, with intervals by the Fisher information.

    The pairs of one ranking count as judged independently, so the intervals are rather narrow.
    """
    names, wins = profile.candidates, _wins(profile)
    logits = _likeliest(wins)
    errors = [sqrt(row[n]) for n, row in enumerate(_covariance(wins, logits))]
    middle = [round(logit, DIGITS) + 0.0 for logit in logits]
    return Strengths(
        scores=dict(zip(names, middle, strict=True)),
        low={c: s - QUANTILE * e for c, s, e in zip(names, middle, errors, strict=True)},
        high={c: s + QUANTILE * e for c, s, e in zip(names, middle, errors, strict=True)},
    )


def _wins(profile: Profile) -> Matrix:
    """How often the row's candidate was put above the column's, virtual wins included."""
    place = {candidate: n for n, candidate in enumerate(profile.candidates)}
    wins = [[PRIOR if row != column else 0.0 for column in place] for row in place]
    for ranking in profile.rankings:
        for above, below in combinations(ranking, 2):
            wins[place[above]][place[below]] += 1
    return wins


def _likeliest(wins: Matrix) -> list[float]:
    """Newton's method from equal strengths, with steps short enough never to overshoot.

    The step's length is that of Sun and Tran-Dinh 2019 for losses whose third derivative is
    bounded by the second, as the logistic one's is.
    """
    logits = [0.0] * len(wins)
    reach = 1.0
    while reach > ENOUGH:
        slope = [
            sum(won - (won + lost) * _chance(logits[n] - logits[k]) for k, won, lost in row)
            for n, row in enumerate(_against(wins))
        ]
        step = [
            sum(c * s for c, s in zip(row, slope, strict=True)) for row in _covariance(wins, logits)
        ]
        reach = max(step) - min(step)
        size = log1p(reach) / reach if reach else 1.0
        logits = [logit + size * s for logit, s in zip(logits, step, strict=True)]
    return logits


def _covariance(wins: Matrix, logits: list[float]) -> Matrix:
    """The inverse of the Fisher information among strengths whose mean is 0.

    The information is singular, as a constant added to all strengths changes nothing: a constant
    added to all its cells is taken off again after the inversion.
    """
    m = len(wins)
    cells = [[1.0 / m] * m for _ in range(m)]
    for n, row in enumerate(_against(wins)):
        for k, won, lost in row:
            chance = _chance(logits[n] - logits[k])
            weight = (won + lost) * chance * (1 - chance)
            cells[n][n] += weight
            cells[n][k] -= weight
    return [[cell - 1.0 / m for cell in row] for row in _inverse(cells)]


def _inverse(matrix: Matrix) -> Matrix:
    """Gauss-Jordan elimination; a positive definite matrix needs no exchange of rows."""
    m = len(matrix)
    rows = [[*row, *(float(n == k) for k in range(m))] for n, row in enumerate(matrix)]
    for n in range(m):
        rows[n] = [cell / rows[n][n] for cell in rows[n]]
        for k in range(m):
            if k != n:
                factor = rows[k][n]
                rows[k] = [c - factor * d for c, d in zip(rows[k], rows[n], strict=True)]
    return [row[m:] for row in rows]


def _against(wins: Matrix) -> list[list[tuple[int, float, float]]]:
    """For each candidate, every other one with the wins and the losses against it."""
    m = range(len(wins))
    return [[(k, wins[n][k], wins[k][n]) for k in m if k != n] for n in m]


def _chance(gap: float) -> float:
    return 1 / (1 + exp(-gap))
