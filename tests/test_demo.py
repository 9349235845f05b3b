"""The demonstration as a newcomer runs it, and what is left of it afterwards: nothing."""

import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import psutil
import pytest
from deadline import until

from actors.small_model import cache_dir

pytestmark = [pytest.mark.ray, pytest.mark.model, pytest.mark.timeout(500)]

MARK = "CONCLAVE_TEST"
CONCLAVE = Path(sys.executable).parent / "conclave"


def alive(mark: str) -> list[str]:
    """The living processes that were started with this mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != "zombie":
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def start(mark: str, out: Path, screen: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {MARK: mark, "CONCLAVE_CACHE": str(cache_dir())}
    with screen.open("wb") as file:
        return subprocess.Popen(
            [CONCLAVE, "demo", "--out", out], env=environment, stdout=file, stderr=file
        )


def test_the_demo_makes_five_decisions_and_leaves_nothing(
    small_model: Path, tmp_path: Path
) -> None:
    """It exits 0; each decision ranks three texts and cost tokens, some of them cached."""
    mark, out, screen = uuid.uuid4().hex, tmp_path / "decisions.jsonl", tmp_path / "screen"
    code = start(mark, out, screen).wait()
    assert code == 0, screen.read_text()
    decisions = [json.loads(line) for line in out.read_text().splitlines()]
    assert [d["role"] for d in decisions] == ["DEV", "QA", "ARCHITECT", "DEVOPS", "DATA"]
    for decision in decisions:
        assert [ranked["rank"] for ranked in decision["results"]] == [1, 2, 3]
        assert decision["winner_id"] == decision["results"][0]["proposal"]["author_id"]
        assert decision["usage"]["generated"] > 0
        assert decision["usage"]["cached"] > 0
    assert str(out) in screen.read_text().replace("\n", "")
    assert alive(mark) == []


def test_ctrl_c_in_the_middle_leaves_nothing(small_model: Path, tmp_path: Path) -> None:
    """While agents draft: all is stopped."""
    mark, screen = uuid.uuid4().hex, tmp_path / "screen"
    process = start(mark, tmp_path / "out.jsonl", screen)
    until(lambda: "drafting" in screen.read_text(), "drafting on the screen", seconds=200)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130, screen.read_text()
    assert "Traceback" not in screen.read_text()
    until(lambda: not alive(mark), f"nothing alive: {alive(mark)}", seconds=20)
