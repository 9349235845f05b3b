"""The command `conclave`; knows nothing of what its subcommands do inside."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

from rich.console import Console

from engine.errors import ConclaveError

PLAN = Path(__file__).resolve().parent / "examples" / "plan-approved.json"


def main(arguments: list[str] | None = None) -> int:
    """Run a subcommand; the exit code is 0, 1 after a line that says what is wrong, or 130."""
    options = _parser().parse_args(arguments)
    # A plain kill ends as Ctrl-C does: everything that was started is stopped first.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        options.run(options)
    except ConclaveError as error:
        print(f"conclave: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("conclave: interrupted; everything is stopped", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="conclave", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="show the main job on this machine, with real parts")
    demo.add_argument("--plan", type=Path, default=PLAN, help="the event, default: %(default)s")
    demo.add_argument("--out", type=Path, help="file for the decisions, default: in .conclave/")
    demo.set_defaults(run=_demo)
    serve = commands.add_parser("serve", help="run the engine on this machine until Ctrl-C")
    serve.add_argument("--port", type=int, default=8000, help="of HTTP, default: %(default)s")
    serve.add_argument("--store", type=Path, default=Path(".conclave"), help="folder of the bus")
    serve.set_defaults(run=_serve)
    return parser


def _demo(options: argparse.Namespace) -> None:
    from commands.demo import default_out, demo  # what it needs takes a second to import

    demo(options.plan, options.out or default_out(), _screen())


def _serve(options: argparse.Namespace) -> None:
    from commands.laptop import serve

    serve(options.store, options.port, _screen())


def _screen() -> Console:
    """Bound to the terminal of now: while Ray runs, its own words go to a log."""
    return Console(file=sys.stdout)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
