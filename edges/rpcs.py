"""What all rpcs have in common: how an error becomes a status; knows nothing of what they do.

One line is for the client, the rest for the log.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import wraps
from types import TracebackType
from typing import Any, Protocol, TypeVar

from google.protobuf.message_factory import GetMessageClass
from grpc import StatusCode

from actors.pb import orchestrator_pb2 as pb
from edges.refusals import in_one_line, refusal
from engine.errors import ConclaveError

log = logging.getLogger("conclave.grpc")

RPCS = pb.DESCRIPTOR.services_by_name["OrchestratorService"].methods_by_name
SERVICER = "actors.pb.orchestrator_pb2_grpc.add_OrchestratorServiceServicer_to_server"
"""What Serve must be told to serve the contract."""
Out = TypeVar("Out")


class GrpcContext(Protocol):
    """What is needed of the context that Serve hands over with each call."""

    def invocation_metadata(self) -> Sequence[tuple[str, str | bytes]]:
        """The call's metadata, in pairs."""

    def set_code(self, code: StatusCode) -> None:
        """Answer with this status."""

    def set_details(self, details: str) -> None:
        """Say why."""


class Refused(Exception):
    """The status that a call ends with, and its one line for the client."""

    def __init__(self, code: StatusCode, detail: str) -> None:
        super().__init__(code, detail)
        self.code, self.detail = code, detail

    def __str__(self) -> str:
        return f"{self.code.name}: {self.detail}"


class _Boundary:
    """What a handler raises inside becomes the call's status; a cancellation passes through.

    Serve sends the context along with the messages. A stream that ends after the last of them
    would end well, so there the refusal is raised as well: it takes the context with it.
    """

    def __init__(self, grpc_context: GrpcContext, rpc: str, *, streams: bool) -> None:
        self._context, self._rpc, self._streams = grpc_context, rpc, streams

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _kind: object, error: BaseException | None, _trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        refused = self._refused(error)
        self._context.set_code(refused.code)
        self._context.set_details(in_one_line(refused.detail))
        if self._streams:
            raise refused from None
        return True

    def _refused(self, error: Exception) -> Refused:
        if isinstance(error, Refused):
            return error
        if isinstance(error, ConclaveError):
            return Refused(refusal(error).grpc, str(error))
        log.error("%s broke off by a bug", self._rpc, exc_info=error)
        name = type(error).__name__
        return Refused(StatusCode.INTERNAL, f"a bug of ours ({name}); the server's log has more")


# Serve looks at the names of a method's parameters: the context comes only as `grpc_context`.


def unary(handler: Callable[..., Awaitable[Out]]) -> Callable[..., Awaitable[Out]]:
    """An rpc with one answer; an empty one goes along with a status."""
    empty = GetMessageClass(RPCS[handler.__name__].output_type)

    @wraps(handler)
    async def rpc(door: Any, request: Any, grpc_context: GrpcContext) -> Out:
        with _Boundary(grpc_context, handler.__name__, streams=False):
            return await handler(door, request, grpc_context)
        answer: Out = empty()
        return answer

    return rpc


def streaming(handler: Callable[..., AsyncGenerator[Out, None]]) -> Callable[..., Any]:
    """An rpc with a stream of answers."""

    @wraps(handler)
    async def rpc(door: Any, request: Any, grpc_context: GrpcContext) -> AsyncGenerator[Out, None]:
        with _Boundary(grpc_context, handler.__name__, streams=True):
            async with aclosing(handler(door, request, grpc_context)) as answers:
                async for answer in answers:
                    yield answer

    return rpc
