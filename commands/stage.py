"""One deliberation live, with a lane for each agent; knows only its records."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Lock

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from commands.telling import Told, block, line, told
from commands.view import DOING, Row, clean
from engine.events import Asked, Convened, Record, Rejected
from engine.transcript import Outcome, Transcript, phase_of
from engine.types import Phase

COUNTED = {Phase.DRAFT: "drafts", Phase.CRITIQUE: "reviews", Phase.REVISE: "revised"}


@dataclass
class Lane:
    """What one agent has done so far."""

    done: Counter[Phase] = field(default_factory=Counter)
    generated: int = 0


class Stage:
    """One deliberation as its records come. A live display draws it from a thread of its own."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.row = Row("", clock)
        self._lanes: dict[str, Lane] = {}
        self._lock = Lock()

    def add(self, record: Record) -> Told | None:
        """Take one more record in; what is to be told of it, if anything is."""
        event = record.event
        with self._lock:
            self.row.add(record)
            took = self._took(event) if isinstance(event, Outcome) else None
            if isinstance(event, Convened):
                self.row.role = event.task.role
            if isinstance(event, Asked):
                self._lanes.setdefault(event.agent, Lane())
            if isinstance(event, Outcome):
                lane = self._lanes.setdefault(event.agent, Lane())
                lane.generated += event.usage.generated
                if not isinstance(event, Rejected):
                    lane.done[phase_of(event)] += 1
        return told(event, took)

    def _took(self, event: Outcome) -> float | None:
        """Seconds of work between a turn and its outcome; None where it was asked unheard."""
        asked = self.row.asked.get(event.turn)
        return self.row.state.worked_s - asked[1] if asked else None

    @property
    def line(self) -> str:
        """How it stands, in one line."""
        with self._lock:
            row = self.row
            parts = (row.role, row.doing or "waiting", f"{row.elapsed_s:.0f} s")
            return "  ".join((*parts, f"{row.state.usage.generated:,} tokens"))

    def __rich__(self) -> RenderableType:
        with self._lock:
            return Group(Text(), self._table(), self._foot())

    def _table(self) -> Table:
        table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
        table.add_column("agent", style="bold", no_wrap=True)
        table.add_column("now", width=38, no_wrap=True, overflow="ellipsis")
        for name in (*COUNTED.values(), "voted", "tokens"):
            table.add_column(name, justify="right", no_wrap=True)
        seated = {agent.id: Lane() for agent in self.row.state.seated}
        for agent, lane in (seated | self._lanes).items():  # a judge has a lane, but no seat
            figures = (str(lane.done[phase]) for phase in (*COUNTED, Phase.VOTE))
            name = self._name(agent)
            table.add_row(name, self._doing(agent), *figures, f"{lane.generated:,}")
        return table

    def _name(self, agent: str) -> str:
        """An agent's id; there is one architect only, whose id would not fit."""
        council = self.row.state.council
        architect = council.architect if council else None
        return "the architect" if architect and agent == architect.id else agent

    def _doing(self, agent: str) -> Text:
        if agent in self.row.state.lost:
            return Text(f"dropped: {clean(self.row.state.lost[agent])}", style="red")
        turns = [(asked, at) for asked, at in self.row.open if asked.agent == agent]
        if not turns:
            return Text("", style="dim")
        words = ", ".join(_work(asked) for asked, _at in turns)
        return Text(f"{words}, {self.row.elapsed_s - min(at for _a, at in turns):.0f} s")

    def _foot(self) -> Text:
        row = self.row
        cost = f"{row.elapsed_s:.0f} s, {row.state.usage.generated:,} tokens generated"
        parts = [Text(cost, style="dim")]
        if row.state.hastened:
            parts.append(Text(f"; hastened: {clean(row.state.hastened.reason)}", style="yellow"))
        if row.state.suspended:
            parts.append(Text(f"; suspended: {clean(row.state.suspended)}", style="yellow"))
        return Text.assemble("\n", *parts)


def on_a_board(records: Iterable[Record], console: Console) -> Transcript:
    """Show them live: texts as they come, and below them what each agent does."""
    stage = Stage()
    with Live(stage, console=console, redirect_stdout=False, redirect_stderr=False):
        for record in records:
            said = stage.add(record)
            if said is not None:
                console.print(block(said))
    return stage.row.state


def by_lines(records: Iterable[Record], console: Console) -> Transcript:
    """Show them where no board can be drawn: a line each."""
    stage = Stage()
    for record in records:
        said = stage.add(record)
        if said is not None:
            words = line(said, stage.row.state.worked_s)
            console.print(words, soft_wrap=True, highlight=False, markup=False)
    return stage.row.state


def by_a_moving_line(records: Iterable[Record], console: Console) -> Transcript:
    """Show only that something is done, and what; nothing where no line can move."""
    stage = Stage()
    if not console.is_terminal:
        for record in records:
            stage.add(record)
        return stage.row.state
    with Live(_Moving(stage), console=console, transient=True, redirect_stdout=False):
        for record in records:
            stage.add(record)
    return stage.row.state


class _Moving:
    """A spinner with the stage's line beside it."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._spinner = stage, Spinner("dots")

    def __rich__(self) -> RenderableType:
        self._spinner.text = Text(self._stage.line)
        return self._spinner


def _work(asked: Asked) -> str:
    words = DOING[asked.phase]
    return f"{words} {asked.target}" if asked.phase is Phase.CRITIQUE else words
