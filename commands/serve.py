"""Running the engine until it is interrupted, and saying how it is used meanwhile."""

from __future__ import annotations

import json
import os
import shlex
import time
from contextlib import suppress
from pathlib import Path

import httpx
from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from commands.cluster import answers
from commands.hints import command
from commands.site import Site, Wanted, on_this_machine
from engine.errors import SetupError

LOOK_EVERY_S = 2.0
SILENT_S = 20.0
RAY_SILENT_S = 10.0
"""Ray ends this process 60 s after its GCS; taking Serve down before that takes most of them."""
PLAN = Path(__file__).resolve().parent.parent / "examples" / "plan-approved.json"
QUESTION = "Name two ways to test a clock"


def serve(wanted: Wanted, console: Console) -> None:
    """Bring the engine up and keep it so until an interruption, which takes it down."""
    log = wanted.store / "serve.log"
    with on_this_machine(wanted._replace(store=wanted.store / "nats"), log, console) as site:
        console.print(Padding(addresses(site), (1, 2)))
        console.print("Ask it from another terminal:\n")
        for about, line in examples(site):
            console.print(f"  [dim]# {about}[/]", highlight=False)
            console.print(f"  {line}\n", highlight=False, soft_wrap=True, markup=False)
        console.print(f"Ctrl-C {_end(wanted)}; what was decided stays in the journal.")
        _watch(site, log, console)


def addresses(site: Site) -> Table:
    """Where it listens, and for what."""
    http, grpc = site.address, f"{httpx.URL(site.address).host}:{site.config.grpc.port}"
    table = Table.grid(padding=(0, 2))
    for name, where, what in (
        ("HTTP", http, f"every path with its fields: {http}/docs"),
        ("gRPC", grpc, "fleet.orchestrator.v1.OrchestratorService"),
        ("NATS", site.config.bus.url, "plans on planning.plan.approved"),
    ):
        table.add_row(name, f"[bold]{where}[/]", f"[dim]{what}[/]")
    return table


def examples(site: Site) -> list[tuple[str, str]]:
    """Three ways to use it, each with a command that runs as it stands."""
    url = site.address
    role = site.config.councils[0].role
    body = json.dumps({"role": role, "text": QUESTION})
    ways = [
        ("watch a council deliberate", _ask(role, url)),
        ("the same for programs: events over HTTP as they happen", _curl(url, body)),
        ("an approved plan on the bus", command("plan", _near(PLAN), url=url)),
    ]
    return [way for way in ways if PLAN.exists() or way is not ways[2]]


def _ask(role: str, url: str) -> str:
    return command("deliberate", QUESTION, "--role", role, "--watch", url=url)


def _curl(url: str, body: str) -> str:
    headers = ("Content-Type: application/json", "Accept: text/event-stream")
    options = [f"-H {shlex.quote(header)}" for header in headers]
    return " \\\n    ".join(
        (f"curl -N {url}/v1/deliberations", *options, f"-d {shlex.quote(body)}")
    )


def _near(path: Path) -> str:
    """A path as it is shortest from here."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)


def _end(wanted: Wanted) -> str:
    return "removes it from the cluster" if wanted.address else "stops everything"


def _watch(site: Site, log: Path, console: Console) -> None:
    """Start nats-server again if it ends; SetupError when Ray or Serve are gone for good."""
    heard = ray_heard = time.monotonic()
    remedy = f"Look into {log}, then start it again; nothing decided is lost"
    with httpx.Client(base_url=site.address, timeout=5.0, trust_env=False) as http:
        while True:
            if site.nats is not None and not site.nats.alive:
                console.print("nats-server has ended; starting it again on the same store")
                site.nats.restart()
            now = time.monotonic()
            heard = now if _healthy(http) else heard
            ray_heard = now if answers(site.gcs) else ray_heard
            if now - ray_heard > RAY_SILENT_S:
                raise SetupError(f"Ray has not answered for {RAY_SILENT_S:.0f} s", remedy)
            if now - heard > SILENT_S:
                raise SetupError(f"Serve has not answered for {SILENT_S:.0f} s", remedy)
            time.sleep(LOOK_EVERY_S)


def _healthy(http: httpx.Client) -> bool:
    with suppress(httpx.TransportError):
        return http.get("/healthz").status_code == httpx.codes.OK
    return False
