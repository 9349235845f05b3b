"""The rpc that splits a plan into tasks; knows nothing of how that is done."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from actors.codec import write
from actors.pb import orchestrator_pb2 as pb
from edges.asked import invalid
from edges.deriving import Derivation, DerivationRequest, derive
from edges.desk import Desk
from edges.rpcs import GrpcContext, unary


class DerivingRpcs:
    """For the door to inherit; it sets `_desk`."""

    _desk: Desk

    @unary
    async def DeriveSubtasks(
        self, request: pb.DeriveSubtasksRequest, grpc_context: GrpcContext
    ) -> pb.DeriveSubtasksResponse:
        """Split an approved plan into tasks."""
        sent = {key: str(value) for key, value in grpc_context.invocation_metadata()}
        key = request.idempotency_key or sent.get("idempotency-key", "")
        asked = _asked(request)
        return _response(await derive(self._desk, asked, key, sent.get("x-timeout-ms", "")))


def _asked(request: pb.DeriveSubtasksRequest) -> DerivationRequest:
    how = request.strategy
    fields: dict[str, Any] = {
        "plan_id": request.plan_id,
        "case_id": request.case_id,
        "roles": tuple(request.roles),
        "strategy": {
            "parallel_execution": how.parallel_execution,
            "dependency_order": tuple(how.dependency_order),
            "max_tasks_per_role": how.max_tasks_per_role,
            "auto_publish_to_nats": how.auto_publish_to_nats,
        },
    }
    try:
        return DerivationRequest.model_validate(fields)
    except ValidationError as error:
        raise invalid(error) from error


def _response(found: Derivation) -> pb.DeriveSubtasksResponse:
    return pb.DeriveSubtasksResponse(
        tasks=[write(pb.AtomicTask(), task) for task in found.tasks],
        derivation_id=found.derivation_id,
        total_tasks=found.total_tasks,
        author_id=found.author_id,
        published=found.published,
        durable=found.durable,
    )
