"""What happened in a deliberation, as facts in the past tense; knows nothing of who reads them.

A turn's outcome is one event that carries the turn's id, so that the recorded events are also the
memory of the calls already paid for.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from engine.types import Ballot, Council, Data, Decision, Finding, Phase, Severity, Task, Usage


class Convened(Data):
    """The deliberation began: the request, and the council as it was seated for it."""

    kind: Literal["convened"] = "convened"
    task: Task
    council: Council


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


class Critiqued(Data):
    """An agent reviewed another one's text."""

    kind: Literal["critiqued"] = "critiqued"
    turn: str
    agent: str
    target: str
    round: int
    findings: tuple[Finding, ...]
    verdict: Literal["accept", "revise"]
    usage: Usage

    @property
    def asks_for_change(self) -> bool:
        """Whether there is something to mend: a major finding, or a minor one with "revise"."""
        major = any(finding.severity is Severity.MAJOR for finding in self.findings)
        return major or (self.verdict == "revise" and bool(self.findings))


class Revised(Data):
    """An author wrote its text anew with the critiques it got."""

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
    """An agent takes no further part; what it wrote before stays."""

    kind: Literal["dropped"] = "dropped"
    agent: str
    phase: Phase
    reason: str


class Resumed(Data):
    """Another writer took the deliberation up after an interruption."""

    kind: Literal["resumed"] = "resumed"


class Suspended(Data):
    """The work stopped with no end: nobody waited for it any more. It can be resumed."""

    kind: Literal["suspended"] = "suspended"
    reason: str


class Hastened(Data):
    """The time for drafts, critiques and revisions is over: what there is gets voted on."""

    kind: Literal["hastened"] = "hastened"
    reason: str


class Decided(Data):
    """The end: a decision."""

    kind: Literal["decided"] = "decided"
    decision: Decision


class Failed(Data):
    """The end: no decision could be had; what was written before stays readable."""

    kind: Literal["failed"] = "failed"
    error_type: Literal["QuorumLost", "NoBallots", "DeadlineExceeded", "Cancelled", "Broken"]
    message: str
    lost: dict[str, str]
    tokens: dict[Phase, Usage]


Event = Annotated[
    Convened
    | Briefed
    | Asked
    | Drafted
    | Critiqued
    | Revised
    | Voted
    | Rejected
    | Dropped
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
