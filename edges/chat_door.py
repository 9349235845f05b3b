"""The door of OpenAI's clients: its routes and its streams; knows nothing of councils or Ray."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import Header, Request, Response
from fastapi.responses import StreamingResponse

from actors.progress import step
from edges.asked import LONGEST_KEY, standing_alone
from edges.bodies import body_of, read_within
from edges.chat_answer import Answer, Chunk, Completion, first_chunk
from edges.chat_errors import CHAT, MODELS, ChatRefusal, chat_error
from edges.chat_models import Model, Models, model, models
from edges.chat_request import ChatRequest, read_chat
from edges.desk import Desk
from edges.http import api
from edges.refusals import in_one_line
from edges.sse import MEDIA_TYPE, STREAM
from engine.errors import Broken, ConclaveError, InvalidRequest
from engine.events import Record
from engine.fanout import ended
from engine.transcript import Transcript
from engine.types import Task

log = logging.getLogger("conclave.http")

DONE = b"data: [DONE]\n\n"
ALIVE = b": keep-alive\n\n"
MADE_OF = {
    "text": "messages",
    "context": "messages",
    "requirements": "messages",
    "policy": "model",
    "role": "model",
    "token_budget": "max_completion_tokens",
}
"""The parameter of which a field of our own request was made."""
REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"model": ChatRefusal} for status in (400, 404, 409, 413, 422, 500, 503, 504)
}


class ChatDoor:
    """The routes; whoever inherits them has a desk."""

    _desk: Desk

    @api.post(
        CHAT,
        response_model=Completion,
        responses={200: {"content": STREAM}, **REFUSED},
        openapi_extra=body_of(standing_alone(ChatRequest)),
    )
    async def complete(
        self,
        request: Request,
        idempotency_key: Annotated[str, Header(max_length=LONGEST_KEY)] = "",
        x_timeout_ms: Annotated[str, Header()] = "",
    ) -> Response:
        """Deliberate, and answer with the winner's text; `conclave` has what qualifies it.

        `model` is a council's role, or `role:policy`. With `stream` what the council does comes as
        comments, then the text. When the caller goes the work is suspended; sent again with the
        same `Idempotency-Key` it goes on.
        """
        chat = read_chat(await read_within(request, self._desk.config.bus.max_event_bytes))
        name = chat.named(self._desk.config).id
        try:
            task = chat.task(self._desk.admit(chat.asked(self._desk.config), idempotency_key))
            within_s = self._desk.allowance(task, x_timeout_ms)
            if chat.stream:
                return await self._told(chat, task, within_s, name)
            found = await self._desk.conclude(task, within_s)
        except InvalidRequest as error:
            raise _in_chat(error) from error
        whole = Answer(found.state, found.durable, name).whole()
        return Response(whole.model_dump_json(), media_type="application/json")

    @api.get(MODELS, responses={500: {"model": ChatRefusal}})
    async def models(self) -> Models:
        """Every council, alone and with every policy for which it has the seats."""
        return models(self._desk.config)

    @api.get(f"{MODELS}/{{id:path}}", responses={404: {"model": ChatRefusal}})
    async def model(self, id: str) -> Model:
        """One council, or one policy of it."""
        return model(id, self._desk.config)

    async def _told(self, chat: ChatRequest, task: Task, within_s: float, name: str) -> Response:
        """A stream whose first record was awaited: what cannot be done is refused before."""
        records = self._desk.follow(task, within_s)
        telling = Telling(self._desk, records, await anext(records), name)
        with_usage = chat.stream_options is not None and bool(chat.stream_options.include_usage)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(
            telling.told(with_usage=with_usage), media_type=MEDIA_TYPE, headers=headers
        )


class Telling:
    """One deliberation as a stream of chunks, with comments until there is a text."""

    def __init__(
        self, desk: Desk, records: AsyncGenerator[Record, None], first: Record, name: str
    ) -> None:
        self._desk, self._records, self._first, self._name = desk, records, first, name
        self._state = Transcript()

    async def told(self, *, with_usage: bool) -> AsyncGenerator[bytes, None]:
        """All of it. What breaks it off is told as an error, as the clients read it."""
        try:
            async with aclosing(self._progress()) as comments:
                async for comment in comments:
                    yield comment
            durable = await self._desk.holds(self._last)
            for chunk in Answer(self._state, durable, self._name).chunks(with_usage=with_usage):
                yield _data(chunk.written())
        except ConclaveError as error:
            yield _broken_off(error)
        except Exception:
            log.exception("a streamed completion broke off by a bug")
            yield _broken_off(Broken("a bug of ours; the log of the replica says more"))
        yield DONE

    async def _progress(self) -> AsyncGenerator[bytes, None]:
        """Who speaks, then what happens: a comment for each record, and after every silence."""
        self._take(self._first)
        begins: Chunk = first_chunk(self._first.deliberation, self._first.at, self._name)
        yield _data(begins.written())
        yield _comment(self._first)
        upcoming: asyncio.Task[Record] | None = None
        silent_s = self._desk.config.http.keep_alive_s
        try:
            while True:
                upcoming = upcoming or asyncio.ensure_future(_next(self._records))
                done, _ = await asyncio.wait({upcoming}, timeout=silent_s)
                if not done:
                    yield ALIVE
                    continue
                record, upcoming = upcoming.result(), None
                self._take(record)
                yield _comment(record)
        except StopAsyncIteration:
            return
        finally:
            if upcoming is not None:
                await ended(upcoming)
            await self._records.aclose()

    def _take(self, record: Record) -> None:
        self._state.add(record.event, record.at)
        self._last = record


async def _next(records: AsyncGenerator[Record, None]) -> Record:
    return await anext(records)


def _comment(record: Record) -> bytes:
    """What happened, for whoever looks; clients skip it. One line: a text could end the comment."""
    return f": {in_one_line(step(record.event))}\n\n".encode()


def _data(document: str) -> bytes:
    return f"data: {document}\n\n".encode()


def _broken_off(error: ConclaveError) -> bytes:
    return _data(ChatRefusal(error=chat_error(error)).model_dump_json())


def _in_chat(error: InvalidRequest) -> InvalidRequest:
    """The refusal with the parameter that the client knows."""
    field, dot, rest = error.where.partition(".")
    found = MADE_OF.get(field)
    where = found or f"{field}{dot}{rest}"
    return type(error)(where, error.what)
