"""Profiles for the tests of tallies: drawn ones, and published ones with known winners."""

from collections.abc import Mapping
from random import Random

from hypothesis import strategies as st

from engine.ballots import Profile, ballot_from_ranking, profile
from engine.types import Ballot

NAMES = "abcde"


@st.composite
def profiles(
    draw: st.DrawFn, most: int = 5, voters: int = 6, least: int = 0, authors: bool = True
) -> Profile:
    """Up to `most` candidates and `voters` voters, some of them authors unless told otherwise."""
    candidates = NAMES[: draw(st.integers(1, most))]
    return profile(candidates, draw(ballots(candidates, least, voters, authors)))


@st.composite
def ballots(
    draw: st.DrawFn, candidates: str, least: int, most: int, authors: bool = True
) -> list[Ballot]:
    """Complete ballots of distinct voters; one number draws them all, which keeps it quick."""
    v, seats = draw(st.integers(least, most)), draw(st.integers(0, len(candidates) * authors))
    chance = Random(draw(st.integers(0, 2**32)))
    voters = [*chance.sample(candidates, min(seats, v)), *(f"v{n}" for n in range(v))][:v]
    places = [None, *range(len(candidates) + 1)]
    return [
        ballot_from_ranking(
            voter, chance.sample(candidates, len(candidates)), chance.choice(places)
        )
        for voter in voters
    ]


def by_blocks(blocks: Mapping[str, int]) -> Profile:
    """So many outsiders for each ranking, written as one letter a candidate."""
    rankings = [ranking for ranking, size in blocks.items() for _ in range(size)]
    cast = [ballot_from_ranking(f"v{n}", tuple(r), 1) for n, r in enumerate(rankings)]
    return profile(sorted(rankings[0]), cast)


TENNESSEE = by_blocks({"MNCK": 42, "NCKM": 26, "CKNM": 15, "KCNM": 17})
"""The capital of Tennessee, the textbook's example: Memphis, Nashville, Chattanooga, Knoxville."""

SCHULZE = by_blocks(
    {
        "ACBED": 5,
        "ADECB": 5,
        "BEDAC": 8,
        "CABED": 3,
        "CAEBD": 7,
        "CBADE": 2,
        "DCEBA": 7,
        "EBADC": 8,
    }
)
"""Schulze's own example of 45 voters, whose order is E A C B D."""

CONDORCET = by_blocks({"ABC": 30, "ACB": 1, "BAC": 29, "BCA": 10, "CAB": 10, "CBA": 1})
"""Condorcet's example of 81 voters against Borda: A beats the others, B has more points."""

CYCLE = by_blocks({"ABC": 1, "BCA": 1, "CAB": 1})
