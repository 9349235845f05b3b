"""What befalls the processes, the server and the lines of a run, drawn from a seed."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from chaos.arena import Arena, Cluster
from chaos.processes import Process
from chaos.proxy import Proxy

T = TypeVar("T")

LONGEST_S = 6.0


class Fault(NamedTuple):
    """One fault: what, to which of those it can befall, when after the begin, for how long."""

    kind: str
    target: float
    at: float
    for_s: float


KINDS = {
    "kill bridge": (22, 0.0, 1.0),
    "kill council": (22, 0.0, 1.0),
    "kill site": (5, 0.0, 1.0),
    "kill nats-server": (8, 0.0, 3.0),
    "pause bridge": (9, 1.0, 5.0),
    "pause council": (9, 1.0, 5.0),
    "pause site": (8, 1.0, 5.0),
    "black hole": (6, 1.0, LONGEST_S),
    "reset": (5, 0.0, 0.0),
    "refuse": (6, 0.5, 4.0),
    "close connection": (6, 0.0, 0.0),
}
"""How often of a hundred, and how long it takes at least and at most."""


def schedule(seed: int, seconds: float, count: int) -> list[Fault]:
    """So many faults, the last of them over before the time is."""
    chance = random.Random(f"faults {seed}")
    weights = [weight for weight, _, _ in KINDS.values()]
    times = sorted(chance.uniform(0, max(0.0, seconds - LONGEST_S)) for _ in range(count))
    kinds = chance.choices(list(KINDS), weights, k=count)
    return [_drawn(chance, kind, at) for kind, at in zip(kinds, times, strict=True)]


def _drawn(chance: random.Random, kind: str, at: float) -> Fault:
    _, least, most = KINDS[kind]
    return Fault(kind, chance.random(), at, chance.uniform(least, most))


class Saboteur:
    """Brings faults about; `done` counts those that hit something, by kind."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self.done: Counter[str] = Counter()
        self._acts: dict[str, Callable[[float, float], Awaitable[bool]]] = {
            "kill bridge": lambda t, s: self.kill([self._cluster(t).bridge], s),
            "kill council": lambda t, s: self.kill([self._council(t)], s),
            "kill site": lambda t, s: self.kill(self._cluster(t).processes, s),
            "kill nats-server": lambda _, s: self.kill_server(s),
            "pause bridge": lambda t, s: self.pause([self._cluster(t).bridge], s),
            "pause council": lambda t, s: self.pause([self._council(t)], s),
            "pause site": lambda t, s: self.pause(self._cluster(t).processes, s),
            "black hole": lambda t, s: self.cut(self._line(t), Proxy.swallow, s),
            "reset": lambda t, s: self.cut(self._line(t), Proxy.reset, s),
            "refuse": lambda t, s: self.cut(self._line(t), Proxy.refuse, s),
            "close connection": lambda t, _: self.close(self._process(t)),
        }

    async def all(self, faults: list[Fault]) -> None:
        """Bring about all of them, each at its time."""
        await asyncio.gather(*map(self._one, faults))

    async def _one(self, fault: Fault) -> None:
        await asyncio.sleep(fault.at)
        if await self._acts[fault.kind](fault.target, fault.for_s):
            self.done[fault.kind] += 1

    async def kill(self, processes: list[Process], away_s: float) -> bool:
        """Kill -9; their next incarnations begin after a while."""
        for process in processes:
            process.hold(away_s)
        return sum(process.signal(signal.SIGKILL) for process in processes) > 0

    async def kill_server(self, away_s: float) -> bool:
        """Kill -9 nats-server and start it again on its store."""
        if not self._arena.server.alive:
            return False
        self._arena.server.kill()
        await asyncio.sleep(away_s)
        self._arena.server.start()
        return True

    async def pause(self, processes: list[Process], seconds: float) -> bool:
        """Stop processes where they are and let them go on as if nothing had been."""
        with self.paused(processes) as alive:
            await asyncio.sleep(seconds)
        return alive

    @contextmanager
    def paused(self, processes: list[Process]) -> Iterator[bool]:
        """Processes that stand still meanwhile; whether one of them lived."""
        alive = sum(process.signal(signal.SIGSTOP) for process in processes) > 0
        try:
            yield alive
        finally:
            for process in processes:
                process.signal(signal.SIGCONT)

    async def cut(self, line: Proxy, how: Callable[[Proxy], None], seconds: float) -> bool:
        """Cut a line and mend it."""
        how(line)
        await asyncio.sleep(seconds)
        await line.heal()
        return True

    async def close(self, process: Process) -> bool:
        """Have the server close the connection of a process for good."""
        return process.signal(signal.SIGUSR1)

    def _cluster(self, target: float) -> Cluster:
        return _chosen(self._arena.clusters, target)

    def _council(self, target: float) -> Process:
        return _chosen([c for each in self._arena.clusters for c in each.councils], target)

    def _process(self, target: float) -> Process:
        return _chosen(self._arena.processes, target)

    def _line(self, target: float) -> Proxy:
        return _chosen([w for each in self._arena.clusters for w in each.lines], target)


def _chosen(things: list[T], target: float) -> T:
    return things[int(target * len(things))]
