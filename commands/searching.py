"""The options of `list` and `metrics`, and what they ask for; knows nothing of who is asked."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from commands.arguments import MOMENT, a_duration, a_moment, add_command

if TYPE_CHECKING:
    from actors.listing import Wanted


def add_list(commands: Any) -> argparse.ArgumentParser:
    """The command that lists and searches."""
    listing = add_command(
        commands,
        "list",
        "the deliberations of the journal, newest first",
        "list",
        "list --role DEV --status failed --since 2026-11-25",
        "list --text 'monotonic clock'",
        url=True,
    )
    listing.add_argument("--role", default="", help="of this council only")
    listing.add_argument("--story", metavar="ID", default="", help="of this story only")
    about = "in_progress, suspended, completed or failed only"
    listing.add_argument("--status", default="", help=about)
    for name, about in (("since", "begun then or later"), ("until", "begun before then")):
        listing.add_argument(f"--{name}", type=a_moment, metavar="TIME", help=f"{about}; {MOMENT}")
    about = "each word is in the task or the decision"
    listing.add_argument("--text", metavar="WORDS", default="", help=about)
    about = "1 to 100, default: %(default)s"
    listing.add_argument("--limit", type=int, metavar="N", default=20, help=about)
    about = "go on behind an earlier page"
    listing.add_argument("--cursor", metavar="TEXT", default="", help=about)
    return listing


def wanted_of(options: argparse.Namespace) -> Wanted:
    """What a list is to show; InvalidRequest names what means nothing."""
    from edges.searching import wanted

    return wanted(
        role=options.role,
        story=options.story,
        status=options.status,
        since=options.since or "",
        until=options.until or "",
        text=options.text,
    )


def add_metrics(commands: Any) -> argparse.ArgumentParser:
    """The command that shows figures."""
    about = "latencies, agents and councils in figures"
    figures = add_command(commands, "metrics", about, "metrics --last 24h", url=True)
    about = "performance, agents, councils or all"
    figures.add_argument("--type", default="all", metavar="NAME", help=about)
    about = "of what ended in the last 90s, 15m, 24h or 7d, default: all"
    figures.add_argument("--last", type=a_duration, metavar="TIME", default=0, help=about)
    return figures
