"""A plan on the bus and what becomes of it: read, published, followed to its last decision.

Knows the system as the producer of a plan does: by the bus and by the journal on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from pathlib import Path

from nats.js.errors import NoStreamResponseError
from rich.console import Console
from rich.live import Live

from actors.bus import Connection
from actors.journal import Journal
from actors.patience import BROKEN, said
from actors.streams import PLANS
from commands.reach import bus_at, reached
from commands.view import Board, Row
from engine.arrival import Arrival
from engine.config import BusConfig
from engine.errors import SetupError, Unavailable
from engine.fanout import merge
from engine.planning import SUBJECT, PlanApproved, plan_approved
from engine.types import Task

DECIDED_WITHIN_S = 900.0
"""Somebody waits before a terminal, and may try again."""


def read_plan(plan: Path) -> bytes:
    """The event's bytes, checked as the bridge will check them; SetupError or InvalidEvent."""
    try:
        data = plan.read_bytes()
    except OSError as error:
        raise SetupError(
            f"{plan} cannot be read ({error.strerror})", "Name a plan as JSON"
        ) from error
    understood(data, 1)
    return data


def understood(data: bytes, seq: int) -> PlanApproved:
    """The plan as the bridge will read it under that sequence; InvalidEvent where it cannot."""
    arrival = Arrival(stream=PLANS, seq=seq, subject=SUBJECT, data=data)
    return plan_approved(arrival, BusConfig().max_event_bytes)


async def publish(url: str, data: bytes, producer: str) -> PlanApproved:
    """Send the plan as its producer would; the plan as it arrived."""
    async with reached(bus_at(url), producer) as client:
        return understood(data, await _stored(client, data))


async def _stored(client: Connection, data: bytes) -> int:
    """Publish; the sequence under which the stream keeps it."""
    try:
        return (await client.streams().publish(SUBJECT, data)).seq
    except NoStreamResponseError:
        what = f"This bus has no stream for {SUBJECT}"
        raise SetupError(what, "Start Conclave on it, which makes its streams") from None
    except BROKEN as error:
        raise Unavailable(f"the bus did not take the plan ({said(error)}); try again") from error


async def follow(url: str, asked: Sequence[Task], console: Console) -> list[Row]:
    """Show every deliberation as its journal grows, until all have ended; how each ended.

    SetupError if that takes more than DECIDED_WITHIN_S.
    """
    board = Board([task.role for task in asked])
    rows = {task.id: board.rows[task.role] for task in asked}
    journal = await Journal.connect(bus_at(url), "conclave-cli")
    try:
        with Live(board, console=console, redirect_stdout=False, redirect_stderr=False):
            async with asyncio.timeout(DECIDED_WITHIN_S):
                await _follow(journal, rows, console)
    except TimeoutError:
        late = f"Not all have decided after {DECIDED_WITHIN_S:.0f} s"
        raise SetupError(late, "Look into the log of the engine, and at its status") from None
    finally:
        await journal.close()
    return list(board.rows.values())


async def _follow(journal: Journal, rows: Mapping[str, Row], console: Console) -> None:
    async with aclosing(merge(journal.follow(id) for id in rows)) as records:
        async for record in records:
            row = rows[record.deliberation]
            row.add(record)
            if not console.is_terminal and row.news():  # no board can be drawn
                console.print(f"{row.elapsed_s:5.0f} s  {row.role:10} {row.doing}")
