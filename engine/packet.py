"""The decision packet: what was decided and all that qualifies it; knows nothing of how."""

from __future__ import annotations

from enum import StrEnum
from itertools import groupby

from pydantic import Field

from engine.data import Data
from engine.options import Rule
from engine.types import Condorcet, Phase, Usage


class StopReason(StrEnum):
    """Why a deliberation stopped where it did."""

    DECIDED = "decided"  # all ballots were in, or none that was out could change the choice
    QUORUM_STABLE = "quorum_stable"
    UNANIMOUS = "unanimous"
    NO_NEW_FINDINGS = "no_new_findings"
    DIMINISHING = "diminishing"
    BUDGET = "budget"
    DEADLINE = "deadline"
    IMPASSE = "impasse"
    CANCELLED = "cancelled"
    DEGRADED = "degraded"


class Tally(Data):
    """What one rule makes of the ballots.

    `scores` are what the rule counts, higher is better. `winners` are those with the highest; none
    where no ballot speaks to the rule or its threshold is missed. `low` and `high` are the ends of
    the 95 % intervals of Bradley-Terry strengths, else empty.
    """

    rule: Rule
    scores: dict[str, float]
    winners: tuple[str, ...]
    low: dict[str, float] = Field(default_factory=dict)
    high: dict[str, float] = Field(default_factory=dict)

    @property
    def tiers(self) -> tuple[tuple[str, ...], ...]:
        """All candidates, best first, those with equal scores together in sealed order."""
        ordered = sorted(self.scores, key=lambda candidate: -self.scores[candidate])
        return tuple(tuple(tier) for _, tier in groupby(ordered, key=lambda c: self.scores[c]))


class Ranked(Data):
    """One candidate in the decided order. `rank` 1 is best, `score` what the rule gave it."""

    author: str
    rank: int
    score: float


class Objection(Data):
    """A major finding against the winner's text as its last reviewers saw it.

    `answered` says that the author revised afterwards, not that the reviewer agrees.
    """

    reviewer: str
    issue: str
    answered: bool


class Minority(Data):
    """A voter whose first choice among others' texts is not the winner.

    `by` is how much higher it scored its own choice, 0 to 1; `objections` are what it said itself
    against the winner's text.
    """

    voter: str
    prefers: str
    by: float = 0.0
    objections: tuple[str, ...] = ()


class Override(Data):
    """The architect chose another text than the ballots: which rule had named which, and why."""

    by: str
    rule: str
    instead_of: str
    reason: str


class Verdict(StrEnum):
    """What a check says of a text. One that does not apply is no pass."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not_applicable"


class CheckResult(Data):
    """What one check says of one text; a `blocking` one that failed excludes the text."""

    check: str
    verdict: Verdict
    blocking: bool = True
    message: str = ""


class Decision(Data):
    """What the council decided and all that qualifies it; degraded comes first on purpose.

    `rule` made the order; `margin` is by how much the winner leads in what it counts, among answer
    classes in the share of the texts, and negative where it was overridden. `tallies`
    are what every rule says of the same ballots and `dissenting_rules` those that name another
    winner. Where several were first, they are `tied` and `tie_break` decided. `agreement_tau`
    (-1 to 1) is over the voters' scores and `agreement_w` (0 to 1) over the complete rankings,
    None where there are fewer than two. `consistency` is the mean share of comparisons that came
    out the same in both orders of asking: near 0 the voters followed the order and not the texts.

    `classes` says which texts give the same answer, `entropy` (bits) how far they are apart.
    `excluded` failed a check that excludes. `spared` voters were not heard because nothing they
    could say would have changed the choice. `reopen` names what would. `aborted` counts the turns
    that were stopped on the way; their tokens are among `tokens`.
    """

    degraded: bool
    lost: dict[str, str]
    choice: str
    rule: str
    order: tuple[Ranked, ...]
    margin: float
    condorcet: Condorcet
    agreement_tau: float | None
    agreement_w: float | None
    consistency: float | None
    objections: tuple[Objection, ...]
    minority: tuple[Minority, ...]
    tokens: dict[Phase, Usage]
    stop_reason: StopReason
    policy: str = ""
    tallies: tuple[Tally, ...] = ()
    dissenting_rules: tuple[str, ...] = ()
    tied: tuple[str, ...] = ()
    tie_break: str = ""
    override: Override | None = None
    classes: dict[str, str] = Field(default_factory=dict)
    entropy: float = 0.0
    excluded: tuple[str, ...] = ()
    spared: tuple[str, ...] = ()
    reopen: tuple[str, ...] = ()
    aborted: int = 0
    seed: str = ""
