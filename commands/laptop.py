"""The whole engine on this machine: nats-server, Ray, Serve and a small model; shows no decisions.

This is the embedded default, one process tree that is gone when it is left. A cluster is set up by
Serve's own commands instead.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import NamedTuple

import httpx
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner

from actors.embedded import local_ray, nats_server
from actors.nats_server import NatsServer, require_free
from actors.small_model import cache_dir, materialise_small_model
from engine.config import BusConfig, Config, GrpcConfig, HttpConfig, PoolConfig, fleet_councils
from engine.errors import SetupError
from engine.types import Budgets, Sampling

READY_WITHIN_S = 300.0
POLL_S = 0.5
LOOK_EVERY_S = 2.0
SILENT_S = 20.0

SMALL_SAMPLING = Sampling(temperature=0.6, top_p=0.9, repetition_penalty=1.1)
"""A model of 135 million parameters repeats itself without a penalty."""

SMALL_BUDGETS = Budgets(draft=160, critique=144)
"""It says what it can say in few words, and two cores write 40 to 240 tokens a second."""


class Site(NamedTuple):
    """A running engine: its configuration, its HTTP address and its bus."""

    config: Config
    address: str
    nats: NatsServer


@contextmanager
def on_this_machine(store: Path, log: Path, console: Console, port: int = 0) -> Iterator[Site]:
    """Start everything, yield when it is ready, stop everything on leaving.

    The bus keeps its streams in `store`; Ray and Serve tell what they do in `log`, so `console`
    must have a file of its own. SetupError names what is missing or taken.
    """
    if port:
        require_free(port, "HTTP")  # said before minutes of starting, not after
    model = materialise_small_model(cache_dir(), lambda line: console.print(f"  {line}"))
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("w") as file,
        redirect_stdout(file),  # Ray tells of dead workers on either
        redirect_stderr(file),
        nats_server(store) as nats,
        local_ray(),
    ):
        from serve_app import serving  # Ray reads its environment when it is first imported

        config = small_config(model, nats.url, port)
        console.print(f"  nats-server {nats.url}, Ray and vLLM on this machine's cores")
        with serving(config) as found:
            address = f"http://{found.http.host}:{found.http.port}"
            _await_ready(address, log, console)
            yield Site(found, address, nats)


def serve(store: Path, port: int, console: Console) -> None:
    """Run the engine until it is interrupted; the bus and its streams stay in `store`."""
    with on_this_machine(store / "nats", store / "serve.log", console, port) as site:
        console.print(
            f"\nDeliberations at {site.address}, plans on {site.config.bus.url}. Ask it:\n"
        )
        console.print(
            f"  curl {site.address}/v1/deliberations -H 'Content-Type: application/json' \\\n"
            '    -d \'{"role": "DEV", "text": "Name two ways to test a clock"}\'\n',
            highlight=False,
        )
        console.print("Ctrl-C stops everything; what was decided stays in the journal.")
        _watch(site, store / "serve.log", console)


def _watch(site: Site, log: Path, console: Console) -> None:
    """Start nats-server again if it ends; SetupError when Ray or Serve are gone for good."""
    heard = time.monotonic()
    with httpx.Client(base_url=site.address, timeout=5.0) as http:
        while time.monotonic() - heard < SILENT_S:
            if not site.nats.alive:
                console.print("nats-server has ended; starting it again on the same store")
                site.nats.restart()
            with suppress(httpx.TransportError):
                if http.get("/healthz").status_code == httpx.codes.OK:
                    heard = time.monotonic()
            time.sleep(LOOK_EVERY_S)
    gone = f"Serve has not answered for {SILENT_S:.0f} s, Ray may be gone"
    raise SetupError(gone, f"Look into {log}, then start it again; nothing decided is lost")


def small_config(model: Path, bus_url: str, port: int) -> Config:
    """Five councils on one pool of one engine, all on this machine's cores."""
    return Config(
        pools={"small": PoolConfig(model=str(model), window=4096)},
        councils=fleet_councils(sampling=SMALL_SAMPLING, budgets=SMALL_BUDGETS),
        bus=BusConfig(url=bus_url),
        http=HttpConfig(port=port),
        grpc=GrpcConfig(port=0),
    )


def working(console: Console, text: str) -> Live:
    """A line that moves while something is waited for; Ray's own words stay out of it."""
    return Live(
        Spinner("dots", text),
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _await_ready(address: str, log: Path, console: Console) -> None:
    """Wait for every actor and the bus; SetupError as soon as the engine cannot start."""
    started = time.monotonic()
    with (
        working(console, "starting the engine and the actors") as line,
        httpx.Client(base_url=address, timeout=30.0) as http,
    ):
        while True:
            found = _standing(http)
            waited = time.monotonic() - started
            if found.ready:
                break
            if found.failed:
                raise SetupError("The engine cannot start", found.failed)
            if waited > READY_WITHIN_S:
                late = f"Not ready after {waited:.0f} s: {found.troubles[0]}"
                raise SetupError(late, f"Look into {log}")
            missing = len(found.troubles)
            line.update(Spinner("dots", f"starting: {missing} not ready yet, {waited:.0f} s"))
            time.sleep(POLL_S)
    console.print(f"  engine, councils and bridge ready ({waited:.0f} s)")


class _Standing(NamedTuple):
    """What `/readyz` says: `failed` is why an engine will never start, empty if it may."""

    ready: bool
    troubles: list[str]
    failed: str


def _standing(http: httpx.Client) -> _Standing:
    try:
        found = http.get("/readyz").json()
    except httpx.TransportError as error:
        return _Standing(False, [f"Serve does not answer: {error!r}"], "")
    if "posts" not in found:  # the supervisor itself is away for a moment
        return _Standing(False, [found.get("detail", "Serve has no answer yet")], "")
    engines = (p for p in found["posts"] if p["kind"] == "agent" and p["state"] == "failed")
    return _Standing(found["ready"], found["troubles"], next((p["reason"] for p in engines), ""))
