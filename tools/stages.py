"""Run the stages of `make test`, each under a heading with its time; stops at the first failure.

.venv/bin/python tools/stages.py [NAME ...]    all stages, some side by side, or only those named
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from pure import test_files

STAGES_PY = str(Path(__file__).resolve())
ROOT = Path(__file__).resolve().parent.parent
PYTEST = ["-m", "pytest", "-q", "-m"]
QUICK = [*PYTEST, "not nats and not ray and not model"]
PACKAGES = ["engine", "actors", "edges", "conclave", "commands"]
TYPED = [*PACKAGES, "bench", "chaos", "serve_app.py", "cli.py", "deploy/acceptance.py"]
COVERAGE_PERCENT = 97
PURE, FAR = test_files()
# They run the same lines thousands of times, which takes twice as long where lines are counted.
UNTRACED = [f"tests/test_{name}.py" for name in ("any_order", "bench", "hostile", "resume")]
COVERING = [path for path in PURE if path not in UNTRACED]

AT_ONCE = ["-n", "4"]
"""Tests that mostly wait, each for a server of its own."""
THOUSANDS = ["--hypothesis-profile=fuzz", "--timeout=3600"]
CHAOS = ["-m", "chaos"]
A_MINUTE = "--seconds 40 --events 600"
A_CONTROL = "--seconds 12 --events 40 --faults 0 --control ack-first"
CONTROLS = ("ack-first", "plain-publish", "msg-id-only")

Step = list[list[str]]
"""Commands that run side by side."""

STAGES: dict[str, list[Step]] = {
    "lint": [[["-m", "ruff", "check", "."]], [["-m", "ruff", "format", "--check", "."]]],
    "types": [[["-m", "mypy", *TYPED]]],
    "quick": [[[*QUICK, *UNTRACED], [*QUICK, *FAR]]],
    # The other quick tests, which import the engine alone; they have to cover it.
    "cover": [[[*QUICK, "--cov=engine", f"--cov-fail-under={COVERAGE_PERCENT}", *COVERING]]],
    "nats": [[[*PYTEST, "nats and not ray and not model", *AT_ONCE]]],
    "chaos": [[[*CHAOS, *A_MINUTE.split()], [*CHAOS, *A_CONTROL.split()]]],
    "real": [
        [["-m", "actors.small_model"]],
        [[*PYTEST, "(ray or model) and not cluster", "--durations=12"]],
    ],
}

TOGETHER = [["lint"], ["types", "nats"], ["quick", "chaos", "cover"], ["real"]]
"""All stages in their order. Those of one list run side by side: the bus's mostly wait."""

APART: dict[str, list[Step]] = {
    "fuzz": [
        [[*QUICK, *THOUSANDS, *PURE], [*PYTEST, "nats", *THOUSANDS, "tests/test_bad_input.py"]]
    ],
    "cluster": [[["-m", "actors.small_model"]], [[*PYTEST, "cluster"]]],
    "fuzz-doors": [[[*PYTEST, "nats", *THOUSANDS, "tests/test_fuzz_doors.py"]]],
    "siege": [[CHAOS], *([[*CHAOS, "--seconds", "60", "--control", each]] for each in CONTROLS)],
}
"""What runs only when it is named."""


def main(names: list[str]) -> int:
    """Run the stages; the exit code is the first failing command's."""
    started = time.monotonic()
    groups = [[name] for name in names] or TOGETHER
    for group in groups:
        code = stage(group[0]) if len(group) == 1 else run([[STAGES_PY, name] for name in group])
        if code:
            return code
    if len(groups) > 1:
        print(f"== all passed in {time.monotonic() - started:.1f} s")
    return 0


def stage(name: str) -> int:
    """Run one stage under its heading."""
    print(f"== {name}", flush=True)
    started = time.monotonic()
    for step in (STAGES | APART)[name]:
        code = run(step)
        if code:
            print(f"== {name} FAILED after {time.monotonic() - started:.1f} s")
            return code
    print(f"== {name} passed in {time.monotonic() - started:.1f} s\n", flush=True)
    return 0


def run(step: Step) -> int:
    """Run the commands at once; what all but the first print comes when that one has ended."""
    first, *others = (
        subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE if place else None,
            stderr=subprocess.STDOUT if place else None,
            text=True,
        )
        for place, arguments in enumerate(step)
    )
    codes = [first.wait()]
    for other in others:
        print(other.communicate()[0], end="", flush=True)
        codes.append(other.returncode)
    return next(filter(None, codes), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
