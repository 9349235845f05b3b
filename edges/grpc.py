"""The gRPC door: each rpc as a method that Serve calls; knows nothing of councils or Ray."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from actors import contract
from actors.codec import write
from actors.pb import orchestrator_pb2 as pb
from actors.progress import Progress
from edges.calls import admitted, require_decision
from edges.councils_rpcs import CouncilsRpcs, agent_info, standing
from edges.desk import Desk
from edges.listing_rpcs import ListingRpcs
from edges.metrics_rpcs import MetricsRpcs
from edges.orders_rpcs import OrdersRpcs
from edges.rpcs import GrpcContext, streaming, unary
from edges.tasks_rpcs import TasksRpcs
from edges.views import CouncilInfo, Stats
from engine.errors import InvalidRequest


class GrpcDoor(CouncilsRpcs, OrdersRpcs, TasksRpcs, MetricsRpcs, ListingRpcs):
    """The service's rpcs, for the ingress class to inherit; it sets `_desk`."""

    _desk: Desk

    @unary
    async def Deliberate(
        self, request: pb.DeliberateRequest, grpc_context: GrpcContext
    ) -> pb.DeliberateResponse:
        """Deliberate and answer with the decision; without one, with a status."""
        task, within_s = admitted(self._desk, request, grpc_context)
        conclusion = await self._desk.conclude(task, within_s)
        state = conclusion.state
        require_decision(state)
        return contract.response(state, conclusion.durable)

    @streaming
    async def StreamDeliberation(
        self, request: pb.DeliberateRequest, grpc_context: GrpcContext
    ) -> AsyncGenerator[pb.DeliberationUpdate, None]:
        """One update for each record, the result on the last one; then the status."""
        task, within_s = admitted(self._desk, request, grpc_context)
        progress = Progress()
        async with aclosing(self._desk.follow(task, within_s)) as records:
            async for record in records:
                update = progress.update(record)
                if progress.state.end is not None:
                    durable = await self._desk.holds(record)
                    update.result.CopyFrom(contract.response(progress.state, durable))
                yield update
        require_decision(progress.state)

    @streaming
    async def WatchDeliberation(
        self, request: pb.WatchDeliberationRequest, grpc_context: GrpcContext
    ) -> AsyncGenerator[pb.Record, None]:
        """All records after that one, then those to come, until the end."""
        if request.after_seq < 0:
            raise InvalidRequest("after_seq", f"{request.after_seq} is negative; 0 is for all")
        records = self._desk.watch(_named(request.task_id), request.after_seq)
        async with aclosing(records):
            async for record in records:
                yield write(pb.Record(), record)

    @unary
    async def GetDeliberationResult(
        self, request: pb.GetDeliberationResultRequest, grpc_context: GrpcContext
    ) -> pb.GetDeliberationResultResponse:
        """What became of a deliberation so far."""
        conclusion = await self._desk.read(_named(request.task_id))
        return contract.result_response(conclusion.state, conclusion.durable)

    @unary
    async def CancelDeliberation(
        self, request: pb.CancelDeliberationRequest, grpc_context: GrpcContext
    ) -> pb.GetDeliberationResultResponse:
        """End a deliberation, and say what had been written."""
        conclusion = await self._desk.cancel(_named(request.task_id))
        return contract.result_response(conclusion.state, conclusion.durable)

    @unary
    async def ListCouncils(
        self, request: pb.ListCouncilsRequest, grpc_context: GrpcContext
    ) -> pb.ListCouncilsResponse:
        """The councils, or the one of a role."""
        wanted = request.role_filter.upper()
        return pb.ListCouncilsResponse(
            councils=[
                _council(info, with_agents=request.include_agents)
                for info in await self._desk.councils()
                if wanted in ("", info.role)
            ]
        )

    @unary
    async def GetStatus(
        self, request: pb.GetStatusRequest, grpc_context: GrpcContext
    ) -> pb.GetStatusResponse:
        """Whether all is well."""
        status = await self._desk.status()
        return pb.GetStatusResponse(
            status=status.status,
            uptime_seconds=int(status.uptime_seconds),
            stats=_stats(status.stats) if request.include_stats and status.stats else None,
            troubles=status.troubles,
        )


def _named(task_id: str) -> str:
    if not task_id:
        raise InvalidRequest("task_id", "is empty; send the id of a deliberation")
    return task_id


def _council(info: CouncilInfo, *, with_agents: bool) -> pb.CouncilInfo:
    """A council as the contract tells of it."""
    agents = info.seats if with_agents else ()
    return pb.CouncilInfo(
        council_id=info.council_id,
        role=info.role,
        num_agents=info.num_agents,
        agents=[agent_info(seat, info.role) for seat in agents],
        status=standing(info.status),
        model=", ".join(info.models),
    )


def _stats(stats: Stats) -> pb.OrchestratorStats:
    return pb.OrchestratorStats(
        total_deliberations=stats.total_deliberations,
        total_orchestrations=stats.total_orchestrations,
        avg_deliberation_time_ms=stats.avg_deliberation_time_ms,
        active_councils=stats.active_councils,
        role_counts=stats.role_counts,
    )
