"""The routes over HTTP for tasks of plans and for what agents see of one; decides nothing."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Request

from edges.asked import LONGEST_KEY, read_as, standing_alone
from edges.bodies import body_of, read_within, refusals
from edges.deriving import derive
from edges.desk import Desk
from edges.http import api
from edges.seeing import context
from edges.tasks import (
    ContextRequest,
    Derivation,
    DerivationRequest,
    TaskContext,
)


class TasksDoor:
    """The routes; whoever inherits them has a desk."""

    _desk: Desk

    @api.post(
        "/v1/derivations",
        responses=refusals(400, 404, 409, 413, 422, 504),
        openapi_extra=body_of(standing_alone(DerivationRequest)),
    )
    async def derive(
        self,
        request: Request,
        idempotency_key: Annotated[str, Header(max_length=LONGEST_KEY)] = "",
        x_timeout_ms: Annotated[str, Header()] = "",
    ) -> Derivation:
        """Split an approved plan into tasks, and wait for them.

        The same request gives the same tasks; with another `Idempotency-Key` it is asked anew.
        422 where the architects decided on no graph that keeps to the rules.
        """
        body = await read_within(request, self._desk.config.bus.max_event_bytes)
        asked = read_as(DerivationRequest, body)
        return await derive(self._desk, asked, idempotency_key, x_timeout_ms)

    @api.post(
        "/v1/context",
        responses=refusals(400, 404, 413),
        openapi_extra=body_of(standing_alone(ContextRequest)),
    )
    async def context(self, request: Request) -> TaskContext:
        """What an agent would see of a task, or has seen: nobody is asked anything.

        Its words, how many tokens they are to the agent's model, and a hash of them.
        """
        body = await read_within(request, self._desk.config.bus.max_event_bytes)
        return await context(self._desk, read_as(ContextRequest, body))
