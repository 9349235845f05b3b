"""Claims about the rules that count places and scores, against other ways to count them."""

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles import CONDORCET, NAMES, TENNESSEE, by_blocks, profiles
from scipy import stats

from engine import counts
from engine.ballots import Profile, ballot_from_ranking, profile
from engine.types import Ballot


@given(profiles())
def test_first_places_are_those_of_the_ballots_that_name_a_candidate(votes: Profile) -> None:
    """Every ballot with a name on it counts once."""
    tops = Counter(ballot.ranking[0] for ballot in votes.ballots if ballot.ranking)
    assert counts.firsts(votes) == {c: tops[c] for c in votes.candidates}


@given(profiles())
def test_approval_counts_the_voters_who_approve(votes: Profile) -> None:
    """A voter that was not asked approves of nobody."""
    expected = {
        c: sum(c in b.ranking[: b.approved] for b in votes.ballots if b.approved is not None)
        for c in votes.candidates
    }
    assert counts.approvals(votes) == expected


@given(profiles())
def test_borda_and_reciprocal_ranks_are_means_over_who_ranks(votes: Profile) -> None:
    """Places are counted on what is left of each ballot; a ballot of one says nothing."""
    for candidate in votes.candidates:
        ranks = [
            (b.ranking.index(candidate) + 1, len(b.ranking))
            for b in votes.ballots
            if candidate in b.ranking and len(b.ranking) >= 2
        ]
        v = max(len(ranks), 1)
        borda = sum(Fraction(m - r, m - 1) for r, m in ranks) / v
        assert counts.borda(votes)[candidate] == float(borda)
        assert counts.reciprocal_ranks(votes)[candidate] == float(
            sum(Fraction(1, r) for r, _ in ranks) / v
        )


def test_equal_means_of_thirds_are_equal() -> None:
    """Thirds that are added in another order are still a tie, which binary fractions would miss."""
    rows = [("a", "b", "c", "d")] * 3 + [("d", "b", "a", "c")] + [("b", "a", "d", "c")] * 2
    got = counts.borda(profile("abcd", [ballot_from_ranking("v", row, 0) for row in rows]))
    assert got["a"] == got["b"] == 7 / 9


def test_borda_is_condorcets_count() -> None:
    """A has 101 points of his example, B 109 and C 33, of the 162 that 81 voters can give."""
    points = {"A": 101, "B": 109, "C": 33}
    assert counts.borda(CONDORCET) == {c: n / 162 for c, n in points.items()}


def run_off(rankings: list[tuple[str, ...]], left: frozenset[str]) -> list[frozenset[str]]:
    """The sets that are still in, round by round."""
    tops = Counter(kept[0] for r in rankings if (kept := [c for c in r if c in left]))
    fewest = min(tops[c] for c in left)
    staying = frozenset(c for c in left if tops[c] != fewest)
    return [left, *(run_off(rankings, staying) if staying else [])]


@given(profiles(voters=8))
def test_the_run_off_drops_all_with_the_fewest(votes: Profile) -> None:
    """The score of a candidate is how many rounds it is still in, the first aside."""
    rounds = run_off(list(votes.rankings), frozenset(votes.candidates))
    expected = {c: sum(c in left for left in rounds) - 1 for c in votes.candidates}
    assert counts.rounds_survived(votes) == expected


def test_the_run_off_of_tennessee_ends_with_knoxville() -> None:
    """Chattanooga goes first, then Nashville, then Memphis."""
    assert counts.rounds_survived(TENNESSEE) == {"C": 0, "N": 1, "M": 2, "K": 3}


@given(profiles(voters=7))
def test_bucklin_counts_down_to_the_first_majority(votes: Profile) -> None:
    """The ballots with the candidate in the first k places, k as small as a majority allows."""
    v = len(votes.rankings)

    def within(k: int) -> dict[str, float]:
        return {c: float(sum(c in r[:k] for r in votes.rankings)) for c in votes.candidates}

    deep = [k for k in range(1, len(votes.candidates)) if max(within(k).values()) > v / 2]
    assert counts.bucklin(votes) == within(min(deep, default=len(votes.candidates)))


def test_half_of_the_ballots_is_no_majority_for_bucklin() -> None:
    """Two of four first places are not enough, so second places count as well."""
    got = counts.bucklin(by_blocks({"abc": 2, "bca": 1, "cba": 1}))
    assert got == {"a": 2, "b": 4, "c": 2}


def test_bucklin_of_tennessee_is_decided_by_second_places() -> None:
    """The published counts of the second round."""
    assert counts.bucklin(TENNESSEE) == {"M": 42, "N": 68, "C": 58, "K": 32}


scores = st.lists(
    st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.7, 0.9, 1.0]), min_size=4, max_size=4),
    min_size=1,
    max_size=5,
)


@given(scores)
def test_z_scores_and_raw_means_agree_with_scipy(rows: list[list[float]]) -> None:
    """A voter without spread says nothing to the first and counts in the second."""
    votes = Profile(tuple("abcd"), tuple(scored("v", row) for row in rows))
    spread = [row for row in rows if len(set(row)) > 1]
    for n, candidate in enumerate("abcd"):
        z = sum(stats.zscore(row)[n] for row in spread) / max(len(spread), 1)
        assert counts.z_scores(votes)[candidate] == pytest.approx(z, abs=1e-9)
        raw = sum(row[n] for row in rows) / len(rows)
        assert counts.raw_means(votes)[candidate] == pytest.approx(raw)


def test_a_candidate_that_nobody_else_scored_has_the_middle() -> None:
    """Its only score was its author's own: z 0, raw 0."""
    votes = profile("ab", [scored("a", [0.9, 0.1])])
    assert counts.z_scores(votes) == {"a": 0.0, "b": 0.0}
    assert counts.raw_means(votes) == {"a": 0.0, "b": 0.1}


def test_rounding_is_no_spread() -> None:
    """Scores that differ in the last bit only are alike, not far apart."""
    votes = profile("ab", [scored("v", [0.1 + 0.2, 0.3])])
    assert counts.z_scores(votes) == {"a": 0.0, "b": 0.0}


def scored(voter: str, row: list[float]) -> Ballot:
    votes = dict(zip(NAMES, row, strict=False))
    return Ballot(voter=voter, ranking=tuple(sorted(votes, key=lambda c: -votes[c])), scores=votes)
