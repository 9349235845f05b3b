"""The command lines of `replay` and `fork`; knows nothing of what they do."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from commands.arguments import add_command, an_id
from engine.options import Rule
from engine.policies import POLICIES


def add_replay(commands: Any) -> argparse.ArgumentParser:
    """The subcommand `replay`: an id, or a file of records."""
    one = add_command(
        commands,
        "replay",
        "does the end of a deliberation follow from its records? no model is asked",
        "replay 0b9e1c1e-7c1b-4b55-9a37-2f1d2f3c1b1a",
        "replay --file records.jsonl",
        url=True,
    )
    which = one.add_mutually_exclusive_group(required=True)
    which.add_argument("id", metavar="ID", type=an_id, nargs="?", help="of one that has ended")
    about = "records as `watch --json` prints them, in place of an id"
    which.add_argument("--file", type=Path, metavar="FILE", help=about)
    return one


def add_fork(commands: Any) -> argparse.ArgumentParser:
    """The subcommand `fork`: an id and what is to be otherwise."""
    one = add_command(
        commands,
        "fork",
        "what would have been decided otherwise? what is asked the same is not asked again",
        "fork 0b9e1c1e-7c1b-4b55-9a37-2f1d2f3c1b1a --tally schulze",
        "fork 0b9e1c1e-7c1b-4b55-9a37-2f1d2f3c1b1a --without agent-dev-003 --watch",
        url=True,
    )
    one.add_argument("origin", metavar="ID", type=an_id, help="of one that has ended")
    one.add_argument(
        "--without", action="append", default=[], metavar="AGENT", help="left out; repeatable"
    )
    one.add_argument("--policy", default="", metavar="NAME", help=", ".join(POLICIES))
    one.add_argument("--tally", default="", metavar="RULE", help=", ".join(Rule))
    one.add_argument("--model", default="", metavar="POOL", help="the pool of all agents")
    one.add_argument("--id", type=an_id, help="of the fork itself; default: new")
    one.add_argument("--watch", action="store_true", help="show it live")
    return one
