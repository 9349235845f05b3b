"""Put the bus's permissions into ray-cluster.yaml; knows nothing of what they permit.

python3 tools/embed.py    writes the rules of deploy/nats/permissions.conf there, word for word
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "deploy" / "nats" / "permissions.conf"
MANIFEST = ROOT / "ray-cluster.yaml"
BLOCK = re.compile(r"(?<=  permissions\.conf: \|\n)(?:    .*\n|\n)+")


def embedded(manifest: str, rules: str) -> str:
    """The manifest with these rules, indented as its block is."""
    lines = [f"    {line}" if line.strip() else line for line in rules.splitlines(keepends=True)]
    return BLOCK.sub(lambda _match: "".join(lines), manifest, count=1)


if __name__ == "__main__":
    MANIFEST.write_text(embedded(MANIFEST.read_text(), RULES.read_text()))
