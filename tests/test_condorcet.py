"""Claims about the rules that compare in pairs, each against its definition by brute force."""

from itertools import combinations, groupby, pairwise, permutations

import pytest
from hypothesis import given
from profiles import CYCLE, SCHULZE, TENNESSEE, by_blocks, profiles

from engine import condorcet, kemeny
from engine.ballots import Profile, ballot_from_ranking, profile
from engine.types import CondorcetStatus


def lead(votes: Profile, a: str, b: str) -> int:
    """By how many ballots a is ahead of b."""
    both = [r for r in votes.rankings if a in r and b in r]
    ahead = sum(r.index(a) < r.index(b) for r in both)
    return ahead - (len(both) - ahead)


@given(profiles())
def test_the_condorcet_winner_is_who_beats_all(votes: Profile) -> None:
    """The same as counting every pair by hand; none is ever named on a cycle or a tie."""
    got = condorcet.condorcet(votes)
    rest = {a: [b for b in votes.candidates if b != a] for a in votes.candidates}
    winners = [a for a in rest if all(lead(votes, a, b) > 0 for b in rest[a])]
    assert [got.winner] == (winners or [""])
    if len(rest) > 1:
        assert (got.status is CondorcetStatus.WINNER) == bool(winners)


@given(profiles())
def test_a_cycle_is_told_from_a_tie(votes: Profile) -> None:
    """It is a cycle exactly where some of the smallest dominating set beat one another around."""
    top = smallest_dominating(votes)
    around = any(
        all(lead(votes, a, b) > 0 for a, b in zip(ring, ring[1:] + ring[:1], strict=True))
        for size in range(3, len(top) + 1)
        for ring in permutations(top, size)
    )
    got = condorcet.condorcet(votes).status
    assert (got is CondorcetStatus.CYCLE) == around


def smallest_dominating(votes: Profile) -> tuple[str, ...]:
    """The smallest set that beats all outside, by trying every set."""
    return next(
        chosen
        for size in range(1, len(votes.candidates) + 1)
        for chosen in combinations(votes.candidates, size)
        if all(lead(votes, a, b) > 0 for a in chosen for b in votes.candidates if b not in chosen)
    )


@given(profiles())
def test_the_smith_set_is_the_smallest_dominating_set(votes: Profile) -> None:
    """The same as trying every subset."""
    got = condorcet.smith_set(votes.candidates, lambda a, b: a != b and lead(votes, a, b) > 0)
    assert sorted(got) == sorted(smallest_dominating(votes))


def test_what_has_no_winner_says_why() -> None:
    """One candidate has won nothing, two voters tie against each other, three go in a circle."""
    alone = condorcet.condorcet(profile("a", []))
    assert (alone.status, alone.winner) == (CondorcetStatus.UNOPPOSED, "a")
    assert condorcet.condorcet(profile("ab", [])).status is CondorcetStatus.TIE
    even = condorcet.condorcet(by_blocks({"ab": 1, "ba": 1}))
    assert (even.status, even.winner) == (CondorcetStatus.TIE, "")
    assert condorcet.condorcet(CYCLE).status is CondorcetStatus.CYCLE


@given(profiles())
def test_wins_copeland_and_minimax_are_their_definitions(votes: Profile) -> None:
    """Wins; wins less losses; the worst margin, 0 for a candidate alone."""
    for a in votes.candidates:
        leads = [lead(votes, a, b) for b in votes.candidates if b != a]
        wins, losses = sum(n > 0 for n in leads), sum(n < 0 for n in leads)
        assert condorcet.pairwise_wins(votes)[a] == wins
        assert condorcet.copeland(votes)[a] == wins - losses
        assert condorcet.minimax(votes)[a] == min(leads, default=0)


def depths(votes: Profile, over: set[tuple[str, str]]) -> dict[str, float]:
    """Layers below each candidate, by the longest chain that stands above it."""

    def above(candidate: str) -> int:
        return max((1 + above(a) for a, b in over if b == candidate), default=0)

    deepest = max(above(candidate) for candidate in votes.candidates)
    return {candidate: float(deepest - above(candidate)) for candidate in votes.candidates}


@given(profiles())
def test_schulze_compares_the_strongest_of_all_simple_paths(votes: Profile) -> None:
    """Every path between every two candidates is tried."""

    def strength(start: str, end: str) -> int:
        between = [c for c in votes.candidates if c not in (start, end)]
        paths = [
            (start, *via, end)
            for size in range(len(between) + 1)
            for via in permutations(between, size)
        ]
        links = [[lead(votes, a, b) for a, b in pairwise(p)] for p in paths]
        return max(max(min(path), 0) for path in links)

    pairs = set(permutations(votes.candidates, 2))
    over = {(a, b) for a, b in pairs if strength(a, b) > strength(b, a)}
    assert condorcet.schulze(votes) == depths(votes, over)


def test_schulzes_own_example_comes_out_as_published() -> None:
    """Its strongest paths hold so many of 45 ballots, and its order is E A C B D."""
    published = {"A": "-28283024", "B": "25-283324", "C": "2529-2924", "D": "252828-24"}
    published["E"] = "25282831-"
    strength = condorcet.strongest_paths(condorcet.margins(SCHULZE), SCHULZE.candidates)
    for a, row in published.items():
        left, _, right = row.partition("-")
        votes = [int(half[n : n + 2]) for half in (left, right) for n in range(0, len(half), 2)]
        others = [b for b in "ABCDE" if b != a]
        assert {b: 2 * n - 45 for b, n in zip(others, votes, strict=True)} == {
            b: strength[a, b] for b in others
        }
    assert condorcet.schulze(SCHULZE) == {"E": 4, "A": 3, "C": 2, "B": 1, "D": 0}


@given(profiles())
def test_ranked_pairs_locks_what_is_on_no_cycle(votes: Profile) -> None:
    """Every ring of candidates is tried against each win of the margins from the largest down."""
    rings = [r for n in range(3, 6) for r in permutations(votes.candidates, n)]
    cycles = [set(zip(ring, ring[1:] + ring[:1], strict=True)) for ring in rings]
    wins = [pair for pair in permutations(votes.candidates, 2) if lead(votes, *pair) > 0]
    locked: set[tuple[str, str]] = set()
    for margin in sorted({lead(votes, *pair) for pair in wins}, reverse=True):
        group = {pair for pair in wins if lead(votes, *pair) == margin}
        closed = [cycle for cycle in cycles if cycle <= locked | group]
        locked |= {pair for pair in group if not any(pair in cycle for cycle in closed)}
    assert condorcet.ranked_pairs(votes) == depths(votes, locked)


@given(profiles(voters=9, least=5, authors=False))
def test_without_equal_margins_ranked_pairs_are_the_textbooks(votes: Profile) -> None:
    """Win by win from the largest margin, unless the locked ones lead back: one strict order."""
    wins = [pair for pair in permutations(votes.candidates, 2) if lead(votes, *pair) > 0]
    wins.sort(key=lambda pair: -lead(votes, *pair))
    sizes = [len(list(group)) for _, group in groupby(wins, key=lambda pair: lead(votes, *pair))]
    if len(wins) * 2 < len(votes.candidates) * (len(votes.candidates) - 1) or set(sizes) - {1}:
        return
    order: set[tuple[str, str]] = set()
    for a, b in wins:
        if (b, a) not in order:
            up = {a} | {x for x, y in order if y == a}
            down = {b} | {y for x, y in order if x == b}
            order |= {(x, y) for x in up for y in down}
    expected = {c: float(sum(x == c for x, _ in order)) for c in votes.candidates}
    assert condorcet.ranked_pairs(votes) == expected


@given(profiles(most=4))
def test_kemeny_is_the_best_of_all_rankings(votes: Profile) -> None:
    """Every order of the candidates is tried; a candidate's score is its best place in the best."""
    contradicted = {
        order: sum(
            r.index(b) < r.index(a)
            for a, b in combinations(order, 2)
            for r in votes.rankings
            if a in r and b in r
        )
        for order in permutations(votes.candidates)
    }
    fewest = min(contradicted.values())
    best = [order for order, n in contradicted.items() if n == fewest]
    last = len(votes.candidates) - 1
    assert kemeny.best_places(votes) == {
        c: last - min(order.index(c) for order in best) for c in votes.candidates
    }


def test_kemeny_of_tennessee_is_as_published() -> None:
    """Nashville, Chattanooga, Knoxville, Memphis."""
    assert kemeny.best_places(TENNESSEE) == {"N": 3, "C": 2, "K": 1, "M": 0}


def test_kemeny_is_exact_or_refused() -> None:
    """Twelve candidates are put in order; with thirteen it says so."""
    names = [f"c{n:02}" for n in range(13)]
    cast = [ballot_from_ranking("v", names, 0)]
    places = {name: 11.0 - n for n, name in enumerate(names[:12])}
    assert kemeny.best_places(profile(names[:12], cast)) == places
    with pytest.raises(ValueError, match="up to 12 candidates, not 13"):
        kemeny.best_places(profile(names, cast))
