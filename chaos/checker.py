"""What was promised against what the streams hold; knows nothing of how the run went.

Each valid event has one decision for each of its roles, told to the world once; each invalid one
has one dead letter with its reason; nothing else is there; and no turn is paid for again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from chaos.evidence import Note
from chaos.history import Deliberation, History, Told
from chaos.workload import Label, title


class Breach(NamedTuple):
    """One thing that is not as promised."""

    kind: str
    what: str


@dataclass
class Findings:
    """What a checker found."""

    breaches: list[Breach]
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def by_kind(self) -> Counter[str]:
        """How often each promise was broken."""
        return Counter(breach.kind for breach in self.breaches)


def check(found: History, notes: Iterable[Note], acknowledged: Iterable[int]) -> Findings:
    """All that is wrong. `acknowledged` are the events whose producer was told they are kept."""
    asked = [*notes]
    breaches = [
        *(Breach("lost event", f"event {seq}") for seq in acknowledged if seq not in found.events),
        *_decisions(found),
        *_each(found.journal),
        *_letters(found),
        *_told(found),
        *_repeats(found.journal, asked),
    ]
    return Findings(breaches, _counts(found, asked))


def _decisions(found: History) -> Iterator[Breach]:
    """Each identity and role has one ended deliberation, and nothing else was deliberated."""
    expected: dict[tuple[str, str], set[str]] = defaultdict(set)
    for seq, label in found.events.items():
        for role in label.roles:
            expected[label.plan, role].add(label.identity or str(seq))
    for deliberation in found.journal:
        if (deliberation.plan, deliberation.role) not in expected:
            yield Breach("unexpected", f"{deliberation.id} of {deliberation.title!r}")
    having = Counter((d.plan, d.role) for d in found.journal)
    ended = Counter((d.plan, d.role) for d in found.journal if d.ends)
    for place, identities in expected.items():
        for _ in range(ended[place], len(identities)):
            yield Breach("missing", " ".join(place))
        for _ in range(len(identities), having[place]):
            yield Breach("duplicated", " ".join(place))


def _each(journal: Iterable[Deliberation]) -> Iterator[Breach]:
    for one in journal:
        if one.ends > 1:
            yield Breach("duplicated", f"{one.id} has {one.ends} ends")
        elif one.late:
            yield Breach("illegal", f"{one.id}: {one.late} messages behind its end")
        if one.ends and not one.decided:
            yield Breach("undecided", one.id)
        if one.illegal:
            yield Breach("illegal", f"{one.id}: {one.illegal}")


def _letters(found: History) -> Iterator[Breach]:
    """One for each invalid event, and for each that came under the identity of another."""
    letters = Counter(letter.seq for letter in found.letters)
    kinds = {letter.seq: letter.kind for letter in found.letters}
    won = {(one.plan, one.role): one.title for one in found.journal}
    for seq, label in found.events.items():
        due = label.wrong or ("conflict" if _lost(label, won) else "")
        if letters[seq] != bool(due):
            kind = "not dead-lettered" if due and not letters[seq] else "dead letter too many"
            yield Breach(
                kind, f"event {seq} ({due or 'valid'}): {letters[seq]} as {kinds.get(seq)}"
            )
        elif due and kinds[seq] != due:
            yield Breach("wrong reason", f"event {seq}: {kinds[seq]} for {due}")
    for seq in letters.keys() - found.events.keys():
        yield Breach("unexpected", f"a dead letter of event {seq}")


def _lost(label: Label, won: dict[tuple[str, str], str]) -> bool:
    """Whether, for some role, another text of the identity was deliberated."""
    own = title(label.plan, label.variant)
    return any(won.get((label.plan, role), own) != own for role in label.roles)


def _told(found: History) -> Iterator[Breach]:
    """Each end, each agent's task and each plan whose roles have ended is told once, no other."""
    due = _due(found)
    told = found.outbound
    for each in due.keys() | told.keys():
        if told[each] != due[each]:
            yield Breach("told", f"{' '.join(each)}: {told[each]} times for {due[each]}")


def _due(found: History) -> Counter[Told]:
    """How often the world should have been told each thing."""
    due = Counter[Told]()
    for one in found.journal:
        if one.ends:
            due[
                Told("deliberation.completed" if one.decided else "deliberation.failed", one.id)
            ] = 1
            due.update(Told("task.ended", one.id, agent) for agent in one.agents)
            due.update(Told("task.dispatched", one.id, agent) for agent in one.agents)
    won = {(one.plan, one.role): one.title for one in found.journal}
    approved = {
        (label.plan, label.identity or str(seq))
        for seq, label in found.events.items()
        if label.roles and not _lost(label, won)
    }
    due.update(Told("plan.approved", plan) for plan, _ in approved)
    return due


def _repeats(journal: Iterable[Deliberation], notes: list[Note]) -> Iterator[Breach]:
    """No run asks a turn whose outcome was stored before it began, nor any turn twice."""
    outcomes = {turn: at for one in journal for turn, at in one.outcomes.items()}
    began: dict[tuple[str, str], float] = {}
    asked: set[tuple[str, float, str]] = set()
    for note in notes:
        if note.kind == "began":
            began[note.who, str(note.facts[0])] = note.at
        elif note.kind == "asked":
            deliberation, turn = map(str, note.facts)
            since = began[note.who, deliberation]
            if (note.who, since, turn) in asked or outcomes.get(turn, note.at) < since:
                yield Breach("turn repeated", f"{turn} of {deliberation} by {note.who}")
            asked.add((note.who, since, turn))


def _counts(found: History, notes: list[Note]) -> dict[str, int]:
    """What happened at all; a run in which some of it did not proves nothing."""
    kinds = Counter(note.kind for note in notes)
    turns = Counter(str(note.facts[1]) for note in notes if note.kind == "asked")
    return {
        "events": len(found.events),
        "invalid": sum(bool(label.wrong) for label in found.events.values()),
        "deliberations": len(found.journal),
        "dead letters": len(found.letters),
        "conflicts": sum(letter.kind == "conflict" for letter in found.letters),
        "redelivered": sum(n.kind == "taken" and float(n.facts[1]) > 1 for n in notes),
        "superseded": kinds["superseded"],
        "resumed": sum(one.resumed for one in found.journal),
        "turns": len(turns),
        "turns asked again": sum(times - 1 for times in turns.values()),
    }
