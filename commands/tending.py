"""The command lines of `streams` and `deadletter`; knows nothing of what they do."""

from __future__ import annotations

import argparse
from typing import Any

from commands.arguments import Help, add_command
from commands.reach import add_bus

LIMIT = 20


def add_streams(commands: Any) -> argparse.ArgumentParser:
    """The subcommand `streams` with its actions."""
    parser, actions = _group(commands, "streams", "the streams, buckets and durables of a bus")
    for name, about in (
        ("check", "compare what is there with what should be; the exit code says whether it fits"),
        ("apply", "create what is missing and update what differs; say what was changed"),
    ):
        one = add_command(actions, name, about, f"streams {name} --bus nats://10.0.0.7:4222")
        add_bus(one)
        one.add_argument("--replicas", type=int, choices=(1, 3, 5), help="of each stream")
        if name == "apply":
            first = "where durables begin that there has never been: now, all, or a time (ISO 8601)"
            one.add_argument("--start", metavar="TIME", help=first)
        _add_json(one)
    return parser


def add_deadletter(commands: Any) -> argparse.ArgumentParser:
    """The subcommand `deadletter` with its actions."""
    parser, actions = _group(commands, "deadletter", "events that could not be done, and why")
    one = add_command(
        actions, "list", "list dead letters, the newest first", "deadletter list --limit 5"
    )
    one.add_argument(
        "--limit", type=_a_count, default=LIMIT, metavar="N", help="default: %(default)s"
    )
    one.add_argument("--kind", default="", help="only those of this kind, such as json_invalid")
    add_bus(one)
    _add_json(one)
    name = "PLANNING_EVENTS/17"
    one = add_command(
        actions,
        "show",
        "show all there is of a dead letter, with the event's bytes",
        f"deadletter show {name}",
    )
    one.add_argument("letter", metavar="STREAM/SEQ", help="as `list` names it")
    add_bus(one)
    _add_json(one)
    _add_replay(actions, name)
    return parser


def _add_replay(actions: Any, name: str) -> None:
    one = add_command(
        actions,
        "replay",
        "publish the event of a letter once more, when its trouble is mended",
        f"deadletter replay {name}",
        "deadletter replay --all --kind unknown_role",
    )
    one.add_argument("letter", metavar="STREAM/SEQ", nargs="?", default="", help="as for `show`")
    one.add_argument("--all", action="store_true", help="every letter of a --kind")
    one.add_argument("--kind", default="", help="with --all")
    one.add_argument("--again", action="store_true", help="also what was replayed already")
    add_bus(one)
    _add_json(one)


def _group(commands: Any, name: str, about: str) -> tuple[argparse.ArgumentParser, Any]:
    """A subcommand and where its actions are added."""
    parser = commands.add_parser(
        name, help=about, description=f"{about[0].upper()}{about[1:]}.", formatter_class=Help
    )
    return parser, parser.add_subparsers(dest="action", required=True, metavar="ACTION")


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="JSON on standard output")


def _a_count(said: str) -> int:
    if not said.isdecimal() or int(said) < 1:
        raise argparse.ArgumentTypeError(f"{said!r} is no count, 1 or more")
    return int(said)
