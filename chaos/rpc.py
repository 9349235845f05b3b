"""Calls of another process's object over a Unix socket, in the shape of Ray's; knows no councils.

One connection is one call, so that a caller who leaves and a callee who dies are both seen at once.
"""

from __future__ import annotations

import asyncio
import inspect
import pickle
import struct
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from typing import Any

from actors.calls import ActorAway
from engine.fanout import ended

LENGTH = struct.Struct(">I")
GONE = (OSError, EOFError)


class Handle:
    """What Ray's handle of an actor is to its caller: `handle.method.remote(...)`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __getattr__(self, name: str) -> Method:
        return Method(self._path, name)


class Method:
    """A method of an object in another process."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name

    def remote(self, *arguments: Any) -> asyncio.Task[Any]:
        """Begin the call, as Ray does, whether it is awaited or not."""
        ref = asyncio.create_task(_returned(self, arguments))
        ref.add_done_callback(_seen)
        return ref


def _seen(ref: asyncio.Task[Any]) -> None:
    """Nobody has to look at what became of a call."""
    if not ref.cancelled():
        ref.exception()


async def called(ref: asyncio.Task[Any]) -> Any:
    """The Call for these handles: cancelling it cancels the method."""
    return await ref


async def streamed(method: Method, *arguments: Any) -> AsyncGenerator[Any, None]:
    """The Streamed for these handles."""
    reader, writer = await _asked(method, arguments)
    try:
        while True:
            kind, value = await _answer(reader)
            if kind == "end":
                return
            if kind == "broken":
                raise value
            yield value
    finally:
        writer.close()


async def _returned(method: Method, arguments: tuple[Any, ...]) -> Any:
    reader, writer = await _asked(method, arguments)
    try:
        kind, value = await _answer(reader)
    finally:
        writer.close()
    if kind == "broken":
        raise value
    return value


async def _asked(
    method: Method, arguments: tuple[Any, ...]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        reader, writer = await asyncio.open_unix_connection(method.path)
    except OSError as error:
        raise ActorAway(f"{method.path.name}: {error}") from error
    _send(writer, (method.name, arguments))
    return reader, writer


async def _answer(reader: asyncio.StreamReader) -> tuple[str, Any]:
    try:
        kind, value = await _received(reader)
    except GONE as error:
        raise ActorAway(f"it died while it was asked: {error!r}") from error
    return kind, value


def _send(writer: asyncio.StreamWriter, what: object) -> None:
    data = pickle.dumps(what)
    writer.write(LENGTH.pack(len(data)) + data)


async def _received(reader: asyncio.StreamReader) -> Any:
    (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
    return pickle.loads(await reader.readexactly(length))  # noqa: S301 - our own processes


async def serve(actor: object, path: Path) -> asyncio.Server:
    """Answer calls of the object's methods at the path, which a dead one may have left behind."""
    path.unlink(missing_ok=True)  # noqa: ASYNC240 - nothing else runs yet

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(*GONE):
            name, arguments = await _received(reader)
            work = asyncio.create_task(_work(getattr(actor, name), arguments, writer))
            gone = asyncio.create_task(reader.read(1))
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            await ended(work, gone)
        writer.close()

    return await asyncio.start_unix_server(connected, path)


async def _work(method: Any, arguments: tuple[Any, ...], writer: asyncio.StreamWriter) -> None:
    """Send what a method returns, or all that it yields, or what it raises."""
    try:
        answer = method(*arguments)
        if inspect.isasyncgen(answer):
            async for item in answer:
                _send(writer, ("item", item))
            _send(writer, ("end", None))
        else:
            _send(writer, ("return", await answer))
    except Exception as error:  # noqa: BLE001 - it is the caller's
        _send(writer, ("broken", error))
    with suppress(*GONE):
        await writer.drain()
