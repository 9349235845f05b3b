"""The body of a request over HTTP, read within a cap; knows nothing of what it says."""

from __future__ import annotations

from fastapi import Request

from edges.asked import too_large


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
