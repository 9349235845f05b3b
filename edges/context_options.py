"""What of its story, and of the rest, an agent is shown, as clients say it; knows no transport."""

from __future__ import annotations

from pydantic import Field

from engine.data import Data
from engine.options import MOST
from engine.types import NoteKind, Shown


class ContextOptions(Data):
    """What is shown of the story, and of the rest.

    Milestones are its timeline, updates its summaries; where none of the three is included, all
    are. `max_events` is how many of the newest there are, 0 for all. `scopes` are the parts beside
    the task that are shown, all where none is named: rubric, requirements, context, story.
    """

    include_timeline: bool = False
    include_decisions: bool = False
    include_summaries: bool = False
    max_events: int = Field(default=0, ge=0, le=MOST)
    scopes: tuple[str, ...] = Field(default=(), max_length=64)

    @property
    def shown(self) -> Shown | None:
        """Which notes of the story; None for all of them."""
        said: dict[NoteKind, bool] = {
            "milestone": self.include_timeline,
            "decision": self.include_decisions,
            "update": self.include_summaries,
        }
        kinds = tuple(kind for kind, included in said.items() if included)
        if not kinds and not self.max_events:
            return None
        return Shown(kinds=kinds, most=self.max_events or None)
