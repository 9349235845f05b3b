"""An rpc of the door called without a server; knows nothing of what is behind its desk."""

from __future__ import annotations

from typing import Any

from serve_twin import Context

from edges.desk import Desk
from edges.grpc import GrpcDoor


async def called(desk: Desk, rpc: str, request: Any) -> Any:
    """What an rpc answers, or the status that it is refused with."""

    class Door(GrpcDoor):
        _desk = desk

    context = Context(())
    answer = await getattr(Door(), rpc)(request, grpc_context=context)
    return context.code or answer
