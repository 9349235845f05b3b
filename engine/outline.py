"""What lists and figures tell of one deliberation, as the fold of its records; keeps few texts.

Unlike a transcript it can be put away as JSON between two records and taken up again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pydantic import TypeAdapter

from engine.events import (
    Aborted,
    Asked,
    Convened,
    Decided,
    Drafted,
    Dropped,
    Event,
    Failed,
    Merged,
    Resumed,
    Revised,
    Suspended,
)
from engine.policies import settle
from engine.results import STOP_REASONS
from engine.transcript import Outcome
from engine.types import Usage

Standing = Literal["in_progress", "suspended", "completed", "failed"]


@dataclass
class Outline:
    """One deliberation after the events added so far.

    `began` and `ended` are Unix seconds, `ended` 0 before its end; `worked_s` is as a transcript
    counts it. `turns` have been replied to, after `replied_s` seconds in all, each from being asked
    by the council to its reply. `task` and `decision` are the texts that are searched: the title
    and text of the task, the winner's text.
    """

    id: str = ""
    role: str = ""
    story_id: str = ""
    purpose: str = ""
    status: Standing = "in_progress"
    began: float = 0.0
    ended: float = 0.0
    worked_s: float = 0.0
    policy: str = ""
    winner: str = ""
    error_type: str = ""
    stop_reason: str = ""
    usage: Usage = field(default_factory=Usage)
    turns: int = 0
    replied_s: float = 0.0
    task: str = ""
    decision: str = ""
    _last: float = 0.0
    _asked: dict[str, float] = field(default_factory=dict)
    _texts: dict[str, str] = field(default_factory=dict)

    def add(self, event: Event, at: float) -> None:
        """Take one more event in; `at` is its time in Unix seconds."""
        self._pass_time(event, at)
        match event:
            case Convened():
                self._convene(event, at)
            case Asked():
                self._asked[event.turn] = at  # also anew, after an interruption
            case Aborted():
                self._asked.pop(event.turn, None)
                self.usage += event.usage
            case Dropped():
                self._asked.pop(event.turn, None)
            case Decided() | Failed():
                self._end(event, at)
        if isinstance(event, Outcome):
            self._hear(event, at)

    def _convene(self, event: Convened, at: float) -> None:
        task = event.task
        self.id, self.role, self.story_id, self.began = task.id, task.role, task.story_id, at
        self.purpose = task.purpose
        self.task = f"{task.title}\n{task.text}" if task.title else task.text
        self.policy = str((event.rules or settle(task, event.council)).policy)

    def _pass_time(self, event: Event, at: float) -> None:
        """As a transcript does: what lies before a resumption is no work."""
        self.status = "suspended" if isinstance(event, Suspended) else "in_progress"
        if self._last and not isinstance(event, Resumed):
            self.worked_s += max(0.0, at - self._last)
        self._last = at

    def _hear(self, event: Outcome, at: float) -> None:
        self.usage += event.usage
        asked = self._asked.pop(event.turn, None)
        if asked is not None:  # else a fork has it from its origin
            self.turns += 1
            self.replied_s += max(0.0, at - asked)
        if isinstance(event, Drafted | Revised | Merged):
            self._texts[event.agent] = event.text

    def _end(self, event: Decided | Failed, at: float) -> None:
        self.ended = at
        if isinstance(event, Failed):
            self.status, self.error_type = "failed", event.error_type
            self.stop_reason = str(STOP_REASONS[event.error_type])
        else:
            self.status, self.winner = "completed", event.decision.choice
            self.stop_reason = str(event.decision.stop_reason)
            self.decision = self._texts.get(self.winner, "")
        self._asked.clear()
        self._texts.clear()


_AS_JSON = TypeAdapter(Outline)


def put_away(outline: Outline) -> str:
    """An outline as JSON."""
    return _AS_JSON.dump_json(outline).decode()


def taken_up(text: str) -> Outline:
    """The outline that was put away so."""
    return _AS_JSON.validate_json(text)
