"""Kemeny's rule, exactly: the rankings nearest to all ballots; knows nothing of other rules."""

from __future__ import annotations

from collections.abc import Sequence

from engine.ballots import Profile
from engine.condorcet import Margins, margins

MOST = 12
"""Candidates up to which the search, 2^m subsets by m candidates, takes a fraction of a second."""


def best_places(profile: Profile) -> dict[str, float]:
    """How many places lie below the best one a candidate has in any optimal ranking (Kemeny 1959).

    A ranking is optimal that contradicts the fewest pairwise judgements of the ballots. With one
    of them the scores are its places, with several all that head one of them share the first.
    ValueError above MOST candidates: nothing cheaper is exact.
    """
    m = len(profile.candidates)
    if m > MOST:
        raise ValueError(f"Kemeny's rule is computed for up to {MOST} candidates, not {m}")
    gains = _gains(profile.candidates, margins(profile))
    above, below = _best_above(gains), _best_below(gains)
    everyone = len(above) - 1
    scores = {}
    for n, candidate in enumerate(profile.candidates):
        sets = [
            put
            for put in range(len(above))
            if not put >> n & 1
            and above[put] + gains[n][put] + below[put | 1 << n] == above[everyone]
        ]
        scores[candidate] = float(m - 1 - min(put.bit_count() for put in sets))
    return scores


def _gains(candidates: Sequence[str], found: Margins) -> list[list[int]]:
    """For each candidate and every set, what it gains to put the candidate right below the set.

    That is the sum of its margins over the rest. Bit n of a set is the n-th candidate.
    """
    gains = []
    for candidate in candidates:
        over = [found.get((candidate, other), 0) for other in candidates]
        row = [sum(over)]
        for margin in over:
            row += [gain - margin for gain in row]
        gains.append(row)
    return gains


def _best_above(gains: list[list[int]]) -> list[int]:
    """For every set, what its best order gains as the top of a ranking."""
    best = [0]
    for put in range(1, 1 << len(gains)):
        last = [n for n in range(len(gains)) if put >> n & 1]
        best.append(max(best[put ^ 1 << n] + gains[n][put ^ 1 << n] for n in last))
    return best


def _best_below(gains: list[list[int]]) -> list[int]:
    """For every set, what the best order of the others gains below it."""
    best = [0] * (1 << len(gains))
    for put in reversed(range(len(best) - 1)):
        after = [n for n in range(len(gains)) if not put >> n & 1]
        best[put] = max(gains[n][put] + best[put | 1 << n] for n in after)
    return best
