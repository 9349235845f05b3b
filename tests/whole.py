"""The whole engine in a thread of this process: both doors, five councils, a bridge, a real bus.

Ray alone is missing: actors are plain objects behind LocalHandle, models are scripted, and the
doors are called as Serve calls them.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from deadline import until
from serve_twin import serving as serving_grpc

from actors.answer import AgentHealth, Load
from actors.bridge import Bridge
from actors.bus import connect
from actors.council import CouncilActor
from actors.councils import Councils
from actors.crew import ON_THE_BUS
from actors.embedded import nats_server
from actors.provision import provision
from actors.roster import Roster, living
from actors.supervisor import Post, State
from actors.testing import LocalHandle, ScriptedPool, local_call
from edges.desk import Desk
from engine.charters import Fleet, in_force
from engine.config import BusConfig, Config, HttpConfig, PoolConfig
from engine.events import Record
from engine.fanout import ended
from engine.testing import ScriptedModel
from engine.types import Council, Task
from serve_app import Edge, api


class Whole:
    """Where to knock, and whether everything still stands."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.url = self.target = ""
        self.deaths: list[str] = []


class AgentTwin:
    """An agent actor that says it is well."""

    async def health(self) -> AgentHealth:
        """As one that is ready."""
        return AgentHealth(
            pool="small",
            replica=0,
            pid=1,
            model="/models/small",
            state="ready",
            up_since=1.0,
            window=2048,
            load=Load(),
            generated=0,
            turns=0,
        )


def pools(_config: Config, council: Council) -> dict[str, ScriptedPool]:
    """Scripted models for every seat."""
    return {agent.pool: ScriptedPool(ScriptedModel()) for agent in council.agents}


async def local_streamed(method: Any, *arguments: Any) -> AsyncGenerator[Any, None]:
    """What a generator method of a local actor yields."""
    stream = method._method(*arguments)
    try:
        async for each in stream:
            yield each
    finally:
        await stream.aclose()


class Crew:
    """All actors of the councils in force: each is made when it is first looked for."""

    def __init__(self, whole: Whole) -> None:
        self._whole, self._fleet = whole, in_force(whole.config)
        self._since = time.time() - 1
        self._actors: dict[str, Any] = {}
        self._leaving: list[asyncio.Task[None]] = []

    @property
    def names(self) -> Roster:
        """Those of the actors that there are to be."""
        return living(self._fleet)

    def seat(self, fleet: Fleet) -> None:
        """Have the councils of a fleet, and let go of others."""
        self._fleet = fleet
        for name in self._actors.keys() - self._made().keys():
            actor = self._actors.pop(name)
            if isinstance(actor, CouncilActor):
                self._leaving.append(asyncio.create_task(_dissolved(actor)))

    def find(self, name: str) -> LocalHandle | None:
        """As Ray finds an actor by its name."""
        if name not in self._actors and (make := self._made().get(name)) is not None:
            self._actors[name] = make()
        return LocalHandle(self._actors[name]) if name in self._actors else None

    def add(self, name: str, actor: Any) -> None:
        """Have one that was made elsewhere."""
        self._actors[name] = actor

    async def state(self) -> State:
        """Every post is filled."""
        kinds = dict.fromkeys(self._made(), "agent")
        kinds |= dict.fromkeys(self.names.councils.values(), "council")
        posts = [
            Post.model_validate({"name": n, "kind": k, "state": "ready", "reason": ""})
            for n, k in (kinds | {self.names.bridge: "bridge"}).items()
        ]
        return State(since=self._since, bus="", posts=tuple(posts))

    async def leave(self) -> None:
        """End all of it."""
        await asyncio.gather(*self._leaving)
        for actor in self._actors.values():
            if isinstance(actor, CouncilActor):
                await _closed(actor)

    def _made(self) -> dict[str, Callable[[], Any]]:
        """How each actor is made; a bridge is made elsewhere, once."""
        agents = {n: AgentTwin for those in self.names.agents.values() for n in those}
        made: dict[str, Callable[[], Any]] = {**agents, self.names.bridge: AgentTwin}
        return made | {n: partial(self._council, r) for r, n in self.names.councils.items()}

    def _council(self, role: str) -> CouncilActor:
        known = tuple(self._fleet.charters.values())
        die = partial(_died, self._whole, role)
        return CouncilActor(self._whole.config, role, pools, die, known)


async def _dissolved(actor: CouncilActor) -> None:
    await actor.dissolve(1.0)
    await _closed(actor)


async def _closed(actor: CouncilActor) -> None:
    await ended(*actor._tasks, *filter(None, [actor._keeping]))
    await actor._outside.close()
    if actor._journal is not None:
        await actor._journal.close()


class LocalDesk(Desk):
    """The desk in front of a crew."""

    def __init__(self, config: Config, crew: Crew) -> None:
        super().__init__(config, crew.names, crew.state, crew.find)
        self._crew = crew
        ways = Councils(crew.names, crew.find, call=local_call, streamed=local_streamed)
        self._councils = self.chamber._councils = ways

    def _seat(self, fleet: Fleet) -> None:
        self._crew.seat(fleet)
        super()._seat(fleet)


@asynccontextmanager
async def behind(whole: Whole) -> AsyncIterator[Desk]:
    """All actors of the configuration, and the desk in front of them."""
    config, crew = whole.config, Crew(whole)
    client = await connect(config.bus, "test", lambda: None)
    await provision(client.streams(), config.bus)
    await client.leave()
    desk = LocalDesk(config, crew)

    async def convene(task: Task) -> Record:
        return (await desk._councils.conclude(task, ON_THE_BUS)).records[-1]

    bridge = Bridge(config, convene, partial(_died, whole, "bridge", 1))
    crew.add(crew.names.bridge, bridge)
    await bridge.start()
    yield desk
    await bridge.stop(grace_s=0)
    await crew.leave()
    await desk._opened().close()


def _died(whole: Whole, who: str, _code: int = 0) -> None:
    whole.deaths.append(who)


class Front(Edge):
    """The ingress class, given its desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk


async def _serve(whole: Whole, ready: Callable[[uvicorn.Server], None]) -> None:
    """Both doors, until the server is told to exit."""
    async with AsyncExitStack() as stack:
        front = Front(await stack.enter_async_context(behind(whole)))
        context = SimpleNamespace(servable_object=front)
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr("ray.serve.get_replica_context", lambda: context)
        patch.setattr("edges.desk.call", local_call)
        patch.setattr("actors.bridge.FETCH_S", 0.2)
        whole.target = await stack.enter_async_context(serving_grpc(front))
        settings = uvicorn.Config(api, port=0, log_level="error", lifespan="off", ws="none")
        server = uvicorn.Server(settings)
        ready(server)
        await server.serve()


@contextmanager
def whole_engine(folder: Path) -> Iterator[Whole]:
    """The engine, at free ports of this machine, gone when left."""
    with nats_server(folder / "nats") as nats:
        config = Config(
            pools={"small": PoolConfig(model="/models/small")},
            bus=BusConfig(url=nats.url),
            http=HttpConfig(port=0, keep_alive_s=0.5),
        )
        whole, servers = Whole(config), list[uvicorn.Server]()
        thread = threading.Thread(target=lambda: asyncio.run(_serve(whole, servers.append)))
        thread.start()
        try:
            until(lambda: servers and servers[0].started, "both doors are open", 20)
            port = servers[0].servers[0].sockets[0].getsockname()[1]
            whole.url = f"http://127.0.0.1:{port}"
            yield whole
        finally:
            for server in servers:
                server.should_exit = True
            thread.join(20)
