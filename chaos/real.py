"""A run with real Ray, the real model and all actors as an operator has them; each is killed once.

Slow: two cores write a few deliberations a minute. What the processes note is missing here, so that
repeated turns are looked for in the journal alone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from actors.bus import Connection, connect
from actors.embedded import local_ray, nats_server
from actors.nats_server import NatsServer
from actors.provision import provision
from actors.small_model import cache_dir, materialise_small_model
from chaos.arena import settled, unsettled
from chaos.checker import Breach, check
from chaos.history import history
from chaos.producer import Producer
from chaos.run import Outcome, Plan
from chaos.workload import MOST_BYTES, ROLES, Label, labelled, workload
from engine.config import BusConfig, Config, GrpcConfig, HttpConfig, PoolConfig, fleet_councils
from engine.types import Budgets, Sampling

EVENTS = 6
OURS = "CONCLAVE_CHAOS"
INVALID = labelled(b"{", {}, Label(plan="broken", wrong="json_invalid"))
"""Among so few there may be no other."""
VICTIMS = ("BridgeActor", "CouncilProcess", "AgentActor", "nats-server")
KILL_EVERY_S = 12.0
READY_WITHIN_S = 240.0
QUIET_WITHIN_S = 420.0
SHORT = Budgets(task=600, draft=48, critique=96)


def plan(seed: int) -> Plan:
    """What is run; in so short a time nobody is superseded for certain."""
    return Plan(seed, 0.0, EVENTS, len(VICTIMS), must=("resumed",))


def run(plan: Plan, folder: Path) -> Outcome:
    """Bring everything up, disturb it, and look what became of it."""
    model = materialise_small_model(cache_dir(), print)
    os.environ[OURS] = folder.name
    with nats_server(folder / "nats") as server, local_ray():
        config = _config(model, server.url)
        asyncio.run(_provisioned(config.bus))
        with _served(config):
            return asyncio.run(_run(plan, server, config.bus))


def _config(model: Path, url: str) -> Config:
    sampling = Sampling(temperature=0.6, top_p=0.9, repetition_penalty=1.1)
    councils = fleet_councils(sampling=sampling, budgets=SHORT)
    return Config(
        pools={"small": PoolConfig(model=str(model), window=2048, kv_cache_gb=0.5)},
        councils=tuple(council for council in councils if council.role in ROLES),
        bus=BusConfig(url=url, ack_wait_s=5.0, max_event_bytes=MOST_BYTES),
        http=HttpConfig(port=0),
        grpc=GrpcConfig(port=0),
    )


async def _provisioned(bus: BusConfig) -> None:
    """The streams are there before the first event, however long the actors take to start."""
    client = await connect(bus, "chaos", lambda: None)
    await provision(client.streams(), bus)
    await client.leave()


@contextmanager
def _served(config: Config) -> Iterator[None]:
    from serve_app import serving  # Ray reads its environment when it is first imported

    with serving(config) as found:
        deadline = time.monotonic() + READY_WITHIN_S
        with httpx.Client(base_url=f"http://{found.http.host}:{found.http.port}") as http:
            while http.get("/readyz", timeout=30.0).status_code != 200:
                assert time.monotonic() < deadline, http.get("/readyz", timeout=30.0).text
                time.sleep(0.5)
        yield


async def _run(plan: Plan, server: NatsServer, bus: BusConfig) -> Outcome:
    began = time.monotonic()
    client = await connect(bus, "chaos", lambda: None)
    try:
        producer = Producer(client)
        await producer.publish([*workload(plan.seed, plan.events), [INVALID]], per_s=20.0)
        faults = await _disturbed(client, server)
        quieting = time.monotonic()
        left_over = await settled(client, QUIET_WITHIN_S)
        quiet_s = time.monotonic() - quieting
        found = await history(client.streams())
    finally:
        await client.leave()
    findings = check(found, [], producer.acknowledged)
    findings.breaches += [Breach("left over", f"{n} {what}") for what, n in left_over.items()]
    return Outcome(plan, findings, faults, time.monotonic() - began, quiet_s)


async def _disturbed(client: Connection, server: NatsServer) -> Counter[str]:
    """Kill one after the other while there is work left."""
    faults: Counter[str] = Counter()
    for victim in VICTIMS:
        await asyncio.sleep(KILL_EVERY_S)
        assert await unsettled(client), f"all was done before {victim} was killed"
        if victim == "nats-server":
            server.kill()
            server.start()
        else:
            os.kill(_process_of(victim), signal.SIGKILL)
        faults[f"kill {victim}"] += 1
    return faults


def _process_of(actor: str) -> int:
    """A process of an actor of that class, in the Ray that inherited our mark."""
    mark = f"{OURS}={os.environ[OURS]}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may have ended meanwhile
            title, marks = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
            if title.startswith(f"ray::{actor}".encode()) and mark in marks.split(b"\0"):
                return int(entry.name)
    raise AssertionError(f"no {actor} runs")
