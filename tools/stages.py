"""Run the stages of `make test`, each under a heading with its time; stops at the first failure.

.venv/bin/python tools/stages.py [NAME ...]    all stages, or only those named
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTEST = ["-m", "pytest", "-q", "-m"]
TYPED = ["engine", "actors", "edges", "commands", "serve_app.py", "cli.py"]

STAGES: dict[str, list[list[str]]] = {
    "lint": [["-m", "ruff", "check", "."], ["-m", "ruff", "format", "--check", "."]],
    "types": [["-m", "mypy", *TYPED]],
    "quick": [[*PYTEST, "not nats and not ray and not model"]],
    "nats": [[*PYTEST, "nats and not ray and not model"]],
    "real": [["-m", "actors.small_model"], [*PYTEST, "ray or model"]],
}


def main(names: list[str]) -> int:
    """Run the stages; the exit code is the first failing command's."""
    started = time.monotonic()
    for name in names or STAGES:
        print(f"== {name}", flush=True)
        stage_started = time.monotonic()
        for arguments in STAGES[name]:
            code = subprocess.run([sys.executable, *arguments], cwd=ROOT, check=False).returncode
            if code:
                print(f"== {name} FAILED after {time.monotonic() - stage_started:.1f} s")
                return code
        print(f"== {name} passed in {time.monotonic() - stage_started:.1f} s\n", flush=True)
    print(f"== all passed in {time.monotonic() - started:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
