"""One deliberation under way: its records so far and those who follow it; knows nothing of Ray."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator
from enum import StrEnum
from typing import NamedTuple

from pydantic import Field

from engine.data import Data
from engine.events import END, Event, Record
from engine.transcript import Transcript, fold
from engine.types import Task


class Terms(Data):
    """On what terms a caller has a task deliberated.

    `detached` work goes on when no caller is left; other work is then suspended. The decision must
    be there in `timeout_s` seconds, of work if it is detached, of the caller's time if it is not;
    None leaves that to the task and the server. What does not fit the council's budget is refused,
    unless the caller `clips`: then it is cut, and recorded.
    """

    detached: bool = False
    timeout_s: float | None = Field(default=None, gt=0)
    clips: bool = False


class Conclusion(NamedTuple):
    """All records of a deliberation so far, and whether the journal holds them by now.

    `driven` says that it has ended or goes on by itself: else it waits to be resumed.
    """

    records: list[Record]
    durable: bool
    driven: bool = True

    @property
    def state(self) -> Transcript:
        """The fold of the records; suspended also where nobody was left to write that down."""
        state = fold(self.records)
        if state.end is None and not self.driven and not state.suspended:
            state.suspended = "nobody works on it"
        return state


class Stop(StrEnum):
    """Why a run is to stop before its end."""

    SUSPEND = "suspend"
    CANCEL = "cancel"
    DISSOLVE = "dissolve"  # the council was deleted, and the time to decide is over


class Run:
    """The records of a running deliberation, which any number of readers follow from the first.

    A reader has a place in one shared list and no queue of its own, so a slow one costs nothing
    and stalls nobody. `driver` is the task that drives it; `over` is set when that is gone.
    `why` says that it is to stop, or not to begin; `failure` what kept it from its end. Once it is
    `hastened`, it has `most_s` seconds in all.
    """

    def __init__(self, task: Task, terms: Terms | None = None, why: Stop | None = None) -> None:
        self.task, self.terms, self.why = task, terms or Terms(), why
        self.records: list[Record] = []
        self.driver: asyncio.Task[None] | None = None
        self.over = asyncio.Event()
        self.failure: Exception | None = None
        self.most_s = math.inf
        self.hastened = asyncio.Event()
        self._until = self._latest(self.terms)
        self._closed = False
        self._news = asyncio.Event()

    def join(self, terms: Terms) -> None:
        """One more caller: the run takes as long as the most patient of them allows."""
        if not self.hastened.is_set():
            self._until = max(self._until, self._latest(terms))
        if terms.detached:
            self.terms = self.terms.model_copy(update={"detached": True})

    def hasten(self, most_s: float) -> None:
        """Have it decided within so many seconds from now, whatever its callers allow."""
        self.most_s = most_s
        self._until = min(self._until, time.monotonic() + most_s)
        self.hastened.set()

    @property
    def left_s(self) -> float:
        """Seconds until the callers' time is up; detached work has none but its own."""
        return self._until - time.monotonic()

    def add(self, record: Record) -> None:
        """Show one more record to all who follow."""
        self.records.append(record)
        self._wake()

    def note(self, event: Event) -> Record:
        """Give an event its place and time, and show it."""
        seq = len(self.records) + 1
        record = Record(deliberation=self.task.id, seq=seq, at=time.time(), event=event)
        self.add(record)
        return record

    def stop(self, why: Stop) -> None:
        """Have the driver stop, unless the end is there or it stops already."""
        if self.why is None and not self.ended and self.driver is not None:
            self.why = why
            self.driver.cancel()

    def close(self, failure: Exception | None = None) -> None:
        """Nothing more will come: all is durable, or `failure` says why it could not be."""
        self._closed, self.failure = True, failure
        self._wake()

    @property
    def ended(self) -> bool:
        """Whether the last record is an end, durable or not."""
        return bool(self.records) and isinstance(self.records[-1].event, END)

    @property
    def was_cancelled(self) -> bool:
        """Whether its end is that it was cancelled."""
        return self.why is Stop.CANCEL and self.ended

    async def follow(self) -> AsyncGenerator[Record, None]:
        """All records from the first. It returns when the end is durable, and raises otherwise."""
        place = 0
        while True:
            news = self._news
            while place < len(self.records):
                yield self.records[place]
                place += 1
            if self.failure is not None:
                raise self.failure
            if self._closed:
                return
            await news.wait()

    async def begun(self) -> bool:
        """Wait for a first record: only then the id is this run's own. Raises what prevents it."""
        while not self.records and not self._closed:
            await self._news.wait()
        if self.failure is not None and not self.records:
            raise self.failure
        return bool(self.records)

    async def ends(self) -> None:
        """Wait for an end, durable or not, or for what prevents it."""
        while not self.ended and not self._closed:
            await self._news.wait()

    def _latest(self, terms: Terms) -> float:
        """Until when such a caller waits, by the monotonic clock."""
        if terms.detached or terms.timeout_s is None:
            return math.inf
        return time.monotonic() + terms.timeout_s

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
