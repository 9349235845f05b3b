"""Running several streams of events side by side as one; knows nothing of what they say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import TypeVar

T = TypeVar("T")


class _Ended:
    """The mark a stream leaves when it is over, with what broke it."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


async def merge(streams: Iterable[AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
    """Yield what the streams yield, as it comes; the first error of one ends them all.

    Close it (`contextlib.aclosing`) to cancel whatever still runs: every stream has then been
    closed before the call returns. It is no task group, for one would cancel the consumer's await.
    """
    arrived: asyncio.Queue[T | _Ended] = asyncio.Queue()
    tasks = [asyncio.create_task(_pump(stream, arrived)) for stream in streams]
    running = len(tasks)
    try:
        while running:
            item = await arrived.get()
            if not isinstance(item, _Ended):
                yield item
            elif item.error is not None:
                raise item.error
            else:
                running -= 1
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(stream: AsyncGenerator[T, None], arrived: asyncio.Queue[T | _Ended]) -> None:
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
