"""What may be asked of a deliberation beside its task; knows nothing of what comes of it."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from engine.data import Data


class Topology(StrEnum):
    """Who exchanges with whom."""

    NONE = "none"
    RING = "ring"
    K_REGULAR = "k_regular"
    STAR = "star"
    FULL = "full"
    GROUPS = "groups"


class Revise(StrEnum):
    """When an author writes anew: in every round, or only where a reviewer found something."""

    ALWAYS = "always"
    ON_FINDINGS = "on_findings"


class Decide(StrEnum):
    """Who has the last word: the ballots, or an architect who has read them."""

    BALLOTS = "ballots"
    ARCHITECT = "architect"


class BallotForm(StrEnum):
    """How a voter is asked: the odds of each pair in both orders, or one ranking as JSON."""

    ODDS = "odds"
    RANKING = "ranking"


class Rule(StrEnum):
    """How ballots become an order; the comment says what the rule's scores count."""

    PLURALITY = "plurality"  # first places
    MAJORITY = "majority"  # first places, more than v/2 of them to win
    SUPER_MAJORITY = "super_majority"  # first places, at least 2v/3 of them to win
    UNANIMITY = "unanimity"  # first places, all v of them to win
    APPROVAL = "approval"  # voters that approve
    BORDA = "borda"  # mean of (m - r) / (m - 1)
    MRR = "mrr"  # mean of 1 / r
    IRV = "irv"  # rounds survived
    CONDORCET = "condorcet"  # others beaten, all of them to win
    COPELAND = "copeland"  # pairwise wins less losses
    SCHULZE = "schulze"  # layers below
    RANKED_PAIRS = "ranked_pairs"  # layers below
    MINIMAX = "minimax"  # the smallest margin
    BUCKLIN = "bucklin"  # ballots with the candidate in the decisive first places
    KEMENY = "kemeny"  # places below the best one in an optimal ranking
    SCORE = "score"  # mean z-score
    BRADLEY_TERRY = "bradley_terry"  # log-odds strength


MOST = 1000
"""Of anything that is counted here; what a server takes is less."""


class Options(Data):
    """How a council is to deliberate. What is not set is left to the council, then to the policy.

    `rounds` of exchange; `num_agents` that take part; `samples` texts where one agent writes all;
    `layers` of a mixture, the drafts being the first. `topology` says who exchanges with whom: `k`
    peers a text in a regular one, around seat `hub` (1 is the first) in a star, in so many
    `groups` that all meet `exchange_every` so many rounds. `revise` says when an author writes
    anew.

    `ballot` is the form of the votes and `tally` the rule that counts them; `early` ends the vote
    as soon as no ballot still out can change it. With `decide` "architect" one more agent reads
    the first `shortlist` of the order and may choose another.

    The exchange ends before its last round where a `quorum` (share of the texts, 0 for never) says
    the same for `stability` rounds; where a round changes less than the share `gain` of the words
    (0 for never); or, `until_clean`, where no review of a round asks for a change. `token_budget`
    bounds the tokens generated in all; what the decision takes of it is kept back.
    """

    policy: str = Field(default="", max_length=64)
    rounds: int | None = Field(default=None, ge=0, le=MOST)
    num_agents: int | None = Field(default=None, ge=1, le=MOST)
    samples: int | None = Field(default=None, ge=1, le=MOST)
    layers: int | None = Field(default=None, ge=1, le=MOST)
    topology: Topology | None = None
    k: int | None = Field(default=None, ge=1, le=MOST)
    hub: int | None = Field(default=None, ge=1, le=MOST)
    groups: int | None = Field(default=None, ge=1, le=MOST)
    exchange_every: int | None = Field(default=None, ge=1, le=MOST)
    revise: Revise | None = None
    ballot: BallotForm | None = None
    tally: Rule | None = None
    early: bool | None = None
    decide: Decide | None = None
    shortlist: int | None = Field(default=None, ge=1, le=MOST)
    quorum: float | None = Field(default=None, ge=0, le=1)
    stability: int | None = Field(default=None, ge=1, le=MOST)
    gain: float | None = Field(default=None, ge=0, le=1)
    until_clean: bool | None = None
    token_budget: int | None = Field(default=None, ge=1, le=2**31 - 1)
