"""What is known of a story, newest first and bounded; knows nothing of where it is kept.

Notes may come in any order and any number of times: the story they make is the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime

from engine.brief import clip
from engine.data import Data
from engine.events import StoryContext
from engine.types import NoteKind, Shown

FRAME_BYTES = 128
"""What a story's text takes besides its notes."""


class Note(Data):
    """What one event told of a story.

    A milestone or a decision has its `id`, an update a `version`. `at` is the event's own time, or
    when it arrived where it names none or a later one, in Unix seconds. `event` tells the event
    from others, `seq` is its place among those that arrived.
    """

    kind: NoteKind
    id: str = ""
    version: int = 0
    at: float
    text: str
    event: str
    seq: int

    @property
    def shown(self) -> str:
        """As the agents read it; no text can look like a further note."""
        head = f"- {datetime.fromtimestamp(self.at, UTC).isoformat()} {self.kind}"
        if self.id:
            head += f" {json.dumps(self.id, ensure_ascii=False)}"
        return "\n  ".join((head, *self.text.split("\n")))

    @property
    def size(self) -> int:
        """Bytes it takes, shown or kept, whichever is more."""
        return max(len(self.shown.encode()), len(self.model_dump_json().encode()))

    def within(self, most: int) -> Note:
        """The same with its text cut, visibly, to what such a size allows."""
        if self.size <= most:
            return self
        text, _ = clip(self.text, most, lambda text: self._worded(text).size)
        return self._worded(text)

    def _worded(self, text: str) -> Note:
        return self.model_copy(update={"text": text})

    @property
    def matter(self) -> tuple[str, str]:
        """What it is about: there is one note about each."""
        return self.kind, self.id


class Story(Data):
    """What is known of a story, newest first.

    `version` is the highest that an event named of its context, 0 where none did. `left_out` are
    older notes that did not fit.
    """

    story_id: str
    version: int = 0
    notes: tuple[Note, ...] = ()
    left_out: int = 0

    def noting(self, note: Note, most: int, most_bytes: int) -> Story:
        """The story with one more note, of which it keeps `most` besides the newest update.

        Of those about the same thing only the newest stays, of updates the highest version.
        """
        note = note.within(most_bytes - FRAME_BYTES)
        others = [n for n in self.notes if n.matter != note.matter]
        for rival in self.notes:
            note = _standing(note, rival) if rival.matter == note.matter else note
        updates = [n for n in (*others, note) if n.kind == "update"]
        facts = sorted(
            (n for n in (*others, note) if n.kind != "update"), key=_place, reverse=True
        )[:most]
        notes = sorted((*updates, *facts), key=_place, reverse=True)
        version = max(self.version, note.version)
        return self.model_copy(update={"notes": tuple(notes), "version": version})

    def within(self, most_bytes: int) -> Story:
        """As many of the newest notes as such a text holds."""
        left, shown = most_bytes - FRAME_BYTES, 0
        for note in self.notes:
            left -= len(note.shown.encode()) + 1
            if left < 0:
                break
            shown += 1
        left_out = self.left_out + len(self.notes) - shown
        return self.model_copy(update={"notes": self.notes[:shown], "left_out": left_out})

    def part(self, shown: Shown | None) -> Story:
        """The newest notes of these kinds only; what is not asked for is not left out."""
        if shown is None:
            return self
        notes = tuple(n for n in self.notes if not shown.kinds or n.kind in shown.kinds)
        return self.model_copy(update={"notes": notes[: shown.most], "left_out": 0})

    @property
    def text(self) -> str:
        """What the agents are shown."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        version = f"Context version {self.version}. " if self.version else ""
        yield f"{version}Newest first:"
        yield from (note.shown for note in self.notes)
        if self.left_out:
            yield f"[{self.left_out} older left out]"

    @property
    def hash(self) -> str:
        """The SHA-256 of the text, which says all there is."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def context(self) -> StoryContext:
        """What a deliberation records of it."""
        return StoryContext(
            version=self.version, notes=len(self.notes), hash=self.hash, text=self.text
        )


def _place(note: Note) -> tuple[float, int, str, str, str]:
    """By which notes are ordered, the newest being the greatest."""
    return note.at, note.seq, note.kind, note.id, note.event


def _standing(one: Note, other: Note) -> Note:
    """Which of two notes about the same thing stays: of one event the first, else the newest."""
    first, last = sorted((one, other), key=lambda n: (n.version, *_place(n)))
    return first if one.event == other.event else last
