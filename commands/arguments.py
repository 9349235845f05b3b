"""What the subcommands' parsers have in common; knows nothing of what any of them does."""

from __future__ import annotations

import argparse
import shutil
from datetime import datetime
from typing import Any

from commands.hints import DEFAULT_URL


class Help(argparse.RawDescriptionHelpFormatter):
    """Examples keep their lines, and the names of all commands and options fit their column."""

    def __init__(self, prog: str) -> None:
        width = min(100, shutil.get_terminal_size().columns) - 2
        super().__init__(prog, max_help_position=20, width=width)


def add_command(
    commands: Any, name: str, about: str, *examples: str, url: bool = False
) -> argparse.ArgumentParser:
    """A subcommand with its examples; `url` for those that ask a running engine."""
    lines = "\n".join(f"  conclave {example}" for example in examples)
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=about,
        description=f"{about[0].upper()}{about[1:]}.",
        epilog=f"for example:\n{lines}",
        formatter_class=Help,
    )
    if url:
        add_url(parser, argparse.SUPPRESS)  # else it would hide what stands before the command
        parser.add_argument("--json", action="store_true", help="JSON on standard output")
    return parser


def add_url(parser: argparse.ArgumentParser, default: str) -> None:
    """Let the server be named that is asked."""
    about = f"the engine that is asked, default: $CONCLAVE_URL or {DEFAULT_URL}"
    parser.add_argument("--url", default=default, help=about)


def an_id(said: str) -> str:
    """A deliberation's id; ArgumentTypeError where it is empty."""
    if not said.strip():
        raise argparse.ArgumentTypeError("is empty")
    return said


MOMENT = "a day, or a time as 2026-11-26T10:00, in this machine's own zone"


def a_moment(said: str) -> str:
    """The Unix seconds of a time, as text; ArgumentTypeError where it is none."""
    try:
        return str(datetime.fromisoformat(said).timestamp())
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{said!r} is not {MOMENT}") from None


UNITS_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def a_duration(said: str) -> int:
    """Milliseconds of such as 90s, 15m, 24h or 7d; ArgumentTypeError where it is none."""
    number, unit = said[:-1], said[-1:]
    if not (number.isascii() and number.isdigit() and len(number) < 7 and unit in UNITS_MS):
        raise argparse.ArgumentTypeError(f"{said!r} is no duration such as 90s, 15m, 24h or 7d")
    return int(number) * UNITS_MS[unit]


def a_port(said: str) -> int:
    """A port's number, 0 to 65535, else ArgumentTypeError."""
    if not said.isdecimal() or int(said) > 65535:
        raise argparse.ArgumentTypeError(f"{said!r} is no port, 0 to 65535")
    return int(said)
