"""The state of a deliberation as the fold of its events; knows nothing of journals or readers."""

from __future__ import annotations

import hashlib
from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass, field

from engine.data import Data
from engine.events import (
    Aborted,
    Asked,
    Brief,
    Briefed,
    Checked,
    Convened,
    Critiqued,
    Decided,
    Drafted,
    Dropped,
    Event,
    Failed,
    Hastened,
    Judged,
    Merged,
    Record,
    Rejected,
    Resumed,
    Revised,
    Settled,
    StoryContext,
    Suspended,
    Voted,
)
from engine.packet import CheckResult, Verdict
from engine.policies import Rules, settle
from engine.seats import seats, voters
from engine.types import Agent, Ballot, Council, Phase, Task, Usage

CHOOSING = (Phase.VOTE, Phase.MERGE, Phase.JUDGE)
TRIES = 2
"""How often a turn is asked before its unreadable reply counts as missing."""

Outcome = Drafted | Critiqued | Revised | Voted | Merged | Judged | Rejected
"""The events that a finished turn leaves."""


class Proposal(Data):
    """One text of one author; `round` 0 is the draft, r the text after the r-th revision."""

    author: str
    round: int
    text: str
    truncated: bool
    at: float


@dataclass
class Transcript:
    """Everything known of one deliberation after the events added so far.

    `suspended` is the reason, empty where it is not. `worked_s` are the seconds it was under way:
    between records, without those in which it was suspended or down. `broke_off` counts how often
    it was resumed, though not suspended, since a turn was finished.

    `seated` are those who write, `voters` those who rank. `critiques` are by the author they are
    about, in the order of rounds and then of names, so that nothing follows from who was quicker.
    `choosing` says that somebody was asked for the choice, so that the exchange was over by then.
    `aborted` are the ids of turns that were stopped.
    """

    task: Task | None = None
    council: Council | None = None
    rules: Rules | None = None
    story: StoryContext | None = None
    seated: tuple[Agent, ...] = ()
    voters: tuple[Agent, ...] = ()
    brief: Brief | None = None
    proposals: dict[str, list[Proposal]] = field(default_factory=dict)
    critiques: dict[str, list[Critiqued]] = field(default_factory=dict)
    checks: dict[str, list[Checked]] = field(default_factory=dict)
    ballots: dict[str, Ballot] = field(default_factory=dict)
    choosing: bool = False
    merged: str = ""
    judged: Judged | None = None
    lost: dict[str, str] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    tokens: dict[Phase, Usage] = field(default_factory=dict)
    end: Decided | Failed | None = None
    aborted: set[str] = field(default_factory=set)
    settled: Settled | None = None
    hastened: Hastened | None = None
    suspended: str = ""
    began: float = 0.0
    ended: float = 0.0
    worked_s: float = 0.0
    broke_off: int = 0
    _last: float = 0.0

    def add(self, event: Event, at: float = 0.0) -> None:
        """Take one more event in; `at` is its time in Unix seconds, 0 where there is no clock."""
        self._pass_time(event, at)
        self.choosing = self.choosing or (isinstance(event, Asked) and event.phase in CHOOSING)
        match event:
            case Convened():
                self._convene(event, at)
            case Briefed():
                self._begin(event.brief)
            case Settled():
                self.settled = event
            case Hastened():
                self.hastened = event
            case Dropped():
                self.lost[event.agent] = event.reason
            case Decided() | Failed():
                self.end, self.ended = event, at
            case Aborted():
                self.aborted.add(event.turn)
                self._spend(event.phase, event.usage)
            case _:
                self._keep(event, at)

    def _keep(self, event: Event, at: float) -> None:
        """Take in what somebody wrote or said, and what it cost."""
        match event:
            case Drafted() | Revised() | Merged():
                self._write(event, at)
            case Critiqued():
                said = self.critiques.setdefault(event.target, [])
                insort(said, event, key=lambda c: (c.round, c.agent, c.turn))
            case Checked():
                self.checks.setdefault(event.agent, []).append(event)
            case Voted():
                self.ballots[event.agent] = event.ballot
            case Judged():
                self.judged = event
        if isinstance(event, Outcome):
            self.outcomes[event.turn] = event
            self.broke_off = 0
            self._spend(phase_of(event), event.usage)

    def _convene(self, event: Convened, at: float) -> None:
        self.task, self.council, self.began = event.task, event.council, at
        self.story = event.story
        self.rules = event.rules or settle(event.task, event.council)
        self.seated = seats(event.task, event.council, self.rules)
        self.voters = voters(event.task, event.council, self.rules)

    def _pass_time(self, event: Event, at: float) -> None:
        """Count the time of work: not what lies between an interruption and its resumption."""
        if isinstance(event, Resumed) and not self.suspended:
            self.broke_off += 1
        self.suspended = event.reason if isinstance(event, Suspended) else ""
        if self._last and not isinstance(event, Resumed):
            self.worked_s += max(0.0, at - self._last)
        self._last = at

    def _begin(self, brief: Brief) -> None:
        """Texts and ballots under another brief are no longer candidates; their cost stays."""
        self.brief = brief
        kept = (self.proposals, self.critiques, self.checks, self.ballots, self.outcomes, self.lost)
        for said in kept:
            said.clear()
        self.merged, self.judged, self.settled, self.choosing = "", None, None, False

    def _write(self, event: Drafted | Revised | Merged, at: float) -> None:
        round = 0 if isinstance(event, Drafted) else event.round
        proposal = Proposal(
            author=event.agent, round=round, text=event.text, truncated=event.truncated, at=at
        )
        self.proposals.setdefault(event.agent, []).append(proposal)
        if isinstance(event, Merged):
            self.merged = event.agent

    def _spend(self, phase: Phase, usage: Usage) -> None:
        self.tokens[phase] = self.tokens.get(phase, Usage()) + usage

    @property
    def authors(self) -> list[str]:
        """Those who have a text, in the order in which the agents are seated."""
        return [agent.id for agent in self.seated if agent.id in self.proposals]

    def checked(self, author: str) -> tuple[CheckResult, ...]:
        """What checks say of the author's latest text."""
        latest = self.latest(author).round
        checks = (c for c in self.checks.get(author, ()) if c.round == latest)
        return tuple(result for check in checks for result in check.results)

    @property
    def unchecked(self) -> list[str]:
        """The authors whose latest text no check came to look at, though checks there are."""
        if not self.checks:
            return []
        looked = {(a, c.round) for a, checks in self.checks.items() for c in checks}
        return [a for a in self.authors if (a, self.latest(a).round) not in looked]

    @property
    def excluded(self) -> frozenset[str]:
        """The authors whose latest text failed a check that excludes."""
        failed = Verdict.FAILED
        return frozenset(
            author
            for author in self.checks
            if any(r.blocking and r.verdict is failed for r in self.checked(author))
        )

    @property
    def usage(self) -> Usage:
        """Tokens of all phases."""
        return sum(self.tokens.values(), Usage())

    def latest(self, author: str) -> Proposal:
        """The author's last text."""
        return self.proposals[author][-1]

    def text(self, author: str, round: int) -> Proposal | None:
        """The author's text as it stood after a round; None where there was none yet."""
        texts = (p for p in reversed(self.proposals.get(author, ())) if p.round <= round)
        return next(texts, None)

    def sealed(self) -> list[str]:
        """The authors in an order that follows from the deliberation's seed alone."""
        assert self.task is not None
        salt = self.task.salt
        return sorted(self.authors, key=lambda a: hashlib.sha256(f"{salt}\0{a}".encode()).digest())


PHASES: dict[type[Outcome], Phase] = {
    Drafted: Phase.DRAFT,
    Critiqued: Phase.CRITIQUE,
    Revised: Phase.REVISE,
    Voted: Phase.VOTE,
    Merged: Phase.MERGE,
    Judged: Phase.JUDGE,
}


def phase_of(event: Outcome) -> Phase:
    """The phase in which a turn was asked."""
    return event.phase if isinstance(event, Rejected) else PHASES[type(event)]


def fold(records: Iterable[Record]) -> Transcript:
    """The state after these records, which must be in order of `seq`."""
    transcript = Transcript()
    for record in records:
        transcript.add(record.event, record.at)
    return transcript
