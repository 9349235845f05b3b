"""A file of one process's own among numbered ones in a folder; knows nothing of what is in it.

Whoever comes after a process that is gone takes up its file, so there are never more than there
were processes at once.
"""

from __future__ import annotations

import fcntl
import itertools
import os
from pathlib import Path
from typing import TextIO

from engine.errors import SetupError


class Claim:
    """The first file `stem-N.sqlite` of a folder that nobody else has, until it is let go.

    The folder is made for this user alone. SetupError where that cannot be.
    """

    def __init__(self, folder: Path, stem: str) -> None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if folder.stat().st_uid != os.getuid():
                raise PermissionError("it belongs to somebody else")
            self.path, self._lock = _first_free(folder, stem)
        except OSError as error:
            remedy = "Set $TMPDIR to a folder that may be written to"
            raise SetupError(f"no file can be kept in {folder} ({error})", remedy) from error

    def let_go(self) -> None:
        """Leave the file to whoever comes next."""
        self._lock.close()


def _first_free(folder: Path, stem: str) -> tuple[Path, TextIO]:
    for number in itertools.count():
        lock = (folder / f"{stem}-{number}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            return folder / f"{stem}-{number}.sqlite", lock
    raise AssertionError("count() never ends")
