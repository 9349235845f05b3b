"""The rpcs for tasks of plans and for what agents see of one; decides nothing."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from actors.codec import write
from actors.pb import orchestrator_pb2 as pb
from edges.asked import invalid
from edges.calls import key_of, metadata
from edges.deriving import derive
from edges.desk import Desk
from edges.rpcs import GrpcContext, unary
from edges.seeing import context
from edges.tasks import ContextRequest, Derivation, DerivationRequest
from engine.errors import InvalidRequest


class TasksRpcs:
    """For the door to inherit; it sets `_desk`."""

    _desk: Desk

    @unary
    async def DeriveSubtasks(
        self, request: pb.DeriveSubtasksRequest, grpc_context: GrpcContext
    ) -> pb.DeriveSubtasksResponse:
        """Split an approved plan into tasks."""
        sent = metadata(grpc_context)
        key, asked = key_of(request, sent), _asked(request)
        return _response(await derive(self._desk, asked, key, sent.get("x-timeout-ms", "")))

    @unary
    async def GetTaskContext(
        self, request: pb.GetTaskContextRequest, grpc_context: GrpcContext
    ) -> pb.GetTaskContextResponse:
        """What an agent would see of a task, or has seen."""
        try:
            found = await context(self._desk, _looked_at(request))
        except InvalidRequest as error:
            where = {"text": "task_description"}.get(error.where, error.where)
            raise type(error)(where, error.what) from error
        return pb.GetTaskContextResponse(
            context_text=found.context_text,
            blocks=write(pb.ContextBlocks(), found.blocks),
            token_count=found.token_count,
            version_hash=found.version_hash,
            agent_id=found.agent_id,
        )


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


def _looked_at(request: pb.GetTaskContextRequest) -> ContextRequest:
    options = request.options
    fields: dict[str, Any] = {
        "task_id": request.task_id,
        "text": request.task_description,
        "case_id": request.case_id,
        "story_id": request.story_id,
        "role": request.role,
        "phase": request.phase,
        "agent_id": request.agent_id,
        "options": {
            "include_timeline": options.include_timeline,
            "include_decisions": options.include_decisions,
            "include_summaries": options.include_summaries,
            "max_events": options.max_events,
            "scopes": tuple(options.scopes),
        },
    }
    try:
        return ContextRequest.model_validate(fields)
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
