"""Claims about merged streams."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from engine.fanout import ended, first, merge


async def numbers(gate: asyncio.Event, closed: list[str], name: str) -> AsyncGenerator[str, None]:
    try:
        yield f"{name}-1"
        await gate.wait()
        yield f"{name}-2"
    finally:
        closed.append(name)


async def test_items_come_as_they_are_ready() -> None:
    """A slow stream holds nobody up, and nothing is lost."""
    slow, fast, closed = asyncio.Event(), asyncio.Event(), list[str]()
    fast.set()
    seen = []
    async with aclosing(merge([numbers(slow, closed, "a"), numbers(fast, closed, "b")])) as stream:
        async for item in stream:
            seen.append(item)
            if item == "b-2":
                slow.set()
    assert seen == ["a-1", "b-1", "b-2", "a-2"]


async def test_closing_closes_every_stream() -> None:
    """After aclose() nothing runs any more."""
    closed: list[str] = []
    async with aclosing(merge(numbers(asyncio.Event(), closed, n) for n in "abc")) as stream:
        await anext(stream)
    assert sorted(closed) == ["a", "b", "c"]


async def test_a_bell_ends_all_and_loses_nothing() -> None:
    """What was said before it rang is yielded; every stream is closed."""
    bell, closed = asyncio.Event(), []

    async def stream(name: str) -> AsyncGenerator[str, None]:
        try:
            yield name
            bell.set()
            yield name.upper()
            await asyncio.Event().wait()
        finally:
            closed.append(name)

    said = [item async for item in merge((stream("a"), stream("b")), bell)]
    assert sorted(said) == ["A", "B", "a", "b"]
    assert sorted(closed) == ["a", "b"]


async def test_a_lost_cancellation_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that swallows the first one is ended by the next."""
    monkeypatch.setattr("engine.fanout.CANCEL_AGAIN_S", 0.01)
    lost = 0

    async def stubborn() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                lost += 1
                if lost > 2:
                    raise

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await ended(task)
    assert (task.cancelled(), lost) == (True, 3)


async def test_an_error_ends_all_and_reaches_the_reader() -> None:
    """One broken stream stops the others; its own error is what the reader gets."""
    closed: list[str] = []

    async def broken() -> AsyncGenerator[str, None]:
        yield "x"
        raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        async for _ in merge([numbers(asyncio.Event(), closed, "a"), broken()]):
            pass
    assert closed == ["a"]


async def test_a_cancelled_reader_closes_every_stream() -> None:
    """Cancelling the task that reads stops what it reads."""
    closed: list[str] = []

    async def read() -> None:
        async with aclosing(merge([numbers(asyncio.Event(), closed, "a")])) as stream:
            async for _ in stream:
                pass

    task = asyncio.create_task(read())
    for _ in range(10):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed == ["a"]


async def test_the_first_of_several_ends_the_others() -> None:
    """What it raises is raised; when the time is over, nothing is; in any case all have ended."""
    over: list[str] = []

    async def work(name: str, gate: asyncio.Event, error: Exception | None = None) -> None:
        try:
            await gate.wait()
        finally:
            over.append(name)
        if error is not None:
            raise error

    never, now = asyncio.Event(), asyncio.Event()
    now.set()
    await first(work("slow", never), work("quick", now))
    assert sorted(over) == ["quick", "slow"]
    with pytest.raises(KeyError, match="broken"):
        await first(work("slow", never), work("broken", now, KeyError("broken")))
    await first(work("slow", never), within_s=0.01)
    assert over.count("slow") == 3
