"""Ballots, however asked for, and the profile that a tally reads; knows no voting rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from engine.types import Ballot, LabelOdds


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
