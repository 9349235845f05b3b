"""Ballots, however asked for, and the profile that a tally reads; knows no voting rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from engine.types import Ballot, Condorcet, CondorcetStatus, LabelOdds

Beats = Mapping[tuple[str, str], int]
"""How many ballots rank the first candidate above the second, for every ordered pair."""


def ballot_from_odds(
    voter: str,
    candidates: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    answers: Sequence[tuple[LabelOdds, LabelOdds]],
    labels: tuple[str, str],
) -> Ballot:
    """The ranking that a voter's pairwise odds amount to.

    Each pair was asked twice: as (first, second) and as (second, first), so that a liking for a
    label cancels out. A candidate's score is the mean, over the other candidates, of the chance
    that it is the better one; the voter approves of those above 0.5.
    """
    chance: dict[str, list[float]] = {candidate: [] for candidate in candidates}
    agreed = 0
    for (first, second), (straight, swapped) in zip(pairs, answers, strict=True):
        one, other = straight.odds[labels[0]], swapped.odds[labels[1]]
        chance[first].append((one + other) / 2)
        chance[second].append(1 - (one + other) / 2)
        agreed += (one > 0.5) == (other > 0.5)
    scores = {candidate: fmean(values) for candidate, values in chance.items()}
    return Ballot(
        voter=voter,
        ranking=tuple(sorted(scores, key=lambda candidate: -scores[candidate])),
        scores=scores,
        approved=sum(score > 0.5 for score in scores.values()),
        consistency=agreed / len(pairs),
        mass=min(answer.mass for both in answers for answer in both),
    )


def ballot_from_ranking(voter: str, ranking: Sequence[str], approved: int | None) -> Ballot:
    """The ballot of a voter that wrote its ranking down, best first.

    The r-th of m candidates scores (m - r) / (m - 1), a candidate alone 1. `approved` is how many
    of the first places it approves of, 0 to m.
    """
    m = len(ranking)
    assert len(set(ranking)) == m, "a ranking names a candidate once"
    assert approved is None or 0 <= approved <= m, "approved counts places of the ranking"
    scores = {c: (m - place) / (m - 1) if m > 1 else 1.0 for place, c in enumerate(ranking, 1)}
    return Ballot(voter=voter, ranking=tuple(ranking), scores=scores, approved=approved)


@dataclass(frozen=True)
class Profile:
    """What there is to tally: the candidates in sealed order and the ballots that judge them.

    Votes on the own text and on candidates that are out are no longer on the ballots; a ballot
    may be left with one candidate or none. Voters need not be authors, nor authors voters.
    """

    candidates: tuple[str, ...]
    ballots: tuple[Ballot, ...]

    @property
    def rankings(self) -> tuple[tuple[str, ...], ...]:
        """The rankings that name a candidate, one for each voter who was heard."""
        return tuple(ballot.ranking for ballot in self.ballots if ballot.ranking)


def profile(
    candidates: Sequence[str], ballots: Sequence[Ballot], excluded: frozenset[str] = frozenset()
) -> Profile:
    """The profile of these ballots without the candidates that a blocking check has excluded.

    What to do when every candidate is excluded is the caller's to say.
    """
    left = tuple(candidate for candidate in candidates if candidate not in excluded)
    assert left, "a tally needs a candidate"
    return Profile(left, tuple(_judging(ballot, frozenset(left)) for ballot in ballots))


def _judging(ballot: Ballot, candidates: frozenset[str]) -> Ballot:
    """The ballot with nothing on it but candidates that the voter did not write."""
    others = candidates - {ballot.voter}
    liked = ballot.ranking[: ballot.approved]
    return ballot.model_copy(
        update={
            "ranking": tuple(c for c in ballot.ranking if c in others),
            "scores": {c: score for c, score in ballot.scores.items() if c in others},
            "approved": None if ballot.approved is None else sum(c in others for c in liked),
        }
    )


def without_own_text(ballots: Sequence[Ballot]) -> list[tuple[str, ...]]:
    """The rankings with each voter's vote on its own text taken out."""
    return [tuple(c for c in b.ranking if c != b.voter) for b in ballots]


def borda(rankings: Sequence[Sequence[str]], candidates: Sequence[str]) -> dict[str, float]:
    """Mean of (m - r) / (m - 1) over the rankings that hold the candidate, m counted on each.

    A ranking of fewer than two says nothing; a candidate on none of them scores 0.
    """
    points: dict[str, list[float]] = {candidate: [] for candidate in candidates}
    for ranking in rankings:
        m = len(ranking)
        for place, candidate in enumerate(ranking, 1):
            if m > 1:
                points[candidate].append((m - place) / (m - 1))
    return {candidate: fmean(got) if got else 0.0 for candidate, got in points.items()}


def pairwise(rankings: Sequence[Sequence[str]], candidates: Sequence[str]) -> Beats:
    """Count, for every ordered pair, the rankings that put the first above the second."""
    beats = {(a, b): 0 for a in candidates for b in candidates if a != b}
    for ranking in rankings:
        for above, below in combinations(ranking, 2):
            beats[above, below] += 1
    return beats


def copeland(beats: Beats, candidates: Sequence[str]) -> dict[str, int]:
    """Pairwise wins less pairwise losses of each candidate."""
    return {
        a: sum(_sign(beats[a, b] - beats[b, a]) for b in candidates if b != a) for a in candidates
    }


def condorcet(beats: Beats, candidates: Sequence[str]) -> Condorcet:
    """The candidate that beats every other one pairwise, or why there is none."""
    if len(candidates) == 1:
        return Condorcet(status=CondorcetStatus.UNOPPOSED, winner=candidates[0])

    def wins(a: str, b: str) -> bool:
        return a != b and beats[a, b] > beats[b, a]

    top = smith_set(candidates, wins)
    if len(top) == 1:
        return Condorcet(status=CondorcetStatus.WINNER, winner=top[0])
    cyclic = any(_reaches(a, a, top, wins) for a in top)
    return Condorcet(status=CondorcetStatus.CYCLE if cyclic else CondorcetStatus.TIE)


def smith_set(candidates: Sequence[str], wins: Callable[[str, str], bool]) -> list[str]:
    """The smallest set whose every member beats every candidate outside it."""

    def closure(start: str) -> list[str]:
        inside = [start]
        for member in inside:
            inside += [c for c in candidates if c not in inside and not wins(member, c)]
        return inside

    return min((closure(candidate) for candidate in candidates), key=len)


def kendall_tau(one: Sequence[str], other: Sequence[str]) -> float:
    """(concordant - discordant) pairs over all pairs of two strict rankings, -1..1."""
    place = {candidate: n for n, candidate in enumerate(other)}
    signs = [_sign(place[b] - place[a]) for a, b in combinations(one, 2)]
    return sum(signs) / len(signs)


def mean_tau(rankings: Sequence[Sequence[str]]) -> float | None:
    """Mean Kendall tau over all pairs of complete rankings; None where there is no pair."""
    if len(rankings) < 2 or len(rankings[0]) < 2:
        return None
    return fmean(kendall_tau(a, b) for a, b in combinations(rankings, 2))


def kendall_w(rankings: Sequence[Sequence[str]]) -> float | None:
    """Kendall's W = 12 S / (v^2 (m^3 - m)) of complete rankings, 0 (a full cycle) to 1."""
    if len(rankings) < 2 or len(rankings[0]) < 2:
        return None
    v, m = len(rankings), len(rankings[0])
    sums = [sum(ranking.index(candidate) + 1 for ranking in rankings) for candidate in rankings[0]]
    mean = fmean(sums)
    return 12 * sum((s - mean) ** 2 for s in sums) / (v * v * (m**3 - m))


def _reaches(start: str, goal: str, among: list[str], wins: Callable[[str, str], bool]) -> bool:
    """Whether a chain of wins leads from start to goal."""
    seen: set[str] = set()
    front = [start]
    while front:
        here = front.pop()
        beaten = [c for c in among if wins(here, c) and c not in seen]
        seen.update(beaten)
        front += beaten
    return goal in seen


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
