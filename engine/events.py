"""What happened in a deliberation, as facts in the past tense; knows nothing of who reads them.

A turn's outcome is one event that carries the turn's id, so that the recorded events are also the
memory of the calls already paid for.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from engine.data import Data
from engine.packet import CheckResult, Decision, StopReason
from engine.policies import Rules
from engine.types import Ballot, Council, Finding, Phase, Severity, Task, Usage


class StorySeen(Data):
    """Which state of a story the agents were shown: its version, how many notes, the text's hash.

    Where there was nothing to show, `missing` says why.
    """

    version: int = 0
    notes: int = 0
    hash: str = ""
    missing: str = ""


class StoryContext(StorySeen):
    """What was known of the task's story when it was convened; `hash` is the SHA-256 of `text`."""

    text: str = ""


class Convened(Data):
    """The deliberation began: the request, the council as it was seated, and what was settled.

    `rules` is None in records from before it was kept; it then follows from the other two. `story`
    is None where the task belongs to no story; a fork has that of its origin.
    """

    kind: Literal["convened"] = "convened"
    task: Task
    council: Council
    rules: Rules | None = None
    story: StoryContext | None = None


class Clipped(Data):
    """A part did not fit its budget; the agents see its first `kept` of `tokens` tokens."""

    part: str
    kept: int
    tokens: int


class Brief(Data):
    """What every prompt of a deliberation begins with, and what had to be left out of it.

    `title` is the task's title as it stands again beside the question; `prompts` names the wording
    of the prompts, so that an upgrade is noticed.
    """

    text: str
    title: str
    fence: str
    prompts: str
    clipped: tuple[Clipped, ...]


class Briefed(Data):
    """The prompts' common beginning was laid down; whatever was said under another is void."""

    kind: Literal["briefed"] = "briefed"
    brief: Brief


class Asked(Data):
    """An agent was given a turn."""

    kind: Literal["asked"] = "asked"
    turn: str
    agent: str
    phase: Phase
    round: int
    target: str


class Drafted(Data):
    """An agent wrote its first text, alone."""

    kind: Literal["drafted"] = "drafted"
    turn: str
    agent: str
    text: str
    reasoning: str
    truncated: bool
    usage: Usage


class Checked(Data):
    """A text was looked at by all checks there are; `results` may be empty."""

    kind: Literal["checked"] = "checked"
    agent: str
    round: int
    results: tuple[CheckResult, ...]


class Critiqued(Data):
    """An agent reviewed a text; as a `probe` it was asked for the strongest case against it."""

    kind: Literal["critiqued"] = "critiqued"
    turn: str
    agent: str
    target: str
    round: int
    findings: tuple[Finding, ...]
    verdict: Literal["accept", "revise"]
    usage: Usage
    probe: bool = False

    @property
    def asks_for_change(self) -> bool:
        """Whether there is something to mend: a major finding, or a minor one with "revise"."""
        major = any(finding.severity is Severity.MAJOR for finding in self.findings)
        return major or (self.verdict == "revise" and bool(self.findings))


class Revised(Data):
    """An author wrote its text anew, with the critiques it got or its peers' texts in view."""

    kind: Literal["revised"] = "revised"
    turn: str
    agent: str
    round: int
    text: str
    reasoning: str
    truncated: bool
    usage: Usage


class Voted(Data):
    """An agent ranked all texts."""

    kind: Literal["voted"] = "voted"
    turn: str
    agent: str
    ballot: Ballot
    usage: Usage


class Merged(Data):
    """An agent made one text of all; it is the choice."""

    kind: Literal["merged"] = "merged"
    turn: str
    agent: str
    round: int
    text: str
    reasoning: str
    truncated: bool
    usage: Usage


class Judged(Data):
    """The architect chose among the first texts of the order, and said why."""

    kind: Literal["judged"] = "judged"
    turn: str
    agent: str
    choice: str
    reason: str
    usage: Usage


class Rejected(Data):
    """A reply could not be used. It was paid for, so it is kept, with what was wrong."""

    kind: Literal["rejected"] = "rejected"
    turn: str
    agent: str
    phase: Phase
    reason: str
    text: str
    usage: Usage


class Dropped(Data):
    """An agent takes no further part, since this turn if there is one; its texts stay."""

    kind: Literal["dropped"] = "dropped"
    agent: str
    phase: Phase
    reason: str
    turn: str = ""


class Aborted(Data):
    """A turn under way was stopped because its reply was not needed any more."""

    kind: Literal["aborted"] = "aborted"
    turn: str
    agent: str
    phase: Phase
    usage: Usage


class Settled(Data):
    """The exchange ended before its last round, and why; there were so many rounds."""

    kind: Literal["settled"] = "settled"
    reason: StopReason
    round: int


class Resumed(Data):
    """Another writer took the deliberation up after an interruption."""

    kind: Literal["resumed"] = "resumed"


class Suspended(Data):
    """The work stopped with no end: nobody waited for it any more. It can be resumed."""

    kind: Literal["suspended"] = "suspended"
    reason: str


class Hastened(Data):
    """Time or tokens for the exchange are used up: what there is gets voted on."""

    kind: Literal["hastened"] = "hastened"
    reason: str
    cause: StopReason = StopReason.DEADLINE


class Decided(Data):
    """The end: a decision."""

    kind: Literal["decided"] = "decided"
    decision: Decision


Failure = Literal[
    "QuorumLost",
    "NoBallots",
    "NoMerge",
    "Impasse",
    "AllExcluded",
    "BudgetExceeded",
    "DeadlineExceeded",
    "Cancelled",
    "Broken",
]
"""Why there is no decision."""


class Failed(Data):
    """The end: no decision could be had; what was written before stays readable."""

    kind: Literal["failed"] = "failed"
    error_type: Failure
    message: str
    lost: dict[str, str]
    tokens: dict[Phase, Usage]
    aborted: int = 0


Event = Annotated[
    Convened
    | Briefed
    | Asked
    | Drafted
    | Checked
    | Critiqued
    | Revised
    | Voted
    | Merged
    | Judged
    | Rejected
    | Dropped
    | Aborted
    | Settled
    | Resumed
    | Suspended
    | Hastened
    | Decided
    | Failed,
    Field(discriminator="kind"),
]

END = (Decided, Failed)
"""The two events after which nothing follows."""


class Record(Data):
    """An event with its place and time; `seq` starts at 1, `at` is in Unix seconds.

    Both are stamped where the deliberation runs: the engine itself has no clock.
    """

    deliberation: str
    seq: int
    at: float
    event: Event
