"""One deliberation for a reader: its decision and what qualifies it; knows only its result."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Iterator, Sequence

from rich.box import HORIZONTALS
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from commands.view import clean, tokens
from engine.events import StorySeen
from engine.packet import Decision
from engine.results import Result
from engine.types import Condorcet, CondorcetStatus

TEXT_WIDTH = 76
BAR = 12
FEW = 4
"""So many rules are named; more are counted."""
EXCERPT_LINES = 6
"""Of each text where several decisions are shown at once."""

ENDS = {"completed": "green", "failed": "red", "suspended": "yellow", "in_progress": "cyan"}


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
    if found.story is not None:
        parts.append(Text(clean(f"story   {_story(found, found.story)}")))
    parts.append(Text(f"tokens  {tokens(found.usage)}"))
    title = Text.assemble((found.role, "bold"), f" {says}: no decision")
    return _framed(Group(*parts), title, ENDS[found.status])


def _framed(body: RenderableType, title: Text, style: str) -> Panel:
    return Panel(
        body, title=title, title_align="left", box=HORIZONTALS, border_style=style, padding=0
    )


def _order(found: Result) -> Table:
    order = Table.grid(padding=(0, 2))
    # Most rules give at most 1; where places or rounds are counted, the first has a whole bar.
    top = max(1.0, *(ranked.score or 0.0 for ranked in found.results), 0.0)
    for ranked in found.results:
        score = ranked.score or 0.0
        revised = len(ranked.proposal.revisions)
        order.add_row(
            f"{ranked.rank}.",
            Text(ranked.proposal.author_id, style="bold" if ranked.rank == 1 else ""),
            Text("━" * round(max(0.0, score) / top * BAR), style="green"),
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
    several = len(found.results) > 1
    rows = (*(_choice(decision) if several else _alone(decision)), *_course(decision))
    if found.story is not None:
        rows = (*rows, ("story", _story(found, found.story)))
    for name, what in (*rows, ("tokens", tokens(found.usage))):
        facts.add_row(name, Text(clean(what)))
    facts.add_row("time", f"{found.duration_ms / 1000:.1f} s ({decision.stop_reason})")
    if not found.durable:
        facts.add_row("journal", Text("behind: this is not stored for good yet", style="yellow"))
    return facts


def _story(found: Result, seen: StorySeen) -> str:
    """Which state of its story the agents were shown; a fork is of none, and was shown one."""
    name = found.story_id or "of its origin"
    if seen.missing:
        return f"{name}: {seen.missing}"
    version = f", context version {seen.version}" if seen.version else ""
    return f"{name}: {_counted(seen.notes, 'note')}{version}, hash {seen.hash[:12]}"


def _alone(decision: Decision) -> Iterator[tuple[str, str]]:
    if decision.policy:
        yield "policy", decision.policy


def _choice(decision: Decision) -> Iterator[tuple[str, str]]:
    """How the choice among several texts was made, and how clear it was."""
    policy = f", policy {decision.policy}" if decision.policy else ""
    yield "margin", f"{decision.margin:.2f} ({decision.rule}{policy})"
    if decision.tied:
        yield "tie", f"{_and(decision.tied)} were equal; {decision.tie_break} decided"
    if decision.override is not None:
        made = decision.override
        yield "override", f"by {made.by}, instead of {made.instead_of} ({made.rule}): {made.reason}"
    yield "condorcet", _condorcet(decision.condorcet)
    if decision.condorcet.status is not CondorcetStatus.UNASKED:
        yield "agreement", _agreement(decision)
        yield "consistency", _consistency(decision.consistency)
        yield "minority", _minority(decision)
    if decision.dissenting_rules:
        yield "other rules", _other_rules(decision)


def _course(decision: Decision) -> Iterator[tuple[str, str]]:
    """What was found on the way, and what would lead elsewhere."""
    answers = decision.classes.values()
    if decision.policy == "self_consistency" or len(set(answers)) < len(answers):
        yield "answers", _answers(decision)
    if decision.excluded:
        yield "excluded", f"{_and(decision.excluded)} failed a check"
    yield "objections", _objections(decision)
    if decision.spared:
        yield "spared", f"{_and(decision.spared)}: no ballot of theirs could change the choice"
    if decision.aborted:
        yield "stopped", f"{_counted(decision.aborted, 'turn')} under way"
    if others := _reopening(decision):
        yield "would change", "\n".join(others)


def _reopening(decision: Decision) -> list[str]:
    """What would change the choice, but for what other rows say already."""
    said = (
        *(f"{agent} was lost: " for agent in decision.lost),
        *(f"by {rule} it is " for rule in decision.dissenting_rules),
        f"equal by {decision.rule}: ",
        "the ballots chose ",
        "not answered, by ",
    )
    return [line for line in decision.reopen if not line.startswith(said)]


def _other_rules(decision: Decision) -> str:
    """The other winners, each with the rules that name it."""
    rules = defaultdict(list)
    for tally in decision.tallies:
        if tally.rule in decision.dissenting_rules:
            rules[" or ".join(tally.winners)].append(str(tally.rule))
    many = f"of {len(decision.tallies)} rules"
    return "; ".join(
        f"{winners} by {_and(names) if len(names) <= FEW else f'{len(names)} {many}'}"
        for winners, names in rules.items()
    )


def _answers(decision: Decision) -> str:
    kinds, texts = len(set(decision.classes.values())), len(decision.classes)
    return f"{kinds} in {_counted(texts, 'text')}, entropy {decision.entropy:.2f} bits"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _and(names: Sequence[str]) -> str:
    return ", ".join(names)


def _lost(decision: Decision) -> str:
    lost = ", ".join(f"{agent} ({why})" for agent, why in decision.lost.items())
    return clean(f"decided without {lost or 'all that should have been heard'}")


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
        case CondorcetStatus.UNASKED:
            return "no ballots"


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
