"""Records as server-sent events, with signs of life between them; knows nothing of who reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from edges.refusals import problem
from engine.errors import ConclaveError
from engine.events import Record

MEDIA_TYPE = "text/event-stream"


async def server_sent(
    records: AsyncGenerator[Record, None], keep_alive_s: float
) -> AsyncGenerator[bytes, None]:
    """Each record as an event whose id is its `seq`; a comment after every silence.

    What breaks the stream off becomes a last event, `error`, whose data is the problem.
    """
    upcoming: asyncio.Task[Record] | None = None
    try:
        while True:
            upcoming = upcoming or asyncio.ensure_future(_next(records))
            done, _ = await asyncio.wait({upcoming}, timeout=keep_alive_s)
            if not done:
                yield b": keep-alive\n\n"
                continue
            yield _event(upcoming.result())
            upcoming = None
    except StopAsyncIteration:
        return
    except ConclaveError as error:
        yield f"event: error\ndata: {problem(error).model_dump_json()}\n\n".encode()
    finally:
        if upcoming is not None:
            upcoming.cancel()
            await asyncio.gather(upcoming, return_exceptions=True)
        await records.aclose()


async def _next(records: AsyncGenerator[Record, None]) -> Record:
    return await anext(records)


def _event(record: Record) -> bytes:
    kind, data = record.event.kind, record.model_dump_json()
    return f"id: {record.seq}\nevent: {kind}\ndata: {data}\n\n".encode()
