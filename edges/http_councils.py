"""Councils and agents over HTTP: their paths and bodies; knows nothing of how they are changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request

from edges.asked import standing_alone
from edges.bodies import body_of, read_as, read_within, refusals
from edges.chamber import Changed, Created, Deleted
from engine.data import Data
from engine.founding import NewCouncil
from engine.joining import NewAgent

if TYPE_CHECKING:
    from edges.desk import Desk

PATH = "/v1/councils"
router = APIRouter()


def _about(kind: type[Data]) -> dict[str, Any]:
    return body_of(standing_alone(kind))


class CouncilRoutes:
    """The routes; whoever inherits them has a desk."""

    _desk: Desk

    @router.post(
        PATH,
        status_code=201,
        responses=refusals(400, 409, 413),
        openapi_extra=_about(NewCouncil),
    )
    async def create_council(self, request: Request) -> Created:
        """Create a council; answers when it can deliberate. Only one that is ready is left."""
        body = await read_within(request, self._desk.config.bus.max_event_bytes)
        return await self._desk.chamber.create(read_as(NewCouncil, body))

    @router.delete(f"{PATH}/{{role}}", responses=refusals(404))
    async def delete_council(self, role: str) -> Deleted:
        """Have a council take no new work; what it is at ends within a minute."""
        return await self._desk.chamber.delete(role)

    @router.post(
        f"{PATH}/{{role}}/agents",
        status_code=201,
        responses=refusals(400, 404, 409, 413),
        openapi_extra=_about(NewAgent),
    )
    async def register_agent(self, request: Request, role: str) -> Changed:
        """Seat an agent from the next deliberation on."""
        body = await read_within(request, self._desk.config.bus.max_event_bytes)
        return await self._desk.chamber.register(role, read_as(NewAgent, body))

    @router.delete(f"{PATH}/{{role}}/agents/{{agent_id}}", responses=refusals(404, 409))
    async def unregister_agent(self, role: str, agent_id: str) -> Changed:
        """Leave a seat empty from the next deliberation on; the last one of ours stays."""
        return await self._desk.chamber.unregister(role, agent_id)
