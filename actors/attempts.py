"""How often an event was begun in vain, kept on the bus; knows nothing of what it asks for.

The server counts deliveries, but not which of them ended with the death of a process: an event
that is given back because a model is down may wait for ever, one that kills must not come for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext

import nats.js.errors
from nats.js import JetStreamContext
from nats.js.kv import KeyValue

from actors.lately import Lately
from actors.patience import BROKEN
from actors.streams import ATTEMPTS
from engine.arrival import Arrival
from engine.errors import Broken, ConclaveError, InvalidEvent

CRASHES = 5
"""After so many beginnings with no orderly return an event is buried, so that others get on."""
SUSPECT = 2
"""After so many it runs beside no other such one, so that the next crash names the culprit."""
UNCOUNTED = 2
"""So many deliveries cost nothing: most of what comes again was only interrupted."""

TROUBLE: tuple[type[Exception], ...] = (ConclaveError, *BROKEN)
RETURNS: tuple[type[BaseException], ...] = (asyncio.CancelledError, *TROUBLE)
"""What brings an event back in order, but for bugs."""


class Attempts:
    """The counts of all events that were begun and did not return in order."""

    def __init__(self, js: JetStreamContext) -> None:
        self._js = js
        self._bucket: KeyValue | None = None
        self._alone = asyncio.Lock()
        self._counted = Lately()

    @asynccontextmanager
    async def begun(self, arrival: Arrival) -> AsyncGenerator[None]:
        """Count what is done within as one attempt, unless it ends or is given back in order.

        InvalidEvent where it was tried too often. Raises what NATS does while it is away.
        """
        if arrival.deliveries <= UNCOUNTED:
            async with self._bugs_counted(arrival, None):
                yield
            return
        count = await self._count(arrival)
        async with self._alone if count >= SUSPECT else nullcontext():
            if count >= CRASHES:
                what = f"the process died or broke {count} times while it was at this event"
                raise InvalidEvent("crash_loop", "event", what)
            await self._put(arrival, count + 1)
            async with self._bugs_counted(arrival, count):
                try:
                    yield
                except Broken:
                    raise
                except RETURNS:
                    await self._put(arrival, count)
                    raise

    async def forget(self, arrival: Arrival) -> None:
        """The event is settled."""
        if arrival.deliveries > UNCOUNTED or _key(arrival) in self._counted:
            await (await self._opened()).delete(_key(arrival))

    @asynccontextmanager
    async def _bugs_counted(self, arrival: Arrival, before: int | None) -> AsyncGenerator[None]:
        """A bug is no orderly return either; `before` is None where nothing was counted yet."""
        try:
            yield
        except Broken as bug:
            count = (await self._count(arrival) if before is None else before) + 1
            if before is None:
                await self._put(arrival, count)
            if count >= CRASHES:
                raise InvalidEvent("crashed", "event", str(bug)) from bug
            raise

    async def _count(self, arrival: Arrival) -> int:
        try:
            found = await (await self._opened()).get(_key(arrival))
        except nats.js.errors.KeyNotFoundError:
            return 0
        return int(found.value or b"0")

    async def _put(self, arrival: Arrival, count: int) -> None:
        self._counted.add(_key(arrival))
        await (await self._opened()).put(_key(arrival), str(count).encode())

    async def _opened(self) -> KeyValue:
        if self._bucket is None:
            self._bucket = await self._js.key_value(ATTEMPTS)
        return self._bucket


def _key(arrival: Arrival) -> str:
    return f"{arrival.stream}.{arrival.seq}"
