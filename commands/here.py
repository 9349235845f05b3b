"""The command lines of what runs on this machine: `demo`, `serve`, `doctor`; runs none of it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from commands.arguments import a_port, add_command, add_url

PLAN = Path(__file__).resolve().parent.parent / "examples" / "plan-approved.json"


def add_demo(commands: Any) -> argparse.ArgumentParser:
    """The subcommand `demo`."""
    demo = add_command(
        commands, "demo", "show the main job on this machine, with real parts", "demo"
    )
    demo.add_argument("--plan", type=Path, default=PLAN, help="the event, default: %(default)s")
    demo.add_argument("--out", type=Path, help="file for the decisions, default: in .conclave/")
    return demo


def add_serve(commands: Any) -> argparse.ArgumentParser:
    """The subcommand `serve`; what it parses are the fields of `Wanted`."""
    serve = add_command(
        commands,
        "serve",
        "run the engine until Ctrl-C: here, or in a Ray cluster that runs already",
        "serve",
        "serve --config examples/gpu.yaml",
        "serve --address auto --bus nats://10.0.0.7:4222",
    )
    serve.add_argument(
        "--port", type=a_port, metavar="N", help="of HTTP, default: 8000; 0: a free one"
    )
    serve.add_argument("--grpc-port", type=a_port, metavar="N", help="default: 9000")
    serve.add_argument("--nats-port", type=a_port, metavar="N", help="default: 4222")
    serve.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="a Serve config with other models and councils, such as examples/gpu.yaml; its ports "
        "and its bus hold where no option names others",
    )
    serve.add_argument(
        "--address",
        default="",
        metavar="HOST:PORT",
        help="join the Ray cluster there (auto: the one of this machine) and start only Serve",
    )
    serve.add_argument(
        "--bus", default="", metavar="URL", help="a NATS server that runs; default: one is started"
    )
    serve.add_argument(
        "--store",
        type=Path,
        default=Path(".conclave"),
        metavar="DIR",
        help="for the bus's streams and the log, default: %(default)s",
    )
    return serve


def add_doctor(commands: Any) -> argparse.ArgumentParser:
    """The subcommand `doctor`, with the ports that `serve` would need."""
    doctor = add_command(
        commands, "doctor", "is this machine ready, and if not, what to do", "doctor"
    )
    add_url(doctor, argparse.SUPPRESS)
    for option, number in (("--port", 8000), ("--grpc-port", 9000), ("--nats-port", 4222)):
        about = "as for `serve`, default: %(default)s"
        doctor.add_argument(option, type=a_port, metavar="N", default=number, help=about)
    return doctor
