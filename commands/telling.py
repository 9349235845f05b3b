"""Each event of a deliberation in words for a reader; knows nothing of what surrounds it."""

from __future__ import annotations

from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from commands.view import clean
from engine.events import (
    Aborted,
    Briefed,
    Checked,
    Convened,
    Critiqued,
    Drafted,
    Dropped,
    Event,
    Hastened,
    Judged,
    Merged,
    Rejected,
    Resumed,
    Revised,
    Settled,
    Suspended,
    Voted,
)
from engine.transcript import Outcome

EXCERPT = 60


class Told(NamedTuple):
    """An event for a reader: who did what, what it took, and the text that came of it."""

    who: str
    what: str
    cost: str = ""
    text: str = ""
    style: str = ""


def told(event: Event, seconds: float | None = None) -> Told | None:
    """The event for a reader; None for those that only the board shows."""
    if isinstance(event, Convened):
        task = event.task
        return Told(task.role, "is asked", task.id, task.title or task.text, "bold")
    if isinstance(event, Outcome) and not isinstance(event, Rejected):
        what, text = _work(event)
        return Told(event.agent, what, _cost(event, seconds), text)
    return _trouble(event)


def _work(event: Drafted | Critiqued | Revised | Voted | Merged | Judged) -> tuple[str, str]:
    """What an agent did, and what it wrote."""
    match event:
        case Drafted() | Revised() | Merged():
            cut = ", cut off at its token budget" if event.truncated else ""
            work = f"{event.kind}{cut}", event.text
        case Critiqued():
            found = "\n".join(f"{f.severity}: {f.issue}" for f in event.findings)
            work = f"reviewed {event.target}: {event.verdict}", found
        case Voted():
            work = f"voted: {' > '.join(event.ballot.ranking)}", ""
        case Judged():
            work = f"chose {event.choice}", event.reason
    return work


def _trouble(event: Event) -> Told | None:
    """What did not go as it should; None for all else."""
    match event:
        case Rejected():
            what = f"gave a reply to {event.phase} that cannot be used: {event.reason}"
            return Told(event.agent, what, style="yellow")
        case Dropped():
            return Told(event.agent, f"is dropped at {event.phase}: {event.reason}", style="red")
        case Aborted():
            cost = f"{event.usage.aborted:,} tokens"
            return Told(event.agent, f"is stopped at {event.phase}", cost, style="dim")
        case Checked() if event.results:
            verdicts = ", ".join(f"{result.check} {result.verdict}" for result in event.results)
            return Told(event.agent, f"is checked: {verdicts}")
    if what := _news(event):
        return Told("the council", what, style="yellow")
    return None


def _news(event: Event) -> str:
    """What happened to the deliberation as a whole; empty if nothing did."""
    match event:
        case Briefed() if event.brief.clipped:
            parts = (f"{c.kept} of the {c.tokens} tokens of {c.part}" for c in event.brief.clipped)
            return f"sees only {', '.join(parts)}"
        case Resumed():
            return "goes on where it was interrupted"
        case Suspended():
            return f"is suspended: {event.reason}"
        case Hastened():
            return f"hastens to a decision: {event.reason}"
        case Settled():
            return f"ends the exchange after round {event.round}: {event.reason}"
    return ""


def block(said: Told) -> RenderableType:
    """What is told, with its whole text below."""
    head = Text.assemble(
        (clean(said.who), f"bold {said.style}".strip()),
        (f" {clean(said.what)}", said.style),
        (f"  {clean(said.cost)}", "dim"),
    )
    if not said.text:
        return head
    return Group(head, Padding(Text(clean(said.text)), (0, 0, 1, 2)))


def line(said: Told, seconds: float) -> str:
    """What is told, in one line that begins with the seconds since the beginning."""
    text = " ".join(clean(said.text).split())
    short = text if len(text) <= EXCERPT else f"{text[: EXCERPT - 3]}..."
    parts = (f"{clean(said.who)} {clean(said.what)}", f"({clean(said.cost)})" if said.cost else "")
    whole = " ".join(part for part in (*parts, short) if part)
    return f"{seconds:5.0f} s  {' '.join(whole.split())}"


def _cost(event: Outcome, seconds: float | None) -> str:
    time_taken = "" if seconds is None else f"{seconds:.1f} s, "
    return f"{time_taken}{event.usage.generated:,} tokens"
