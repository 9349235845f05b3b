"""How long to go on while NATS is away or starts; knows nothing of what is asked of it."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import nats.errors
import nats.js.errors

from engine.errors import Unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")


class Forbidden(nats.errors.Error):
    """The server does not permit what was asked, which no retry changes."""


TRANSIENT: tuple[type[Exception], ...] = (
    TimeoutError,
    OSError,
    nats.errors.TimeoutError,
    nats.errors.NoRespondersError,
    nats.errors.ConnectionReconnectingError,
    nats.errors.OutboundBufferLimitError,
    nats.errors.StaleConnectionError,
    nats.js.errors.NoStreamResponseError,
    nats.js.errors.ServiceUnavailableError,
    nats.js.errors.ServerError,
)
"""What passes by itself: the server restarts, elects a leader, or its store is full for now."""

BROKEN: tuple[type[Exception], ...] = (nats.errors.Error, *TRANSIENT)
"""Everything that a call to NATS can raise."""


def pauses(first_s: float = 0.05, longest_s: float = 2.0) -> Iterator[float]:
    """Seconds to wait before each further attempt: doubling, each drawn from its upper half."""
    pause = first_s
    while True:
        yield pause * random.uniform(0.5, 1.0)
        pause = min(pause * 2, longest_s)


async def patiently(call: Callable[[], Awaitable[T]], what: str, patience_s: float) -> T:
    """Call until it succeeds; Unavailable after `patience_s` seconds of passing trouble."""
    deadline = time.monotonic() + patience_s
    for attempt, pause in enumerate(pauses()):
        try:
            return await call()
        except nats.errors.ConnectionClosedError as error:
            raise Unavailable(f"{what}: the connection to NATS is closed for good") from error
        except Forbidden as error:
            raise Unavailable(f"{what}: {error}") from error
        except TRANSIENT as error:
            if attempt in (0, 10):
                log.warning("%s: trying again: %s", what, said(error))
            if time.monotonic() + pause > deadline:
                gone = f"{what}: NATS is away for {patience_s:g} s: {said(error)}"
                raise Unavailable(gone) from error
        await asyncio.sleep(pause)
    raise AssertionError("pauses() never ends")


def said(error: BaseException) -> str:
    """An error in one line, also where it carries no text."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
