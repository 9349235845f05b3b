"""An engine brought up from here (bus, Ray, Serve, model) and taken down; shows no decisions.

By default everything is on this machine, one process tree that is gone when it is left. In a Ray
cluster that runs already only Serve is started, and removed again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

import httpx
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner

from actors.bus import place
from actors.embedded import local_ray, nats_server
from actors.nats_server import NatsServer, free_port, require_free
from actors.small_model import cache_dir, materialise_small_model
from commands.cluster import errors_into, joined, require_fit
from commands.config_file import read_config
from commands.reach import bus_at, reached
from conclave.server import is_here
from engine.config import BusConfig, Config, GrpcConfig, HttpConfig, PoolConfig, fleet_councils
from engine.errors import SetupError
from engine.types import Budgets, Sampling

READY_WITHIN_S = 300.0
POLL_S = 0.5
NATS_PORT = 4222

Door = TypeVar("Door", HttpConfig, GrpcConfig)

SMALL_SAMPLING = Sampling(temperature=0.6, top_p=0.9, repetition_penalty=1.1)
"""A model of 135 million parameters repeats itself without a penalty."""

SMALL_BUDGETS = Budgets(draft=160, critique=144)
"""It says what it can say in few words, and two cores write 40 to 240 tokens a second."""


class Wanted(NamedTuple):
    """What is to be brought up. A port of 0 is a free one; one of None is the configuration's own.

    `bus` and `address` name a NATS server and a Ray cluster that run already, empty for our own.
    `file` is a Serve config; without it there is one small model for five councils.
    """

    store: Path
    port: int | None = 0
    grpc_port: int | None = 0
    nats_port: int | None = 0
    bus: str = ""
    address: str = ""
    file: Path | None = None


class Site(NamedTuple):
    """A running engine: its configuration, its HTTP address, its Ray's GCS, its bus if our own."""

    config: Config
    address: str
    gcs: str
    nats: NatsServer | None


class _Plan(NamedTuple):
    """What is wanted, read and checked; `bus` is empty where a nats-server is started."""

    config: Config | None
    http: HttpConfig
    grpc: GrpcConfig
    bus: str
    nats_port: int

    def completed(self, config: Config, bus_url: str) -> Config:
        """The configuration on the bus that there is, at the ports that are free."""
        bus = config.bus.model_copy(update={"url": bus_url})
        return config.model_copy(update={"http": self.http, "grpc": self.grpc, "bus": bus})


@contextmanager
def on_this_machine(wanted: Wanted, log: Path, console: Console) -> Iterator[Site]:
    """Start everything, yield when it is ready, stop everything on leaving.

    Ray and Serve tell what they do in `log`, so `console` must have a file of its own. SetupError
    names what is missing or taken.
    """
    plan = _planned(wanted)  # what is wrong is said before minutes of starting, not after
    config = plan.config or small_config(
        materialise_small_model(cache_dir(), lambda line: console.print(f"  {line}"))
    )
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("w") as file,
        redirect_stdout(file),  # Ray tells of dead workers on either
        redirect_stderr(file),
        errors_into(file),
        _bus(plan, wanted.store) as (url, nats),
        joined(wanted.address) if wanted.address else local_ray() as gcs,
    ):
        from serve_app import serving  # Ray reads its environment when it is first imported

        config = plan.completed(config, url)
        require_fit(config, own_bus=nats is not None, own_model=plan.config is None)
        console.print(f"  {_parts(url, nats, wanted.address)}", highlight=False)
        with serving(config) as found:
            address = f"http://{_reachable(found.http.host)}:{found.http.port}"
            _await_ready(address, log, console)
            yield Site(found, address, gcs, nats)


def _planned(wanted: Wanted) -> _Plan:
    """Read the configuration and see that every port is free; SetupError."""
    read = read_config(wanted.file) if wanted.file else None
    http = _ported(read.http if read else HttpConfig(), wanted.port, "HTTP", "--port")
    grpc = _ported(read.grpc if read else GrpcConfig(), wanted.grpc_port, "gRPC", "--grpc-port")
    base = read.bus if read else BusConfig()
    named = urlsplit(base.servers[0])
    away = read is not None and not is_here(named.hostname or "")
    if wanted.bus or away:
        bus = bus_at(wanted.bus or base.url, base)
        asyncio.run(_require_bus(bus))
        _require_different(http.port, grpc.port)
        return _Plan(read, http, grpc, bus.url, 0)
    port = (named.port or NATS_PORT) if wanted.nats_port is None else wanted.nats_port
    _require_free(port, "nats-server", "--nats-port")
    _require_different(http.port, grpc.port, port)
    return _Plan(read, http, grpc, "", port)


def _ported(door: Door, port: int | None, who: str, option: str) -> Door:
    """The door at a port that is free now."""
    chosen = door.port if port is None else port
    _require_free(chosen, who, option)
    return door.model_copy(update={"port": chosen or free_port()})


def _require_free(port: int, who: str, option: str) -> None:
    try:
        require_free(port, who)
    except SetupError as taken:
        raise SetupError(taken.what, f"{taken.remedy}: {option} N") from None


def _require_different(*ports: int) -> None:
    if len(set(ports)) < len(ports):
        twice = ", ".join(map(str, ports))
        raise SetupError(f"HTTP, gRPC and NATS cannot share a port: {twice}", "Choose other ports")


async def _require_bus(bus: BusConfig) -> None:
    async with reached(bus):
        pass


@contextmanager
def _bus(plan: _Plan, store: Path) -> Iterator[tuple[str, NatsServer | None]]:
    """The bus that was named, or a nats-server of our own that keeps its streams in `store`."""
    if plan.bus:
        yield plan.bus, None
        return
    with nats_server(store, plan.nats_port) as nats:
        yield nats.url, nats


def _parts(url: str, nats: NatsServer | None, address: str) -> str:
    """What an engine is made of here, in words."""
    bus = f"nats-server {url}" if nats else f"the bus at {place(url)}"
    return f"{bus}, {f'the Ray cluster at {address}' if address else 'Ray and vLLM here'}"


def _reachable(host: str) -> str:
    """Where a client on this machine finds a server that listens there."""
    return "127.0.0.1" if host in ("0.0.0.0", "::", "") else host  # noqa: S104 - compared, not bound


def small_config(model: Path) -> Config:
    """Five councils on one pool of one engine."""
    return Config(
        pools={"small": PoolConfig(model=str(model), window=4096)},
        councils=fleet_councils(sampling=SMALL_SAMPLING, budgets=SMALL_BUDGETS),
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
