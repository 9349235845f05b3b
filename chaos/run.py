"""One run: the sites work, things befall them, and then it is looked what became of it all."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from chaos.arena import Arena, arena, settled
from chaos.checker import Breach, Findings, check
from chaos.faults import Saboteur, schedule
from chaos.history import history
from chaos.overture import overture
from chaos.producer import Producer
from chaos.workload import workload
from engine.fanout import ended

QUIET_WITHIN_S = 90.0
SHARE_OF_TIME = 0.9
"""In that share of the time the events are published; the rest is for what is late."""
MUST_HAPPEN = ("redelivered", "superseded", "resumed")


@dataclass(frozen=True)
class Plan:
    """What a run is made of; all chance in it follows from the seed.

    Unless everything in `must` happens, it proves nothing.
    """

    seed: int
    seconds: float
    events: int
    faults: int
    control: str = ""
    must: tuple[str, ...] = MUST_HAPPEN


@dataclass
class Outcome:
    """What became of a run."""

    plan: Plan
    findings: Findings
    faults: Counter[str]
    seconds: float
    quiet_s: float

    @property
    def void(self) -> list[str]:
        """What did not happen, so that the run proves nothing."""
        return [what for what in self.plan.must if not self.findings.counts[what]]

    @property
    def caught(self) -> bool:
        """Whether something was lost or done twice, and noticed."""
        return bool(self.findings.by_kind.keys() & {"missing", "duplicated"})


async def run(plan: Plan, folder: Path) -> Outcome:
    """Do it all in a folder, which keeps the notes and logs of every process."""
    began = time.monotonic()
    async with arena(folder, plan.seed, plan.control) as made:
        producer, saboteur = Producer(made.client), Saboteur(made)
        async with _progress(made, producer, saboteur, began):
            await overture(made, producer, saboteur)
            left = plan.seconds - (time.monotonic() - began)
            pace = plan.events / max(1.0, left * SHARE_OF_TIME)
            await asyncio.gather(
                producer.publish(workload(plan.seed, plan.events), pace),
                saboteur.all(schedule(plan.seed, left, plan.faults)),
            )
            quieting = time.monotonic()
            left_over = await settled(made.client, QUIET_WITHIN_S)
            quiet_s = time.monotonic() - quieting
        found = await history(made.client.streams())
        findings = check(found, made.notes(), producer.acknowledged)
    findings.breaches += [Breach("left over", f"{n} {what}") for what, n in left_over.items()]
    return Outcome(plan, findings, saboteur.done, time.monotonic() - began, quiet_s)


@asynccontextmanager
async def _progress(
    made: Arena, producer: Producer, saboteur: Saboteur, began: float
) -> AsyncGenerator[None]:
    """Tell how far a run is, often on a terminal and seldom elsewhere."""

    async def tell() -> None:
        while True:
            await asyncio.sleep(1.0 if sys.stderr.isatty() else 15.0)
            alive = sum(process.alive for process in made.processes)
            print(
                f"{time.monotonic() - began:6.0f} s  {producer.sent} events, "
                f"{saboteur.done.total()} faults, {alive}/{len(made.processes)} processes",
                end="\r" if sys.stderr.isatty() else "\n",
                file=sys.stderr,
                flush=True,
            )

    telling = asyncio.create_task(tell())
    try:
        yield
    finally:
        await ended(telling)
