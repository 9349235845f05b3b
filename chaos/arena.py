"""Two sites on one bus, with their bridges, councils and lines; knows nothing of what befalls them.

Two clusters that share the durables are what an upgrade is: there, work is taken over from writers
that still live.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from actors.bus import Connection, connect
from actors.embedded import nats_server
from actors.nats_server import NatsServer
from actors.patience import BROKEN
from actors.provision import provision
from actors.streams import JOURNAL, OUTBOUND, PLAN_APPROVED, PLANS
from chaos.controls import WINDOW_S
from chaos.evidence import Note, notes
from chaos.processes import Process, preload
from chaos.proxy import Proxy
from chaos.sites import Site, run_bridge, run_council
from chaos.workload import MOST_BYTES, ROLES
from engine.config import BusConfig, Config, PoolConfig, fleet_councils
from engine.fanout import ended

ACK_WAIT_S = 2.0
SITES = ("old", "new")


class Cluster:
    """One site: its processes and their ways to the bus, one for the bridge, one for the councils.

    Without lines of their own they go straight to the server.
    """

    def __init__(self, site: Site, lines: list[Proxy]) -> None:
        self.site, self.lines = site, lines
        ours, theirs = (_by(site, line) for line in lines) if lines else (site, site)
        self.bridge = Process(site.bridge, run_bridge, ours)
        self.councils = [Process(site.council(r), run_council, theirs, r) for r in ROLES]

    @property
    def processes(self) -> list[Process]:
        """All of it."""
        return [self.bridge, *self.councils]


def _by(site: Site, line: Proxy) -> Site:
    """The site as its processes on that line see it."""
    bus = site.config.bus.model_copy(update={"url": line.url})
    return site.model_copy(update={"config": site.config.model_copy(update={"bus": bus})})


class Arena:
    """What there is in a run. `client` is a way of our own to the bus, which nothing cuts."""

    def __init__(
        self,
        server: NatsServer,
        client: Connection,
        folder: Path,
        clusters: list[Cluster],
        config: Config,
    ) -> None:
        self.server, self.client, self.folder, self.clusters = server, client, folder, clusters
        self.config = config

    @property
    def processes(self) -> list[Process]:
        """Those of all clusters."""
        return [process for cluster in self.clusters for process in cluster.processes]

    def notes(self) -> list[Note]:
        """What the processes have written down so far."""
        return list(notes(self.folder))


@asynccontextmanager
async def arena(
    folder: Path,
    seed: int,
    control: str = "",
    sites: Sequence[str] = SITES,
    lines: bool = True,
    **options: Any,
) -> AsyncGenerator[Arena]:
    """Everything started, in a folder with a short path; gone when left. `options` are of Site.

    Without `lines` nothing can be cut, and nothing stands between the sites and the server.
    """
    preload("chaos.sites", "chaos.__main__")
    async with AsyncExitStack() as stack:
        server = stack.enter_context(nats_server(folder / "nats"))
        config = _config(server.url)
        client = await connect(config.bus, "chaos", lambda: None)
        stack.push_async_callback(client.leave)
        await provision(client.streams(), config.bus)
        if control == "msg-id-only":
            await _forget_ids_soon(client)
        clusters = [
            await _cluster(
                Site(name=n, folder=folder, config=config, seed=seed, control=control, **options),
                [Proxy(server.port), Proxy(server.port)] if lines else [],
            )
            for n in sites
        ]
        made = Arena(server, client, folder, clusters, config)
        for process in made.processes:
            stack.push_async_callback(ended, asyncio.create_task(process.keep()))
        yield made


def _config(url: str) -> Config:
    councils = tuple(c for c in fleet_councils() if c.role in ROLES)
    bus = BusConfig(url=url, slots=8, ack_wait_s=ACK_WAIT_S, max_event_bytes=MOST_BYTES)
    return Config(pools={"small": PoolConfig(model="none")}, councils=councils, bus=bus)


async def _cluster(site: Site, lines: list[Proxy]) -> Cluster:
    for line in lines:
        await line.open()
    return Cluster(site, lines)


async def _forget_ids_soon(client: Connection) -> None:
    js = client.streams()
    found = (await js.stream_info(JOURNAL)).config
    await js.update_stream(found.evolve(duplicate_window=WINDOW_S))


async def unsettled(client: Connection) -> dict[str, int]:
    """What waits, is not acknowledged or not told to the world; nothing when all is done."""
    js = client.streams()
    last = (await js.stream_info(PLANS)).state.last_seq
    info = await js.consumer_info(PLANS, PLAN_APPROVED)
    floor = info.ack_floor.stream_seq if info.ack_floor else 0  # what just came may not wait yet
    sources = (await js.stream_info(OUTBOUND)).sources or []
    found = {
        "waiting": info.num_pending or 0,
        "unacknowledged": max(info.num_ack_pending or 0, last - floor),
        "not told": sum(source.lag or 0 for source in sources),
    }
    return {what: count for what, count in found.items() if count}


async def settled(client: Connection, within_s: float) -> dict[str, int]:
    """Wait until nothing is left to do; what is, if that takes too long."""
    left: dict[str, int] = {"unknown": 1}
    deadline = asyncio.get_running_loop().time() + within_s
    while left and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.1)
        try:
            left = await unsettled(client)
        except BROKEN:
            continue
    return left
