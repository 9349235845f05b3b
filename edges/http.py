"""The HTTP door: paths, headers and bodies; knows nothing of councils, journals or Ray."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi_offline import FastAPIOffline
from pydantic import JsonValue
from starlette.exceptions import HTTPException

from actors.listing import MOST, Page
from actors.run import Conclusion
from edges import chat_errors
from edges.asked import LONGEST_KEY, DeliberationRequest, read_as, request_schema, standing_alone
from edges.bodies import body_of, read_within, refusals
from edges.desk import Desk
from edges.forking import ForkRequest
from edges.refusals import Problem, problem
from edges.searching import wanted
from edges.sse import MEDIA_TYPE, STREAM, server_sent
from edges.views import CouncilInfo, Status, StoryView
from engine.caps import EVENTS, FORKS
from engine.errors import ConclaveError, InvalidRequest
from engine.events import Record
from engine.results import Result, result
from engine.types import Task

PATH = "/v1/deliberations"
LATER = "respond-async"


STREAMED: dict[str, Any] = {
    "description": "The result, or with `Accept: text/event-stream` the events as they come",
    "content": STREAM,
}

api = FastAPIOffline(
    redoc_url=None,
    title="Conclave",
    summary="Councils of agents that draft, criticise, revise, vote and decide.",
)


def _documented() -> dict[str, Any]:
    """The document without FastAPI's own 422: what cannot be read is refused with 400."""
    if api.openapi_schema is not None:
        return api.openapi_schema
    document = FastAPI.openapi(api)
    for operations in document["paths"].values():
        for operation in operations.values():
            if operation["responses"].get("422", {}).get("description") == "Validation Error":
                del operation["responses"]["422"]
    for of_those in ("HTTPValidationError", "ValidationError"):
        del document["components"]["schemas"][of_those]
    return document


api.openapi = _documented  # type: ignore[method-assign]


@api.exception_handler(ConclaveError)
async def _refuse(request: Request, error: ConclaveError) -> JSONResponse:
    """One line for the asker: what, where, remedy."""
    if chat_errors.speaks(request.url.path):
        return chat_errors.refused(error)
    return _problem(request, problem(error))


@api.exception_handler(RequestValidationError)
async def _refuse_fields(request: Request, error: RequestValidationError) -> JSONResponse:
    """A header or a query parameter that cannot be read."""
    first = error.errors()[0]
    return await _refuse(request, InvalidRequest(str(first["loc"][-1]), first["msg"]))


@api.exception_handler(HTTPException)
async def _refuse_call(request: Request, error: HTTPException) -> JSONResponse:
    """An unknown path or a wrong method."""
    phrase = HTTPStatus(error.status_code).phrase
    stated = Problem(status=error.status_code, title=phrase, detail=error.detail)
    found = _problem(request, stated)
    found.headers.update(error.headers or {})
    return found


@api.exception_handler(Exception)
async def _own_up(request: Request, error: Exception) -> JSONResponse:
    """A bug of ours: the asker is told that it is one; Serve's log has the rest."""
    detail = f"a bug of ours, {type(error).__name__}; the log of the replica says more"
    return _problem(request, Problem(status=500, title="Broken", detail=detail))


def _problem(request: Request, found: Problem) -> JSONResponse:
    """As the clients of the path read it."""
    if chat_errors.speaks(request.url.path):
        return chat_errors.not_served(found)
    return JSONResponse(found.model_dump(), found.status, media_type="application/problem+json")


class HttpDoor:
    """The routes; whoever inherits them has a desk."""

    _desk: Desk

    @api.post(
        PATH,
        response_model=Result,
        responses={200: STREAMED, 202: {"model": Result}, **refusals(400, 409, 413, 504)},
        openapi_extra=body_of(request_schema()),
    )
    async def deliberate(
        self,
        request: Request,
        prefer: Annotated[str, Header()] = "",
        accept: Annotated[str, Header()] = "",
        idempotency_key: Annotated[str, Header(max_length=LONGEST_KEY)] = "",
        x_timeout_ms: Annotated[str, Header()] = "",
    ) -> Response:
        """Deliberate while the caller waits; `durable` false means that the journal is behind.

        `Prefer: respond-async` answers at once and goes on without the caller. With
        `Accept: text/event-stream` the events come instead of the result. When the last caller
        goes, work that was not asked for with `respond-async` is suspended; sent again with the
        same id or `Idempotency-Key` it goes on.
        """
        body = await read_within(request, self._desk.config.bus.max_event_bytes)
        task = self._desk.admit(read_as(DeliberationRequest, body), idempotency_key)
        return await self._deliberated(task, prefer, accept, x_timeout_ms)

    @api.post(
        f"{PATH}/{{task_id:path}}{FORKS}",
        response_model=Result,
        responses={200: STREAMED, 202: {"model": Result}, **refusals(400, 404, 409, 413, 504)},
        openapi_extra=body_of(standing_alone(ForkRequest)),
    )
    async def fork(
        self,
        request: Request,
        task_id: str,
        prefer: Annotated[str, Header()] = "",
        accept: Annotated[str, Header()] = "",
        idempotency_key: Annotated[str, Header(max_length=LONGEST_KEY)] = "",
        x_timeout_ms: Annotated[str, Header()] = "",
    ) -> Response:
        """Deliberate on it again with a change; what is asked the same is not asked again.

        The deliberation must have ended. The answer is as for any other, by the same headers.
        """
        body = await read_within(request, self._desk.config.bus.max_event_bytes)
        task = await self._desk.fork(task_id, read_as(ForkRequest, body), idempotency_key)
        return await self._deliberated(task, prefer, accept, x_timeout_ms)

    @api.get(PATH, responses=refusals(400))
    async def page(
        self,
        role: str = "",
        story: str = "",
        status: str = "",
        since: str = "",
        until: str = "",
        text: str = "",
        limit: Annotated[int, Query(ge=1, le=MOST)] = 20,
        cursor: str = "",
    ) -> Page:
        """The deliberations of the journal, the one begun last first; `cursor` has the next page.

        All that is said must hold: they began at `since` or later and before `until` (ISO 8601, in
        UTC unless it says otherwise, or Unix seconds); each word of `text` is in the task or in the
        decision. `behind` says what of the journal is still to be read, "" where all is there. One
        that nobody works on is told as `in_progress` where nobody was left to write that down.
        """
        asked = wanted(role, story, status, since, until, text)
        return await self._desk.page(asked, limit, cursor)

    @api.get(
        f"{PATH}/{{task_id:path}}{EVENTS}",
        response_class=StreamingResponse,
        responses={200: STREAMED, 204: {"description": "No more"}, **refusals(400, 404)},
    )
    async def events(
        self,
        task_id: str,
        last_event_id: Annotated[int, Header(ge=0)] = 0,
        after: Annotated[int, Query(ge=0)] = 0,
    ) -> Response:
        """All events so far, or those behind `Last-Event-ID` or `after`, then live to the end.

        204 where the end has been told already.
        """
        known, after = await self._desk.known(task_id), max(last_event_id, after)
        if known.state.end is not None and known.records[-1].seq <= after:
            return Response(status_code=HTTPStatus.NO_CONTENT)  # else EventSource asks for ever
        return self._streamed(self._desk.behind(known, after), {})

    @api.get(f"{PATH}/{{task_id:path}}", response_model=Result, responses=refusals(404))
    async def read(self, task_id: str) -> Response:
        """What became of a deliberation, at any time after it began."""
        return _answer(await self._desk.read(task_id), 200, {})

    @api.delete(f"{PATH}/{{task_id:path}}", response_model=Result, responses=refusals(404, 409))
    async def cancel(self, task_id: str) -> Response:
        """End a deliberation without a decision; what was written stays readable."""
        return _answer(await self._desk.cancel(task_id), 200, {})

    @api.get("/v1/stories/{story_id:path}", responses=refusals(404))
    async def story(self, story_id: str) -> StoryView:
        """What the agents of the next deliberation of a story will be shown."""
        return await self._desk.story(story_id)

    @api.get("/v1/councils", responses=refusals())
    async def councils(self) -> list[CouncilInfo]:
        """Every council and how it stands."""
        return await self._desk.councils()

    @api.get("/v1/status")
    async def status(self) -> Status:
        """The whole engine as it stands, with what is wrong and what the journal counts."""
        return await self._desk.status()

    @api.get("/healthz")
    async def healthz(self) -> dict[str, str]:
        """This replica answers."""
        return {"status": "ok"}

    @api.get("/readyz", responses=refusals())
    async def readyz(self, response: Response) -> dict[str, JsonValue]:
        """503 when nothing can be decided; `degraded` says 200, for what is asked is done.

        `ready` is true when every actor and the bus are; else `troubles` say what is not, a line
        each.
        """
        found = await self._desk.readiness()
        response.status_code = 503 if found.status == "unhealthy" else 200
        return {"ready": not found.troubles, **found.model_dump(mode="json")}

    async def _deliberated(
        self, task: Task, prefer: str, accept: str, x_timeout_ms: str
    ) -> Response:
        """The answer to a task in the form that its headers ask for."""
        within_s = self._desk.allowance(task, x_timeout_ms)
        place = {"Location": f"{PATH}/{quote(task.id, safe='')}"}
        if names(prefer, LATER):
            accepted = await self._desk.accept(task, within_s)
            return _answer(accepted, 202, {**place, "Preference-Applied": LATER})
        if names(accept, MEDIA_TYPE):
            records = self._desk.follow(task, within_s)
            return self._streamed(_behind(await anext(records), records), place)
        return _answer(await self._desk.conclude(task, within_s), 200, place)

    def _streamed(self, records: AsyncGenerator[Record, None], headers: dict[str, str]) -> Response:
        stream = server_sent(records, self._desk.config.http.keep_alive_s)
        headers = {**headers, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(stream, media_type=MEDIA_TYPE, headers=headers)


def names(header: str, wanted: str) -> bool:
    """Whether a header's list names it, whatever its parameters."""
    return wanted in (part.partition(";")[0].strip().lower() for part in header.split(","))


async def _behind(
    first: Record, records: AsyncGenerator[Record, None]
) -> AsyncGenerator[Record, None]:
    """Whole again after its first record was awaited: what cannot be done is not streamed."""
    async with aclosing(records):
        yield first
        async for record in records:
            yield record


def _answer(found: Conclusion, status: int, headers: dict[str, str]) -> Response:
    text = result(found.state, found.durable).model_dump_json()
    return Response(text, status, headers, media_type="application/json")
