"""Records as server-sent events, with signs of life between them; knows nothing of who reads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any

from edges.refusals import Problem, problem
from engine.errors import Broken, ConclaveError
from engine.events import Record
from engine.fanout import ended

log = logging.getLogger("conclave.http")

MEDIA_TYPE = "text/event-stream"
STREAM: dict[str, Any] = {
    MEDIA_TYPE: {
        "itemSchema": {
            "type": "object",
            "properties": {name: {"type": "string"} for name in ("id", "event", "data")},
            "required": ["data"],
        }
    }
}
"""A stream of events in an OpenAPI document: what each is made of."""


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
        yield _broken_off(problem(error))
    except Exception:
        log.exception("a stream of events broke off by a bug")
        yield _broken_off(problem(Broken("a bug of ours; the log of the replica says more")))
    finally:
        if upcoming is not None:
            await ended(upcoming)
        await records.aclose()


async def _next(records: AsyncGenerator[Record, None]) -> Record:
    return await anext(records)


def _broken_off(why: Problem) -> bytes:
    return f"event: error\ndata: {why.model_dump_json()}\n\n".encode()


def _event(record: Record) -> bytes:
    kind, data = record.event.kind, record.model_dump_json()
    return f"id: {record.seq}\nevent: {kind}\ndata: {data}\n\n".encode()
