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
from actors.roster import Roster, roster
from actors.supervisor import Post, State
from actors.testing import LocalHandle, ScriptedPool, local_call
from edges.desk import Desk
from engine.config import BusConfig, Config, HttpConfig, PoolConfig
from engine.events import Record
from engine.fanout import ended
from engine.testing import ScriptedModel
from engine.types import Council, Task
from serve_app import Edge, api


class Whole:
    """Where to knock, and whether everything still stands."""

    def __init__(self, config: Config) -> None:
        self.config, self.names = config, roster(config)
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


@asynccontextmanager
async def behind(whole: Whole) -> AsyncIterator[Desk]:
    """All actors of the configuration, and the desk in front of them."""
    config, names = whole.config, whole.names
    client = await connect(config.bus, "test", lambda: None)
    await provision(client.streams(), config.bus)
    await client.leave()
    die = partial(_died, whole)
    seated = {r: CouncilActor(config, r, pools, partial(die, r)) for r in names.councils}
    found: dict[str, Any] = {names.councils[role]: actor for role, actor in seated.items()}
    found |= {name: AgentTwin() for those in names.agents.values() for name in those}
    handles = {name: LocalHandle(actor) for name, actor in found.items()}
    ways = Councils(names, handles.get, call=local_call, streamed=local_streamed)

    async def convene(task: Task) -> Record:
        return (await ways.conclude(task, ON_THE_BUS)).records[-1]

    bridge = Bridge(config, convene, partial(die, "bridge", 1))
    handles[names.bridge] = LocalHandle(bridge)
    await bridge.start()
    desk = Desk(config, names, partial(_state, names), handles.get)
    desk._councils = ways
    yield desk
    await bridge.stop(grace_s=0)
    for actor in seated.values():
        await ended(*actor._tasks, *filter(None, [actor._keeping]))
        await actor._outside.close()
        if actor._journal is not None:
            await actor._journal.close()
    await desk._opened().close()


def _died(whole: Whole, who: str, _code: int = 0) -> None:
    whole.deaths.append(who)


async def _state(names: Roster) -> State:
    """Every post is filled."""
    kinds = dict.fromkeys(names.councils.values(), "council")
    kinds |= {name: "agent" for those in names.agents.values() for name in those}
    posts = [
        Post.model_validate({"name": n, "kind": k, "state": "ready", "reason": ""})
        for n, k in (kinds | {names.bridge: "bridge"}).items()
    ]
    return State(since=time.time(), bus="", posts=tuple(posts))


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
