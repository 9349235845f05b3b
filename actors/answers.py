"""Who waits for which answer of an agent outside, and which answers are ignored; asks nobody."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from engine.outside import Progress, Response

PAST = 4096
"""So many turns are remembered after they were waited for, to say why an answer is ignored."""


class Wait:
    """Waiting for one agent's answer to one turn; times are Unix seconds of the server's clock.

    `until` is when an answer is too late. `alive_at` is when the agent was last heard of. While it
    is not `listening`, what was answered before has still to be read.
    """

    def __init__(self, turn: str, agent: str) -> None:
        self.turn, self.agent = turn, agent
        self.until = self.alive_at = 0.0
        self.listening = False
        self.answer: Response | None = None
        self.news = asyncio.Event()

    def hear(self, said: Response, at: float) -> str:
        """Take a response about the turn, or say why it is ignored."""
        if said.agent_id != self.agent:
            return "from another agent"
        if self.answer is not None:
            return "again"
        if at > self.until:
            return "late"
        self.alive_at = max(self.alive_at, at)
        if not isinstance(said, Progress):
            self.answer = said
        self.news.set()
        return ""


class Answers:
    """Brings responses to those who wait for them; `ignored` counts the others by the reason.

    What other agents than `agents` say of turns that are not ours concerns other councils.
    """

    def __init__(self, agents: Collection[str]) -> None:
        self._agents = agents
        self.ignored: Counter[str] = Counter()
        self._waits: dict[str, list[Wait]] = {}
        self._past: OrderedDict[str, str] = OrderedDict()

    @contextmanager
    def waiting(self, turn: str, agent: str) -> Iterator[Wait]:
        """Wait for the answer to a turn; two deliberations may wait for the same one."""
        wait = Wait(turn, agent)
        self._waits.setdefault(turn, []).append(wait)
        try:
            yield wait
        finally:
            self._waits[turn].remove(wait)
            if not self._waits[turn]:
                del self._waits[turn]
            self._remember(turn, "late" if wait.answer is None else "again")

    def take(self, said: Response, at: float) -> None:
        """A response, stored at `at` by the server's clock."""
        waits = self._waits.get(said.task_id, [])
        heard = [wait.hear(said, at) for wait in waits if wait.listening]
        if said.task_id in self._past and not waits:
            self.ignored[self._past[said.task_id]] += 1
        elif not waits and said.agent_id in self._agents:
            self.ignored["unknown task"] += 1
        elif heard and all(heard):
            self.ignored[heard[0]] += 1

    def _remember(self, turn: str, reason: str) -> None:
        self._past[turn] = reason
        if len(self._past) > PAST:
            self._past.popitem(last=False)
