"""The rpcs of orchestrations, of work in the background and of planning events; knows no Ray."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from actors import contract
from actors.codec import from_struct, write
from actors.pb import orchestrator_pb2 as pb
from edges.asked import invalid
from edges.calls import admitted, in_contract, key_in, metadata, require_decision
from edges.desk import Desk
from edges.orders import Orchestration, OrchestrationRequest, orchestration
from edges.rpcs import GrpcContext, unary
from engine.posted import PlanningEvent
from engine.transcript import Transcript


class OrdersRpcs:
    """Rpcs for the door to inherit; it sets `_desk`."""

    _desk: Desk

    @unary
    async def Orchestrate(
        self, request: pb.OrchestrateRequest, grpc_context: GrpcContext
    ) -> pb.OrchestrateResponse:
        """Deliberate, have the architect select, and answer; without a decision, with a status."""
        sent = metadata(grpc_context)
        with in_contract():
            asked = _orchestration(request)
            task = asked.task(self._desk.config, request.idempotency_key or key_in(sent))
        within_s = self._desk.allowance(task, sent.get("x-timeout-ms", ""))
        found = await self._desk.conclude(task, within_s)
        require_decision(found.state)
        return _orchestrated(found.state, orchestration(found.state, found.durable))

    @unary
    async def DeliberateForBacklogReview(
        self, request: pb.DeliberateRequest, grpc_context: GrpcContext
    ) -> pb.DeliberateResponse:
        """Accept a deliberation that goes on by itself; the answer has its id and no result yet."""
        task, within_s = admitted(self._desk, request, grpc_context)
        accepted = await self._desk.accept(task, within_s)
        return contract.response(accepted.state, accepted.durable)

    @unary
    async def ProcessPlanningEvent(
        self, request: pb.PlanningEventRequest, grpc_context: GrpcContext
    ) -> pb.PlanningEventResponse:
        """Put the event on the bus; the answer has the ids of what follows from it."""
        fields = ("event_type", "case_id", "plan_id", "from_state", "to_state", "timestamp_ms")
        try:
            event = PlanningEvent(
                **{name: getattr(request, name) for name in fields},
                metadata=dict(request.metadata),
            )
        except ValidationError as error:
            raise invalid(error) from error
        key = request.idempotency_key or key_in(metadata(grpc_context))
        accepted = await self._desk.plan(event, key)
        return pb.PlanningEventResponse(**accepted.model_dump())


def _orchestration(request: pb.OrchestrateRequest) -> OrchestrationRequest:
    """A request of the contract; what proto3 leaves at zero is not set."""
    constraints, options = request.constraints, request.options
    fields: dict[str, Any] = {
        "task_id": request.task_id,
        "role": request.role,
        "text": request.task_description,
        "rubric": constraints.rubric,
        "requirements": tuple(constraints.requirements),
        "context": {**constraints.metadata, **from_struct(request.context)},
        "max_iterations": constraints.max_iterations or None,
        "timeout_seconds": constraints.timeout_seconds or None,
        "story_id": request.story_id,
        "case_id": request.case_id,
        "plan_id": request.plan_id,
        "context_options": _plain(request.context_options),
    }
    if request.HasField("options"):
        params = dict(options.custom_params)
        fields["options"] = {**_plain(options), "custom_params": params}
    try:
        return OrchestrationRequest.model_validate(fields)
    except ValidationError as error:
        raise invalid(error) from error


def _plain(message: pb.OrchestratorOptions | pb.ContextOptions) -> dict[str, Any]:
    """Its fields by their names; repeated ones as tuples."""
    found = {field.name: getattr(message, field.name) for field in message.DESCRIPTOR.fields}
    scopes = {"scopes": tuple(found["scopes"])} if "scopes" in found else {}
    return {**found, **scopes}


def _orchestrated(state: Transcript, found: Orchestration) -> pb.OrchestrateResponse:
    whole = contract.response(state, found.result.durable)
    decision = found.decision
    assert decision is not None
    assert found.winner is not None
    return pb.OrchestrateResponse(
        winner=contract.proposal(state, found.winner),
        candidates=[contract.proposal(state, each) for each in found.candidates],
        execution_id=found.execution_id,
        duration_ms=whole.duration_ms,
        metadata=whole.metadata,
        task_id=found.execution_id,
        selected_by=found.selected_by,
        reason=found.reason,
        decision=write(pb.Decision(), decision),
        tokens=whole.tokens,
        stop_reason=whole.stop_reason,
        degraded=whole.degraded,
        lost=whole.lost,
        durable=whole.durable,
    )
