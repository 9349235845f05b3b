"""Claims about Bradley-Terry strengths, against scipy's optimiser and numerical curvature."""

from itertools import combinations
from math import exp, log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from profiles import by_blocks, profiles
from scipy import optimize, stats

from engine.ballots import Profile, profile
from engine.strengths import strengths


def unlikeliness(votes: Profile, logits: list[float]) -> float:
    """Minus the log-likelihood, with half a win each way added to each pair."""
    place = {candidate: n for n, candidate in enumerate(votes.candidates)}
    won = [(place[a], place[b], 1.0) for r in votes.rankings for a, b in combinations(r, 2)]
    for a, b in combinations(range(len(place)), 2):
        won += [(a, b, 0.5), (b, a, 0.5)]
    return sum(n * log(1 + exp(logits[b] - logits[a])) for a, b, n in won)


@settings(max_examples=25)
@given(profiles(most=4, voters=8))
def test_strengths_are_the_likeliest(votes: Profile) -> None:
    """Nothing that an optimiser finds is likelier, and their mean is 0."""
    got = list(strengths(votes).scores.values())
    best = optimize.minimize(lambda logits: unlikeliness(votes, list(logits)), [0.0] * len(got))
    middle = sum(best.x) / len(got)
    assert got == pytest.approx([x - middle for x in best.x], abs=1e-3)
    assert sum(got) == pytest.approx(0, abs=1e-8)
    assert unlikeliness(votes, got) <= best.fun + 1e-9


@settings(max_examples=25)
@given(profiles(most=4, voters=8))
def test_intervals_are_those_of_the_curvature(votes: Profile) -> None:
    """1.96 standard errors of the pseudo-inverse of the numerical second derivative."""
    found = strengths(votes)
    got = list(found.scores.values())
    m, h = len(got), 1e-3

    def at(*moves: tuple[int, float]) -> float:
        moved = list(got)
        for n, by in moves:
            moved[n] += by
        return unlikeliness(votes, moved)

    curvature = [
        [
            (at((i, h), (j, h)) - at((i, h), (j, -h)) - at((i, -h), (j, h)) + at((i, -h), (j, -h)))
            / (4 * h * h)
            for j in range(m)
        ]
        for i in range(m)
    ]
    variance = np.diag(np.linalg.pinv(np.array(curvature), rcond=1e-3))
    for n, candidate in enumerate(votes.candidates):
        reach = stats.norm.ppf(0.975) * sqrt(max(variance[n], 0))
        assert found.high[candidate] - got[n] == pytest.approx(reach, abs=1e-3)
        assert got[n] - found.low[candidate] == pytest.approx(reach, abs=1e-3)


def test_two_candidates_have_the_log_odds_of_their_wins() -> None:
    """Three wins to one, and half a win each way: the gap is log(3.5 / 1.5)."""
    got = strengths(by_blocks({"ab": 3, "ba": 1}))
    assert got.scores["a"] - got.scores["b"] == pytest.approx(log(3.5 / 1.5))
    assert got.high["a"] - got.low["a"] == pytest.approx(stats.norm.ppf(0.975) / sqrt(5 * 0.21))


def test_who_always_wins_has_a_finite_strength() -> None:
    """A thousand wins to none still end in a number, and quickly."""
    got = strengths(by_blocks({"abc": 1000}))
    assert got.scores["a"] > got.scores["b"] > got.scores["c"] > -10


def test_without_ballots_all_are_equal_and_uncertain() -> None:
    """The virtual wins alone: 0 for each, in a wide interval; a candidate alone has no doubt."""
    got = strengths(profile("abc", []))
    assert set(got.scores.values()) == {0.0}
    assert got.low["a"] < -1 < 1 < got.high["a"]
    alone = strengths(profile("a", []))
    assert (alone.scores, alone.low, alone.high) == ({"a": 0}, {"a": 0}, {"a": 0})
