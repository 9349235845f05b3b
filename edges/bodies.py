"""Bodies of requests, read within a cap, and how a route tells of them; knows nothing of paths."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import Request

from edges.asked import too_large
from edges.refusals import Problem


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How a route's refusals are documented."""
    content = {"application/problem+json": {"schema": Problem.model_json_schema()}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in (*statuses, 500, 503)
    }


def body_of(schema: dict[str, Any]) -> dict[str, Any]:
    """How a route's body is documented: it is read by ourselves, within a cap."""
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


async def read_within(request: Request, most: int) -> bytes:
    """The body, unless it is over the cap: then no more of it is read than that."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        raise too_large(int(declared), most)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise too_large(len(body), most)
    return bytes(body)
