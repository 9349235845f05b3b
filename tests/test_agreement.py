"""Claims about agreement, against scipy."""

from math import inf, isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from engine import agreement
from engine.ballots import ballot_from_ranking
from engine.types import Ballot

NAMES = "abcd"
few = st.sampled_from([0.1, 0.25, 0.5, 0.75])
labels = st.lists(st.sampled_from("xyz"), max_size=8)


@given(st.lists(st.tuples(few, few), min_size=2, max_size=6))
def test_tau_b_agrees_with_scipy(pairs: list[tuple[float, float]]) -> None:
    """With ties on either side; nothing where one side ties throughout."""
    one, other = zip(*pairs, strict=True)
    expected = stats.kendalltau(one, other).statistic
    assert agreement.mean_tau([scoring(one), scoring(other)]) == (
        None if isnan(expected) else pytest.approx(expected)
    )


def scoring(row: tuple[float, ...]) -> Ballot:
    """A ballot with these scores; agreement is over them and not over the places."""
    scores = {f"c{n}": value for n, value in enumerate(row)}
    return Ballot(voter="v", ranking=tuple(scores), scores=scores)


def test_mean_tau_is_over_the_pairs_that_have_one() -> None:
    """A voter that ties all takes no part; without a pair there is nothing."""
    one = ballot_from_ranking("x", "abc", None)
    other = ballot_from_ranking("y", "bac", None)
    even = one.model_copy(update={"scores": dict.fromkeys("abc", 0.5)})
    assert agreement.mean_tau([one, even, other]) == pytest.approx(1 / 3)
    assert agreement.mean_tau([one, one, other]) == pytest.approx((1 + 1 / 3 + 1 / 3) / 3)
    assert agreement.mean_tau([one, even]) is None
    assert agreement.mean_tau([one]) is None
    assert agreement.mean_tau([]) is None


@given(st.lists(st.permutations(NAMES), min_size=2, max_size=6))
def test_w_agrees_with_friedman(votes: list[list[str]]) -> None:
    """W = chi2_F / (v (m - 1)), the Friedman statistic by scipy."""
    places = [[r.index(c) + 1 for r in votes] for c in NAMES]
    chi2 = stats.friedmanchisquare(*places).statistic
    assert agreement.kendall_w(votes) == pytest.approx(chi2 / (len(votes) * (len(NAMES) - 1)))


def test_a_full_cycle_is_no_agreement() -> None:
    """ABC, BCA, CAB: W is 0 and tau -1/3."""
    cycle = ["abc", "bca", "cab"]
    assert agreement.kendall_w(cycle) == 0
    voters = [ballot_from_ranking(ranking[0], ranking, None) for ranking in cycle]
    assert agreement.mean_tau(voters) == pytest.approx(-1 / 3)


def test_one_mind_is_full_agreement() -> None:
    """W is 1 of two equal rankings of two."""
    assert agreement.kendall_w(["ab", "ab"]) == 1


@pytest.mark.parametrize("votes", [[], ["ab"], ["a", "a"], ["ab", "ac"], ["ab", "abc"]])
def test_w_needs_two_rankings_of_the_same_two(votes: list[str]) -> None:
    """Fewer say nothing, nor do rankings of different candidates."""
    assert agreement.kendall_w(votes) is None


@given(labels)
def test_entropy_agrees_with_scipy(classes: list[str]) -> None:
    """In bits, of the classes' shares."""
    sizes = [classes.count(label) for label in set(classes)]
    expected = stats.entropy(sizes, base=2) if sizes else 0
    assert agreement.entropy(classes) == pytest.approx(expected, abs=1e-12)


@given(labels)
def test_the_margin_is_that_of_the_two_largest_shares(classes: list[str]) -> None:
    """All of one class is 1, two equal ones or none at all are 0."""
    second, first = sorted([0, *(classes.count(label) for label in "xyz")])[-2:]
    assert agreement.margin(classes) == pytest.approx((first - second) / (len(classes) or inf))


def test_classes_by_hand() -> None:
    """Two, one and one of four: one and a half bits, a margin of a quarter."""
    classes = ["x", "y", "x", "z"]
    assert agreement.entropy(classes) == pytest.approx(1.5)
    assert agreement.margin(classes) == 0.25
