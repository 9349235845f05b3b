"""The command lines of `orchestrate` and `event`; knows nothing of what they do."""

from __future__ import annotations

import argparse
from typing import Any

from commands.arguments import add_command, an_id


def add_orchestrate(commands: Any) -> argparse.ArgumentParser:
    """The subcommand `orchestrate`: a task, and how its council and its architect go about it."""
    one = add_command(
        commands,
        "orchestrate",
        "have a council deliberate and its architect select among the first texts",
        "orchestrate 'Name two ways to test a clock' --role DEV --watch",
        "orchestrate @task.md --role QA --param k=2 --param policy=debate --json",
        url=True,
    )
    one.add_argument("text", metavar="TEXT", help="the task; @FILE reads a file, - standard input")
    one.add_argument("--role", required=True, help="the council to ask; see `conclave councils`")
    one.add_argument("--title", default="", help="what the task is called")
    one.add_argument("--rubric", default="", help="what a good answer is judged by")
    one.add_argument(
        "--require", action="append", default=[], metavar="LINE", help="a requirement; repeatable"
    )
    for name, about in (
        ("story", "show the agents what is known of this story"),
        ("case", "kept with the task"),
        ("plan", "kept with the task"),
    ):
        one.add_argument(f"--{name}", default="", metavar="ID", help=about)
    one.add_argument("--rounds", type=int, metavar="N", help="of critique and revision")
    one.add_argument("--no-review", action="store_true", help="nobody criticises or revises")
    one.add_argument("--no-architect", action="store_true", help="the ballots decide")
    _add_pairs(one, "--param", "k, among how many the architect selects, policy, tally, ...")
    one.add_argument("--timeout", type=float, metavar="S", help="decide within so many seconds")
    one.add_argument("--id", type=an_id, help="the same id is the same deliberation; default: new")
    one.add_argument("--watch", action="store_true", help="show it live")
    return one


def add_event(commands: Any) -> argparse.ArgumentParser:
    """The subcommand `event`: a planning event, put on the bus by the engine."""
    one = add_command(
        commands,
        "event",
        "hand in a planning event, and print the ids of what follows from it",
        "event plan.approved --story s-1 --plan p-1 --with title=Clock --with roles=DEV,QA",
        "event story.transitioned --story s-1 --from DESIGN --to BUILD",
        url=True,
    )
    one.add_argument("type", metavar="TYPE", help="plan.approved or story.transitioned")
    one.add_argument("--story", required=True, metavar="ID", help="what it happened to")
    one.add_argument("--plan", default="", metavar="ID", help="of plan.approved")
    one.add_argument("--from", dest="left", default="", metavar="PHASE", help="that it leaves")
    one.add_argument("--to", dest="entered", default="", metavar="PHASE", help="that it enters")
    _add_pairs(one, "--with", "title, description, roles, approved_by, or anything to be shown")
    about = "the same key is the same event; default: the same words are"
    one.add_argument("--key", default="", metavar="KEY", help=about)
    return one


def _add_pairs(parser: argparse.ArgumentParser, flag: str, about: str) -> None:
    parser.add_argument(
        flag,
        dest="pairs",
        type=_pair,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"{about}; repeatable",
    )


def _pair(said: str) -> tuple[str, str]:
    name, mark, value = said.partition("=")
    if not name or not mark:
        raise argparse.ArgumentTypeError(f"{said!r} is no NAME=VALUE")
    return name, value
