"""When the time of a run is up, told by a bell; knows nothing of what is done then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from actors.run import Run
from engine.config import Limits
from engine.deliberation import Bell
from engine.fanout import first
from engine.transcript import Transcript

VOTE_SHARE = 0.75
"""The share of the reserve in which the ballots must come; the rest is for writing the end."""


@contextmanager
def clocked(run: Run, transcript: Transcript, limits: Limits) -> Iterator[Bell]:
    """A bell that rings when the run's time is up, but for what its decision takes.

    The task's time and the server's are of work, whenever that was; the callers' is theirs.
    One that resumes too late still has the time for its decision.
    """
    asked = (run.task.timeout_s, run.terms.timeout_s if run.terms.detached else None)
    whole = min((limits.timeout_s, *(s for s in asked if s is not None)))
    ends = time.monotonic() + whole - transcript.worked_s
    reserve = min(whole, max(run.left_s, 0.0)) * limits.decision_reserve
    bell = Bell()
    ringing = asyncio.create_task(_ring(bell, run, ends, reserve, limits.decision_reserve))
    try:
        yield bell
    finally:
        ringing.cancel()


async def _ring(bell: Bell, run: Run, ends: float, reserve: float, share: float) -> None:
    """Hurry when only the reserve is left, by then also to callers who came meanwhile."""
    left = 0.0
    while left >= 0:
        await _rest(left, run)
        kept = min(reserve, run.most_s * share)
        left = min(ends - time.monotonic(), run.left_s) - kept
    bell.hurry.set()
    closes = time.monotonic() + kept * VOTE_SHARE
    await _rest(kept * VOTE_SHARE, run)
    left = min(closes - time.monotonic(), run.left_s * VOTE_SHARE)
    await asyncio.sleep(max(left, 0.0))
    bell.close.set()


async def _rest(seconds: float, run: Run) -> None:
    """Sleep, but no longer than to the moment in which the run is hastened."""
    if run.hastened.is_set() or seconds <= 0:
        await asyncio.sleep(seconds)
    else:
        await first(run.hastened.wait(), within_s=seconds)
