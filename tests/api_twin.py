"""A small server of OpenAI's chat completions, on a real port: well-behaved, or as it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

from actors.testing import _instance

Asked = dict[str, Any]
END = b"data: [DONE]\n\n"
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


def chunk(text: str = "", finish: str | None = None, **more: object) -> bytes:
    """One piece of a streamed completion."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice], **more}).encode() + b"\n\n"


def usage(prompt: int, cached: int, generated: int) -> bytes:
    """The last piece, which has only what all of it took."""
    took = {
        "prompt_tokens": prompt,
        "completion_tokens": generated,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
    return b"data: " + json.dumps({"choices": [], "usage": took}).encode() + b"\n\n"


def spoken(text: str) -> list[bytes]:
    """A whole streamed completion, with 3 of 10 prompt tokens cached and 5 generated."""
    half = len(text) // 2
    return [STREAM, chunk(text[:half]), chunk(text[half:]), chunk("", "stop"), usage(10, 3, 5), END]


def refused(status: int, message: str = "no", *headers: str) -> list[bytes]:
    """A refusal as OpenAI words it."""
    body = json.dumps({"error": {"message": message}}).encode()
    lines = (f"HTTP/1.1 {status} X", "content-type: application/json", *headers)
    head = "\r\n".join((*lines, f"content-length: {len(body)}", "connection: close", "", ""))
    return [head.encode() + body]


def plain(document: object) -> list[bytes]:
    """A JSON document, all at once."""
    body = json.dumps(document).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return [f"{head}connection: close\r\n\r\n".encode() + body]


def obliging(asked: Asked) -> list[bytes]:
    """An answer in the form that is asked for."""
    form = asked.get("response_format")
    if form is None:
        return spoken(f"{asked['model']} says something")
    return spoken(json.dumps(filled(form["json_schema"]["schema"])))


def filled(schema: Asked) -> Any:
    """The least that a schema allows, where a list of answers is to be had, the first label."""
    answers = schema.get("properties", {}).get("answers")
    if answers is not None:
        return {"answers": [answers["items"]["enum"][0]] * answers["minItems"]}
    return _instance(schema)


class ApiTwin:
    """`say` makes the pieces of each answer; a piece None waits for `gate`, then hangs up.

    `asked` keeps the bodies, `headers` those of each call. `hung_up` is set when a client leaves
    while its answer waits.
    """

    def __init__(self, say: Callable[[Asked], list[bytes | None]] = obliging) -> None:  # type: ignore[assignment]
        self.say = say
        self.asked: list[Asked] = []
        self.headers: list[dict[str, str]] = []
        self.models: list[bytes] = plain({"data": [{"id": "m-1"}]})
        self.gate, self.hung_up = asyncio.Event(), asyncio.Event()
        self.at_once = self.most_at_once = 0
        self.url = ""

    @asynccontextmanager
    async def on(self) -> AsyncGenerator[ApiTwin]:
        """Serve until the block is left."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        try:
            yield self
        finally:
            self.gate.set()
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): said for name, _, said in (x.partition(": ") for x in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.headers.append(headers)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self._answer(first.split()[1], body, reader, writer)
        finally:
            self.at_once -= 1
            writer.close()

    async def _answer(
        self, path: str, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if path == "/v1/models":
            pieces: list[bytes | None] = list(self.models)
        else:
            assert path == "/v1/chat/completions"
            self.asked.append(json.loads(body))
            pieces = self.say(self.asked[-1])
        for piece in pieces:
            if piece is None:
                await self._wait(reader)
                continue
            writer.write(piece)
            await writer.drain()

    async def _wait(self, reader: asyncio.StreamReader) -> None:
        """For the gate, or until the client hangs up."""
        left = asyncio.ensure_future(reader.read())
        opened = asyncio.ensure_future(self.gate.wait())
        await asyncio.wait({left, opened}, return_when=asyncio.FIRST_COMPLETED)
        if left.done():
            self.hung_up.set()
        for each in (left, opened):
            each.cancel()
