"""A desk and both doors over council actors in this process, on a real bus and without Ray."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

import grpc
import httpx
from seats import crash
from serve_twin import serving

from actors.council import CouncilActor
from actors.councils import Councils
from actors.pb import orchestrator_pb2_grpc as rpcs
from actors.roster import roster
from actors.testing import LocalHandle, ScriptedPool, local_call
from edges.desk import Desk
from engine.config import Config
from engine.types import Speak
from serve_app import Edge, api


class Doors(NamedTuple):
    """The desk, a client of each door, and the councils behind them."""

    desk: Desk
    http: httpx.AsyncClient
    rpc: Any
    councils: Mapping[str, CouncilActor]


async def _streamed(method: Any, *arguments: Any) -> AsyncGenerator[Any, None]:
    """What a local actor's generator yields."""
    async with aclosing(method._method(*arguments)) as records:
        async for record in records:
            yield record


@asynccontextmanager
async def doors(config: Config, model: Speak) -> AsyncIterator[Doors]:
    """Both doors, with every council of the configuration behind a scripted model."""
    names = roster(config)
    pool = ScriptedPool(model)
    pools = dict.fromkeys(config.pools, pool)
    councils = {role: CouncilActor(config, role, lambda _c, _s: pools) for role in names.councils}
    handles = {names.councils[role]: LocalHandle(actor) for role, actor in councils.items()}
    desk = Desk(config, names, NotImplemented, handles.get)
    desk._councils = Councils(names, handles.get, call=local_call, streamed=_streamed)
    edge = Edge.__new__(Edge)
    edge._desk = desk
    context = SimpleNamespace(servable_object=edge)
    http = httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://conclave")
    try:
        with patch("ray.serve.get_replica_context", lambda: context):
            async with (
                http,
                serving(edge) as address,
                grpc.aio.insecure_channel(address) as channel,
            ):
                yield Doors(desk, http, rpcs.OrchestratorServiceStub(channel), councils)
    finally:
        for actor in councils.values():
            await crash(actor)
        await desk.journal.close()
