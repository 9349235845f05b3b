"""Both doors in a real Serve, with scripted councils behind them, for the tests of the doors."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import httpx
from ray import serve
from ray_twins import Stage, SupervisorTwin, ray_for_tests, staged_pools

from actors import crew
from actors.bus import connect
from actors.council import CouncilActor
from actors.embedded import nats_server
from actors.nats_server import NatsServer
from actors.pb import orchestrator_pb2_grpc as stubs
from actors.provision import provision
from actors.roster import Roster, roster
from engine.config import BusConfig, Config, GrpcConfig, HttpConfig, PoolConfig, fleet_councils
from serve_app import INGRESS, REPLICA, start_serve, with_ports

ALL = ("draft", "critique", "revise", "vote")


class House:
    """The doors and what stands behind them."""

    def __init__(self, config: Config, nats: NatsServer, stage: Stage) -> None:
        self.config, self.nats, self.stage = config, nats, stage
        self.names: Roster = roster(config)
        self.url = f"http://127.0.0.1:{config.http.port}"
        self.target = f"127.0.0.1:{config.grpc.port}"
        self.http = httpx.Client(base_url=self.url, timeout=40.0)
        self.channel = grpc.insecure_channel(self.target)
        self.rpc: Any = stubs.OrchestratorServiceStub(self.channel)

    def convene(self, role: str) -> None:
        """Create a council as the supervisor does."""
        pools = partial(staged_pools, self.stage)
        name = self.names.councils[role]
        crew._create(CouncilActor, name, {"num_cpus": 0}, self.config, role, pools)

    def post(self, headers: dict[str, str] | None = None, **fields: object) -> httpx.Response:
        """Ask for a deliberation."""
        body = {"role": "dev", "text": "Clock", **fields}
        return self.http.post("/v1/deliberations", json=body, headers=headers)

    def get(self, id: str) -> httpx.Response:
        """Ask what became of one."""
        return self.http.get(f"/v1/deliberations/{id}")

    def council(self, role: str) -> dict[str, Any]:
        """One council as the edge tells of it."""
        councils = self.http.get("/v1/councils").json()
        found: dict[str, Any] = next(c for c in councils if c["role"] == role)
        return found

    def close(self, *phases: str) -> None:
        """Hold the turns of these phases from now on."""
        for phase in phases:
            (self.stage.folder / phase).unlink(missing_ok=True)


@contextmanager
def open_house(folder: Path) -> Iterator[House]:
    """Both doors, with DEV and QA behind them; all their turns go."""
    stage = Stage(folder=folder)
    stage.open(*ALL)
    with nats_server(folder / "nats") as nats, ray_for_tests():
        config = with_ports(
            Config(
                pools={"small": PoolConfig(model="/models/small")},
                councils=fleet_councils()[:2],
                bus=BusConfig(url=nats.url),
                http=HttpConfig(port=0, keep_alive_s=0.5),
                grpc=GrpcConfig(port=0),
            )
        )
        asyncio.run(make_streams(config.bus))
        start_serve(config)
        twin = serve.deployment(name="Supervisor", **REPLICA)(SupervisorTwin)
        edge = serve.deployment(name="Edge", **{**REPLICA, "max_ongoing_requests": 100})(INGRESS)
        house = House(config, nats, stage)
        for role in house.names.councils:
            house.convene(role)
        supervisor = twin.bind(stage, house.names.agents["small"])
        serve.run(edge.bind(config, house.names, supervisor), route_prefix="/")
        with house.http, house.channel:
            yield house
        serve.shutdown()


async def make_streams(bus: BusConfig) -> None:
    """What the supervisor does on the bus."""
    client = await connect(bus, "test", lambda: None)
    await provision(client.streams(), bus)
    await client.leave()
