"""Claims about how a decision qualifies itself to a reader, drawn 100 columns wide."""

import asyncio
from typing import Any

import pytest
from http_twin import recorded
from test_view import drawn

from commands.summary import summary
from engine.events import StorySeen
from engine.packet import Override, Tally
from engine.results import Result, result
from engine.testing import ScriptedModel
from engine.transcript import fold
from engine.types import Condorcet, CondorcetStatus, Phase, Task, Usage

ONE, TWO, THREE = (f"agent-dev-{number:03}" for number in (1, 2, 3))
TALLIES = tuple(
    Tally(rule=rule, scores={ONE: 1.0}, winners=(winner,))
    for rule, winner in zip(
        ("borda", "plurality", "irv", "minimax", "mrr", "score", "kemeny"),
        (ONE, TWO, THREE, THREE, THREE, THREE, THREE),
        strict=True,
    )
)


def decided(speak: ScriptedModel | None = None, **fields: object) -> Result:
    """What a council of DEV decided."""
    task = Task.model_validate({"id": "x", "role": "DEV", "text": "Clock", **fields})
    return result(fold(asyncio.run(recorded(task, speak or ScriptedModel()))))


def page(found: Result, **changes: Any) -> str:
    """A decision as it is seen, some of its fields changed, in lines without gaps."""
    assert found.decision is not None
    decision = found.decision.model_copy(update=changes)
    shown = drawn(summary(found.model_copy(update={"decision": decision})))
    return "\n".join(" ".join(line.split()) for line in shown.splitlines())


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (StorySeen(version=3, notes=1, hash="a" * 64), "story s-1: 1 note, context version 3, "),
        (StorySeen(notes=2, hash="a" * 64), f"story s-1: 2 notes, hash {'a' * 12}\n"),
        (StorySeen(missing="NATS is away"), "story s-1: NATS is away"),
    ],
)
def test_a_reader_sees_which_state_of_the_story_was_shown(seen: StorySeen, says: str) -> None:
    """With a decision and without one; a hash in brief, for the JSON has all of it."""
    found = decided(story_id="s-1").model_copy(update={"story": seen})
    assert says in page(found)
    undecided = drawn(summary(found.model_copy(update={"decision": None})))
    assert says in "\n".join(" ".join(line.split()) for line in undecided.splitlines())
    assert "story" not in page(decided())


def test_a_plain_decision_stays_short() -> None:
    """What there is nothing to say of has no row."""
    shown = page(decided(), dissenting_rules=())
    names = "tie override other answers excluded spared stopped would journal degraded"
    assert not [line for line in shown.splitlines() if line.split()[:1] in names.split()]
    assert len(shown.splitlines()) == 17


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"tied": (ONE, TWO), "tie_break": "copeland"}, f"tie {ONE}, {TWO} were equal; copeland "),
        (
            {"override": Override(by="judge", rule="borda", instead_of=TWO, reason="it is safer")},
            f"override by judge, instead of {TWO} (borda): it is safer",
        ),
        (
            {"tallies": TALLIES, "dissenting_rules": ("plurality", "irv")},
            f"other rules {TWO} by plurality; {THREE} by irv",
        ),
        (
            {"tallies": TALLIES, "dissenting_rules": [tally.rule for tally in TALLIES[1:]]},
            f"other rules {TWO} by plurality; {THREE} by 5 of 7 rules",
        ),
        ({"classes": {ONE: "a", TWO: "a", THREE: "b"}, "entropy": 0.918}, "answers 2 in 3 texts, "),
        ({"excluded": (TWO,)}, f"excluded {TWO} failed a check"),
        ({"spared": (ONE, TWO)}, f"spared {ONE}, {TWO}: no ballot of theirs could change"),
        ({"aborted": 1}, "stopped 1 turn under way"),
        ({"reopen": ("without the ballot of x it is y",)}, "would change without the ballot of x "),
        ({"condorcet": Condorcet(status=CondorcetStatus.UNASKED)}, "condorcet no ballots"),
    ],
)
def test_what_qualifies_a_decision_is_said(changes: dict[str, Any], says: str) -> None:
    """Each in its row, and only where it is so."""
    found = decided()
    assert says not in page(found, classes={}, dissenting_rules=())
    assert says in page(found, **changes)


def test_nothing_is_said_twice() -> None:
    """What would change the choice leaves out what a row of its own tells."""
    shown = page(decided(decide="architect"))
    assert shown.count("override") == 1
    assert "by plurality it is" not in shown
    assert "overrode" not in shown
    assert "would change" not in shown


def test_samples_of_one_agent_are_told_by_their_answers() -> None:
    """How many there are and how far apart, no ballots to speak of, and which policy it was."""
    texts = {(f"{ONE}.{n}", Phase.DRAFT): text for n, text in ((1, "4"), (2, "4"), (3, "5"))}
    shown = page(decided(ScriptedModel(texts), policy="self_consistency", samples=3))
    assert "margin 0.33 (classes, policy self_consistency)" in shown
    assert "answers 2 in 3 texts, entropy 0.92 bits" in shown
    assert "agreement" not in shown


def test_a_bar_is_never_longer_than_the_first_ones() -> None:
    """Rules that count places give scores above one, others below none."""
    for tally in ("plurality", "copeland", "bradley_terry"):
        lines = page(decided(tally=tally)).splitlines()
        bars = [line.count("━") for line in lines if line[:2] in ("1.", "2.", "3.")]
        assert bars == sorted(bars, reverse=True)
        assert max(bars) <= 12


def test_tokens_of_stopped_turns_are_told_apart() -> None:
    """They are no part of those that were generated."""
    found = decided()
    assert "in turns that were stopped" not in page(found)
    spent = found.usage + Usage(aborted=1234)
    assert "generated, 1,234 in turns that were stopped" in page(
        found.model_copy(update={"usage": spent})
    )
