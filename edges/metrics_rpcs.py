"""The rpc that tells figures; knows nothing of how they come about."""

from __future__ import annotations

from actors.pb import orchestrator_pb2 as pb
from edges.councils_rpcs import standing
from edges.desk import Desk
from edges.metrics import metrics
from edges.rpcs import GrpcContext, unary
from edges.views import AgentFigures, CouncilFigures, Metrics


class MetricsRpcs:
    """For the door to inherit; it sets `_desk`."""

    _desk: Desk

    @unary
    async def GetMetrics(
        self, request: pb.GetMetricsRequest, grpc_context: GrpcContext
    ) -> pb.GetMetricsResponse:
        """Latencies, agents and councils in figures."""
        return _response(await metrics(self._desk, request.metric_type, request.time_range_ms))


def _response(found: Metrics) -> pb.GetMetricsResponse:
    performance = found.performance
    return pb.GetMetricsResponse(
        performance=pb.PerformanceMetrics(**dict(performance)) if performance else None,
        agents=_agents(found.agents) if found.agents else None,
        councils=_councils(found.councils) if found.councils else None,
        behind=found.behind,
    )


def _agents(found: AgentFigures) -> pb.AgentMetrics:
    return pb.AgentMetrics(**dict(found))


def _councils(found: CouncilFigures) -> pb.CouncilMetrics:
    return pb.CouncilMetrics(
        total_councils=found.total_councils,
        active_councils=found.active_councils,
        health_per_council={
            id: pb.CouncilHealth(
                status=standing(each.status),
                available_agents=each.available_agents,
                busy_agents=each.busy_agents,
                success_rate=each.success_rate or 0.0,
            )
            for id, each in found.health_per_council.items()
        },
    )
