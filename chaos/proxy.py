"""A TCP way to a server that can be cut in several manners; knows nothing of what goes over it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

HOST = "127.0.0.1"
CHUNK = 65536


class Proxy:
    """Passes bytes between clients and a server on this machine, while it is not told otherwise."""

    def __init__(self, port_behind: int) -> None:
        self._behind = port_behind
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._passable = asyncio.Event()
        self._passable.set()

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://{HOST}:{self.port}"

    async def open(self) -> None:
        """Take connections, on the same port each time."""
        if self._server is None:
            self._server = await asyncio.start_server(self._connected, HOST, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def swallow(self) -> None:
        """Become a black hole: connections stay, and nothing comes through any more."""
        self._passable.clear()

    def reset(self) -> None:
        """Break all connections; new ones are taken."""
        for writer in self._writers:
            writer.transport.abort()

    def refuse(self) -> None:
        """Break all connections and take no new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.reset()

    async def heal(self) -> None:
        """Let through what waits and whatever comes."""
        self._passable.set()
        await self.open()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._passable.wait()
            inner, outer = await asyncio.open_connection(HOST, self._behind)
        except OSError:  # the server is down: the client sees that too
            writer.transport.abort()
            return
        self._writers |= {writer, outer}
        try:
            await asyncio.gather(self._pump(reader, outer), self._pump(inner, writer))
        finally:
            self._writers -= {writer, outer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._passable.wait()
                writer.write(data)
                await writer.drain()
        writer.close()
