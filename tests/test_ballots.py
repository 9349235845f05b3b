"""Claims about ballots and the profile they make, and about tallies and agreement."""

from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from engine import ballots
from engine.types import Ballot, CondorcetStatus, LabelOdds

NAMES = ["a", "b", "c", "d"]
rankings = st.integers(2, 4).flatmap(
    lambda m: st.lists(st.permutations(NAMES[:m]), min_size=1, max_size=6)
)


def cast(voter: str, ranking: tuple[str, ...]) -> Ballot:
    scores = {candidate: 1.0 - n / 10 for n, candidate in enumerate(ranking)}
    return Ballot(voter=voter, ranking=ranking, scores=scores, consistency=1.0, mass=1.0)


def test_borda_is_the_published_mean() -> None:
    """(m - r) / (m - 1) a ballot, averaged over the ballots that rank the candidate."""
    got = ballots.borda([("a", "b", "c"), ("b", "c")], NAMES)
    assert got == {"a": 1.0, "b": (0.5 + 1.0) / 2, "c": 0.0, "d": 0.0}


def test_the_vote_on_the_own_text_is_dropped() -> None:
    """A voter's own text leaves its ranking, whatever its place there."""
    assert ballots.without_own_text([cast("b", ("b", "a", "c"))]) == [("a", "c")]


def test_a_full_cycle_is_no_agreement_and_has_no_winner() -> None:
    """ABC, BCA, CAB: W is 0, tau is -1/3, the status is a cycle."""
    cycle = [("a", "b", "c"), ("b", "c", "a"), ("c", "a", "b")]
    assert ballots.kendall_w(cycle) == 0
    assert ballots.mean_tau(cycle) == pytest.approx(-1 / 3)
    beats = ballots.pairwise(cycle, NAMES[:3])
    assert ballots.condorcet(beats, NAMES[:3]).status is CondorcetStatus.CYCLE
    assert set(ballots.copeland(beats, NAMES[:3]).values()) == {0}


@given(rankings)
def test_condorcet_winner_is_who_beats_all(votes: list[list[str]]) -> None:
    """The same as counting every pair by hand; no winner is ever named on a cycle or a tie."""
    candidates = sorted(votes[0])
    got = ballots.condorcet(ballots.pairwise(votes, candidates), candidates)
    winners = [
        a
        for a in candidates
        if all(
            sum(v.index(a) < v.index(b) for v in votes) * 2 > len(votes)
            for b in candidates
            if a != b
        )
    ]
    assert [got.winner] == (winners or [""])
    assert (got.status is CondorcetStatus.WINNER) == bool(winners)


@given(rankings)
def test_smith_set_is_the_smallest_dominating_set(votes: list[list[str]]) -> None:
    """The same as trying every subset."""
    candidates = sorted(votes[0])
    beats = ballots.pairwise(votes, candidates)

    def wins(a: str, b: str) -> bool:
        return a != b and beats[a, b] > beats[b, a]

    subsets = [
        [c for c, chosen in zip(candidates, mask, strict=True) if chosen]
        for mask in product([True, False], repeat=len(candidates))
    ]
    dominating = [
        s for s in subsets if s and all(wins(i, o) for i in s for o in candidates if o not in s)
    ]
    assert sorted(ballots.smith_set(candidates, wins)) == min(dominating, key=len)


def test_two_voters_against_each_other_are_a_tie() -> None:
    """Equal counts without a cycle are called a tie."""
    beats = ballots.pairwise([("a", "b"), ("b", "a")], ["a", "b"])
    assert ballots.condorcet(beats, ["a", "b"]).status is CondorcetStatus.TIE


def test_a_candidate_alone_is_unopposed() -> None:
    """One candidate has won nothing."""
    got = ballots.condorcet({}, ["a"])
    assert (got.status, got.winner) == (CondorcetStatus.UNOPPOSED, "a")


@given(st.permutations(NAMES), st.permutations(NAMES))
def test_tau_agrees_with_scipy(one: list[str], other: list[str]) -> None:
    """Kendall's tau of two strict rankings."""
    places = [[r.index(c) for c in NAMES] for r in (one, other)]
    assert ballots.kendall_tau(one, other) == pytest.approx(stats.kendalltau(*places).statistic)


@given(st.lists(st.permutations(NAMES), min_size=2, max_size=6))
def test_w_agrees_with_friedman(votes: list[list[str]]) -> None:
    """W = chi2_F / (v (m - 1)), the Friedman statistic by scipy."""
    places = [[r.index(c) + 1 for r in votes] for c in NAMES]
    chi2 = stats.friedmanchisquare(*places).statistic
    assert ballots.kendall_w(votes) == pytest.approx(chi2 / (len(votes) * (len(NAMES) - 1)))


def test_agreement_needs_two_voters_and_two_candidates() -> None:
    """Fewer say nothing, and nothing is what is reported."""
    for votes in ([], [("a", "b")], [("a",), ("a",)]):
        assert ballots.kendall_w(votes) is None
        assert ballots.mean_tau(votes) is None


@pytest.mark.parametrize("wanted", list(permutations(NAMES[:3])))
def test_odds_become_the_ranking_they_express(wanted: tuple[str, ...]) -> None:
    """Consistent pairwise odds give back the order they came from, asked in both orders."""
    pairs = [("a", "b"), ("a", "c"), ("b", "c")]
    answers = []
    for first, second in pairs:
        chance = 0.8 if wanted.index(first) < wanted.index(second) else 0.2
        answers.append((odds(chance, 0.9), odds(1 - chance, 0.5)))
    ballot = ballots.ballot_from_odds("v", NAMES[:3], pairs, answers, ("1", "2"))
    assert ballot.ranking == wanted
    assert ballot.approved == 1  # the middle one is above one candidate and below the other
    assert ballot.consistency == 1.0
    assert ballot.mass == 0.5


def test_a_liking_for_a_label_cancels_out_and_is_seen() -> None:
    """Whoever prefers option 1 whatever it is has no consistency, and even odds."""
    ballot = ballots.ballot_from_odds("v", "ab", [("a", "b")], [(odds(0.9), odds(0.9))], ("1", "2"))
    assert ballot.consistency == 0.0
    assert ballot.scores == {"a": pytest.approx(0.5), "b": pytest.approx(0.5)}
    assert ballot.approved == 0


def test_a_written_ranking_is_spread_evenly() -> None:
    """(m - r) / (m - 1), and 1 for a candidate alone; nothing is known of orders and labels."""
    ballot = ballots.ballot_from_ranking("v", ["b", "a", "c"], 2)
    assert (ballot.voter, ballot.ranking, ballot.approved) == ("v", ("b", "a", "c"), 2)
    assert ballot.scores == {"b": 1.0, "a": 0.5, "c": 0.0}
    assert (ballot.consistency, ballot.mass) == (None, None)
    assert ballots.ballot_from_ranking("v", ["a"], None).scores == {"a": 1.0}
    assert ballots.ballot_from_ranking("v", [], 0).scores == {}


@pytest.mark.parametrize(("ranking", "approved"), [("aba", 1), ("ab", 3), ("ab", -1)])
def test_a_ballot_that_cannot_be_is_a_bug(ranking: str, approved: int) -> None:
    """A candidate named twice, or approval of places that there are not."""
    with pytest.raises(AssertionError):
        ballots.ballot_from_ranking("v", ranking, approved)


def test_a_profile_judges_only_others_that_are_in() -> None:
    """The own text and what is excluded leave ranking, scores and the approved places."""
    cast = [
        ballots.ballot_from_ranking("b", ["d", "b", "a", "c"], 3),
        ballots.ballot_from_ranking("v", ["d", "c", "b", "a"], None),
    ]
    got = ballots.profile(["c", "a", "b", "d"], cast, frozenset("d"))
    assert got.candidates == ("c", "a", "b")
    author, outsider = got.ballots
    assert (author.voter, author.ranking, author.approved) == ("b", ("a", "c"), 1)
    assert author.scores == {"a": 1 / 3, "c": 0.0}
    assert (outsider.ranking, outsider.approved) == (("c", "b", "a"), None)


def test_a_profile_hears_who_has_another_to_judge() -> None:
    """A voter left without a candidate has no ranking in it, but its ballot stays."""
    cast = [ballots.ballot_from_ranking(voter, ["a", "b"], 0) for voter in "abv"]
    got = ballots.profile("ab", cast, frozenset("b"))
    assert [ballot.voter for ballot in got.ballots] == ["a", "b", "v"]
    assert got.rankings == (("a",), ("a",))


def test_a_profile_needs_a_candidate() -> None:
    """What to do when all are excluded is asked of whoever excludes."""
    with pytest.raises(AssertionError):
        ballots.profile("ab", [], frozenset("ab"))


def odds(first: float, mass: float = 1.0) -> LabelOdds:
    return LabelOdds(odds={"1": first, "2": 1 - first}, mass=mass)
