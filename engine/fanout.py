"""Running several streams of events side by side as one; knows nothing of what they say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import TypeVar

T = TypeVar("T")


class _Rung:
    """The mark that it is time to stop."""


class _Ended:
    """The mark a stream leaves when it is over, with what broke it."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


async def merge(
    streams: Iterable[AsyncGenerator[T, None]], until: asyncio.Event | None = None
) -> AsyncGenerator[T, None]:
    """Yield what the streams yield, as it comes; the first error of one ends them all.

    When `until` is set, the streams are closed where they are; what they said before is yielded.
    Close it (`contextlib.aclosing`) to cancel whatever still runs: every stream has then been
    closed before the call returns. It is no task group, for one would cancel the consumer's await.
    """
    arrived: asyncio.Queue[T | _Ended | _Rung] = asyncio.Queue()
    tasks = [asyncio.create_task(_pump(stream, arrived)) for stream in streams]
    running = len(tasks)
    if until is not None:
        tasks.append(asyncio.create_task(_ring(until, arrived)))
    try:
        while running or not arrived.empty():
            item = await arrived.get()
            if isinstance(item, _Rung):
                await _cancelled(tasks)
                running = 0
            elif not isinstance(item, _Ended):
                yield item
            elif item.error is not None:
                raise item.error
            else:
                running = max(0, running - 1)
    finally:
        await _cancelled(tasks)


async def _cancelled(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _ring(until: asyncio.Event, arrived: asyncio.Queue[T | _Ended | _Rung]) -> None:
    await until.wait()
    arrived.put_nowait(_Rung())


async def _pump(
    stream: AsyncGenerator[T, None], arrived: asyncio.Queue[T | _Ended | _Rung]
) -> None:
    error: BaseException | None = None
    try:
        async with aclosing(stream):
            async for item in stream:
                arrived.put_nowait(item)
    except asyncio.CancelledError:
        raise
    except BaseException as broken:  # noqa: BLE001 - carried to the consumer, who raises it
        error = broken
    arrived.put_nowait(_Ended(error))
