"""The command lines of `councils` and `agents`; knows nothing of what they do."""

from __future__ import annotations

import argparse
from typing import Any

from commands.arguments import Help, add_command, add_url


def add_councils(commands: Any) -> argparse.ArgumentParser:
    """The subcommand `councils` with its actions; without one it lists them."""
    about = "who there is to ask, and what they do now; create one, delete one"
    parser = add_command(
        commands, "councils", about, "councils", "councils create SECURITY --agents 5", url=True
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    _add(actions, "list", "every council: this is also what no action means", "councils list")
    one = _add(
        actions,
        "create",
        "create a council; returns when it can deliberate",
        "councils create SECURITY --agents 5 --model large --set temperature=0.4",
    )
    _add_role(one)
    one.add_argument("--agents", type=int, default=0, metavar="N", help="default: 3")
    one.add_argument("--rounds", type=int, default=0, metavar="N", help="of critique and revision")
    one.add_argument("--review", action=argparse.BooleanOptionalAction, help="whether peers review")
    one.add_argument("--model", default="", metavar="NAME", help="a pool, or a profile")
    one.add_argument(
        "--set",
        type=_a_pair,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a further option of pool, sampling or deliberation; repeatable",
    )
    one = _add(
        actions,
        "delete",
        "have a council take no new work; what it is at ends within a minute",
        "councils delete SECURITY",
    )
    _add_role(one)
    return parser


def add_agents(commands: Any) -> argparse.ArgumentParser:
    """The subcommand `agents` with its actions."""
    about = "who sits on which council; seat one, remove one"
    parser: argparse.ArgumentParser = commands.add_parser(
        "agents", help=about, description=f"{about.capitalize()}.", formatter_class=Help
    )
    parser.set_defaults(json=False)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    one = _add(actions, "list", "the seats of all councils, or of one", "agents list --role DEV")
    one.add_argument("--role", default="", help="of this council alone")
    one = _add(
        actions,
        "add",
        "seat an agent from the next deliberation on",
        "agents add DEV fourth --persona 'You count the cost.'",
        "agents add DEV guest --endpoint https://api.example.com/v1 --model m "
        "--key-env CONCLAVE_KEY_GUEST",
    )
    _add_role(one)
    _add_seat(one)
    one = _add(
        actions,
        "remove",
        "leave a seat empty from the next deliberation on",
        "agents remove DEV fourth",
    )
    _add_role(one)
    one.add_argument("id", metavar="ID", help="as `agents list` shows it")
    return parser


def _add_seat(one: argparse.ArgumentParser) -> None:
    one.add_argument("id", metavar="ID", help="letters, digits, _ and -")
    where = "the base URL of an OpenAI-compatible API, or nats for the bus; default: a pool of ours"
    one.add_argument("--endpoint", default="", metavar="URL", help=where)
    one.add_argument(
        "--model", default="", metavar="NAME", help="there; or the pool, if it is ours"
    )
    one.add_argument(
        "--key-env", default="", metavar="NAME", help="the engine's variable of the key"
    )
    one.add_argument("--persona", default="", metavar="TEXT", help="who it is")
    one.add_argument(
        "--at-once", type=int, default=0, metavar="N", help="turns that it takes at once"
    )
    one.add_argument(
        "--within", default="", metavar="S", help="seconds for an answer, from outside"
    )
    one.add_argument(
        "--label",
        type=_a_pair,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="kept with it and shown; repeatable",
    )


def _add(actions: Any, name: str, about: str, *examples: str) -> argparse.ArgumentParser:
    """An action; what stands before it on the command line holds for it too."""
    one = add_command(actions, name, about, *examples)
    add_url(one, argparse.SUPPRESS)
    about = "JSON on standard output"
    one.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=about)
    return one


def _add_role(one: argparse.ArgumentParser) -> None:
    one.add_argument("role", metavar="ROLE", help="the council's role, in any case")


def _a_pair(said: str) -> tuple[str, str]:
    name, sign, value = said.partition("=")
    if not name or not sign:
        raise argparse.ArgumentTypeError(f"{said!r} is not NAME=VALUE")
    return name, value
