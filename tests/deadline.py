"""Waiting for a condition, with a deadline; the one place in the tests that sleeps."""

import asyncio
import time
from collections.abc import Awaitable, Callable


def until(condition: Callable[[], object], what: str, seconds: float = 20.0) -> None:
    """Return once the condition holds; fail with `what` when it still does not at the end."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still not: {what}"
        time.sleep(0.02)


async def until_async(
    condition: Callable[[], object], what: str = "as wished", seconds: float = 20.0
) -> None:
    """The same without blocking the event loop."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still not: {what}"
        await asyncio.sleep(0.02)


async def reaches(look: Callable[[], Awaitable[bool]], what: str, seconds: float = 20.0) -> None:
    """Return once `look` says so; fail with `what` at the deadline."""
    deadline = time.monotonic() + seconds
    while not await look():
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still not: {what}"
        await asyncio.sleep(0.02)
