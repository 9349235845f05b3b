"""Rules that compare candidates in pairs; knows nothing of scores or of what a ballot is for.

A majority is measured by its margin, the ballots for it less those against it: a voter that left
its own text out then counts for neither side. A candidate beats another one with a margin above 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations, groupby, permutations

from engine.ballots import Profile
from engine.types import Condorcet, CondorcetStatus

Pair = tuple[str, str]
Margins = Mapping[Pair, int]
"""For every ordered pair, the ballots with the first above the second less the others."""
Over = Callable[[str, str], bool]
"""Whether the first stands above the second."""


def margins(profile: Profile) -> dict[Pair, int]:
    """The margin of every ordered pair of two candidates."""
    found = dict.fromkeys(permutations(profile.candidates, 2), 0)
    for ranking in profile.rankings:
        for above, below in combinations(ranking, 2):
            found[above, below] += 1
            found[below, above] -= 1
    return found


def condorcet(profile: Profile) -> Condorcet:
    """The candidate that beats every other one, or why there is none; a cycle is never broken.

    The source of the term as used here is arXiv 2410.15168.
    """
    if len(profile.candidates) == 1:
        return Condorcet(status=CondorcetStatus.UNOPPOSED, winner=profile.candidates[0])
    wins = _beating(margins(profile))
    top = smith_set(profile.candidates, wins)
    if len(top) == 1:
        return Condorcet(status=CondorcetStatus.WINNER, winner=top[0])
    within = _reachable(top, wins)
    cyclic = any((candidate, candidate) in within for candidate in top)
    return Condorcet(status=CondorcetStatus.CYCLE if cyclic else CondorcetStatus.TIE)


def smith_set(candidates: Sequence[str], wins: Over) -> list[str]:
    """The smallest set whose every member beats every candidate outside it."""

    def closure(start: str) -> list[str]:
        inside = [start]
        for member in inside:
            inside += [c for c in candidates if c not in inside and not wins(member, c)]
        return inside

    return min((closure(candidate) for candidate in candidates), key=len)


def pairwise_wins(profile: Profile) -> dict[str, float]:
    """How many others a candidate beats."""
    found = margins(profile)
    return {a: float(sum(found[a, b] > 0 for b in _rest(profile, a))) for a in profile.candidates}


def copeland(profile: Profile) -> dict[str, float]:
    """Pairwise wins less pairwise losses."""
    found = margins(profile)
    return {
        a: float(sum((found[a, b] > 0) - (found[a, b] < 0) for b in _rest(profile, a)))
        for a in profile.candidates
    }


def minimax(profile: Profile) -> dict[str, float]:
    """The smallest of a candidate's margins, that of its worst defeat where it has one."""
    found = margins(profile)
    return {
        a: float(min((found[a, b] for b in _rest(profile, a)), default=0))
        for a in profile.candidates
    }


def schulze(profile: Profile) -> dict[str, float]:
    """How many layers lie below a candidate when stronger paths go first (Schulze 2011, margins).

    A path of wins is as strong as its smallest margin. Those to whom none has a stronger path than
    they have back are the top layer; the next one is found in the same way among the rest.
    """
    strength = strongest_paths(margins(profile), profile.candidates)
    return _layers(profile.candidates, lambda a, b: strength[a, b] > strength[b, a])


def strongest_paths(found: Margins, candidates: Sequence[str]) -> dict[Pair, int]:
    """The strength of the strongest path of wins between each ordered pair, 0 where none is."""
    strength = {pair: max(margin, 0) for pair, margin in found.items()}
    for via, start, end in permutations(candidates, 3):
        detour = min(strength[start, via], strength[via, end])
        strength[start, end] = max(strength[start, end], detour)
    return strength


def ranked_pairs(profile: Profile) -> dict[str, float]:
    """How many layers lie below a candidate in the locked wins (Tideman 1987).

    Wins are locked from the largest margin down, those of one margin together: of these, each is
    left out that lies on a cycle with the locked ones and its equals. So no tie is broken by an
    order that no voter gave; without equal margins it is the textbook's rule.
    """
    found = margins(profile)
    wins = sorted((pair for pair in found if found[pair] > 0), key=lambda pair: -found[pair])
    locked: set[Pair] = set()
    for _, equals in groupby(wins, key=lambda pair: found[pair]):
        joined = locked.union(group := list(equals))
        paths = _reachable(profile.candidates, lambda a, b: (a, b) in joined)  # noqa: B023
        locked.update((a, b) for a, b in group if (b, a) not in paths)
    return _layers(profile.candidates, lambda a, b: (a, b) in locked)


def _layers(candidates: Sequence[str], over: Over) -> dict[str, float]:
    """How many layers lie below each candidate; `over` has no cycles.

    The top layer are those that none stands over, the next one those among the rest.
    """
    layers: list[list[str]] = []
    left = list(candidates)
    while left:
        layers.append([a for a in left if not any(over(b, a) for b in left if b != a)])
        left = [candidate for candidate in left if candidate not in layers[-1]]
    return {c: float(below) for below, layer in enumerate(reversed(layers)) for c in layer}


def _reachable(candidates: Sequence[str], over: Over) -> set[Pair]:
    """The pairs that a chain leads between, a candidate and itself on a cycle included."""
    reached = {pair for pair in permutations(candidates, 2) if over(*pair)}
    for via in candidates:
        into = [a for a in candidates if (a, via) in reached]
        reached.update((a, b) for a in into for b in candidates if (via, b) in reached)
    return reached


def _beating(found: Margins) -> Over:
    return lambda a, b: a != b and found[a, b] > 0


def _rest(profile: Profile, candidate: str) -> list[str]:
    return [other for other in profile.candidates if other != candidate]
