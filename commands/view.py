"""What is shown of deliberations: a board of several, a decision; knows only their records."""

from __future__ import annotations

import textwrap
import time
import unicodedata
from collections import Counter
from collections.abc import Callable

from rich.box import HORIZONTALS, SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from engine.events import Asked, Decided, Dropped, Failed, Hastened, Record, Resumed, Suspended
from engine.packet import Decision
from engine.results import Result
from engine.transcript import Transcript
from engine.types import Condorcet, CondorcetStatus, Phase, Usage

DOING = {
    Phase.DRAFT: "drafting",
    Phase.CRITIQUE: "reviewing",
    Phase.REVISE: "revising",
    Phase.VOTE: "voting",
}
TEXT_WIDTH = 76
BAR = 12
EXCERPT_LINES = 6
"""Of each text where several decisions are shown at once."""

ENDS = {"completed": "green", "failed": "red", "suspended": "yellow", "in_progress": "cyan"}


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


def summary(found: Result, lines: int | None = None) -> RenderableType:
    """A deliberation for a reader: winner's text, order, what qualifies it, what it cost.

    `lines` cuts the text short; all of it without. There are no marks beside the text, so that it
    can be copied.
    """
    if found.decision is None:
        return _undecided(found)
    decision = found.decision
    parts: list[RenderableType] = [Text(_clipped(clean(found.results[0].proposal.content), lines))]
    if decision.degraded:
        parts += [Text(), Text(f"degraded: {_lost(decision)}", style="yellow")]
    parts += [Text(), _order(found), Text(), _facts(found, decision)]
    title = Text.assemble((found.role, "bold"), " decided: ", (found.winner_id, "bold green"))
    return _framed(Group(*parts), title, "green")


def _undecided(found: Result) -> RenderableType:
    """Without a decision: why, and what was written so far."""
    says = found.status.replace("_", " ")
    parts: list[RenderableType] = []
    if found.error_type:
        parts.append(Text(clean(f"{found.error_type}: {found.error}"), style="red"))
    for ranked in found.results:
        text = Text(clean(ranked.proposal.content))
        parts += [Text(f"{ranked.proposal.author_id}:", style="bold"), text, Text()]
    parts.append(Text(f"tokens  {tokens(found.usage)}"))
    title = Text.assemble((found.role, "bold"), f" {says}: no decision")
    return _framed(Group(*parts), title, ENDS[found.status])


def _framed(body: RenderableType, title: Text, style: str) -> Panel:
    return Panel(
        body, title=title, title_align="left", box=HORIZONTALS, border_style=style, padding=0
    )


def _order(found: Result) -> Table:
    order = Table.grid(padding=(0, 2))
    for ranked in found.results:
        score = ranked.score or 0.0
        revised = len(ranked.proposal.revisions)
        order.add_row(
            f"{ranked.rank}.",
            Text(ranked.proposal.author_id, style="bold" if ranked.rank == 1 else ""),
            Text("━" * round(score * BAR), style="green"),
            f"{score:.2f}",
            f"revised {revised} x" if revised else "",
            Text("cut off at its token budget", style="yellow")
            if ranked.proposal.truncated
            else "",
        )
    return order


def _facts(found: Result, decision: Decision) -> Table:
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    if len(found.results) > 1:
        facts.add_row("margin", f"{decision.margin:.2f} ({decision.rule}, 0 to 1)")
        facts.add_row("condorcet", _condorcet(decision.condorcet))
        facts.add_row("agreement", _agreement(decision))
        facts.add_row("consistency", _consistency(decision.consistency))
        facts.add_row("minority", _minority(decision))
    facts.add_row("objections", Text(_objections(decision)))
    facts.add_row("tokens", tokens(found.usage))
    facts.add_row("time", f"{found.duration_ms / 1000:.1f} s ({decision.stop_reason})")
    if not found.durable:
        facts.add_row("journal", Text("behind: this is not stored for good yet", style="yellow"))
    return facts


def tokens(usage: Usage) -> str:
    """Tokens by kind, in words."""
    return (
        f"{usage.prompt:,} prompt, {usage.cached:,} of them cached, {usage.generated:,} generated"
    )


def clean(text: str) -> str:
    """A text that others wrote, without what would steer the terminal it is shown on."""
    kept = (c for c in text.expandtabs(4) if c == "\n" or unicodedata.category(c) != "Cc")
    return "".join(kept).strip("\n")


def _lost(decision: Decision) -> str:
    lost = ", ".join(f"{agent} ({why})" for agent, why in decision.lost.items())
    return clean(f"decided without {lost or 'all ballots'}")


def _condorcet(found: Condorcet) -> str:
    match found.status:
        case CondorcetStatus.WINNER:
            return f"{found.winner} beats every other one"
        case CondorcetStatus.CYCLE:
            return "a cycle: none beats every other one"
        case CondorcetStatus.TIE:
            return "a tie: none beats every other one"
        case CondorcetStatus.UNOPPOSED:
            return f"{found.winner} has no rival"


def _agreement(decision: Decision) -> str:
    return f"tau {_number(decision.agreement_tau)}, W {_number(decision.agreement_w)}"


def _minority(decision: Decision) -> str:
    return ", ".join(f"{m.voter} prefers {m.prefers}" for m in decision.minority) or "none"


def _objections(decision: Decision) -> str:
    lines = [
        f"{o.reviewer}: {o.issue} ({'revised since' if o.answered else 'not answered'})"
        for o in decision.objections
    ]
    return clean("\n".join(lines)) or "none"


def _clipped(text: str, most: int | None) -> str:
    if most is None:
        return text
    lines = [w for line in text.splitlines() for w in textwrap.wrap(line, TEXT_WIDTH) or [""]]
    more = [f"[{len(lines) - most} more lines]"] if len(lines) > most else []
    return "\n".join(lines[:most] + more)


def _consistency(share: float | None) -> str:
    if share is None:
        return "not defined"
    return f"{share:.0%} of comparisons came out the same in both orders"


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.2f}"
