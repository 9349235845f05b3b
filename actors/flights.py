"""One piece of work per key, however many wait for it; knows nothing of what the work is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from engine.errors import SpeechFailed

T = TypeVar("T")
Work = Callable[[], Coroutine[Any, Any, T]]


@dataclass
class _Flight(Generic[T]):
    task: asyncio.Task[T]
    waiters: int = 0


class Flights(Generic[T]):
    """Work under way by key: who asks for the same key joins it."""

    def __init__(self) -> None:
        self._flights: dict[str, _Flight[T]] = {}
        self._under_way: set[tuple[str, asyncio.Task[T]]] = set()

    def __len__(self) -> int:
        return len(self._flights)

    async def join(self, key: str, work: Work[T]) -> T:
        """The result of the work under `key`, begun here unless it is under way.

        The work is cancelled when its last waiter is; SpeechFailed when it was aborted.
        """
        flight = self._flights.get(key) or self._begin(key, work)
        flight.waiters += 1
        try:
            await asyncio.wait({flight.task})
        finally:
            flight.waiters -= 1
            if not flight.waiters:
                self._forget(key, flight)
                flight.task.cancel()
        if flight.task.cancelled():
            raise SpeechFailed(f"turn {key} was aborted")
        return flight.task.result()

    def abort(self, key: str) -> bool:
        """Cancel the work under `key` for all who wait; False if there is none."""
        flight = self._flights.pop(key, None)
        return flight is not None and flight.task.cancel()

    def abort_all(self) -> None:
        """Cancel everything under way."""
        for key in tuple(self._flights):
            self.abort(key)

    async def landed(self) -> None:
        """Wait until nothing is under way."""
        while self._flights:
            await asyncio.wait({flight.task for flight in self._flights.values()})

    async def over(self, key: str) -> None:
        """Wait until nothing is under way for `key`, also nothing that is being cancelled."""
        while tasks := {task for name, task in self._under_way if name == key}:
            await asyncio.wait(tasks)

    def _begin(self, key: str, work: Work[T]) -> _Flight[T]:
        flight = self._flights[key] = _Flight(asyncio.ensure_future(work()))
        self._under_way.add((key, flight.task))
        flight.task.add_done_callback(lambda task: self._landed(key, flight, task))
        return flight

    def _landed(self, key: str, flight: _Flight[T], task: asyncio.Task[T]) -> None:
        self._forget(key, flight)
        self._under_way.discard((key, task))
        if not task.cancelled():
            task.exception()  # Seen, also where every waiter is gone.

    def _forget(self, key: str, flight: _Flight[T]) -> None:
        # A later flight of the same key must not be forgotten with this one.
        if self._flights.get(key) is flight:
            del self._flights[key]
