"""The state of a deliberation as the fold of its events; knows nothing of journals or readers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from engine.events import (
    Brief,
    Briefed,
    Convened,
    Critiqued,
    Decided,
    Drafted,
    Dropped,
    Event,
    Failed,
    Hastened,
    Record,
    Rejected,
    Resumed,
    Revised,
    Suspended,
    Voted,
)
from engine.types import Agent, Ballot, Council, Data, Phase, Task, Usage

Outcome = Drafted | Critiqued | Revised | Voted | Rejected
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

    `hastened` and `suspended` are the reasons, empty where it is neither. `worked_s` are the
    seconds it was under way: between records, without those in which it was suspended or down.
    `broke_off` counts how often it was resumed, though not suspended, since a turn was finished.
    """

    task: Task | None = None
    council: Council | None = None
    brief: Brief | None = None
    proposals: dict[str, list[Proposal]] = field(default_factory=dict)
    critiques: dict[str, list[Critiqued]] = field(default_factory=dict)
    ballots: dict[str, Ballot] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    tokens: dict[Phase, Usage] = field(default_factory=dict)
    end: Decided | Failed | None = None
    hastened: str = ""
    suspended: str = ""
    began: float = 0.0
    ended: float = 0.0
    worked_s: float = 0.0
    broke_off: int = 0
    _last: float = 0.0

    def add(self, event: Event, at: float = 0.0) -> None:
        """Take one more event in; `at` is its time in Unix seconds, 0 where there is no clock."""
        self._pass_time(event, at)
        match event:
            case Convened():
                self.task, self.council, self.began = event.task, event.council, at
            case Briefed():
                self._begin(event.brief)
            case Drafted() | Revised():
                self._write(event, at)
            case Critiqued():
                self.critiques.setdefault(event.target, []).append(event)
            case Voted():
                self.ballots[event.agent] = event.ballot
            case Dropped():
                self.lost[event.agent] = event.reason
            case Hastened():
                self.hastened = event.reason
            case Decided() | Failed():
                self.end, self.ended = event, at
        if isinstance(event, Outcome):
            self._account(event)

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
        for said in (self.proposals, self.critiques, self.ballots, self.outcomes, self.lost):
            said.clear()

    def _write(self, event: Drafted | Revised, at: float) -> None:
        round = event.round if isinstance(event, Revised) else 0
        proposal = Proposal(
            author=event.agent, round=round, text=event.text, truncated=event.truncated, at=at
        )
        self.proposals.setdefault(event.agent, []).append(proposal)

    def _account(self, event: Outcome) -> None:
        self.outcomes[event.turn] = event
        self.broke_off = 0
        phase = phase_of(event)
        self.tokens[phase] = self.tokens.get(phase, Usage()) + event.usage

    @property
    def authors(self) -> list[str]:
        """Those who have a text, in the order in which the agents are seated."""
        return [agent.id for agent in self.seated if agent.id in self.proposals]

    @property
    def seated(self) -> tuple[Agent, ...]:
        """The agents that take part: the first `num_agents` of the council."""
        if self.task is None or self.council is None:
            return ()
        return self.council.agents[: self.task.num_agents]

    @property
    def usage(self) -> Usage:
        """Tokens of all phases."""
        return sum(self.tokens.values(), Usage())

    def latest(self, author: str) -> Proposal:
        """The author's last text."""
        return self.proposals[author][-1]

    def sealed(self) -> list[str]:
        """The authors in an order that follows from the deliberation's id alone."""
        assert self.task is not None
        salt = self.task.id
        return sorted(self.authors, key=lambda a: hashlib.sha256(f"{salt}\0{a}".encode()).digest())


def phase_of(event: Outcome) -> Phase:
    """The phase in which a turn was asked."""
    match event:
        case Drafted():
            return Phase.DRAFT
        case Critiqued():
            return Phase.CRITIQUE
        case Revised():
            return Phase.REVISE
        case Voted():
            return Phase.VOTE
        case Rejected():
            return event.phase


def fold(records: Iterable[Record]) -> Transcript:
    """The state after these records, which must be in order of `seq`."""
    transcript = Transcript()
    for record in records:
        transcript.add(record.event, record.at)
    return transcript
