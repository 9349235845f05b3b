"""What several deliberations do, side by side; knows only their records."""

from __future__ import annotations

import time
import unicodedata
from collections import Counter
from collections.abc import Callable

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table

from engine.events import (
    Aborted,
    Asked,
    Decided,
    Dropped,
    Failed,
    Hastened,
    Record,
    Resumed,
    Suspended,
)
from engine.transcript import Transcript
from engine.types import Phase, Usage

DOING = {
    Phase.DRAFT: "drafting",
    Phase.CRITIQUE: "reviewing",
    Phase.REVISE: "revising",
    Phase.VOTE: "voting",
    Phase.MERGE: "merging",
    Phase.JUDGE: "judging",
}


class Row:
    """One deliberation as far as its records tell.

    Its seconds are the records' own, and go on by our clock after the last of them: the two
    clocks need not agree. `asked` holds each turn with the seconds of work before it.
    """

    def __init__(self, role: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.role = role
        self.state = Transcript()
        self.asked: dict[str, tuple[Asked, float]] = {}
        self._clock = clock
        self._heard = 0.0
        self._said = ""

    def add(self, record: Record) -> None:
        """Take one more record in."""
        self.state.add(record.event, record.at)
        self._heard = self._clock()
        match record.event:
            case Asked():
                self.asked[record.event.turn] = (record.event, self.state.worked_s)
            case Aborted(turn=stopped):
                self.asked.pop(stopped, None)
            case Dropped(agent=lost):
                self.asked = {t: a for t, a in self.asked.items() if a[0].agent != lost}
            case Suspended() | Resumed() | Hastened():  # what was under way is not any more
                self.asked.clear()

    def news(self) -> bool:
        """Whether the kind of work has changed since this was asked last."""
        now = "".join(letter for letter in self.doing if not letter.isdigit())
        changed = now not in ("", self._said)
        self._said = now or self._said
        return changed

    @property
    def open(self) -> list[tuple[Asked, float]]:
        """The turns that are under way, and after how many seconds of work each was asked."""
        return [a for turn, a in self.asked.items() if turn not in self.state.outcomes]

    @property
    def doing(self) -> str:
        """What its agents do now, in words."""
        match self.state.end:
            case Decided(decision=decision):
                return f"decided: agent {decision.choice.rpartition('-')[2]}"
            case Failed(error_type=kind):
                return f"failed: {kind}"
        if self.state.suspended:
            return "suspended"
        counts = Counter(asked.phase for asked, _at in self.open)
        parts = (f"{DOING[phase]} {counts[phase]}" for phase in Phase if counts[phase])
        return ", ".join(parts)

    @property
    def since_s(self) -> float:
        """Seconds of work since the last record."""
        if not self.state.began or self.state.end is not None or self.state.suspended:
            return 0.0
        return self._clock() - self._heard

    @property
    def elapsed_s(self) -> float:
        """Seconds of work up to now, or to the end."""
        return self.state.worked_s + self.since_s

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Drafts, critiques, revisions and ballots so far."""
        texts = self.state.proposals.values()
        critiques = sum(len(c) for c in self.state.critiques.values())
        revisions = sum(len(proposals) - 1 for proposals in texts)
        return len(texts), critiques, revisions, len(self.state.ballots)


class Board:
    """Several roles side by side."""

    def __init__(self, roles: list[str]) -> None:
        self.rows = {role: Row(role) for role in roles}

    def __rich__(self) -> RenderableType:
        table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
        table.add_column("council", style="bold", no_wrap=True)
        table.add_column("now", min_width=18)
        for name in ("drafts", "reviews", "revised", "votes", "tokens", "s"):
            table.add_column(name, justify="right", no_wrap=True)
        for row in self.rows.values():
            figures = (*map(str, row.counts), f"{row.state.usage.generated:,}")
            table.add_row(row.role, row.doing or "waiting", *figures, f"{row.elapsed_s:.0f}")
        return table


def tokens(usage: Usage) -> str:
    """Tokens by kind, in words."""
    stopped = f", {usage.aborted:,} in turns that were stopped" if usage.aborted else ""
    return (
        f"{usage.prompt:,} prompt, {usage.cached:,} of them cached, "
        f"{usage.generated:,} generated{stopped}"
    )


def clean(text: str) -> str:
    """A text that others wrote, without what would steer the terminal it is shown on."""
    kept = (c for c in text.expandtabs(4) if c == "\n" or unicodedata.category(c) != "Cc")
    return "".join(kept).strip("\n")
