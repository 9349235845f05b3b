"""Running work side by side, and streams as one; knows nothing of what is done or said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import aclosing
from typing import Any, TypeVar

T = TypeVar("T")

CANCEL_AGAIN_S = 0.2


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
                await ended(*tasks)
                running = 0
            elif not isinstance(item, _Ended):
                yield item
            elif item.error is not None:
                raise item.error
            else:
                running = max(0, running - 1)
    finally:
        await ended(*tasks)


async def saying(
    work: Callable[[Callable[[T], None]], Coroutine[Any, Any, None]],
) -> AsyncGenerator[T, None]:
    """Yield what a work says, as it comes; what breaks it is raised after all it said before.

    The work is given the function to say it with, which never waits. Close the stream
    (`contextlib.aclosing`) to cancel the work: it has then ended before the call returns.
    """
    arrived: asyncio.Queue[T | _Ended] = asyncio.Queue()
    task = asyncio.create_task(work(arrived.put_nowait))
    task.add_done_callback(lambda _task: arrived.put_nowait(_Ended(None)))
    try:
        while not isinstance(item := await arrived.get(), _Ended):
            yield item
        await task
    finally:
        await ended(task)


async def together(
    works: Iterable[Coroutine[Any, Any, None]], until: asyncio.Event | None = None
) -> None:
    """Do works side by side, to their ends or until `until` is set; the first error ends them all.

    What is not done then is cancelled, and has ended before the call returns.
    """
    tasks = {asyncio.create_task(work) for work in works}
    rung = {asyncio.create_task(until.wait())} if until is not None else set()
    left = set(tasks)
    try:
        while left and not any(bell.done() for bell in rung):
            done, _ = await asyncio.wait(left | rung, return_when=asyncio.FIRST_COMPLETED)
            for task in done & tasks:
                task.result()
            left -= done
    finally:
        await ended(*tasks, *rung)


async def first(*works: Coroutine[Any, Any, object], within_s: float | None = None) -> None:
    """Return when one of the works is done or the time is over; the others are cancelled.

    Raises what a work raises that is done by then.
    """
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await ended(*tasks)


async def ended(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and return when they are done; what they raise is theirs.

    It is asked again and again: `asyncio.wait_for` of Python 3.11 loses a cancellation that comes
    in the moment of its result, and libraries are full of it.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_S)
    for task in tasks:
        if not task.cancelled():
            task.exception()


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
