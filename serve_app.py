"""The HTTP edge and every Serve decoration; knows nothing of how councils or engines work.

build({"pools": ..., "councils": ...})    the application, also for a Serve config file
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import Field, JsonValue, ValidationError
from ray import serve
from ray.exceptions import RayError
from ray.serve import Application
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle
from starlette.exceptions import HTTPException

from actors.councils import Councils
from actors.crew import crew
from actors.journal import Journal
from actors.nats_server import free_port, require_free
from actors.roster import Roster, roster
from actors.supervisor import State, Supervisor
from engine.arrival import check_values
from engine.config import Config
from engine.errors import (
    Broken,
    ConclaveError,
    Conflict,
    InvalidEvent,
    InvalidRequest,
    NotFound,
    SetupError,
    SpeechFailed,
    Superseded,
    Unavailable,
)
from engine.results import Result, result
from engine.transcript import fold
from engine.types import Data, Task

STATUS: dict[type[ConclaveError], int] = {
    InvalidRequest: 400,
    InvalidEvent: 400,
    NotFound: 404,
    Conflict: 409,
    Unavailable: 503,
    Broken: 500,
    Superseded: 503,
    SpeechFailed: 503,
    SetupError: 503,
}
"""What each class of error is to an HTTP client; Broken and anything else is our own bug."""


def status_of(error: ConclaveError) -> int:
    """The status of an error's class, or of the nearest one above it."""
    return next((STATUS[cls] for cls in type(error).__mro__ if cls in STATUS), 500)


DURABLE_WITHIN_S = 5.0
ANSWER_WITHIN_S = 3.0
"""How long a question about how things stand may take, where asking again costs nothing."""


class DeliberationRequest(Data):
    """What a client asks. An empty `task_id` gets one; the same one is the same deliberation."""

    role: str = Field(min_length=1, max_length=32)
    text: str = Field(min_length=1)
    task_id: str = Field(default="", max_length=200)
    title: str = ""
    rubric: str = ""
    requirements: tuple[str, ...] = ()
    context: dict[str, JsonValue] = Field(default_factory=dict)
    rounds: int | None = Field(default=None, ge=0)
    num_agents: int | None = Field(default=None, ge=1)

    def task(self, config: Config) -> Task:
        """The task of this request; InvalidRequest where this server cannot do it."""
        role = self.role.upper()
        council = config.council(role)
        if council is None:
            known = ", ".join(c.role for c in config.councils)
            raise InvalidRequest("role", f"no council {self.role!r}; known roles: {known}")
        if not self.text.strip():
            raise InvalidRequest("text", "is empty; say what the council is to do")
        _within("bytes", len(self._written()), config.bus.max_event_bytes)
        _within("rounds", self.rounds, config.limits.rounds)
        _within("num_agents", self.num_agents, min(config.limits.agents, len(council.agents)))
        fields = self.model_dump(exclude={"task_id", "role"})
        return Task(id=self.task_id or str(uuid.uuid4()), role=role, **fields)

    def _written(self) -> bytes:
        """As the journal must be able to keep it: Python reads more than JSON can say."""
        try:
            check_values(self.context, "context")
            return json.dumps(self.model_dump(), allow_nan=False, ensure_ascii=False).encode()
        except InvalidEvent as error:
            raise InvalidRequest(error.where, error.what) from error
        except ValueError as error:
            raise InvalidRequest("context", f"cannot be kept as JSON: {error}") from error


def _within(name: str, asked: int | None, most: int) -> None:
    if asked is not None and asked > most:
        raise InvalidRequest(name, f"{asked} is over this server's cap of {most}")


class CouncilInfo(Data):
    """One council as a client sees it. `pid` and `since` name the actor's incarnation."""

    council_id: str
    role: str
    num_agents: int
    agents: tuple[str, ...]
    status: str
    models: tuple[str, ...]
    running: tuple[str, ...]
    pid: int | None
    since: float | None


api = FastAPI(title="Conclave", summary="Councils of agents that deliberate.")


@api.exception_handler(ConclaveError)
async def _refuse(_request: Request, error: ConclaveError) -> JSONResponse:
    """One line for the asker: what, where, remedy."""
    return _problem(status_of(error), type(error).__name__, str(error))


@api.exception_handler(RequestValidationError)
async def _refuse_fields(_request: Request, error: RequestValidationError) -> JSONResponse:
    """Name the first field that is wrong."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return await _refuse(
            _request, InvalidRequest("body", f"is no JSON: {first['ctx']['error']}")
        )
    where = ".".join(str(part) for part in first["loc"] if part != "body") or "body"
    return await _refuse(_request, InvalidRequest(where, first["msg"]))


@api.exception_handler(HTTPException)
async def _refuse_call(_request: Request, error: HTTPException) -> JSONResponse:
    """An unknown path, a wrong method, a body that is beyond reading."""
    return _problem(error.status_code, HTTPStatus(error.status_code).phrase, error.detail)


def _problem(status: int, title: str, detail: str) -> JSONResponse:
    body = {"status": status, "title": title, "detail": detail}
    return JSONResponse(body, status, media_type="application/problem+json")


class Edge:
    """HTTP in, one task each to the council's actor, its result out."""

    def __init__(self, config: Config, names: Roster, supervisor: DeploymentHandle[Any]) -> None:
        self._config, self._supervisor = config, supervisor
        self._councils = Councils(names)
        self._journal: Journal | None = None
        self._connecting = asyncio.Lock()

    @api.post("/v1/deliberations")
    async def deliberate(self, request: DeliberationRequest) -> Result:
        """Deliberate and answer with the result. `durable` false: the journal is behind."""
        task = request.task(self._config)
        conclusion = await self._councils.conclude(task, durable_within_s=DURABLE_WITHIN_S)
        return result(fold(conclusion.records), conclusion.durable)

    @api.get("/v1/deliberations/{task_id:path}")
    async def read(self, task_id: str) -> Result:
        """What became of a deliberation: its council says, or the journal while that is away."""
        history = await (await self._opened()).read(task_id)
        if not history.records:
            raise NotFound(f"no deliberation {task_id!r}; ids are those that a request was given")
        found = fold(history.records)
        assert found.task is not None
        try:
            return await self._councils.read(found.task.role, task_id)
        except (Unavailable, InvalidRequest):
            return result(found)

    @api.get("/v1/councils")
    async def councils(self) -> list[CouncilInfo]:
        """Every council and how it stands."""
        return await asyncio.gather(*map(self._council, self._councils.roles))

    @api.get("/healthz")
    async def healthz(self) -> dict[str, str]:
        """This replica answers."""
        return {"status": "ok"}

    @api.get("/readyz")
    async def readyz(self, response: Response) -> dict[str, JsonValue]:
        """200 when every actor and the bus are ready, else 503 and what is missing."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                state: State = await self._supervisor.state.remote()
        except (TimeoutError, RayError, RayServeException) as error:
            raise Unavailable("the supervisor does not answer; Serve replaces it") from error
        response.status_code = 503 if state.troubles else 200
        posts: list[JsonValue] = [post.model_dump(mode="json") for post in state.posts]
        return {"ready": not state.troubles, "troubles": list(state.troubles), "posts": posts}

    async def _council(self, role: str) -> CouncilInfo:
        council = self._config.council(role)
        assert council is not None
        health = await self._councils.health(role)
        pools = dict.fromkeys(agent.pool for agent in council.agents)
        return CouncilInfo(
            council_id=council.id,
            role=role,
            num_agents=len(council.agents),
            agents=tuple(agent.id for agent in council.agents),
            status=health.status if health else "away",
            models=tuple(self._config.pools[name].model for name in pools),
            running=health.running if health else (),
            pid=health.pid if health else None,
            since=health.since if health else None,
        )

    async def _opened(self) -> Journal:
        async with self._connecting:
            if self._journal is None:
                self._journal = await Journal.connect(
                    self._config.bus.url, "conclave-edge", self._closed, ANSWER_WITHIN_S
                )
        return self._journal

    def _closed(self) -> None:
        """NATS closed the connection for good: the next reader opens another one."""
        self._journal = None


class SupervisorReplica:
    """The one replica that sees to all actors."""

    def __init__(self, config: Config, names: Roster) -> None:
        self._supervisor = Supervisor(config.bus, crew(config, names))
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
def serving(config: Config) -> Iterator[str]:
    """Serve the application in the Ray that is connected; yields its HTTP address.

    Returns while the actors still start: ask `/readyz`. SetupError where the port is taken.
    """
    host, port = config.http.host, config.http.port or free_port()
    require_free(port, "HTTP")
    serve.start(http_options={"host": host, "port": port})
    try:
        serve.run(build(config), name="conclave", route_prefix="/")
        yield f"http://{host}:{port}"
    finally:
        serve.shutdown()  # type: ignore[no-untyped-call]  # Ray's own gap
