"""The commands against the real doors in a real Serve: what the twin takes for granted."""

import json
import os
import shlex
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from deadline import until
from house import ALL, House

from cli import main
from engine.events import Record
from engine.results import Result

pytestmark = [pytest.mark.ray, pytest.mark.nats, pytest.mark.timeout(180)]

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def doors(opened: House, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setenv("CONCLAVE_URL", opened.url)
    monkeypatch.setenv("COLUMNS", "100")
    opened.stage.open(*ALL)
    return opened


def out_of(words: list[str], capsys: Capture) -> str:
    """What a command that goes well writes."""
    code = main(words)
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return captured.out


def once(condition: Callable[[], object], act: Callable[[], object]) -> threading.Thread:
    """Do it from aside, as soon as it holds."""

    def wait_and_act() -> None:
        until(condition, "the moment to act")
        act()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    return thread


def test_a_deliberation_is_watched_shown_and_read_alike(doors: House, capsys: Capture) -> None:
    """The lines, the result and the records are of one deliberation."""
    ask = ["deliberate", "Clock", "--role", "dev", "--id", "cli/1"]
    shown = out_of([*ask, "--watch"], capsys)
    assert "agent-dev-001 drafted (" in shown
    assert "DEV decided: agent-dev-" in shown
    found = Result.model_validate_json(out_of([*ask, "--json"], capsys))
    assert Result.model_validate_json(out_of(["show", "cli/1", "--json"], capsys)) == found
    lines = out_of(["watch", "cli/1", "--json"], capsys).splitlines()
    records = [Record.model_validate_json(line) for line in lines]
    assert [record.seq for record in records] == list(range(1, len(records) + 1))
    assert records[-1].event.kind == "decided"


def test_ctrl_c_suspends_and_the_printed_command_goes_on(doors: House, capsys: Capture) -> None:
    """The last caller left, so it stops; sent again as it was, it decides."""
    doors.close("critique")
    ask = ["deliberate", "What's a clock?", "--role", "DEV", "--id", "cli-2"]
    drafted = once(
        lambda: len(doors.get("cli-2").json().get("results", ())) == 3,
        lambda: os.kill(os.getpid(), signal.SIGINT),
    )
    assert main(ask) == 130
    drafted.join()
    again = capsys.readouterr().err.partition("To go on:  conclave ")[2]
    until(lambda: doors.get("cli-2").json()["status"] == "suspended", "it is suspended")
    assert "DEV suspended: no decision" in out_of(["show", "cli-2"], capsys)
    doors.stage.open("critique")
    assert "DEV decided" in out_of(shlex.split(again), capsys)
    kinds = [json.loads(line) for line in out_of(["watch", "cli-2", "--json"], capsys).splitlines()]
    assert [r["event"]["kind"] for r in kinds].count("drafted") == 3


def test_detached_work_can_be_cancelled(doors: House, capsys: Capture) -> None:
    """It runs without us until it is ended; whoever watches is told."""
    doors.close("draft")
    ask = ["deliberate", "Clock", "--role", "QA", "--detach", "--id", "cli-3"]
    assert out_of(ask, capsys) == "cli-3\n"
    ending = once(
        lambda: doors.council("QA")["running"], lambda: doors.http.delete("/v1/deliberations/cli-3")
    )
    assert main(["watch", "cli-3"]) == 1
    ending.join()
    assert "conclave: QA: no decision: Cancelled: " in capsys.readouterr().err
    assert main(["cancel", "cli-3"]) == 1
    assert "has ended already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("deliberate Clock --role LEGAL", "role: no council 'LEGAL'; known roles: DEV, QA"),
        ("deliberate Clock --role DEV --rounds 9 --watch", "rounds: 9 is over this server's cap"),
        ("deliberate Clock --role DEV --policy duel --detach", "policy: no policy 'duel'"),
        ("deliberate Other --role DEV --id cli/1", "task_id 'cli/1' belongs to another request"),
        ("deliberate Clock --role DEV --timeout -1", "timeout_seconds: "),
        ("watch nobody", "no deliberation 'nobody'"),
        ("show nobody", "no deliberation 'nobody'"),
        ("cancel nobody", "no deliberation 'nobody'"),
    ],
)
def test_a_refusal_is_one_line(words: str, says: str, doors: House, capsys: Capture) -> None:
    """The real door's own detail, exit code 1."""
    assert main(words.split()) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"conclave: {says}")
    assert captured.err.count("\n") == 1


def test_a_body_over_the_limit(doors: House, tmp_path: Path, capsys: Capture) -> None:
    """It is refused while it is still being sent, and said all the same."""
    (tmp_path / "long").write_text("word " * 400_000)
    for how in ([], ["--watch"], ["--detach"]):
        assert main(["deliberate", f"@{tmp_path}/long", "--role", "DEV", *how]) == 1
        assert "body: 20" in capsys.readouterr().err


def test_councils_and_status(doors: House, capsys: Capture) -> None:
    """The tables hold what the real edge tells."""
    assert "QA " in out_of(["councils"], capsys)
    shown = out_of(["status"], capsys)
    for part in ("version", "pool", "bus", doors.nats.url, "councils"):
        assert part in shown
