"""One line to the bus, made in the background and known to be up or away; carries no meaning.

Whoever needs the bus asks over it, and is told soon that it is away. Whoever can go on without it
looks at `away`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from nats.js import JetStreamContext

from actors.bus import Connection, connect, place
from actors.patience import pauses
from engine.config import BusConfig
from engine.errors import Away, ConclaveError, Unavailable
from engine.fanout import ended

log = logging.getLogger(__name__)

T = TypeVar("T")

NOTICED_S = 0.3
"""A break that is mended sooner is waited out: it costs less than to go on without the bus."""
LOOK_EVERY_S = 0.2
FIRST_WITHIN_S = 10.0
"""How long one attempt at the first connection lasts before the next one is made."""


class Line:
    """A connection that is made when it can be and mended when it breaks, for as long as we live.

    `on_closed` is called when the server has closed it for good: only a new line helps then.
    """

    def __init__(
        self, bus: BusConfig, name: str, on_closed: Callable[[], None] = lambda: None
    ) -> None:
        self._bus, self._name, self._on_closed = bus, name, on_closed
        self._client: Connection | None = None
        self._closed = False
        self._lost_at: float | None = time.monotonic()
        self._trouble = ""
        self._news = asyncio.Event()
        self._calls: set[asyncio.Timeout] = set()
        self._making = asyncio.create_task(self._make(), name=f"line {name}")

    @property
    def away(self) -> bool:
        """Whether the bus cannot be reached now."""
        return self._client is None or not self._client.is_connected

    @property
    def trouble(self) -> str:
        """Why the bus cannot be reached, or what it does not permit; empty if all is well."""
        if self._client is not None and self._client.is_connected:
            return self._client.trouble
        where = place(self._bus.url)
        lost = f"no NATS server answers at {where}; start nats-server or set bus.url"
        return self._trouble or lost

    async def up(self) -> Connection:
        """The connection, however long it takes; Unavailable when the line is closed."""
        return await self.within(math.inf)

    async def within(self, grace_s: float = NOTICED_S) -> Connection:
        """The connection; Away if there has been none for `grace_s` seconds."""
        while True:
            news = self._news
            if self._closed:
                raise Unavailable("the connection to NATS is closed for good")
            if self._client is not None and self._client.is_connected:
                return self._client
            left = self._lost_since() + grace_s - time.monotonic()
            if left <= 0:
                raise Away(self.trouble)
            await _happens(news, left)

    async def ask(
        self, call: Callable[[JetStreamContext], Awaitable[T]], grace_s: float = NOTICED_S
    ) -> T:
        """What the bus answers; Away if it has been lost for `grace_s` seconds before it does.

        When the line breaks meanwhile and is mended in time, it is asked again.
        """
        while True:
            client = await self.within(grace_s)
            try:
                async with asyncio.timeout(None) as scope:
                    self._calls.add(scope)
                    return await call(client.streams())
            except TimeoutError:
                if not scope.expired():
                    raise
            finally:
                self._calls.discard(scope)

    async def lost(self) -> None:
        """Return when the bus is away and has been so for NOTICED_S."""
        while True:
            try:
                await self.within()
            except Away:
                return
            await self._news.wait()

    async def rest(self, seconds: float) -> None:
        """Sleep, but only to the return of the bus if that was away meanwhile."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self.away:
                    await self._news.wait()
                await self.up()

    async def close(self) -> None:
        """Leave; who still waits for the bus gets Unavailable."""
        self._closed = True
        await ended(self._making)
        if self._client is not None:
            await self._client.leave()
        self._turned()

    async def _make(self) -> None:
        """Connect, again and again until it succeeds; what is mended later mends itself."""
        for pause in pauses(0.1, 1.0):
            try:
                self._client = await connect(
                    self._bus, self._name, self._lost_for_good, FIRST_WITHIN_S
                )
            except ConclaveError as error:
                self._trouble = str(error)
                log.warning("%s: %s", self._name, self.trouble)
            else:
                self._trouble = ""
                self._client.turned = self._turned
                self._turned()
                await self._watch()
            await asyncio.sleep(pause)

    async def _watch(self) -> None:
        """Look for ourselves too: the client tells of a mended connection long after it is used."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if self.away != (self._lost_at is not None):
                self._turned()

    def _lost_for_good(self) -> None:
        self._closed = True
        self._turned()
        self._on_closed()

    def _lost_since(self) -> float:
        """When it was first seen to be away, by the monotonic clock."""
        if self._lost_at is None:
            self._lost_at = time.monotonic()
        return self._lost_at

    def _turned(self) -> None:
        """The bus went away or came back: who waits is woken, what is under way is given up."""
        self._news.set()
        self._news = asyncio.Event()
        if not self.away:
            self._lost_at = None
        else:
            self._lost_since()
            for scope in self._calls:
                scope.reschedule(0)
            self._calls.clear()


async def _happens(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, for so long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds if seconds < math.inf else None):
            await event.wait()
