"""What a process did, written down so that it outlives the process; knows nothing of the bus."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Note(NamedTuple):
    """One thing that an incarnation of a process did; `at` in Unix seconds."""

    who: str
    at: float
    kind: str
    facts: tuple[str | float, ...]


class Evidence:
    """The notes of one incarnation: each is in its file when `note` returns, whatever comes."""

    def __init__(self, folder: Path, who: str) -> None:
        path = folder / f"{who}.jsonl"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def note(self, kind: str, *facts: str | float) -> None:
        """Write one thing down."""
        os.write(self._file, json.dumps([time.time(), kind, *facts]).encode() + b"\n")


def notes(folder: Path) -> Iterator[Note]:
    """All that was written down in the folder; the last line of a killed process may be torn."""
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            if line.endswith("]"):
                at, kind, *facts = json.loads(line)
                yield Note(path.stem, at, kind, tuple(facts))
