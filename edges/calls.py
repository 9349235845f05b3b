"""A call over gRPC as a task, and an end without a decision as its status; knows no rpc."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from grpc import StatusCode
from pydantic import ValidationError

from actors import contract
from actors.pb import orchestrator_pb2 as pb
from edges.asked import LONGEST_KEY, DeliberationRequest, invalid
from edges.desk import Desk
from edges.rpcs import GrpcContext, Refused
from engine.errors import InvalidRequest
from engine.events import Failed
from engine.transcript import Transcript
from engine.types import Task

UNDECIDED = {
    "Cancelled": StatusCode.CANCELLED,
    "DeadlineExceeded": StatusCode.DEADLINE_EXCEEDED,
}
"""The status of a deliberation that ended without a decision; FAILED_PRECONDITION for others."""
CONTRACT_NAMES = {
    "text": "task_description",
    "rubric": "constraints.rubric",
    "requirements": "constraints.requirements",
    "max_iterations": "constraints.max_iterations",
    "timeout_seconds": "constraints.timeout_seconds",
}
"""What a field of our request is called in the contract, where that is something else."""


class Keyed(Protocol):
    """A request with a field for an idempotency key."""

    idempotency_key: str


def admitted(
    desk: Desk, request: pb.DeliberateRequest, grpc_context: GrpcContext
) -> tuple[Task, float]:
    """The task that a request asks for, and the seconds its caller waits."""
    sent = metadata(grpc_context)
    with in_contract():
        task = desk.admit(_asked(request), key_of(request, sent))
    return task, desk.allowance(task, sent.get("x-timeout-ms", ""))


def metadata(grpc_context: GrpcContext) -> dict[str, str]:
    """What the caller sent beside its request."""
    return {key: str(value) for key, value in grpc_context.invocation_metadata()}


def key_of(request: Keyed, sent: Mapping[str, str]) -> str:
    """The idempotency key of a call, in its request or in its metadata; InvalidRequest."""
    key = request.idempotency_key or sent.get("idempotency-key", "")
    if len(key) > LONGEST_KEY:
        raise InvalidRequest("idempotency_key", f"has {len(key)} characters, over {LONGEST_KEY}")
    return key


@contextmanager
def in_contract(names: Mapping[str, str] = CONTRACT_NAMES) -> Iterator[None]:
    """What is refused in here is named as a client of the contract knows it."""
    try:
        yield
    except InvalidRequest as error:
        field, dot, rest = error.where.partition(".")
        raise type(error)(f"{names.get(field, field)}{dot}{rest}", error.what) from error


def require_decision(state: Transcript) -> None:
    """Refused where a deliberation has ended without one."""
    if isinstance(state.end, Failed):
        assert state.task is not None
        raise Refused(
            UNDECIDED.get(state.end.error_type, StatusCode.FAILED_PRECONDITION),
            f"{state.end.error_type}: {state.end.message}; "
            f"GetDeliberationResult of {state.task.id!r} has what was written",
        )


def _asked(request: pb.DeliberateRequest) -> DeliberationRequest:
    try:
        return DeliberationRequest.model_validate(contract.asked(request))
    except ValidationError as error:
        raise invalid(error) from error
