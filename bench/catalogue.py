"""How fast lists and figures follow a long journal, and what a question costs then; runs no agents.

    make bench BENCH=catalogue

A real nats-server holds deliberations of three agents, each record in a message of its own, so many
under way at once. Nothing is known of them at first. The loop's lateness is the longest time for
which nothing else could run meanwhile.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from actors.bus import connect
from actors.catalogue import Catalogue
from actors.embedded import nats_server
from actors.line import Line
from actors.listing import ALL, Wanted
from actors.messages import batch_of, envelope, root_of
from actors.provision import provision
from bench.table import table
from engine.config import BusConfig
from engine.deliberation import deliberate
from engine.events import Event, Record
from engine.fanout import ended
from engine.results import payload
from engine.testing import ScriptedModel, a_council, a_task, words
from engine.transcript import fold
from engine.types import Reply, Task, Turn

SIZES = (300, 3000)
AT_ONCE = 8
TICK_S = 0.005
FILLER = " lorem" * 170
"""Brings a text to the length of what a model writes."""


class Wordy(ScriptedModel):
    """Writes texts of the usual length."""

    async def __call__(self, turn: Turn) -> Reply:
        """A reply."""
        reply = await super().__call__(turn)
        text = reply.text + FILLER if turn.form.kind == "text" else reply.text
        return reply.model_copy(update={"text": text})


class Cost(NamedTuple):
    """What was measured at one size: seconds, and milliseconds of the last three."""

    read_s: float
    messages: int
    late_ms: float
    search_ms: float
    figures_ms: float


def messages(task: Task, events: Sequence[Event]) -> list[tuple[str, bytes]]:
    """The subjects and payloads of a deliberation, a record in each."""
    records = [
        Record(deliberation=task.id, seq=n, at=1000.0 + n, event=event)
        for n, event in enumerate(events, 1)
    ]
    root = root_of(task.id)
    told = [(f"{root}.r", batch_of([each.model_dump_json().encode()])) for each in records[:-1]]
    end = envelope(
        "orchestration.deliberation.completed",
        payload(fold(records)),
        key=task.id,
        correlation_id="",
        producer="bench",
        at=records[-1].at,
        metadata={"record": records[-1].model_dump(mode="json")},
    )
    return [*told, (f"{root}.completed", end)]


async def fill(bus: BusConfig, count: int) -> int:
    """Put so many deliberations into the journal; the number of their messages."""
    client = await connect(bus, "bench-fill", lambda: None)
    await provision(client.streams(), bus)
    turn, written = asyncio.Semaphore(AT_ONCE), 0

    async def one(id: str) -> None:
        nonlocal written
        task = a_task().model_copy(update={"id": id})
        events = deliberate(task, a_council(3), Wordy(), words)
        async with turn:
            for subject, data in messages(task, [event async for event in events]):
                await client.streams().publish(subject, data)
                written += 1

    await asyncio.gather(*(one(f"t-{n}") for n in range(count)))
    await client.leave()
    return written


async def measured(folder: Path, count: int) -> Cost:
    """All costs with so many deliberations."""
    with nats_server(folder / "nats") as server:
        bus = BusConfig(url=server.url)
        written = await fill(bus, count)
        async with _catalogue(bus, folder / "lists") as catalogue:
            late = [0.0]
            ticking = asyncio.create_task(_tick(late))
            read_s = await _timed(_read_all(catalogue, count))
            await ended(ticking)
            search = _timed(catalogue.page(Wanted(text="lorem build"), 20, ""))
            search_ms, figures_ms = await search * 1000, await _timed(catalogue.figures()) * 1000
    return Cost(read_s, written, max(late) * 1000, search_ms, figures_ms)


@asynccontextmanager
async def _catalogue(bus: BusConfig, folder: Path) -> AsyncGenerator[Catalogue]:
    line = Line(bus, "bench")
    catalogue = Catalogue(line, folder)
    try:
        yield catalogue
    finally:
        await catalogue.close()
        await line.close()


async def _read_all(catalogue: Catalogue, count: int) -> None:
    while (await catalogue.page(ALL, 1, "")).behind:
        pass
    assert (await catalogue.figures()).total == count


async def _tick(late: list[float]) -> None:
    while True:
        due = time.perf_counter() + TICK_S
        await asyncio.sleep(TICK_S)
        late.append(time.perf_counter() - due)


async def _timed(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


def report(sizes: Sequence[int]) -> str:
    """The table over how many deliberations the journal holds."""
    rows = []
    for count in sizes:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            cost = asyncio.run(measured(Path(folder), count))
        rows.append((count, count / cost.read_s, cost.messages / cost.read_s, *cost[2:]))
    head = ("deliberations", "read /s", "messages /s", "loop late ms", "search ms", "figures ms")
    return table("Lists and figures behind a journal", head, rows)


if __name__ == "__main__":
    print(report(SIZES))
