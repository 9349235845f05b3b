"""Councils and agents over HTTP: their paths and bodies; knows nothing of how they are changed."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from edges.asked import read_as, standing_alone
from edges.bodies import body_of, read_within, refusals
from edges.desk import Desk
from edges.http import api
from edges.views import Changed, Created, Deleted
from engine.data import Data
from engine.founding import NewCouncil
from engine.joining import NewAgent

PATH = "/v1/councils"


def _about(kind: type[Data]) -> dict[str, Any]:
    return body_of(standing_alone(kind))


class CouncilsDoor:
    """The routes; whoever inherits them has a desk."""

    _desk: Desk

    @api.post(
        PATH,
        status_code=201,
        responses=refusals(400, 409, 413),
        openapi_extra=_about(NewCouncil),
    )
    async def create_council(self, request: Request) -> Created:
        """Create a council; answers when it can deliberate. Only one that is ready is left."""
        body = await read_within(request, self._desk.config.bus.max_event_bytes)
        return await self._desk.chamber.create(read_as(NewCouncil, body))

    @api.delete(f"{PATH}/{{role}}", responses=refusals(404))
    async def delete_council(self, role: str) -> Deleted:
        """Have a council take no new work; what it is at ends within a minute."""
        return await self._desk.chamber.delete(role)

    @api.post(
        f"{PATH}/{{role}}/agents",
        status_code=201,
        responses=refusals(400, 404, 409, 413),
        openapi_extra=_about(NewAgent),
    )
    async def register_agent(self, request: Request, role: str) -> Changed:
        """Seat an agent from the next deliberation on."""
        body = await read_within(request, self._desk.config.bus.max_event_bytes)
        return await self._desk.chamber.register(role, read_as(NewAgent, body))

    @api.delete(f"{PATH}/{{role}}/agents/{{agent_id}}", responses=refusals(404, 409))
    async def unregister_agent(self, role: str, agent_id: str) -> Changed:
        """Leave a seat empty from the next deliberation on; the last one of ours stays."""
        return await self._desk.chamber.unregister(role, agent_id)
