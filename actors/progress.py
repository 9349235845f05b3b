"""How far a deliberation is, told record by record; knows nothing of who listens."""

from __future__ import annotations

from actors import contract
from actors.codec import write
from actors.pb import orchestrator_pb2 as pb
from engine.events import (
    END,
    Aborted,
    Asked,
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
    Suspended,
    Voted,
)
from engine.results import expected_turns, result
from engine.transcript import Outcome, Transcript, phase_of
from engine.types import Phase

STAGES = ("generating", "reviewing", "scoring", "complete")
STAGE = {
    Phase.DRAFT: 0,
    Phase.CRITIQUE: 1,
    Phase.REVISE: 1,
    Phase.VOTE: 2,
    Phase.MERGE: 2,
    Phase.JUDGE: 2,
}


class Progress:
    """Follows one deliberation from its first record on; `state` is what they add up to."""

    def __init__(self) -> None:
        self.state = Transcript()
        self._stage = self._percent = 0

    def update(self, record: Record) -> pb.DeliberationUpdate:
        """Take in one more record and tell of it. Stage and percentage never go back."""
        event = record.event
        self.state.add(event, record.at)
        self._stage = max(self._stage, _stage(event))
        self._percent = max(self._percent, self._share())
        return pb.DeliberationUpdate(
            status=STAGES[self._stage],
            progress_percent=self._percent,
            current_step=step(event),
            current_agent=getattr(event, "agent", ""),
            partial_result=self._text(event),
            record=write(pb.Record(), record),
        )

    def _share(self) -> int:
        """Turns answered of those to be expected in percent, 100 only at the end.

        It is no forecast of time: a revision may be left out, a turn may be asked again.
        """
        if self.state.end is not None:
            return 100
        expected = expected_turns(self.state)
        return min(99, 100 * len(self.state.outcomes) // expected)

    def _text(self, event: Event) -> pb.DeliberationResult | None:
        """The text that the event brought, with what its author had written before."""
        if not isinstance(event, Drafted | Revised | Merged):
            return None
        views = result(self.state).results
        written = next(v for v in views if v.proposal.author_id == event.agent)
        return contract.proposal(self.state, written)


def _stage(event: Event) -> int:
    """Where in STAGES an event belongs; 0 where it tells nothing of that."""
    if isinstance(event, END):
        return len(STAGES) - 1
    if isinstance(event, Outcome):
        return STAGE[phase_of(event)]
    return STAGE[event.phase] if isinstance(event, Asked | Dropped | Aborted) else 0


def step(event: Event) -> str:
    """What has just happened, in words."""
    match event:
        case Convened():
            words = f"the {event.council.role} council has convened"
        case Briefed():
            words = "the task lies before all agents"
        case Suspended() | Hastened() | Settled():
            words = f"{event.kind}: {event.reason}"
        case Resumed():
            words = "the work goes on after an interruption"
        case Decided():
            words = f"decided: the text of {event.decision.choice}"
        case Failed():
            words = f"ended without a decision: {event.error_type}: {event.message}"
        case _:
            words = f"{event.agent} {_deed(event)}"
    return words


def _deed(event: Outcome | Asked | Dropped | Aborted | Checked) -> str:
    match event:
        case Asked():
            words = f"is asked to {_duty(event)}"
        case Dropped():
            words = f"takes no further part: {event.reason}"
        case Aborted():
            words = f"was stopped: to {DUTIES[event.phase]} is not needed any more"
        case Checked():
            words = f"has written a text that was checked: {_verdicts(event)}"
        case _:
            words = _said(event)
    return words


def _said(event: Outcome) -> str:
    match event:
        case Drafted():
            words = "has drafted"
        case Critiqued():
            words = f"has reviewed {event.target}, round {event.round}: {event.verdict}"
        case Revised():
            words = f"has revised its text, round {event.round}"
        case Voted():
            words = "has ranked all texts"
        case Merged():
            words = "has made one text of all"
        case Judged():
            words = f"has chosen the text of {event.choice}: {event.reason}"
        case Rejected():
            words = f"gave an answer that cannot be used: {event.reason}"
    return words


def _verdicts(event: Checked) -> str:
    return ", ".join(f"{r.check} {r.verdict}" for r in event.results) or "no check applies"


def _duty(event: Asked) -> str:
    about = {
        Phase.CRITIQUE: f" of {event.target}, round {event.round}",
        Phase.REVISE: f", round {event.round}",
    }
    return f"{DUTIES[event.phase]}{about.get(event.phase, '')}"


DUTIES = {
    Phase.DRAFT: "draft",
    Phase.CRITIQUE: "review the text",
    Phase.REVISE: "write its text anew",
    Phase.VOTE: "rank all texts",
    Phase.MERGE: "make one text of all",
    Phase.JUDGE: "choose among the first",
}
