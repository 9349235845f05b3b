"""The routes of orchestrations and of planning events; knows nothing of councils or Ray."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import Header, Request, Response

from edges.asked import LONGEST_KEY, read_as, standing_alone
from edges.bodies import body_of, read_within, refusals
from edges.http import LATER, PATH, STREAMED, HttpDoor, api, names
from edges.orders import (
    Accepted,
    Orchestration,
    OrchestrationRequest,
    orchestration,
)
from edges.sse import MEDIA_TYPE
from engine.posted import PlanningEvent
from engine.results import Result


class OrdersDoor(HttpDoor):
    """These routes beside those of the HTTP door."""

    @api.post(
        "/v1/orchestrations",
        response_model=Orchestration,
        responses={200: STREAMED, 202: {"model": Result}, **refusals(400, 409, 413, 504)},
        openapi_extra=body_of(standing_alone(OrchestrationRequest)),
    )
    async def orchestrate(
        self,
        request: Request,
        prefer: Annotated[str, Header()] = "",
        accept: Annotated[str, Header()] = "",
        idempotency_key: Annotated[str, Header(max_length=LONGEST_KEY)] = "",
        x_timeout_ms: Annotated[str, Header()] = "",
    ) -> Response:
        """Deliberate, then have the architect select among the first texts.

        By the same headers as a deliberation it is accepted at once or told as it goes; under
        `/v1/deliberations` it is found by its id.
        """
        body = await read_within(request, self._desk.config.bus.max_event_bytes)
        task = read_as(OrchestrationRequest, body).task(self._desk.config, idempotency_key)
        if names(prefer, LATER) or names(accept, MEDIA_TYPE):
            return await self._deliberated(task, prefer, accept, x_timeout_ms)
        found = await self._desk.conclude(task, self._desk.allowance(task, x_timeout_ms))
        place = {"Location": f"{PATH}/{quote(task.id, safe='')}"}
        text = orchestration(found.state, found.durable).model_dump_json()
        return Response(text, 200, place, media_type="application/json")

    @api.post(
        "/v1/planning-events",
        status_code=202,
        responses=refusals(400, 409, 413),
        openapi_extra=body_of(standing_alone(PlanningEvent)),
    )
    async def plan(
        self, request: Request, idempotency_key: Annotated[str, Header(max_length=LONGEST_KEY)] = ""
    ) -> Accepted:
        """Put a planning event on the bus; what follows from it is found by its ids.

        The same `Idempotency-Key`, or without one the same words, are the same event.
        """
        body = await read_within(request, self._desk.config.bus.max_event_bytes)
        return await self._desk.plan(read_as(PlanningEvent, body), idempotency_key)
