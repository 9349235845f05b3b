"""Claims about ballots and the profile they make, and about tallies and agreement."""

from itertools import permutations

import pytest
from hypothesis import strategies as st

from engine import ballots
from engine.types import LabelOdds

NAMES = ["a", "b", "c", "d"]
rankings = st.integers(2, 4).flatmap(
    lambda m: st.lists(st.permutations(NAMES[:m]), min_size=1, max_size=6)
)


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
