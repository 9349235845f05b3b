"""Write actors/pb from proto/; knows nothing of what the messages mean.

.venv/bin/python tools/generate.py [FOLDER]    into this checkout, or into another folder
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "proto" / "fleet" / "orchestrator" / "v1"
PACKAGE = "actors/pb"
"""Where protoc is to believe that the source lies: the generated imports follow from it."""


def main(arguments: list[str]) -> int:
    """Run protoc; the exit code is its own."""
    target = Path(arguments[0]) if arguments else ROOT
    (target / PACKAGE).mkdir(parents=True, exist_ok=True)
    outputs = [f"--{kind}_out={target}" for kind in ("python", "pyi", "grpc_python")]
    files = [f"{PACKAGE}/{path.name}" for path in sorted(SOURCE.glob("*.proto"))]
    command = ["-m", "grpc_tools.protoc", f"-I{PACKAGE}={SOURCE}", *outputs, *files]
    return subprocess.run([sys.executable, *command], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
