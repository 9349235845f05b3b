"""Claims about the command: what cannot be done is said in one line, before anything starts."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from http_twin import Twin

import cli
from cli import main


def test_a_plan_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file is named."""
    assert main(["demo", "--plan", str(tmp_path / "nowhere.json")]) == 1
    assert capsys.readouterr().err == (
        f"conclave: {tmp_path}/nowhere.json cannot be read (No such file or directory). "
        "Name a plan as JSON\n"
    )


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        ("{", "json_invalid at event"),
        ("{}", "missing at payload.story_id"),
        ('{"story_id": "s", "plan_id": "p", "approved_by": "me"}', "payload.timestamp"),
    ],
)
def test_a_plan_that_the_bridge_would_bury(
    plan: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its kind and place are said at once, not after the engine has started."""
    file = tmp_path / "plan.json"
    file.write_text(plan)
    assert main(["demo", "--plan", str(file), "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_a_taken_port(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The port, who needs it, and how to find what holds it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port), "--store", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert f"Port {port} on 127.0.0.1 is taken, HTTP needs it" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_full_disk(form: list[str], twin: Twin) -> None:
    """What is wrong is said in one line, and the exit code says that the output is not whole."""
    asked = [sys.executable, cli.__file__, "--url", twin.url, "councils", *form]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(asked, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    said = "conclave: not all could be written (No space left on device)\n"
    assert (done.returncode, done.stderr) == (1, said)
