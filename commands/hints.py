"""Commands as a user can copy them from the screen; knows nothing of what they do."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

DEFAULT_URL = "http://127.0.0.1:8000"


def default_url() -> str:
    """The server that is asked where none is named: $CONCLAVE_URL, else this machine's."""
    return os.environ.get("CONCLAVE_URL") or DEFAULT_URL


def command(name: str, *words: str, url: str = "") -> str:
    """A call of `conclave` that runs as it is printed; `url` is named where it has to be."""
    server = ("--url", url) if url and url != default_url() else ()
    return f"{program()} {shlex.join((name, *server, *words))}"


def program() -> str:
    """This program's name where the path leads to it, else the way it was called."""
    called = Path(sys.argv[0])
    if called.name != "conclave" or not called.exists():
        return "conclave"
    found = shutil.which("conclave")
    return "conclave" if found and called.samefile(found) else shlex.quote(str(called))
