"""Every Serve decoration: the doors and the supervisor as an application; knows no routes.

build({"pools": ..., "councils": ...})    the application, also for a Serve config file
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError
from ray import serve
from ray.exceptions import RayError
from ray.serve import Application
from ray.serve.config import gRPCOptions
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from actors.appointing import Appointing
from actors.crew import crew
from actors.nats_server import free_port, require_free
from actors.roster import Roster, roster
from actors.supervisor import State, Supervisor
from edges.chat_door import ChatDoor
from edges.councils_door import CouncilsDoor
from edges.desk import Desk
from edges.grpc import GrpcDoor
from edges.http import api
from edges.metrics_door import MetricsDoor
from edges.orders_door import OrdersDoor
from edges.rpcs import SERVICER
from edges.tasks_door import TasksDoor
from engine.config import Config
from engine.errors import SetupError, Unavailable

NAME = "conclave"


class Edge(OrdersDoor, TasksDoor, MetricsDoor, CouncilsDoor, ChatDoor, GrpcDoor):
    """All doors with one desk behind them."""

    async def __init__(  # type: ignore[misc]  # Serve awaits it before any request comes
        self, config: Config, names: Roster, supervisor: DeploymentHandle[Any]
    ) -> None:
        self._supervisor = supervisor
        self._desk = Desk(config, names, self._state)
        await self._desk.begin()

    async def _state(self) -> State:
        try:
            found: State = await self._supervisor.state.remote()
        except (RayError, RayServeException) as error:
            raise Unavailable("the supervisor does not answer; Serve replaces it") from error
        return found


class SupervisorReplica:
    """The one replica that sees to all actors."""

    def __init__(self, config: Config, names: Roster) -> None:
        look = Appointing(config).look
        self._supervisor = Supervisor(config.bus, crew(config, names), look)
        self._supervisor.start()

    async def state(self) -> State:
        """How everything stands."""
        return self._supervisor.state()

    async def check_health(self) -> None:
        """For Serve: raises what ended the watching."""
        self._supervisor.check()


INGRESS = serve.ingress(api)(Edge)
REPLICA: dict[str, Any] = {
    "ray_actor_options": {"num_cpus": 0},  # else two replicas take the cores of a laptop's engine
    "health_check_period_s": 5,
    "graceful_shutdown_timeout_s": 5,
}


def build(arguments: dict[str, Any] | Config) -> Application:
    """The Serve application of a configuration; SetupError names what is wrong with it."""
    try:
        config = Config.model_validate(arguments)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "configuration"
        raise SetupError(
            f"{where}: {first['msg']}", "Mend it in the Serve config's `args`"
        ) from error
    names = roster(config)
    supervisor = serve.deployment(name="Supervisor", **REPLICA)(SupervisorReplica)
    edge = serve.deployment(name="Edge", max_ongoing_requests=1000, **REPLICA)(INGRESS)
    return edge.bind(config, names, supervisor.bind(config, names))


@contextmanager
def serving(config: Config) -> Iterator[Config]:
    """Serve the application in the Ray that is connected; yields it with the ports that it got.

    Returns while the actors still start: ask `/readyz`. SetupError where a port is taken.
    """
    found = with_ports(config)
    require_free(found.http.port, "HTTP")
    require_free(found.grpc.port, "gRPC")
    start_serve(found)
    try:
        serve.run(build(found), name=NAME, route_prefix="/")
        yield found
    finally:
        serve.shutdown()  # type: ignore[no-untyped-call]  # Ray's own gap


def with_ports(config: Config) -> Config:
    """The configuration with a free port wherever 0 asks for one."""
    http = config.http.model_copy(update={"port": config.http.port or free_port()})
    grpc = config.grpc.model_copy(update={"port": config.grpc.port or free_port()})
    return config.model_copy(update={"http": http, "grpc": grpc})


def start_serve(config: Config) -> None:
    """Start Serve's proxies for both doors."""
    serve.start(
        http_options={"host": config.http.host, "port": config.http.port},
        grpc_options=gRPCOptions(port=config.grpc.port, grpc_servicer_functions=[SERVICER]),
    )
