"""Claims about `python -m engine`: one scripted deliberation, told so that one can read it."""

import subprocess
import sys
from pathlib import Path

import pytest

from engine.__main__ import SCRIPTED, line, main
from engine.events import Drafted, Dropped, Failed, Rejected, Resumed
from engine.types import Phase, Usage

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = {"pydantic", "pydantic_core", "annotated_types", "typing_extensions"}
ALLOWED |= {"typing_inspection", "engine"}

Capture = pytest.CaptureFixture[str]


def told(capsys: Capture, *arguments: str) -> list[str]:
    """The lines of a run that ends in a decision."""
    assert main(arguments) == 0
    return capsys.readouterr().out.splitlines()


def kinds(lines: list[str]) -> list[str]:
    """The events' names, which end where the decision's account begins."""
    return [line.split()[0] for line in lines[2 : lines.index("", 2)]]


def test_the_first_line_says_that_no_model_is_asked(capsys: Capture) -> None:
    """Nobody can take the scripted choice for an answer."""
    assert told(capsys, "Which database?")[0] == SCRIPTED
    assert "no model is asked" in SCRIPTED


def test_every_event_has_its_line_and_the_decision_its_account(capsys: Capture) -> None:
    """Three agents and one round are 27 events; order, dissent and cost come last."""
    lines = told(capsys, "Which database?")
    assert len(kinds(lines)) == 27
    assert kinds(lines)[0] == "convened"
    assert kinds(lines)[-1] == "decided"
    phases = (Phase.DRAFT, Phase.CRITIQUE, Phase.REVISE, Phase.VOTE)
    account = "\n".join(lines[lines.index("", 2) :])
    assert account.index("1. agent-") < account.index("3. agent-")
    assert all(word in account for word in ("condorcet", "minority", "tokens", *phases))


def test_the_minority_is_named(capsys: Capture) -> None:
    """The twins prefer what is first on their page, and half of the pages are reversed."""
    (minority,) = [line for line in told(capsys, "Which?") if line.startswith("minority")]
    assert " prefers agent-" in minority


@pytest.mark.parametrize(
    ("arguments", "drafts", "critiques"),
    [
        (["--agents", "4"], 4, 4),
        (["--rounds", "2"], 3, 6),
        (["--rounds", "0"], 3, 0),
        (["--policy", "vote"], 3, 0),
        (["--policy", "single"], 1, 0),
    ],
)
def test_options_change_what_happens(
    capsys: Capture, arguments: list[str], drafts: int, critiques: int
) -> None:
    """Agents, rounds and policy do here what they do in a request."""
    events = kinds(told(capsys, "Which database?", *arguments))
    assert (events.count("drafted"), events.count("critiqued")) == (drafts, critiques)


@pytest.mark.parametrize(
    "arguments",
    [
        [" "],
        [],
        ["q", "--agents", "0"],
        ["q", "--agents", "33"],
        ["q", "--rounds", "-1"],
        ["q", "--rounds", "two"],
        ["q", "--policy", "coin"],
        ["q", "--policy", "vote", "--rounds", "2"],
    ],
)
def test_what_cannot_be_asked_is_said_before_anything_runs(
    capsys: Capture, arguments: list[str]
) -> None:
    """A wrong option is one line on stderr and the exit code of a usage error."""
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "error:" in said.err.splitlines()[-1]


def test_bytes_that_are_no_text_are_asked_as_a_question_mark(capsys: Capture) -> None:
    """What a shell passes on as half characters cannot be written down."""
    assert told(capsys, "Which \udcff?")


def test_a_line_moves_no_terminal() -> None:
    """Breaks are folded, control characters are dots, and what is too long is cut."""
    text = "one\ntwo \x1b[2J\u202e" + "x" * 500
    event = Drafted(turn="t", agent="a", text=text, reasoning="", truncated=False, usage=Usage())
    shown = line(event)
    assert shown.startswith("drafted    a: one two .[2J.xxx")
    assert len(shown) == 96


def test_what_goes_wrong_is_told_with_its_reason() -> None:
    """Losses, unusable replies and a failure are events like the others."""
    wasted = {"turn": "t", "text": "", "usage": Usage(), "agent": "a", "phase": Phase.DRAFT}
    dropped = Dropped(agent="a", phase=Phase.DRAFT, reason="no engine")
    failed = Failed(error_type="NoBallots", message="none voted", lost={}, tokens={})
    assert line(dropped) == "dropped    a: no engine"
    assert line(Rejected(reason="empty text", **wasted)) == "rejected   a: empty text"
    assert line(failed) == "failed     NoBallots: none voted"
    assert line(Resumed()) == "resumed"


def test_it_runs_on_the_standard_library_and_pydantic() -> None:
    """A process of its own, which loads nothing else."""
    code = (
        "import sys, runpy; before = set(sys.modules); sys.argv = ['engine', 'Which?']\n"
        "try: runpy.run_module('engine', run_name='__main__')\n"
        "except SystemExit as left: assert not left.code\n"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    first, *_, last = done.stdout.splitlines()
    loaded = {name for name in last.split() if not name.startswith("_")}
    assert first == SCRIPTED
    assert "engine" in loaded
    assert loaded - set(sys.stdlib_module_names) <= ALLOWED
