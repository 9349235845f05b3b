"""Deliberations as rows of a projection, and as a naive model keeps them, for tests of both."""

import asyncio
import re
from typing import Literal, NamedTuple

from recording import COUNCIL, ONE, a_task, recorded

from actors.listing import Wanted
from actors.messages import key_of
from actors.projection import Message
from engine.events import Convened, Decided, Drafted, Event, Failed, Record, Suspended
from engine.outline import Standing
from engine.types import Usage

END = asyncio.run(recorded(a_task()))[-1].event
assert isinstance(END, Decided)
DECIDED = Decided(decision=END.decision.model_copy(update={"choice": ONE}))
FAILED = Failed(error_type="QuorumLost", message="gone", lost={}, tokens={})
ENDS: dict[Standing, tuple[Event, ...]] = {
    "completed": (DECIDED,),
    "failed": (FAILED,),
    "suspended": (Suspended(reason="nobody waits"),),
    "in_progress": (),
}


class Known(NamedTuple):
    """A deliberation as somebody would put it down who counts by hand."""

    id: str
    role: str = "DEV"
    story: str = ""
    status: Standing = "completed"
    began: float = 100.0
    took: int = 3
    task: str = "Build a clock"
    decision: str = "A sundial"
    purpose: Literal["", "orchestration"] = ""

    def records(self) -> list[Record]:
        """What a journal holds of it."""
        task = a_task(
            id=self.id,
            role=self.role,
            story_id=self.story,
            text=self.task,
            purpose=self.purpose,
        )
        events = (Convened(task=task, council=COUNCIL), draft(self.decision), *ENDS[self.status])
        times = (self.began, self.began, self.began + self.took)
        return [
            Record(deliberation=self.id, seq=n, at=at, event=event)
            for n, (event, at) in enumerate(zip(events, times, strict=False), 1)
        ]

    def message(self, seq: int) -> Message:
        """All of it in one message."""
        return Message(key_of(self.id), seq, tuple(self.records()))

    def fits(self, wanted: Wanted) -> bool:
        """Whether a list that is wanted so shows it."""
        return (
            wanted.role.upper() in ("", self.role)
            and wanted.story in ("", self.story)
            and wanted.status in (None, self.status)
            and (wanted.since is None or self.began >= wanted.since)
            and (wanted.until is None or self.began < wanted.until)
            and self._says(wanted.text)
        )

    def _says(self, text: str) -> bool:
        """Each word that has a letter stands whole in one of the texts."""
        sought = [words(word) for word in text.split()]
        decided = self.decision if self.status == "completed" else ""
        texts = [f" {' '.join(words(each))} " for each in (self.task, decided)]
        heard = [f" {' '.join(each)} " for each in sought if each]
        found = all(any(word in each for each in texts) for word in heard)
        return found and (bool(heard) or not text.strip())


def draft(text: str) -> Drafted:
    """What agent ONE wrote."""
    usage = Usage(prompt=5, cached=2, generated=3)
    return Drafted(turn="t", agent=ONE, text=text, reasoning="", truncated=False, usage=usage)


def words(text: str) -> list[str]:
    """The words of a text in small letters."""
    return re.findall(r"[a-z0-9]+", text.lower())
