"""One deliberation under way: its records so far and those who follow it; knows nothing of Ray."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from engine.events import END, Record
from engine.types import Task


class Run:
    """The records of a running deliberation, which any number of readers follow from the first.

    A reader has a place in one shared list and no queue of its own, so a slow one costs nothing
    and stalls nobody.
    """

    def __init__(self, task: Task, records: tuple[Record, ...] = ()) -> None:
        self.task = task
        self.records = list(records)
        self._closed = False
        self._failure: Exception | None = None
        self._news = asyncio.Event()

    def add(self, record: Record) -> None:
        """Show one more record to all who follow."""
        self.records.append(record)
        self._wake()

    def close(self, failure: Exception | None = None) -> None:
        """Nothing more will come: all is durable, or `failure` says why it could not be."""
        self._closed, self._failure = True, failure
        self._wake()

    @property
    def ended(self) -> bool:
        """Whether the last record is an end, durable or not."""
        return bool(self.records) and isinstance(self.records[-1].event, END)

    async def follow(self) -> AsyncGenerator[Record, None]:
        """All records from the first. It returns when the end is durable, and raises otherwise."""
        place = 0
        while True:
            news = self._news
            while place < len(self.records):
                yield self.records[place]
                place += 1
            if self._failure is not None:
                raise self._failure
            if self._closed:
                return
            await news.wait()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
