"""Write deploy/locks, what each image holds, out of requirements.lock; knows nothing of images.

python3 tools/locks.py    run by `make lock`, after that file itself
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from setup import LOCK, ROOT, UV, Stop, run_with_torch

LOCKS = ROOT / "deploy" / "locks"
EXTRAS = {"base": (), "cpu": ("--extra", "cpu"), "gpu": ("--extra", "gpu")}
ITS_OWN = ("apache-tvm-ffi", "setuptools", "torch", "triton")
"""What the image for GPUs has in other versions than we test with, by what vLLM needs there."""
HEADING = "# What the image {} holds besides Conclave, pinned. Made by `make lock`, not by hand.\n"


def main() -> int:
    """Resolve each image anew, in the versions that the tests run."""
    try:
        for image, extra in EXTRAS.items():
            lock(image, extra)
    except Stop as stop:
        print(f"locks: {stop}", file=sys.stderr)
        return 1
    return 0


def lock(image: str, extra: tuple[str, ...]) -> None:
    """Write the lock of one image."""
    target = LOCKS / f"{image}.lock"
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        constraints.write("\n".join(tested(image)))
        constraints.flush()
        command: list[str | Path] = [UV, "pip", "compile", "pyproject.toml", *extra]
        command += ["--constraints", constraints.name, "--python-version", "3.11", "--upgrade"]
        command += ["--no-header", "--no-annotate", "--output-file", target]
        run_with_torch(command, f"resolve the image {image}")
    target.write_text(HEADING.format(image) + target.read_text())


def tested(image: str) -> list[str]:
    """The versions that the tests run; a GPU's image has others where it must, and no CPU build."""
    pins = [line for line in LOCK.read_text().splitlines() if not line.startswith("#")]
    if image != "gpu":
        return pins
    others = [pin for pin in pins if pin.partition("==")[0] not in ITS_OWN]
    return [*others, *(pin.replace("==", "!=") for pin in pins if pin.endswith("+cpu"))]


if __name__ == "__main__":
    sys.exit(main())
