"""Enumerate every ballot set of up to 4 candidates and 4 voters, and judge engine.early by them.

python -m bench.early [RULE ...]    all rules of EARLY_RULES, or these

Voters are authors or not, in every mixture; every choice of those whose ballots are cast is taken
with every way that they and the others can vote. Sets that differ only in the order of equal
voters are judged once and weighed by their number. A line tells, for one rule, m and v: how many
states were judged, in how many a choice was decided with ballots outstanding, how often it was
another one than that of some completion (wrong) or none though all completions agree (missed), and
which share of the ballots need not be waited for when they are drawn and come in at random.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, combinations_with_replacement, permutations, product
from math import comb, factorial, prod

from engine.ballots import ballot_from_ranking, profile
from engine.early import EARLY_RULES, decided
from engine.options import Rule
from engine.tallies import tally
from engine.types import Ballot

MOST = 4
Mark = tuple[tuple[str, ...], int]
"""A ranking and how many of its first places are approved of."""
State = tuple[tuple[Mark, ...], tuple[Mark, ...]]
"""The cast ballots of the first authors, in order, and of as many others, sorted."""


@dataclass
class Found:
    """What one rule did for one m and v; `saved` is the sum of the shares over all mixtures."""

    states: int = 0
    early: int = 0
    wrong: int = 0
    missed: int = 0
    saved: float = 0.0


@dataclass
class Council:
    """m candidates; of v voters the first `authors` wrote the first candidates."""

    rule: Rule
    m: int
    v: int
    authors: int
    outcomes: dict[State, str | None] = field(default_factory=dict)

    @property
    def candidates(self) -> str:
        """One letter a candidate."""
        return "abcd"[: self.m]

    def marks(self, author: str = "") -> list[Mark]:
        """All ballots, as far as the rule reads them, of this author or of an outsider."""
        others = [candidate for candidate in self.candidates if candidate != author]
        if self.rule is not Rule.APPROVAL:
            return [(ranking, 0) for ranking in permutations(others)]
        sets = [s for size in range(len(others) + 1) for s in combinations(others, size)]
        return [((*s, *(c for c in others if c not in s)), len(s)) for s in sets]

    def states(self) -> Iterator[State]:
        """Every set of cast ballots, equal voters in one order only."""
        outsiders = self.v - self.authors
        for seated, others in product(range(self.authors + 1), range(outsiders + 1)):
            own = [self.marks(author) for author in self.candidates[:seated]]
            rest = combinations_with_replacement(self.marks(), others)
            yield from product(product(*own), [tuple(sorted(marks)) for marks in rest])

    def ballots(self, state: State) -> list[Ballot]:
        """The cast ballots of a state."""
        voters = [*self.candidates[: len(state[0])], *(f"v{n}" for n in range(len(state[1])))]
        marks = [*state[0], *state[1]]
        return [ballot_from_ranking(w, *mark) for w, mark in zip(voters, marks, strict=True)]

    def outstanding(self, state: State) -> list[str]:
        """The voters whose ballots a state lacks."""
        outsiders = range(len(state[1]), self.v - self.authors)
        return [*self.candidates[len(state[0]) : self.authors], *(f"v{n}" for n in outsiders)]

    def certain(self, state: State) -> str | None:
        """The sole winner of every completion, found by completing one ballot after the other."""
        if state not in self.outcomes:
            winners = {self.certain(after) for after in self._after(state)}
            if not winners:
                won = tally(self.rule, profile(self.candidates, self.ballots(state))).winners
                winners = {won[0] if len(won) == 1 else None}
            self.outcomes[state] = winners.pop() if len(winners) == 1 else None
        return self.outcomes[state]

    def weight(self, state: State) -> float:
        """The chance of the state once so many ballots are cast, over the numbers below v."""
        authors, others = state
        cast = len(authors) + len(others)
        if cast == self.v:
            return 0.0
        arrivals = comb(self.authors, len(authors)) * comb(self.v - self.authors, len(others))
        repeats: int = prod(factorial(n) for n in Counter(others).values())
        orders = factorial(len(others)) / repeats
        own = prod(len(self.marks(author)) for author in self.candidates[: len(authors)])
        drawn: float = orders / (own * len(self.marks()) ** len(others))
        return drawn * arrivals / comb(self.v, cast) / self.v

    def _after(self, state: State) -> Iterator[State]:
        authors, others = state
        if len(authors) < self.authors:
            for mark in self.marks(self.candidates[len(authors)]):
                yield (*authors, mark), others
        elif len(others) < self.v - self.authors:
            for mark in self.marks():
                yield authors, tuple(sorted((*others, mark)))


def judged(rule: Rule, m: int, v: int) -> Found:
    """Every state of every mixture of authors and others."""
    found = Found()
    mixtures = [Council(rule, m, v, authors) for authors in range(min(m, v) + 1)]
    for council in mixtures:
        for state in council.states():
            named = decided(
                rule, council.candidates, council.ballots(state), council.outstanding(state)
            )
            certain = council.certain(state)
            found.states += 1
            found.early += named is not None and council.weight(state) > 0
            found.wrong += named is not None and named != certain
            found.missed += named is None and certain is not None
            found.saved += council.weight(state) / len(mixtures) if named else 0.0
    return found


def main(arguments: Sequence[str]) -> int:
    """Print a line for each rule, m and v; 1 where any choice is wrong or missed."""
    rules = [Rule(name) for name in arguments] or sorted(EARLY_RULES)
    print(f"{'rule':15}m v{'states':>9}{'early':>9}{'wrong':>7}{'missed':>8}{'saved':>8}")
    failures = 0
    for rule, m, v in product(rules, range(2, MOST + 1), range(1, MOST + 1)):
        found = judged(rule, m, v)
        counts = f"{found.states:9}{found.early:9}{found.wrong:7}{found.missed:8}"
        print(f"{rule:15}{m} {v}{counts}{found.saved:8.1%}", flush=True)
        failures += found.wrong + found.missed
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
