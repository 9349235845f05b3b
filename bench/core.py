"""CPU time of the algorithm itself, with models that answer at once; knows nothing of engines.

    make bench BENCH=core

All times are CPU time of this process in milliseconds, medians over the repetitions. A deliberation
is drafts, one round of critique and revision, and a vote. With odds every one of m voters compares
every pair in both orders, m * m(m - 1) questions; with rankings it answers once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from time import process_time

from actors.collector import calmed
from bench.table import table
from engine.deliberation import deliberate
from engine.events import Critiqued, Drafted, Revised
from engine.options import BallotForm
from engine.testing import ScriptedModel, a_council, a_task, words
from engine.types import Council

REPETITIONS = 5
PARTS = ("exchange", "vote")
ENOUGH = 20  # deliberations in one measurement, for the clock's steps to be small beside it
AT_ONCE = (1, 10, 100, 1000)
AGENTS = (3, 4, 8, 16, 32)


@dataclass(frozen=True)
class Cost:
    """CPU milliseconds of a deliberation: up to its last text, and from there to its end."""

    exchange: float
    vote: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.exchange + self.vote


async def deliberated(id: str, council: Council) -> Cost:
    """What one deliberation cost, if nothing else was on the loop."""
    task = a_task().model_copy(update={"id": id})
    began = written = process_time()
    async for event in deliberate(task, council, ScriptedModel(), words):
        if isinstance(event, Drafted | Critiqued | Revised):
            written = process_time()
    return Cost((written - began) * 1000, (process_time() - written) * 1000)


async def together(at_once: int, council: Council) -> float:
    """CPU milliseconds a deliberation, with so many on one loop; a few are measured repeatedly."""
    times = max(1, ENOUGH // at_once)
    began = process_time()
    for _ in range(times):
        await asyncio.gather(*(deliberated(f"t-{n}", council) for n in range(at_once)))
    return (process_time() - began) * 1000 / (at_once * times)


def as_in_a_council(at_once: int, council: Council) -> float:
    """The same with the garbage collector set as in a council's process."""
    with calmed():
        return asyncio.run(together(at_once, council))


def by_concurrency(sizes: Iterable[int], repetitions: int) -> str:
    """The table over how many deliberations run at once."""
    council, rows, alone = a_council(3), [], (0.0, 0.0)
    for at_once in sizes:
        each = median(asyncio.run(together(at_once, council)) for _ in range(repetitions))
        calm = median(as_in_a_council(at_once, council) for _ in range(repetitions))
        alone = alone if all(alone) else (each, calm)
        rows.append((at_once, each, each / alone[0], calm, calm / alone[1]))
    head = ("at once", "CPU ms each", "ratio", "as in a council", "ratio")
    return table("Deliberations of 3 agents on one loop", head, rows)


def by_agents(sizes: Iterable[int], repetitions: int, ballot: BallotForm) -> str:
    """The table over how many agents a council has."""
    rows, first = [], (0.0, 0.0)
    for agents in sizes:
        council = a_council(agents).model_copy(update={"ballot": ballot})
        costs = [asyncio.run(deliberated(f"t-{n}", council)) for n in range(repetitions)]
        each = tuple(median(getattr(c, part) for c in costs) / agents for part in PARTS)
        first = first if any(first) else each
        rows.append((agents, median(c.total for c in costs), *_beside(each, first)))
    head = ("agents", "CPU ms", "exchange/agent", "ratio", "vote/agent", "ratio")
    return table(f"One deliberation by its agents, ballots as {ballot}", head, rows)


def _beside(each: Sequence[float], first: Sequence[float]) -> tuple[float, ...]:
    """Each figure and its ratio to the first of its kind."""
    return tuple(n for one, base in zip(each, first, strict=True) for n in (one, one / base))


def report(at_once: Iterable[int], agents: Iterable[int], repetitions: int) -> str:
    """All tables, after one deliberation that fills what is computed once a process."""
    asyncio.run(deliberated("warm", a_council(3)))
    tables = [by_agents(agents, repetitions, ballot) for ballot in BallotForm]
    return "\n\n".join([*tables, by_concurrency(at_once, repetitions)])


if __name__ == "__main__":
    print(report(AT_ONCE, AGENTS, REPETITIONS))
