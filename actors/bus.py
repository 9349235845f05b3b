"""The connection to NATS: made, kept, told when it is lost for good; knows nothing of messages."""

from __future__ import annotations

import asyncio
import logging
import math
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import SplitResult, urlsplit

from nats.aio.msg import Msg
from nats.js import JetStreamContext

from actors.credentials import credentials
from actors.patience import BROKEN, Forbidden, said
from actors.wary import WaryClient
from engine.config import BusConfig
from engine.errors import SetupError, Unavailable
from engine.fanout import ended

log = logging.getLogger(__name__)

REQUEST_S = 3.0
"""How long one request to JetStream may take; a retry is always safe, so it is short."""

PING_EVERY_S = 5
PINGS_UNANSWERED = 2
"""A line that is open only on our side is given up with the ping after these."""

RECONNECT_S = 1.0
"""How long a server that is away is left alone before it is tried again."""

ANSWER_S = 2
TROUBLE_S = 60.0
"""How long after it was told a refusal is taken to hold; what is still refused is told again."""

REMEMBERED = 1000
FORBIDDEN = "permissions violation"


class Connection(WaryClient):
    """A client that reconnects for ever and tells, once, when it is closed against our will."""

    turned: Callable[[], None] = staticmethod(lambda: None)
    """Called when the connection breaks and when it is mended; whoever keeps it may set it."""

    def __init__(self, secure: bool = False) -> None:
        super().__init__()
        self.leaving = False
        self._secure = secure
        self._refused: dict[str, float] = {}

    @property
    def trouble(self) -> str:
        """What the server has not permitted of late, in words; empty if nothing."""
        since = time.monotonic() - TROUBLE_S
        late = [what for what, at in self._refused.items() if at > since]
        return f"NATS does not permit it: {late[-1]}" if late else ""

    def heard(self, error: Exception) -> bool:
        """Remember what the server told, if that we may not do something; whether it is news."""
        text = str(error).removeprefix("nats: ")
        if FORBIDDEN not in text.lower():
            return True
        before = self._refused.pop(text, -math.inf)  # so that the latest is last
        self._refused[text] = time.monotonic()
        if len(self._refused) > REMEMBERED:
            del self._refused[next(iter(self._refused))]
        return self._refused[text] - before > TROUBLE_S

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        timeout: float = 0.5,  # noqa: ASYNC109 - as the client that this is
        old_style: bool = False,
        headers: dict[str, Any] | None = None,
    ) -> Msg:
        """As nats-py's; Forbidden where nothing came because the server does not permit it."""
        try:
            return await super().request(subject, payload, timeout, old_style, headers)
        except TimeoutError:
            if any(f'"{subject.lower()}"' in what for what in self._refused) and self.trouble:
                raise Forbidden(self.trouble) from None
            raise

    async def leave(self) -> None:
        """Close because we want to: nobody is told."""
        self.leaving = True
        reconnecting = self._reconnection_task
        if not self.is_connected:  # what waits for a server that is away cannot be sent any more
            self._pending, self._pending_data_size = [], 0
            self._cut()
            self._transport = None
        closing = asyncio.create_task(self.close())
        _, late = await asyncio.wait({closing}, timeout=ANSWER_S)
        if late:
            self._cut()
        with suppress(OSError):
            await closing
        if reconnecting is not None:
            await ended(reconnecting)

    async def _attempt_reconnect(self) -> None:
        self._cut()
        await super()._attempt_reconnect()

    def _cut(self) -> None:
        """Give up the line with what it has not sent: closing it would wait for that for ever."""
        writer = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()

    def streams(self) -> JetStreamContext:
        """JetStream over this connection."""
        return self.jetstream(timeout=REQUEST_S)

    def _connect_command(self) -> bytes:
        """Who we are is said to nobody in the clear who should have proved who they are."""
        if self._secure and not self._server_info.get("tls_required"):
            raise ssl.SSLError("the server offers no TLS")
        command: bytes = super()._connect_command()
        return command


async def connect(
    bus: BusConfig, name: str, on_closed: Callable[[], None], patience_s: float = 10.0
) -> Connection:
    """Connect within `patience_s` or raise Unavailable.

    SetupError where a file of ours is amiss, or the server and we do not trust one another.

    Later breaks are mended for ever; but some errors make the server close a client for good, and
    then only `on_closed` can help: the process should end and be started again.
    """
    options = credentials(bus)
    client = Connection(secure=bus.tls)
    connecting = True

    async def closed() -> None:
        if not client.leaving:
            log.error("%s: the connection to NATS is closed for good", name)
            on_closed()

    async def troubled(error: Exception) -> None:
        if client.heard(error):
            log.warning("%s: NATS: %s", name, said(error))
        if connecting and (refusal := _refusal(bus, error)) is not None:
            raise refusal  # nats-py would try again for ever; later it must not be disturbed

    async def turned() -> None:
        client.turned()

    first = _first(
        client,
        bus,
        {
            "closed_cb": closed,
            "error_cb": troubled,
            "disconnected_cb": turned,
            "reconnected_cb": turned,
            "name": name,
            "reconnect_time_wait": RECONNECT_S,
            **options,
        },
    )
    try:
        await asyncio.wait_for(first, patience_s)
    except BROKEN as error:
        why = said(client.last_error or error)
        await client.leave()
        raise Unavailable(
            f"no NATS server answers at {place(bus.url)} ({why}); start nats-server or set bus.url"
        ) from error
    except (SetupError, asyncio.CancelledError):
        await client.leave()
        raise
    connecting = False
    return client


async def _first(client: Connection, bus: BusConfig, options: dict[str, Any]) -> None:
    """Connect, and see that the server talks to us: it may hang up without a word."""
    await client.connect(
        bus.servers,
        max_reconnect_attempts=-1,
        ping_interval=PING_EVERY_S,
        max_outstanding_pings=PINGS_UNANSWERED,
        **options,
    )
    await client.flush(ANSWER_S)


def _refusal(bus: BusConfig, error: Exception) -> SetupError | None:
    """What a first connection ends with, if trying again at once cannot help."""
    where = f"the NATS server at {place(bus.url)}"
    if isinstance(error, ssl.SSLError):
        why = getattr(error, "verify_message", "") or getattr(error, "reason", "") or str(error)
        return SetupError(
            f"{where} cannot be trusted, or does not trust us: {why}",
            "See bus.tls_ca, bus.tls_hostname and bus.tls_cert",
        )
    if "authorization violation" in str(error).lower():
        who = f"user {bus.user}" if bus.user else "us"
        means = ("password_file", "token_file", "creds_file", "nkey_file")
        given = next((name for name in means if getattr(bus, name)), "user and bus.password_file")
        return SetupError(f"{where} refuses {who}: Authorization Violation", f"See bus.{given}")
    return None


def place(url: str) -> str:
    """The hosts and ports of servers, without credentials."""
    return ", ".join(f"{each.hostname}:{each.port or 4222}" for each in _parts(url))


def shown(url: str) -> str:
    """The URL of servers as anybody may see it."""
    return ",".join(f"{e.scheme or 'nats'}://{e.hostname}:{e.port or 4222}" for e in _parts(url))


def _parts(url: str) -> list[SplitResult]:
    """A server may be named by its host alone."""
    named = (each.strip() for each in url.split(","))
    return [urlsplit(each if "://" in each else f"nats://{each}") for each in named]
