"""A gRPC server that calls a door as Ray Serve does, without Ray.

Seen in Serve 2.60: the context is a copy that travels back with each message and with an error.
What is set on it after a stream's last message and without an error is lost: the stream ends well.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from inspect import isasyncgenfunction, signature
from typing import Any

import grpc

from actors.pb import orchestrator_pb2_grpc as rpcs
from edges.rpcs import RPCS


class Context:
    """The copy of a call's context that the handler gets."""

    def __init__(self, metadata: Sequence[tuple[str, str | bytes]]) -> None:
        self._metadata = list(metadata)
        self.code: grpc.StatusCode | None = None
        self.details = ""

    def invocation_metadata(self) -> list[tuple[str, str | bytes]]:
        """As the client sent it."""
        return self._metadata

    def set_code(self, code: grpc.StatusCode) -> None:
        """Keep it for the way back."""
        self.code = code

    def set_details(self, details: str) -> None:
        """Keep it for the way back."""
        self.details = details

    def travel(self, call: Any) -> None:
        """Tell the real call what was set."""
        if self.code is not None:
            call.set_code(self.code)
            call.set_details(self.details)


class _Call:
    """One call of one rpc, as Serve makes it: the context goes by the parameter's name."""

    def __init__(self, handler: Callable[..., Any], call: Any) -> None:
        assert "grpc_context" in signature(handler).parameters
        self._handler, self._call = handler, call
        self._context = Context(tuple(call.invocation_metadata()))

    async def one(self, request: Any) -> Any:
        try:
            answer = await self._handler(request, grpc_context=self._context)
        except Exception as error:  # noqa: BLE001  # so does Serve
            await self._fail(error)
        self._context.travel(self._call)
        return answer

    async def many(self, request: Any) -> AsyncIterator[Any]:
        try:
            async for answer in self._handler(request, grpc_context=self._context):
                self._context.travel(self._call)
                yield answer
        except Exception as error:  # noqa: BLE001
            await self._fail(error)

    async def _fail(self, error: Exception) -> None:
        code = self._context.code or grpc.StatusCode.INTERNAL
        await self._call.abort(code, self._context.details or f"Traceback: {error!r}")


def _method(name: str) -> Callable[..., Any]:
    async def one(self: Any, request: Any, context: Any) -> Any:
        return await _Call(getattr(self.door, name), context).one(request)

    async def many(self: Any, request: Any, context: Any) -> AsyncIterator[Any]:
        async for answer in _Call(getattr(self.door, name), context).many(request):
            yield answer

    return many if RPCS[name].server_streaming else one


Servicer = type(
    "Servicer", (rpcs.OrchestratorServiceServicer,), {name: _method(name) for name in RPCS}
)


@asynccontextmanager
async def serving(door: Any) -> AsyncIterator[str]:
    """Serve a door on a free port of this machine; yields the address."""
    for name, rpc in RPCS.items():
        assert isasyncgenfunction(getattr(door, name)) == rpc.server_streaming
    server, servicer = grpc.aio.server(), Servicer()
    servicer.door = door
    rpcs.add_OrchestratorServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
