"""CPU time of the algorithm itself, with models that answer at once; knows nothing of engines.

    make bench BENCH=core

All times are CPU time of this process in milliseconds, medians over the repetitions. A deliberation
is drafts, one round of critique and revision, and a vote. Every one of m voters compares every pair
in both orders, so there are m * m(m - 1) questions by design: the vote is told per question.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from time import process_time

from bench.table import table
from engine.deliberation import deliberate
from engine.events import Critiqued, Drafted, Revised
from engine.testing import ScriptedModel, a_council, a_task, words
from engine.types import Council

REPETITIONS = 5
ENOUGH = 20  # deliberations in one measurement, for the clock's steps to be small beside it
AT_ONCE = (1, 10, 100, 1000)
AGENTS = (3, 4, 8, 16, 26)  # a 27th text has no letter


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


def without_collector(at_once: int, council: Council) -> float:
    """The same with Python's garbage collector held back, whose passes visit all that is alive."""
    gc.collect()
    gc.disable()
    try:
        return asyncio.run(together(at_once, council))
    finally:
        gc.enable()


def by_concurrency(sizes: Iterable[int], repetitions: int) -> str:
    """The table over how many deliberations run at once."""
    council, rows, alone = a_council(3), [], (0.0, 0.0)
    for at_once in sizes:
        each = median(asyncio.run(together(at_once, council)) for _ in range(repetitions))
        bare = median(without_collector(at_once, council) for _ in range(repetitions))
        alone = alone if all(alone) else (each, bare)
        rows.append((at_once, each, each / alone[0], bare, bare / alone[1]))
    head = ("at once", "CPU ms each", "ratio", "without gc", "ratio")
    return table("Deliberations of 3 agents on one loop", head, rows)


def by_agents(sizes: Iterable[int], repetitions: int) -> str:
    """The table over how many agents a council has."""
    rows, first = [], None
    for agents in sizes:
        council = a_council(agents)
        costs = [asyncio.run(deliberated(f"t-{n}", council)) for n in range(repetitions)]
        per_agent, per_question = _rates(agents, costs)
        first = first or (per_agent, per_question)
        whole, vote = median(c.total for c in costs), median(c.vote for c in costs)
        ratios = (per_agent / first[0], per_question / first[1])
        rows.append((agents, whole, per_agent, ratios[0], vote, per_question, ratios[1]))
    head = ("agents", "CPU ms", "exchange/agent", "ratio", "vote", "vote/question", "ratio")
    return table("One deliberation, by the agents of its council", head, rows)


def _rates(agents: int, costs: Sequence[Cost]) -> tuple[float, float]:
    """CPU milliseconds of the exchange an agent, and of the vote a question."""
    questions = agents * agents * (agents - 1)
    exchange, vote = median(c.exchange for c in costs), median(c.vote for c in costs)
    return exchange / agents, vote / questions


def report(at_once: Iterable[int], agents: Iterable[int], repetitions: int) -> str:
    """Both tables, after one deliberation that fills what is computed once a process."""
    asyncio.run(deliberated("warm", a_council(3)))
    return f"{by_agents(agents, repetitions)}\n\n{by_concurrency(at_once, repetitions)}"


if __name__ == "__main__":
    print(report(AT_ONCE, AGENTS, REPETITIONS))
