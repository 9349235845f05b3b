"""Claims about who exchanges with whom."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.options import Options, Topology
from engine.policies import Rules, settle
from engine.topologies import peers, wanted


def rules(topology: str, **options: object) -> Rules:
    return settle(Options.model_validate({"topology": topology, **options}), Options())


def heard(rules: Rules, seats: int, round: int = 1) -> list[set[int]]:
    """Whom each seat hears in a round while nobody is lost."""
    most = wanted(rules, seats)
    return [set(peers(rules, seat, seats, round)[:most]) for seat in range(seats)]


@pytest.mark.parametrize(
    ("topology", "options", "expected"),
    [
        ("none", {}, [set(), set(), set(), set()]),
        ("ring", {}, [{1}, {2}, {3}, {0}]),
        ("k_regular", {"k": 2}, [{1, 2}, {2, 3}, {3, 0}, {0, 1}]),
        ("star", {"hub": 2}, [{1}, {0, 2, 3}, {1}, {1}]),
        ("full", {}, [{1, 2, 3}, {0, 2, 3}, {0, 1, 3}, {0, 1, 2}]),
        ("groups", {"groups": 2}, [{2}, {3}, {0}, {1}]),
    ],
)
def test_four_seats(topology: str, options: dict[str, int], expected: list[set[int]]) -> None:
    """The first round of each topology, written out."""
    assert heard(rules(topology, **options), 4) == expected


@given(st.integers(2, 9))
def test_a_ring_meets_everybody_before_anybody_twice(seats: int) -> None:
    """In n - 1 rounds each seat hears each other one once, then it begins anew."""
    ring = rules("ring")
    met = [peers(ring, 0, seats, round)[0] for round in range(1, seats)]
    assert sorted(met) == list(range(1, seats))
    assert peers(ring, 0, seats, seats) == peers(ring, 0, seats, 1)


@given(st.sampled_from(list(Topology)), st.integers(1, 9), st.integers(1, 12))
def test_nobody_hears_itself_or_anybody_twice(topology: Topology, seats: int, round: int) -> None:
    """In any topology and any round; a council of one hears nobody."""
    for seat in range(seats):
        found = peers(rules(topology), seat, seats, round)
        assert seat not in found
        assert len(set(found)) == len(found)
        assert set(found) <= set(range(seats))


@given(st.integers(2, 9), st.integers(1, 8))
def test_in_a_ring_another_takes_the_place_of_one_that_is_lost(seats: int, round: int) -> None:
    """All others are named, so that the next one can be asked."""
    assert set(peers(rules("ring"), 0, seats, round)) == set(range(1, seats))


@pytest.mark.parametrize(("round", "pairs"), [(1, 2), (2, 2), (3, 6), (4, 2), (6, 6)])
def test_groups_meet_every_so_many_rounds(round: int, pairs: int) -> None:
    """Two groups of two are two pairs, and all four together six."""
    found = heard(rules("groups", groups=2, exchange_every=3), 4, round)
    assert sum(b in found[a] and a in found[b] for a, b in combinations(range(4), 2)) == pairs


def test_three_groups_of_two() -> None:
    """Seats are dealt out in turn: 0 and 3, 1 and 4, 2 and 5."""
    assert heard(rules("groups", groups=3), 6) == [{3}, {4}, {5}, {0}, {1}, {2}]


def test_how_many_are_heard() -> None:
    """One on a ring, k in a regular topology, all there are elsewhere."""
    assert wanted(rules("ring"), 7) == 1
    assert wanted(rules("k_regular", k=3), 7) == 3
    assert wanted(rules("full"), 7) == 7
