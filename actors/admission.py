"""Who may generate now, who waits and who is refused; knows nothing of turns or engines."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from actors.answer import Load
from engine.errors import Overloaded


@dataclass(frozen=True)
class Footprint:
    """The cache a piece of work may come to hold.

    `shared` names the full blocks of its prompts, each by all the tokens up to its end: work with
    the same beginning names the same blocks, and the cache holds them once. `own` is the number
    of blocks for everything else: the rest of each prompt, and all that may be generated.
    """

    shared: frozenset[int]
    own: int

    @classmethod
    def of(cls, prompts: Iterable[tuple[Sequence[int], int]], size: int) -> Footprint:
        """From prompts as (token ids, most tokens to generate), in blocks of `size` tokens."""
        shared: set[int] = set()
        own = 0
        for ids, max_tokens in prompts:
            blocks = len(ids) // size
            key = 0
            for start in range(0, blocks * size, size):
                key = hash((key, *ids[start : start + size]))
                shared.add(key)
            own += -(-(len(ids) - blocks * size + max_tokens) // size)
        return cls(frozenset(shared), own)


class Admission:
    """Lets work run in the order it came, while seats and cache last.

    Work larger than the whole cache runs alone. Beyond `max_queued` waiting, work is refused.
    """

    def __init__(self, max_running: int, max_queued: int, kv_tokens: int, block: int) -> None:
        self._max_running, self._max_queued = max_running, max_queued
        self._kv_tokens, self._block = kv_tokens, block
        self._running = self._own = 0
        self._shared: Counter[int] = Counter()
        self._queue: deque[tuple[Footprint, asyncio.Future[None]]] = deque()

    @property
    def load(self) -> Load:
        """Seats and cache as they are now."""
        return Load(
            running=self._running,
            waiting=len(self._queue),
            kv_tokens_in_use=(len(self._shared) + self._own) * self._block,
            kv_tokens=self._kv_tokens,
        )

    @asynccontextmanager
    async def place(self, footprint: Footprint) -> AsyncIterator[None]:
        """A place for the work inside; Overloaded where the queue is full."""
        if self._queue or not self._fits(footprint):
            await self._wait(footprint)
        else:
            self._take(footprint)
        try:
            yield
        finally:
            self._give_back(footprint)

    async def _wait(self, footprint: Footprint) -> None:
        if len(self._queue) >= self._max_queued:
            raise Overloaded(f"the queue is full: {self.load}")
        turn = asyncio.get_running_loop().create_future()
        entry = (footprint, turn)
        self._queue.append(entry)
        try:
            await turn
        except asyncio.CancelledError:
            self._leave(entry)
            raise

    def _leave(self, entry: tuple[Footprint, asyncio.Future[None]]) -> None:
        if entry in self._queue:
            self._queue.remove(entry)
            self._admit()
        elif not entry[1].cancelled():  # granted in the very moment of giving up
            self._give_back(entry[0])

    def _fits(self, footprint: Footprint) -> bool:
        if self._running == 0:
            return True
        new = sum(block not in self._shared for block in footprint.shared) + footprint.own
        tokens = (len(self._shared) + self._own + new) * self._block
        return self._running < self._max_running and tokens <= self._kv_tokens

    def _take(self, footprint: Footprint) -> None:
        self._running += 1
        self._own += footprint.own
        self._shared.update(footprint.shared)

    def _give_back(self, footprint: Footprint) -> None:
        self._running -= 1
        self._own -= footprint.own
        self._shared.subtract(footprint.shared)
        for block in footprint.shared:
            if not self._shared[block]:
                del self._shared[block]
        self._admit()

    def _admit(self) -> None:
        while self._queue and self._fits(self._queue[0][0]):
            footprint, turn = self._queue.popleft()
            if not turn.done():  # given up, but not yet out of the queue
                self._take(footprint)
                turn.set_result(None)
