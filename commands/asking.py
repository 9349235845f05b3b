"""The command line of `deliberate`, its options made of the engine's; knows nothing of the rest."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, get_args

from commands.arguments import add_command, an_id
from engine.options import Options
from engine.policies import POLICIES

WIDEST = max(map(len, POLICIES))
LEFT = "\n".join(
    (
        "what is not said is left to the council, then to the policy, which is one of:",
        *(f"  {policy.name:{WIDEST}}  {policy.about}" for policy in POLICIES.values()),
    )
)
HOW = {
    "policy": "one of those above",
    "rounds": "of critique and revision",
    "num_agents": "how many of the council's agents",
    "samples": "texts that one agent writes, for self_consistency and best_of_n",
    "layers": "of moa, the drafts being the first",
    "topology": "who exchanges with whom",
    "k": "peers of each text, for k_regular",
    "hub": "seat in the middle of a star, 1: the first",
    "groups": "how many, for groups",
    "exchange_every": "so many rounds all groups meet",
    "revise": "when an author writes anew",
    "ballot": "how voters are asked",
    "tally": "the rule that counts the ballots",
    "early": "end the vote as soon as no ballot still out can change it",
    "decide": "who has the last word",
    "shortlist": "how many of the first the architect reads",
    "quorum": "end the exchange where this share of the texts says the same, 0: never",
    "stability": "for so many rounds",
    "gain": "end it where a round changes less than this share of the words, 0: never",
    "until_clean": "end it where no review of a round asks for a change",
    "token_budget": "tokens generated in all",
}
"""What each of Options is on the command line, in a few words."""

METAVARS = {int: "N", float: "SHARE", str: "NAME"}


def add_deliberate(commands: Any) -> argparse.ArgumentParser:
    """The subcommand `deliberate`; what it parses are the fields of `Ask` and of Options."""
    ask = add_command(
        commands,
        "deliberate",
        "ask a council and wait for its decision",
        "deliberate 'Name two ways to test a clock' --role DEV --watch",
        "deliberate @task.md --role QA --require 'No new services' --json",
        "deliberate @task.md --role DEV --policy debate --tally schulze --decide architect",
        url=True,
    )
    ask.usage = "conclave deliberate TEXT --role ROLE [option ...]"  # all of them fill a screen
    ask.add_argument("text", metavar="TEXT", help="the task; @FILE reads a file, - standard input")
    ask.add_argument("--role", required=True, help="the council to ask; see `conclave councils`")
    ask.add_argument("--title", default="", help="what the task is called")
    ask.add_argument("--rubric", default="", help="what a good answer is judged by")
    ask.add_argument(
        "--require", action="append", default=[], metavar="LINE", help="a requirement; repeatable"
    )
    ask.add_argument(
        "--story", default="", metavar="ID", help="show the agents what is known of this story"
    )
    ask.add_argument(
        "--timeout", type=float, metavar="S", help="decide within so many seconds of work"
    )
    ask.add_argument("--id", type=an_id, help="the same id is the same deliberation; default: new")
    form = ask.add_mutually_exclusive_group()
    form.add_argument("--watch", action="store_true", help="show it live")
    form.add_argument("--detach", action="store_true", help="print the id and leave it running")
    group = ask.add_argument_group("how to deliberate", LEFT)
    for name in Options.model_fields:
        _add_option(group, name)
    return ask


def options_of(parsed: argparse.Namespace) -> dict[str, Any]:
    """Those of Options that were said. Whether they are right is for the server to say."""
    said = {name: getattr(parsed, name) for name in Options.model_fields}
    return {name: value for name, value in said.items() if value not in (None, "")}


def words(options: Mapping[str, Any]) -> list[tuple[str, object]]:
    """Options as they are typed: the flag and its value, which is empty for a switch."""
    return [_typed(_flag(name), value) for name, value in options.items()]


def _add_option(group: Any, name: str) -> None:
    """An option of the kind that its annotation says."""
    annotation = Options.model_fields[name].annotation
    kind: Any = next(iter(get_args(annotation)), annotation)
    common = {"dest": name, "default": None, "help": HOW[name]}
    if kind is bool:
        group.add_argument(_flag(name), action=argparse.BooleanOptionalAction, **common)
    elif issubclass(kind, StrEnum):
        choices = [str(choice) for choice in kind]
        common["help"] = f"{HOW[name]}: {', '.join(choices)}"
        group.add_argument(_flag(name), choices=choices, metavar="NAME", **common)
    else:
        group.add_argument(_flag(name), type=kind, metavar=METAVARS[kind], **common)


def _typed(flag: str, value: object) -> tuple[str, object]:
    if not isinstance(value, bool):
        return flag, value
    return (flag if value else f"--no-{flag.removeprefix('--')}"), ""


def _flag(name: str) -> str:
    said = "agents" if name == "num_agents" else name
    return f"--{said.replace('_', '-')}"
