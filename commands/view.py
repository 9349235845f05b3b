"""What the demo shows of deliberations: a live board and a summary; knows only their records."""

from __future__ import annotations

import textwrap
import time
from collections import Counter

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from engine.events import Asked, Decided, Dropped, Failed, Record
from engine.results import Result
from engine.transcript import Transcript
from engine.types import Phase, Usage

DOING = {
    Phase.DRAFT: "drafting",
    Phase.CRITIQUE: "reviewing",
    Phase.REVISE: "revising",
    Phase.VOTE: "voting",
}
WINNER_LINES = 6
TEXT_WIDTH = 76


class Row:
    """One role's deliberation as far as its records tell."""

    def __init__(self, role: str) -> None:
        self.role = role
        self.state = Transcript()
        self._asked: dict[str, Asked] = {}
        self._said = ""

    def add(self, record: Record) -> None:
        """Take one more record in."""
        self.state.add(record.event, record.at)
        if isinstance(record.event, Asked):
            self._asked[record.event.turn] = record.event
        elif isinstance(record.event, Dropped):
            lost = record.event.agent
            self._asked = {turn: a for turn, a in self._asked.items() if a.agent != lost}

    def news(self) -> bool:
        """Whether the kind of work has changed since this was asked last."""
        now = "".join(letter for letter in self.doing if not letter.isdigit())
        changed = now not in ("", self._said)
        self._said = now or self._said
        return changed

    @property
    def doing(self) -> str:
        """What its agents do now, in words."""
        match self.state.end:
            case Decided(decision=decision):
                return f"decided: agent {decision.choice.rpartition('-')[2]}"
            case Failed(error_type=kind):
                return f"failed: {kind}"
        open_turns = (a for turn, a in self._asked.items() if turn not in self.state.outcomes)
        counts = Counter(asked.phase for asked in open_turns)
        parts = (f"{DOING[phase]} {counts[phase]}" for phase in Phase if counts[phase])
        return ", ".join(parts)

    @property
    def elapsed_s(self) -> float:
        """Seconds from the first record to now, or to the end."""
        if not self.state.began:
            return 0.0
        return (self.state.ended or time.time()) - self.state.began

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Drafts, critiques, revisions and ballots so far."""
        texts = self.state.proposals.values()
        critiques = sum(len(c) for c in self.state.critiques.values())
        revisions = sum(len(proposals) - 1 for proposals in texts)
        return len(texts), critiques, revisions, len(self.state.ballots)


class Board:
    """All roles side by side."""

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
            table.add_row(row.role, row.doing, *figures, f"{row.elapsed_s:.0f}")
        return table


def summary(found: Result) -> RenderableType:
    """One decision for a reader: order, winner's text, what qualifies it, what it cost."""
    decision = found.decision
    if decision is None:
        body: RenderableType = Text(f"{found.error_type}: {found.error}", style="red")
        return Panel(body, title=f"{found.role}: no decision")
    order = Table.grid(padding=(0, 2))
    for ranked in found.results:
        revised = f"revised {len(ranked.proposal.revisions)} x"
        order.add_row(f"{ranked.rank}.", ranked.proposal.author_id, f"{ranked.score:.2f}", revised)
    facts = Table.grid(padding=(0, 2))
    facts.add_row("condorcet", f"{decision.condorcet.status} {decision.condorcet.winner}")
    facts.add_row("margin", f"{decision.margin:.2f} ({decision.rule}, 0 to 1)")
    facts.add_row(
        "agreement", f"tau {_number(decision.agreement_tau)}, W {_number(decision.agreement_w)}"
    )
    facts.add_row(
        "minority", ", ".join(f"{m.voter} for {m.prefers}" for m in decision.minority) or "none"
    )
    facts.add_row("consistency", _consistency(decision.consistency))
    facts.add_row("objections", _objections(found))
    facts.add_row("tokens", tokens(found.usage))
    facts.add_row("stopped", f"{decision.stop_reason} after {found.duration_ms / 1000:.1f} s")
    if decision.degraded:
        lost = ", ".join(f"{agent} ({why})" for agent, why in decision.lost.items())
        facts.add_row("degraded", f"without {lost or 'all ballots'}")
    text = Text(_first_lines(found.results[0].proposal.content), style="italic")
    return Panel(
        Group(order, Text(), text, Text(), facts),
        title=f"{found.role}: {found.winner_id}",
        title_align="left",
    )


def tokens(usage: Usage) -> str:
    """Tokens by kind, in words."""
    return (
        f"{usage.prompt:,} prompt, {usage.cached:,} of them cached, {usage.generated:,} generated"
    )


def _objections(found: Result) -> str:
    assert found.decision is not None
    lines = [
        f"{o.reviewer}: {o.issue} ({'revised since' if o.answered else 'not answered'})"
        for o in found.decision.objections
    ]
    return "\n".join(lines) or "none"


def _first_lines(text: str) -> str:
    lines = [w for line in text.splitlines() for w in textwrap.wrap(line, TEXT_WIDTH) or [""]]
    more = [f"[{len(lines) - WINNER_LINES} more lines]"] if len(lines) > WINNER_LINES else []
    return "\n".join(lines[:WINNER_LINES] + more)


def _consistency(share: float | None) -> str:
    if share is None:
        return "not defined"
    return f"{share:.0%} of comparisons came out the same in both orders"


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.2f}"
