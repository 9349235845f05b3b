"""The connection to NATS: made, kept, told when it is lost for good; knows nothing of messages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

from nats.aio.client import Client
from nats.js import JetStreamContext

from actors.patience import BROKEN, said
from engine.config import BusConfig
from engine.errors import Unavailable
from engine.fanout import ended

log = logging.getLogger(__name__)

REQUEST_S = 3.0
"""How long one request to JetStream may take; a retry is always safe, so it is short."""


class Connection(Client):
    """A client that reconnects for ever and tells, once, when it is closed against our will."""

    leaving = False
    turned: Callable[[], None] = staticmethod(lambda: None)
    """Called when the connection breaks and when it is mended; whoever keeps it may set it."""

    async def leave(self) -> None:
        """Close because we want to: nobody is told."""
        self.leaving = True
        if not self.is_connected:  # what waits for a server that is away cannot be sent any more
            self._pending, self._pending_data_size = [], 0
        reconnecting = self._reconnection_task
        with suppress(OSError):
            await self.close()
        if reconnecting is not None:
            await ended(reconnecting)

    def streams(self) -> JetStreamContext:
        """JetStream over this connection."""
        return self.jetstream(timeout=REQUEST_S)


async def connect(
    bus: BusConfig, name: str, on_closed: Callable[[], None], patience_s: float = 10.0
) -> Connection:
    """Connect within `patience_s` or raise Unavailable.

    Later breaks are mended for ever; but some errors make the server close a client for good, and
    then only `on_closed` can help: the process should end and be started again.
    """
    client = Connection()

    async def closed() -> None:
        if not client.leaving:
            log.error("%s: the connection to NATS is closed for good", name)
            on_closed()

    async def troubled(error: Exception) -> None:
        log.warning("%s: NATS: %s", name, said(error))

    async def turned() -> None:
        client.turned()

    first = client.connect(
        bus.url,
        name=name,
        closed_cb=closed,
        error_cb=troubled,
        disconnected_cb=turned,
        reconnected_cb=turned,
        max_reconnect_attempts=-1,
        reconnect_time_wait=1,
        ping_interval=5,
        max_outstanding_pings=2,
    )
    try:
        await asyncio.wait_for(first, patience_s)
    except BROKEN as error:
        await client.leave()
        raise Unavailable(
            f"no NATS server answers at {place(bus.url)} ({said(error)}); "
            "start nats-server or set bus.url"
        ) from error
    except asyncio.CancelledError:
        await client.leave()
        raise
    return client


def place(url: str) -> str:
    """A server's host and port, without its credentials."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 4222}"
