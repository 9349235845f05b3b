"""Councils and agents over gRPC; knows nothing of how they are changed."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ValidationError

from actors.pb import orchestrator_pb2 as pb
from edges.asked import invalid
from edges.desk import Desk
from edges.rpcs import GrpcContext, unary
from edges.views import SeatInfo
from engine.data import Data
from engine.errors import InvalidRequest
from engine.founding import NewCouncil
from engine.joining import NewAgent

Kind = TypeVar("Kind", bound=Data)


class CouncilsRpcs:
    """The rpcs, for the door to inherit; it has a desk."""

    _desk: Desk

    @unary
    async def CreateCouncil(
        self, request: pb.CreateCouncilRequest, grpc_context: GrpcContext
    ) -> pb.CreateCouncilResponse:
        """Create a council; answers when it can deliberate.

        A false `enable_peer_review` cannot be told from one that was not set, and says nothing.
        """
        config = request.config
        asked = {
            "role": request.role,
            "num_agents": request.num_agents,
            "deliberation_rounds": config.deliberation_rounds,
            "enable_peer_review": config.enable_peer_review or None,
            "model_profile": config.model_profile,
            "custom_params": dict(config.custom_params),
            "agent_type": config.agent_type,
        }
        found = await self._desk.chamber.create(_read(NewCouncil, asked))
        return pb.CreateCouncilResponse(
            council_id=found.council_id,
            agents_created=len(found.agents),
            agent_ids=found.agents,
        )

    @unary
    async def DeleteCouncil(
        self, request: pb.DeleteCouncilRequest, grpc_context: GrpcContext
    ) -> pb.DeleteCouncilResponse:
        """Have a council take no new work; what it is at ends within a minute."""
        found = await self._desk.chamber.delete(_named(request.role, "role"))
        return pb.DeleteCouncilResponse(
            success=True, message=found.message, agents_removed=found.agents_removed
        )

    @unary
    async def RegisterAgent(
        self, request: pb.RegisterAgentRequest, grpc_context: GrpcContext
    ) -> pb.RegisterAgentResponse:
        """Seat an agent from the next deliberation on."""
        told = request.capabilities
        asked = {
            "agent_id": request.agent_id,
            "endpoint": request.endpoint,
            "metadata": dict(request.metadata),
            "capabilities": {
                "supported_tasks": tuple(told.supported_tasks),
                "model_profile": told.model_profile,
                "max_concurrent_tasks": told.max_concurrent_tasks,
                "languages": tuple(told.languages),
            },
        }
        role = _named(request.role, "role")
        found = await self._desk.chamber.register(role, _read(NewAgent, asked))
        return pb.RegisterAgentResponse(
            success=True, message=found.message, council_id=found.council_id
        )

    @unary
    async def UnregisterAgent(
        self, request: pb.UnregisterAgentRequest, grpc_context: GrpcContext
    ) -> pb.UnregisterAgentResponse:
        """Leave a seat empty from the next deliberation on; the last one of ours stays."""
        agent_id = _named(request.agent_id, "agent_id")
        found = await self._desk.chamber.unregister(_named(request.role, "role"), agent_id)
        return pb.UnregisterAgentResponse(success=True, message=found.message)


def standing(status: str) -> str:
    """A council whose actor does not answer is degraded, in the contract's words."""
    return "degraded" if status == "away" else status


def agent_info(seat: SeatInfo, role: str) -> pb.AgentInfo:
    """One agent of a council as the contract tells of it."""
    told = seat.capabilities
    return pb.AgentInfo(
        agent_id=seat.agent_id,
        role=role,
        status=seat.status,
        capabilities=pb.AgentCapabilities(
            supported_tasks=told.supported_tasks,
            model_profile=told.model_profile,
            max_concurrent_tasks=told.max_concurrent_tasks,
            languages=told.languages,
        ),
    )


def _read(kind: type[Kind], fields: dict[str, Any]) -> Kind:
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise invalid(error) from error


def _named(said: str, field: str) -> str:
    if not said.strip():
        raise InvalidRequest(field, "is empty")
    return said
