"""Claims about deciding early, against every completion; bench/early.py tries more of them."""

import random
from collections.abc import Iterator
from itertools import combinations_with_replacement, permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles import NAMES, ballots

from engine.ballots import ballot_from_ranking, profile
from engine.early import EARLY_RULES, decided
from engine.tallies import Rule, tally
from engine.types import Ballot


def completions(voter: str, candidates: str, rule: Rule) -> list[Ballot]:
    """Every ballot that the voter can cast, as far as the rule reads it."""
    others = [c for c in candidates if c != voter]
    if rule is Rule.APPROVAL:
        return [
            ballot_from_ranking(voter, sorted(others, key=lambda c: c not in chosen), len(chosen))
            for mask in product([True, False], repeat=len(others))
            for chosen in [{c for c, taken in zip(others, mask, strict=True) if taken}]
        ]
    return [ballot_from_ranking(voter, order, 0) for order in permutations(others)]


def certain(rule: Rule, candidates: str, cast: list[Ballot], outstanding: list[str]) -> str | None:
    """Who alone wins in every completion, by trying them all."""
    ways = product(*(completions(voter, candidates, rule) for voter in outstanding))
    winners = {tally(rule, profile(candidates, [*cast, *more])).winners for more in ways}
    return only[0] if len(winners) == 1 and len(only := winners.pop()) == 1 else None


def states(rule: Rule, m: int, v: int) -> Iterator[tuple[list[Ballot], list[str]]]:
    """What v voters, of which some are authors, may have cast and who is missing.

    The missing are the last authors and the last others; others that are alike swap no ballots.
    """
    for authors in range(min(m, v) + 1):
        seats, rest = NAMES[:authors], [f"v{n}" for n in range(v - authors)]
        for a, r in product(range(authors + 1), range(len(rest) + 1)):
            rows = [completions(voter, NAMES[:m], rule) for voter in seats[:a]]
            alike = combinations_with_replacement(completions("", NAMES[:m], rule), r)
            named = [
                [b.model_copy(update={"voter": w}) for b, w in zip(some, rest, strict=False)]
                for some in alike
            ]
            for own, others in product(product(*rows), named):
                yield [*own, *others], [*seats[a:], *rest[r:]]


@pytest.mark.parametrize("rule", sorted(EARLY_RULES))
def test_a_choice_is_decided_exactly_when_it_is_certain(rule: Rule) -> None:
    """Up to three candidates and three voters in all states, and a fixed sample with four."""
    small = [(m, s) for m, v in product((1, 2, 3), (0, 1, 2, 3)) for s in states(rule, m, v)]
    chance = random.Random(5)
    drawn = [(4, drawn_state(rule, 4, chance)) for _ in range(30)]
    found: set[tuple[int, str | None]] = set()
    for m, (cast, outstanding) in [*small, *drawn]:
        expected = certain(rule, NAMES[:m], cast, outstanding)
        assert decided(rule, NAMES[:m], cast, outstanding) == expected, (cast, outstanding)
        found.add((m, expected))
    assert found >= {(1, "a"), (2, "b"), (3, "c"), (3, None), (4, None)}
    assert rule is Rule.UNANIMITY or (4, "a") in found


def drawn_state(rule: Rule, m: int, chance: random.Random) -> tuple[list[Ballot], list[str]]:
    """Three or four voters of which one is missing, with a leaning towards the first letters."""
    pool = [*NAMES[:m], *(f"v{n}" for n in range(4))]
    voters = chance.sample(pool, chance.choice([3, 4]))
    cast = [
        min(chance.choices(completions(voter, NAMES[:m], rule), k=3), key=lambda b: b.ranking)
        for voter in voters[1:]
    ]
    return cast, voters[:1]


@pytest.mark.parametrize("rule", sorted(set(Rule) - EARLY_RULES))
def test_other_rules_wait_for_all_ballots(rule: Rule) -> None:
    """Not even what nobody can change is decided by them."""
    cast = [ballot_from_ranking(f"v{n}", "ab", 1) for n in range(3)]
    assert tally(rule, profile("ab", cast)).winners == ("a",)
    assert decided(rule, "ab", cast, []) is None


def test_the_self_vote_is_what_makes_it_certain() -> None:
    """One vote for b decides if only a is missing, who cannot answer it; an outsider could."""
    cast = [ballot_from_ranking("v0", "ba", 1)]
    assert decided(Rule.BORDA, "ab", cast, ["a"]) == "b"
    assert decided(Rule.BORDA, "ab", cast, ["v1"]) is None


drawn_councils = st.integers(3, 5).flatmap(
    lambda m: st.tuples(
        st.just(NAMES[:m]),
        ballots(NAMES[:m], 1, 5),
        st.lists(st.sampled_from([*NAMES[:m], "w0", "w1"]), max_size=2, unique=True),
    )
)


@given(drawn_councils, st.randoms(use_true_random=False))
def test_no_ballots_unseat_who_is_decided(
    drawn: tuple[str, list[Ballot], list[str]], chance: random.Random
) -> None:
    """With more candidates than are enumerated: whatever the missing voters cast, it stands."""
    candidates, cast, outstanding = drawn
    outstanding = [w for w in outstanding if w not in {ballot.voter for ballot in cast}]
    for rule in EARLY_RULES:
        if choice := decided(rule, candidates, cast, outstanding):
            for _ in range(3):
                more = [any_ballot(voter, candidates, chance) for voter in outstanding]
                assert tally(rule, profile(candidates, [*cast, *more])).winners == (choice,)


def any_ballot(voter: str, candidates: str, chance: random.Random) -> Ballot:
    ranking = chance.sample(candidates, len(candidates))
    return ballot_from_ranking(voter, ranking, chance.randint(0, len(ranking)))


def test_a_lead_larger_than_what_is_missing_is_decided_among_many() -> None:
    """Seven of ten for one among ten candidates; three of six may yet meet three against them.

    Three voters can always break unanimity, and by Borda they may lift who came second seven times.
    """
    names = "abcdefghij"
    cast = [ballot_from_ranking(f"v{n}", names, 1) for n in range(7)]
    missing = ["w0", "w1", "w2"]
    decided_by = {rule for rule in EARLY_RULES if decided(rule, names, cast, missing) == "a"}
    assert decided_by == EARLY_RULES - {Rule.UNANIMITY, Rule.BORDA}
    assert not any(decided(rule, names, cast[:3], missing) for rule in EARLY_RULES)
