"""Claims about the commands that look back: `replay` and `fork`."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from http_twin import Refusal, Twin, suspended
from recording import RECORDS
from rich.console import Console

from cli import main
from commands.fork import Change, Forked, fork
from commands.watch import Form, Screen
from conclave import BrokenOff, Client
from engine.events import Decided
from engine.replay import Replay
from engine.testing import FlakyModel, ScriptedModel
from engine.types import Phase

Capture = pytest.CaptureFixture[str]
LAST = "agent-dev-003"


@pytest.fixture
def asked(twin: Twin, capsys: Capture) -> Twin:
    """A twin with one deliberation, `x`, that has ended."""
    assert main(["deliberate", "Clock", "--role", "DEV", "--id", "x"]) == 0
    capsys.readouterr()
    twin.asked.clear()
    twin.speak = ScriptedModel()
    return twin


def turns(twin: Twin) -> int:
    """How many turns the twin's model was asked."""
    assert isinstance(twin.speak, ScriptedModel)
    return len(twin.speak.turns)


def forged(twin: Twin) -> str:
    """Put another choice into the end of `x`; whose."""
    *before, last = twin.records["x"]
    assert isinstance(last.event, Decided)
    other = last.event.decision.order[1].author
    decision = last.event.decision.model_copy(update={"choice": other})
    twin.records["x"] = [*before, last.model_copy(update={"event": Decided(decision=decision)})]
    return other


def test_replay_says_what_is_reproduced(asked: Twin, capsys: Capture) -> None:
    """From the server's records alone; no model is asked."""
    assert main(["replay", "x"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("reproduced: agent-dev-")
    assert turns(asked) == 0
    assert [each.call for each in asked.asked] == [
        "GET /v1/deliberations/x",
        "GET /v1/deliberations/x/events",
    ]
    assert main(["replay", "x", "--json"]) == 0
    assert Replay.model_validate_json(capsys.readouterr().out).reproduced


def test_replay_says_what_is_not(asked: Twin, capsys: Capture) -> None:
    """The field with both values, and exit code 1; as JSON too."""
    other = forged(asked)
    assert main(["replay", "x"]) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith(f"not reproduced: was {other} by borda")
    assert f"  choice: was {other}, is agent-dev-" in captured.out
    assert captured.err.startswith("conclave: x is not reproduced: choice: was ")
    assert main(["replay", "x", "--json"]) == 1
    assert not json.loads(capsys.readouterr().out)["reproduced"]


def test_replay_reads_what_watch_wrote(asked: Twin, capsys: Capture, tmp_path: Path) -> None:
    """A file of records needs no server."""
    assert main(["watch", "x", "--json"]) == 0
    file = tmp_path / "records.jsonl"
    file.write_text(capsys.readouterr().out)
    assert main(["--url", "http://127.0.0.1:1", "replay", "--file", str(file)]) == 0
    assert capsys.readouterr().out.startswith("reproduced: ")
    assert main(["replay", "--file", str(RECORDS / "vote.jsonl")]) == 0
    assert "its prompts had another wording" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "words"), [(None, "cannot be read"), ("no record\n", "is no file of records")]
)
def test_a_file_that_is_none(text: str | None, words: str, capsys: Capture, tmp_path: Path) -> None:
    """It is named in one line."""
    file = tmp_path / "records.jsonl"
    if text is not None:
        file.write_text(text)
    assert main(["replay", "--file", str(file)]) == 1
    assert words in capsys.readouterr().err


def test_what_has_not_ended_is_not_replayed(asked: Twin, capsys: Capture) -> None:
    """It is said at once: its events are not waited for."""
    asked.records["x"] = suspended(asked.records["x"])
    assert main(["replay", "x"]) == 1
    assert "'x' has not ended" in capsys.readouterr().err


@pytest.mark.parametrize("how", [[], ["--watch"]])
def test_fork_tells_what_flipped(how: list[str], asked: Twin, capsys: Capture) -> None:
    """The decision of the fork, then what it made of the origin's choice, and on what facts."""
    assert main(["fork", "x", "--tally", "copeland", *how]) == 0
    out = capsys.readouterr().out
    assert "DEV decided: agent-dev-" in out
    assert "  tally: was borda, is copeland\n" in out
    assert "  12 turns taken over from x, 0 asked\n" in out
    assert turns(asked) == 0


def test_fork_sends_what_was_given_and_no_more(asked: Twin, capsys: Capture) -> None:
    """Every option has its field."""
    asked.refusal = Refusal(400, "InvalidRequest", "enough")
    words = f"--without a --without b --policy vote --tally irv --model large --id f {LAST}"
    main(["fork", *words.split()])
    main(["fork", "x"])
    first, second = asked.asked
    assert first.call == f"POST /v1/deliberations/{LAST}/forks"
    assert first.body == {
        "task_id": "f",
        "without": ["a", "b"],
        "policy": "vote",
        "tally": "irv",
        "model": "large",
    }
    assert second.body.keys() == {"task_id"}


def test_a_fork_as_json(asked: Twin, capsys: Capture) -> None:
    """The result of the fork beside what flipped; live, after its records."""
    assert main(["fork", "x", "--without", LAST, "--json", "--id", "f"]) == 0
    found = Forked.model_validate_json(capsys.readouterr().out)
    assert (found.fork.task_id, len(found.fork.results)) == ("f", 2)
    assert f"takes no part: {LAST}" in found.flip.why
    assert main(["fork", "x", "--without", LAST, "--json", "--id", "f", "--watch"]) == 0
    *records, last = capsys.readouterr().out.splitlines()
    assert len(records) == len(asked.records["f"])
    assert Forked.model_validate_json(last) == found


def test_a_fork_without_a_decision_is_exit_code_1(twin: Twin, capsys: Capture) -> None:
    """What it lacks is said, beside what its origin chose."""
    main(["deliberate", "Clock", "--role", "DEV", "--id", "x", "--policy", "single"])
    twin.speak = FlakyModel({("agent-dev-002", Phase.DRAFT)})
    capsys.readouterr()
    assert main(["fork", "x", "--without", "agent-dev-001"]) == 1
    captured = capsys.readouterr()
    assert captured.err.endswith("conclave: DEV: no decision: QuorumLost: 0 of 1 have a text\n")
    assert "flipped: was agent-dev-001, is no decision: QuorumLost" in captured.out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["never", "--tally", "irv"], "no deliberation 'never'"),
        (["x", "--without", "nobody"], "'nobody' takes no part"),
        (["x"], "changes nothing"),
        (["x", "--tally", "coin"], "tally: "),
    ],
)
def test_a_fork_that_is_refused(words: list[str], line: str, asked: Twin, capsys: Capture) -> None:
    """In the server's own words."""
    assert main(["fork", *words]) == 1
    captured: Any = capsys.readouterr()
    assert line in captured.err
    assert captured.out == ""


def test_a_fork_that_breaks_off_is_gone_on_with_in_the_same_form(asked: Twin) -> None:
    """The command that is told shows it as the first one did."""
    asked.cuts = [(3, None)] * 2
    out, err = Console(file=StringIO()), Console(file=StringIO(), width=500)
    with (
        Client(asked.url, err.print, pauses_s=(0.0,)) as client,
        pytest.raises(BrokenOff, match=r"fork x --tally=irv --id=f --watch --json$"),
    ):
        fork(client, Change("x", "f", tally="irv"), Form.JSON_LINES, Screen(out, err))
