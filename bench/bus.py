"""What the bus costs, and how soon it is back at work after a death; asks scripted models alone.

    make bench BENCH=bus

Real processes of the chaos suite on a real nats-server that syncs each write. Medians over the
repetitions; the time of an event is that from its fetch to its acknowledgement, less what its
councils took.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

from actors.bridge import Bridge
from actors.collector import calm
from actors.streams import OUTBOUND
from bench.table import table
from chaos.arena import ACK_WAIT_S, Arena, arena, settled, unsettled
from chaos.evidence import Note
from chaos.faults import Saboteur
from chaos.processes import Process
from chaos.producer import Producer
from chaos.workload import Label, Message, shaped
from engine.config import Config
from engine.events import Failed, Record
from engine.fanout import ended
from engine.types import Task

REPETITIONS = 3
WITHIN_S = 120.0
BACKLOG = 10_000


class Claim(NamedTuple):
    """A figure, what it should be, and how it is measured."""

    what: str
    target: str
    measure: Callable[[], Awaitable[float]]


def events(name: str, roles: tuple[str, ...], count: int) -> list[Message]:
    """So many valid events."""
    labels = (Label(plan=f"{name}-{n}", identity=f"{name}-{n}", roles=roles) for n in range(count))
    return [shaped("cloud", label) for label in labels]


@asynccontextmanager
async def _arena(**options: Any) -> AsyncGenerator[Arena]:
    folder = Path(tempfile.mkdtemp(prefix="bus-", dir="/tmp"))
    try:
        async with arena(folder, seed=0, lines=False, **options) as made:
            yield made
    finally:
        shutil.rmtree(folder)


async def takeover_s() -> float:
    """From a bridge's death until all that it had taken is in other hands."""
    async with _arena(turn_s=(0.2, 0.3)) as made:
        bridge = made.clusters[0].bridge
        await _published(made, events("taken", ("DEV",), 12))
        await _until(made, lambda notes: len(_taken(notes, bridge.who)) >= 4)
        who, died = bridge.who, time.time()
        await Saboteur(made).kill([bridge], WITHIN_S)
        held = _taken(made.notes(), who).keys() - _left(made.notes(), who)
        assert held, "it had nothing in hand"
        notes = await _until(made, lambda notes: held <= _elsewhere(notes, who, died).keys())
        return max(at - died for seq, at in _elsewhere(notes, who, died).items() if seq in held)


async def return_s() -> float:
    """From the return of nats-server until every bridge has taken an event again."""
    async with _arena() as made:
        producer = Producer(made.client)
        publishing = asyncio.create_task(producer.publish(_singly("back", ("DEV",), 2000), 50.0))
        bridges = [cluster.bridge for cluster in made.clusters]
        await _until(made, lambda notes: all(_taken(notes, each.who) for each in bridges))
        await Saboteur(made).kill_server(3.0)
        back = time.time()
        notes = await _until(
            made, lambda notes: all(_after(notes, each.who, back) for each in bridges)
        )
        await ended(publishing)
        return max(min(_after(notes, each.who, back)) for each in bridges) - back


async def own_p99_ms() -> float:
    """A bridge's own time for each event, ten of them a second; the slowest hundredth aside."""
    async with _arena(sites=("one",)) as made:
        await Producer(made.client).publish(_singly("own", ("DEV",), 200), 10.0)
        assert not await settled(made.client, WITHIN_S)
        own = [float(note.facts[1]) for note in made.notes() if note.kind == "left"]
        return quantiles(own, n=100)[98] * 1000


def whole_per_s(roles: tuple[str, ...], count: int) -> Callable[[], Awaitable[float]]:
    """Deliberations a second, from event to end, with a model that answers at once."""

    async def measure() -> float:
        async with _arena(sites=("one",), turn_s=(0.0, 0.0)) as made:
            await _published(made, events("warm", roles, 10))
            assert not await settled(made.client, WITHIN_S)
            began = time.monotonic()
            for role in roles:
                await _published(made, events(f"whole-{role}", (role,), count // len(roles)))
            assert not await settled(made.client, WITHIN_S)
            took = time.monotonic() - began
            assert await _told(made) == count + 10 * len(roles)
            return count / took

    return measure


async def drained_per_s() -> float:
    """Events a second of a bridge alone, from a backlog of invalid ones and of known ones."""
    return (await _drained())[0]


async def growth() -> float:
    """Its memory at the end of that backlog against that after a tenth of it."""
    return (await _drained())[1]


async def _drained() -> tuple[float, float]:
    """Events a second, and how many times the memory of the beginning it has at the end."""
    async with _arena(sites=()) as made:
        await _backlog(made, BACKLOG)
        process = Process("alone", run_alone, made.config)
        process.begin()
        sizes, began = dict[int, int](), 0.0
        while left := (await unsettled(made.client)).get("waiting", 0):
            began = began or (time.monotonic() if left < BACKLOG else 0.0)
            sizes[left] = process.resident_bytes
            await asyncio.sleep(0.05)
        took = time.monotonic() - began
        process.signal(signal.SIGKILL)
        early = next(size for left, size in sizes.items() if left < 0.9 * BACKLOG)
        return BACKLOG / took, list(sizes.values())[-1] / early


async def _backlog(made: Arena, count: int) -> None:
    """Half of them say again what is done, half of them can never be done."""
    known = events("known", ("DEV",), 10)
    invalid = Message(b"{", {}, Label(plan="", wrong="json_invalid"))
    producer = Producer(made.client)
    for _ in range(count // 20):
        await asyncio.gather(*map(producer.send, [*known, *[invalid] * 10]))


def run_alone(config: Config, _who: str) -> None:
    """The life of a bridge for which all deliberations have ended."""
    end = Failed(error_type="QuorumLost", message="", lost={}, tokens={})

    async def found_done(task: Task) -> Record:
        return Record(deliberation=task.id, seq=1, at=0.0, event=end)

    async def live() -> None:
        bus = config.bus.model_copy(update={"slots": 16})
        await Bridge(config.model_copy(update={"bus": bus}), found_done).start()
        await asyncio.Event().wait()

    logging.disable(logging.CRITICAL)  # a line for each invalid one, which nobody reads
    calm()
    asyncio.run(live())


CLAIMS = (
    Claim("takeover after a bridge's death, s", f"<= {ACK_WAIT_S + 2:g}", takeover_s),
    Claim("at work after nats-server is back, s", "<= 5", return_s),
    Claim("bridge's own time per event p99, ms", "<= 20", own_p99_ms),
    Claim("bridge alone, events/s", ">= 1000", drained_per_s),
    Claim("its memory, last against first", "<= 1.1", growth),
    Claim("deliberations/s, one council", ">= 50", whole_per_s(("DEV",), 400)),
    Claim("deliberations/s, two councils", ">= 50", whole_per_s(("DEV", "QA"), 400)),
)


async def _told(made: Arena) -> int:
    """How many decisions the world was told."""
    js = made.client.streams()
    info = await js.stream_info(OUTBOUND, subjects_filter="orchestration.deliberation.completed")
    return sum((info.state.subjects or {}).values())


async def _published(made: Arena, messages: list[Message]) -> None:
    producer = Producer(made.client)
    await asyncio.gather(*map(producer.send, messages))


def _singly(name: str, roles: tuple[str, ...], count: int) -> Iterator[list[Message]]:
    return ([message] for message in events(name, roles, count))


def _taken(notes: list[Note], who: str) -> dict[int, float]:
    """Which events an incarnation of a bridge has taken, and when."""
    return {int(n.facts[0]): n.at for n in notes if n.kind == "taken" and n.who == who}


def _after(notes: list[Note], who: str, since: float) -> list[float]:
    """When it has taken events since then."""
    return [at for at in _taken(notes, who).values() if at > since]


def _left(notes: list[Note], who: str) -> set[int]:
    return {int(n.facts[0]) for n in notes if n.kind == "left" and n.who == who}


def _elsewhere(notes: list[Note], who: str, since: float) -> dict[int, float]:
    """Which events were taken by others since then, and when."""
    taken = (n for n in notes if n.kind == "taken" and n.who != who and n.at > since)
    return {int(note.facts[0]): note.at for note in taken}


async def _until(made: Arena, wanted: Callable[[list[Note]], bool]) -> list[Note]:
    """The notes once they are as wanted."""
    deadline = time.monotonic() + WITHIN_S
    while not wanted(notes := made.notes()):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    return notes


def report(claims: tuple[Claim, ...], repetitions: int) -> str:
    """The table of all figures."""
    rows = []
    for claim in claims:
        figures = [asyncio.run(_figure(claim)) for _ in range(repetitions)]
        rows.append((claim.what, claim.target, median(figures), min(figures), max(figures)))
    return table("The bus", ("claim", "target", "measured", "least", "most"), rows)


async def _figure(claim: Claim) -> float:
    return await claim.measure()


if __name__ == "__main__":
    print(report(CLAIMS, REPETITIONS))
