"""A client that says to nats-server whatever it is told to, right or wrong."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class RawClient:
    """Publishes with a header block of any bytes, as `nats-py` would not."""

    def __init__(self, url: str) -> None:
        self._place = urlsplit(url)

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(
            self._place.hostname, self._place.port
        )
        await self._reader.readline()
        self._writer.write(b'CONNECT {"headers":true,"verbose":false,"pedantic":false}\r\n')
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    async def publish(self, subject: bytes, block: bytes, data: bytes) -> bytes:
        """Publish; what the server says to it, a plain PONG if it has nothing against it.

        A line that it cuts before its last word is read is an answer too.
        """
        sizes = b"%d %d" % (len(block), len(block) + len(data))
        line = b"HPUB " + subject + b" " + sizes
        self._writer.write(line + b"\r\n" + block + data + b"\r\nPING\r\n")
        try:
            return await self._reader.readline()
        except ConnectionResetError:
            return b"-ERR 'Connection Reset'\r\n"
