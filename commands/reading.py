"""The command lines that follow a plan or look into a running engine; knows not what they do."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from commands.arguments import add_command, an_id


def add_plan(commands: Any) -> argparse.ArgumentParser:
    """The subcommand `plan`."""
    plan = add_command(
        commands,
        "plan",
        "publish an approved plan on the bus and follow its decisions",
        "plan examples/plan-approved.json",
        url=True,
    )
    plan.add_argument("file", metavar="FILE", type=Path, help="the event as JSON")
    plan.add_argument("--bus", default="", metavar="URL", help="default: asked of the engine")
    return plan


def add_ones(commands: Any) -> Iterator[argparse.ArgumentParser]:
    """The subcommands that look at one deliberation, or end it: `watch`, `show`, `cancel`."""
    for name, about in (
        ("watch", "follow a deliberation from its beginning to its end"),
        ("show", "what is stored of a deliberation: its decision, or what there is so far"),
        ("cancel", "end a deliberation without a decision"),
    ):
        one = add_command(
            commands, name, about, f"{name} 0b9e1c1e-7c1b-4b55-9a37-2f1d2f3c1b1a", url=True
        )
        one.add_argument("id", metavar="ID", type=an_id, help="as `deliberate` or a plan gave it")
        yield one


def add_story(commands: Any) -> argparse.ArgumentParser:
    """The subcommand `story`."""
    story = add_command(
        commands, "story", "what is known of a story, as agents are shown it", "story s-1", url=True
    )
    story.add_argument("id", metavar="ID", type=an_id, help="as its events name it")
    return story


def add_status(commands: Any) -> argparse.ArgumentParser:
    """The subcommand `status`."""
    about = "how the engine is: health, troubles, addresses, figures"
    return add_command(commands, "status", about, "status", url=True)
