"""A TCP proxy whose line can be silenced, cut, refused or slowed; knows nothing of what passes."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from engine.fanout import ended

HOST = "127.0.0.1"
CHUNK = 64 * 1024
HELD = 64
"""Chunks on their way in one direction; what comes beyond them waits at its sender."""
HARD = struct.pack("ii", 1, 0)
"""Linger for no time: closing a socket then tells the peer of a reset and not of an end."""


class Proxy:
    """One listening port before one server; `black_hole`, `forget`, `reset`, `refuse`, `heal`.

    `latency_s` delays what passes, in each direction, without narrowing it. As on a real line, what
    was sent into a black hole arrives when that ends, unless the connection was given up meanwhile.
    """

    def __init__(self, port: int, host: str = HOST) -> None:
        self.latency_s = 0.0
        self.accepted = 0
        self._target = (host, port)
        self._listener: asyncio.Server | None = None
        self._port = 0
        self._open = asyncio.Event()
        self._open.set()
        self._lines: dict[asyncio.Task[None], asyncio.Event] = {}
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def port(self) -> int:
        """Where it listens; the same for ever."""
        return self._port

    @property
    def url(self) -> str:
        """The server behind it, for a client of NATS."""
        return f"nats://{HOST}:{self._port}"

    @property
    def lines(self) -> int:
        """The connections that pass through it now."""
        return len(self._lines)

    async def start(self) -> None:
        """Listen."""
        self._listener = await asyncio.start_server(self._accept, HOST, self._port)
        self._port = self._listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """End every connection and listen no more."""
        await self.refuse()
        self._let_pass()
        while self._lines:
            await asyncio.wait(tuple(self._lines))

    def black_hole(self) -> None:
        """Half-open: connections stay and are taken, and nothing passes, neither way."""
        self._open.clear()

    def forget(self) -> None:
        """Half-open for the connections of now alone, as where a router forgot them."""
        for passes in self._lines.values():
            passes.clear()

    def reset(self) -> None:
        """Break every connection of now, both sides hard; new ones are taken."""
        for writer in tuple(self._writers):
            _linger(writer)
            writer.transport.abort()

    async def refuse(self) -> None:
        """Break every connection and take no new one."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.reset()

    async def heal(self) -> None:
        """Everything passes again; what was held goes first."""
        self._let_pass()
        if self._listener is None:
            await self.start()

    def _let_pass(self) -> None:
        for passes in (self._open, *self._lines.values()):
            passes.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        line = asyncio.current_task()
        assert line is not None
        passes = self._lines[line] = asyncio.Event()
        passes.set()
        try:
            await self._join(reader, writer, passes)
        finally:
            del self._lines[line]

    async def _join(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passes: asyncio.Event
    ) -> None:
        self._writers.add(writer)
        try:
            there, back = await asyncio.open_connection(*self._target)
        except OSError:  # the server is away: so is the client, at once
            _linger(writer)
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(back)
        ways = [
            asyncio.create_task(self._pass(*way, passes))
            for way in ((reader, back), (there, writer))
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                await ended(way)
            for each in (writer, back):
                self._writers.discard(each)
                each.transport.abort()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passes: asyncio.Event
    ) -> None:
        """Carry one direction until its end, which is a thing that passes like any other."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(HELD)
        now: Callable[[], float] = asyncio.get_running_loop().time

        async def take() -> None:
            while data := await _read(reader):
                await under_way.put((now() + self.latency_s, data))
            await under_way.put((now() + self.latency_s, b""))

        taking = asyncio.create_task(take())
        try:
            while True:
                due, data = await under_way.get()
                await asyncio.sleep(max(0.0, due - now()))
                await self._open.wait()
                await passes.wait()
                if not data:
                    return
                writer.write(data)
                await writer.drain()
        except OSError:
            return
        finally:
            await ended(taking)


async def _read(reader: asyncio.StreamReader) -> bytes:
    """What comes next; nothing at the end, however it comes."""
    try:
        return await reader.read(CHUNK)
    except OSError:
        return b""


def _linger(writer: asyncio.StreamWriter) -> None:
    sock: socket.socket | None = writer.get_extra_info("socket")
    if sock is not None and not writer.transport.is_closing():
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, HARD)


@asynccontextmanager
async def proxied(port: int) -> AsyncIterator[Proxy]:
    """A proxy before the server at that port, stopped on leaving."""
    proxy = Proxy(port)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
