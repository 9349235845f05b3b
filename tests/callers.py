"""Clients that wait at each door until cancelled; they know the doors by their addresses."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import grpc
import httpx
from google.protobuf.json_format import ParseDict

from actors.pb import orchestrator_pb2 as pb
from actors.pb import orchestrator_pb2_grpc as stubs

GOOD = {"role": "dev", "text": "Clock"}


class Doors(Protocol):
    """Where to knock."""

    url: str
    target: str


NAMES = {"text": "task_description"}
CONSTRAINTS = {"timeout_seconds": "timeout_seconds", "max_iterations": "max_iterations"}


def asked_over_grpc(fields: dict[str, Any]) -> pb.DeliberateRequest:
    """The contract's request with these of our fields."""
    request = {NAMES.get(k, k): v for k, v in fields.items() if k not in CONSTRAINTS}
    constraints = {CONSTRAINTS[k]: v for k, v in fields.items() if k in CONSTRAINTS}
    return ParseDict({**request, "constraints": constraints}, pb.DeliberateRequest())


Client = Callable[[Doors, str], Awaitable[None]]


async def waiting_over_http(doors: Doors, id: str) -> None:
    """Wait for a result over HTTP."""
    async with httpx.AsyncClient(base_url=doors.url, timeout=60) as http:
        await http.post("/v1/deliberations", json=GOOD | {"task_id": id})


async def reading_its_events(doors: Doors, id: str) -> None:
    """Ask over HTTP to be told the events."""
    async with (
        httpx.AsyncClient(base_url=doors.url, timeout=60) as http,
        http.stream(
            "POST",
            "/v1/deliberations",
            json=GOOD | {"task_id": id},
            headers={"Accept": "text/event-stream"},
        ) as stream,
    ):
        async for _ in stream.aiter_lines():
            pass


async def waiting_over_grpc(doors: Doors, id: str) -> None:
    """Wait for a result over gRPC."""
    async with stub(doors) as rpc:
        await rpc.Deliberate(asked_over_grpc(GOOD | {"task_id": id}))


async def streaming_over_grpc(doors: Doors, id: str) -> None:
    """Ask over gRPC to be told the updates."""
    async with stub(doors) as rpc:
        async for _ in rpc.StreamDeliberation(asked_over_grpc(GOOD | {"task_id": id})):
            pass


@asynccontextmanager
async def stub(doors: Doors) -> AsyncIterator[Any]:
    """A client over gRPC."""
    async with grpc.aio.insecure_channel(doors.target) as channel:
        yield stubs.OrchestratorServiceStub(channel)


CLIENTS = (
    waiting_over_http,
    reading_its_events,
    waiting_over_grpc,
    streaming_over_grpc,
)
