"""The rpc that lists and searches deliberations; knows nothing of how they are found."""

from __future__ import annotations

from actors.codec import write
from actors.listing import MOST
from actors.pb import orchestrator_pb2 as pb
from edges.desk import Desk
from edges.rpcs import GrpcContext, unary
from edges.searching import wanted
from engine.errors import InvalidRequest

USUAL = 20
"""Deliberations of a page where no number is said."""


class ListingRpcs:
    """For the door to inherit; it sets `_desk`."""

    _desk: Desk

    @unary
    async def ListDeliberations(
        self, request: pb.ListDeliberationsRequest, grpc_context: GrpcContext
    ) -> pb.ListDeliberationsResponse:
        """A page of the deliberations that are wanted."""
        asked = wanted(
            role=request.role,
            story=request.story,
            status=request.status,
            since=request.since,
            until=request.until,
            text=request.text,
        )
        limit = request.limit or USUAL
        if not 1 <= limit <= MOST:
            raise InvalidRequest("limit", f"{limit} is not 1 to {MOST}; 0 is for {USUAL}")
        page = await self._desk.page(asked, limit, request.cursor)
        return write(pb.ListDeliberationsResponse(), page)
