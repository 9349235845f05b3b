"""Put files into the ConfigMaps of manifests, word for word; knows nothing of what they say.

python3 tools/embed.py    writes each file of FILES into the manifest that carries it
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = {
    "deploy/nats/permissions.conf": "ray-cluster.yaml",
    "deploy/acceptance.py": "deploy/acceptance-job.yaml",
}


def embedded(manifest: str, name: str, text: str) -> str:
    """The manifest with this text in the block of that name, indented as the block is."""
    block = re.compile(rf"(?<=\n  {re.escape(name)}: \|\n)(?:    .*\n|\n)*")
    lines = [f"    {line}" if line.strip() else line for line in text.splitlines(keepends=True)]
    return block.sub(lambda _match: "".join(lines), manifest, count=1)


def main() -> None:
    """Write every manifest anew."""
    for source, target in FILES.items():
        file, manifest = ROOT / source, ROOT / target
        manifest.write_text(embedded(manifest.read_text(), file.name, file.read_text()))


if __name__ == "__main__":
    main()
