"""A twin of the HTTP edge: the same endpoints over a scripted model, in a thread of this process.

Its records are real: engine.deliberation.deliberate() with a scripted model makes them.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from functools import partial
from typing import Any, NamedTuple

import uvicorn
from chamber_twin import ChamberTwin
from deadline import until
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from actors.bridge import Health
from actors.listing import Listed, Page
from edges.asked import DeliberationRequest, read_as
from edges.chamber import seats_of
from edges.forking import ForkRequest
from edges.orders import Accepted, OrchestrationRequest
from edges.refusals import Problem, problem
from edges.tasks import Derivation, TaskContext
from edges.views import (
    AgentFigures,
    BusStatus,
    Changed,
    CouncilFigures,
    CouncilInfo,
    CouncilStanding,
    Created,
    Deleted,
    Metrics,
    Performance,
    PoolStatus,
    Stats,
    Status,
    StoryView,
)
from engine.charters import in_force
from engine.config import Config, PoolConfig
from engine.decision import failed
from engine.deliberation import deliberate
from engine.deriving import AtomicTask, TaskConstraints
from engine.errors import ConclaveError, Conflict, Ended, NotFound
from engine.events import Event, Record, Suspended
from engine.forks import origin_of
from engine.founding import NewCouncil
from engine.joining import NewAgent
from engine.posted import PlanningEvent, posted
from engine.results import result
from engine.seen import Seen
from engine.story import Note, Story
from engine.testing import ScriptedModel, words
from engine.transcript import Outcome, Transcript, fold
from engine.types import Speak, Task

BEGAN = 1_800_000_000.0
STEP_S = 1.5
"""Between two records, by the twin's clock."""

CONFIG = Config(pools={"small": PoolConfig(model="/models/SmolLM2-135M-Instruct")})
COUNCILS = {council.role: council.seated() for council in CONFIG.councils}


class Refusal(Exception):
    """What the twin answers in place of a result, as scripted."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(status, title, detail)
        self.problem = Problem(status=status, title=title, detail=detail)


class Asked(NamedTuple):
    """A request that came: its method and path, headers, body and parameters."""

    call: str
    headers: dict[str, str]
    body: dict[str, Any]
    said: dict[str, str]


class Twin:
    """What the edge knows, and how it is to behave.

    `cuts` holds, for each event stream to come, after how many records it ends or what problem it
    then tells; None lets it go on. `hold` is the number of records after which streams wait for
    `gate`. `answer` and `begun` are told in place of a document and of a stream. `pace_s` is the
    real time between two records, `slow_s` that until any answer. `behind` is what lists and
    figures lack.
    """

    def __init__(self) -> None:
        self.speak: Speak = ScriptedModel()
        self.chamber = ChamberTwin(CONFIG)
        self.asked: list[Asked] = []
        self.records: dict[str, list[Record]] = {}
        self.tasks: dict[str, Task] = {}
        self.refusal: Refusal | None = None
        self.answer: Response | None = None
        self.begun: Response | None = None
        self.cuts: list[tuple[int, Refusal | None] | None] = []
        self.hold = 0
        self.pace_s = self.slow_s = 0.0
        self.bus_url = CONFIG.bus.url
        self.behind = ""
        self.gate = threading.Event()
        self.left: list[str] = []
        self.url = ""

    def reset(self) -> None:
        """As new, at the same address."""
        url = self.url
        self.__init__()  # type: ignore[misc]
        self.url = url

    async def convene(self, body: dict[str, Any]) -> str:
        """Deliberate at once and keep the records; the id."""
        return await self.take(read_as(DeliberationRequest, json.dumps(body).encode()).task(CONFIG))

    async def take(self, task: Task) -> str:
        """The same for a task."""
        if self.tasks.setdefault(task.id, task) != task:
            raise Conflict(f"task_id {task.id!r} belongs to another request; send a new one")
        if task.id not in self.records:
            self.records[task.id] = await recorded(task, self.speak)
        return task.id

    async def fork(self, id: str, body: dict[str, Any]) -> str:
        """Deliberate on a fork at once and keep the records; its id."""
        known = self.known(id)
        task = read_as(ForkRequest, json.dumps(body).encode()).task(known, CONFIG)
        if task.id not in self.records:
            outcomes = origin_of(known).known
            self.records[task.id] = await recorded(task, self.speak, outcomes)
        return task.id

    def known(self, id: str) -> list[Record]:
        """The records of a deliberation."""
        if id not in self.records:
            raise NotFound(f"no deliberation {id!r}")
        return self.records[id]

    async def stream(self, id: str, after: int, attached: bool) -> AsyncGenerator[bytes]:
        """The events, as far as this connection is to go."""
        cut = self.cuts.pop(0) if self.cuts else None
        whole = False
        try:
            for sent, record in enumerate(self.records[id]):
                if cut is not None and sent == cut[0]:
                    whole = True
                    if cut[1] is not None:
                        yield _sse("error", cut[1].problem.model_dump_json())
                    return
                if self.hold and sent == self.hold:
                    while not self.gate.is_set():
                        yield b": keep-alive\r\n\r\n"
                        await asyncio.sleep(0.01)
                if record.seq > after:
                    yield _sse(record.event.kind, record.model_dump_json(), record.seq)
                    await asyncio.sleep(self.pace_s)
            whole = True
        finally:
            if attached and not whole:
                self.left.append(id)


async def recorded(
    task: Task, speak: Speak, known: Mapping[str, Outcome] | None = None
) -> list[Record]:
    """All records of a task's deliberation."""
    records: list[Record] = []
    council = COUNCILS[task.role]
    async with aclosing(deliberate(task, council, speak, words, known=known)) as events:
        async for event in events:
            records.append(a_record(task.id, len(records) + 1, event))
    return records


def a_record(id: str, seq: int, event: Event) -> Record:
    """An event at its place, at the twin's time."""
    return Record(deliberation=id, seq=seq, at=BEGAN + seq * STEP_S, event=event)


def suspended(records: list[Record]) -> list[Record]:
    """The same deliberation as it was left a third of the way."""
    first = records[: len(records) // 3]
    left = Suspended(reason="no caller waited for it any more")
    return [*first, a_record(first[0].deliberation, len(first) + 1, left)]


def cancelled(records: list[Record]) -> list[Record]:
    """The same deliberation, which has not ended, as it ends when it is cancelled."""
    end = failed(fold(records), "Cancelled", "it was cancelled on request")
    return [*records, a_record(records[0].deliberation, len(records) + 1, end)]


def _sse(event: str, data: str, id: int = 0) -> bytes:
    """One server-sent event; CRLF, as the library of the real edge may write it."""
    return f"id: {id}\r\nevent: {event}\r\ndata: {data}\r\n\r\n".encode()


def app_of(twin: Twin) -> FastAPI:
    """The endpoints over the twin."""
    app = FastAPI()
    note = partial(_note, twin)

    @app.exception_handler(Refusal)
    @app.exception_handler(ConclaveError)
    async def refuse(_request: Request, error: Refusal | ConclaveError) -> Response:
        found = error.problem if isinstance(error, Refusal) else problem(error)
        text = found.model_dump_json()
        return Response(text, found.status, media_type="application/problem+json")

    streamed = partial(_streamed, twin)

    @app.post("/v1/deliberations")
    async def post(request: Request) -> Response:
        body = await note(request)
        if twin.begun is not None:
            return twin.begun
        id = await twin.convene(body)
        if request.headers.get("prefer") == "respond-async":
            begun = result(fold(twin.records[id][:2]))
            return Response(begun.model_dump_json(), 202, media_type="application/json")
        assert request.headers["accept"] == "text/event-stream"
        return streamed(id, request, attached=True)

    @app.post("/v1/deliberations/{id:path}/forks")
    async def forks(id: str, request: Request) -> Response:
        body = await note(request)
        return streamed(await twin.fork(id, body), request, attached=True)

    @app.get("/v1/deliberations/{id:path}/events")
    async def events(id: str, request: Request) -> Response:
        await note(request)
        twin.known(id)
        return streamed(id, request, attached=False)

    @app.get("/v1/deliberations/{id:path}")
    async def read(id: str, request: Request) -> Response:
        await note(request)
        found = result(fold(twin.known(id)))
        return Response(found.model_dump_json(), media_type="application/json")

    @app.delete("/v1/deliberations/{id:path}")
    async def cancel(id: str, request: Request) -> Response:
        await note(request)
        if fold(twin.known(id)).end is not None:
            raise Ended(f"deliberation {id!r} has ended already")
        twin.records[id] = cancelled(twin.records[id])
        found = result(fold(twin.records[id]))
        return Response(found.model_dump_json(), media_type="application/json")

    _add_orders(app, twin, streamed)
    _add_councils(app, twin)
    _add_whole(app, twin)
    return app


def _streamed(twin: Twin, id: str, request: Request, attached: bool) -> Response:
    after = 0 if attached else int(request.headers.get("last-event-id", "0"))
    if not attached and fold(twin.records[id]).end and after >= len(twin.records[id]):
        return Response(status_code=204)
    events = twin.stream(id, after, attached)
    return StreamingResponse(events, media_type="text/event-stream")


def _add_orders(
    app: FastAPI, twin: Twin, streamed: Callable[[str, Request, bool], Response]
) -> None:
    @app.post("/v1/orchestrations")
    async def orchestrations(request: Request) -> Response:
        body = await _note(twin, request)
        task = read_as(OrchestrationRequest, json.dumps(body).encode()).task(CONFIG)
        return streamed(await twin.take(task), request, True)

    @app.post("/v1/planning-events")
    async def planning_events(request: Request) -> Response:
        body = await _note(twin, request)
        key = request.headers.get("idempotency-key", "")
        found = posted(read_as(PlanningEvent, json.dumps(body).encode()), key, CONFIG)
        ids = tuple(task.id for task in found.tasks)
        accepted = Accepted(processed=True, message="it is there", derived_task_ids=ids)
        return Response(accepted.model_dump_json(), 202, media_type="application/json")


def _add_councils(app: FastAPI, twin: Twin) -> None:
    @app.post("/v1/councils")
    async def create(request: Request) -> Created:
        return await twin.chamber.create(NewCouncil.model_validate(await _note(twin, request)))

    @app.delete("/v1/councils/{role}")
    async def delete(role: str, request: Request) -> Deleted:
        await _note(twin, request)
        return await twin.chamber.delete(role)

    @app.post("/v1/councils/{role}/agents")
    async def register(role: str, request: Request) -> Changed:
        asked = NewAgent.model_validate(await _note(twin, request))
        return await twin.chamber.register(role, asked)

    @app.delete("/v1/councils/{role}/agents/{agent_id}")
    async def unregister(role: str, agent_id: str, request: Request) -> Changed:
        await _note(twin, request)
        return await twin.chamber.unregister(role, agent_id)


def _add_whole(app: FastAPI, twin: Twin) -> None:
    @app.get("/v1/stories/{id:path}")
    async def story(id: str, request: Request) -> Any:
        await _note(twin, request)
        return twin.answer or _story(id)

    @app.get("/v1/deliberations")
    async def listed(request: Request, limit: int, cursor: str = "", role: str = "") -> Page:
        await _note(twin, request)
        found = [fold(records) for records in twin.records.values()]
        begun = [(n, s) for n, s in enumerate(found, 1) if not cursor or n < int(cursor)]
        begun = [(n, s) for n, s in begun if s.task and role.upper() in ("", s.task.role)]
        shown = begun[::-1][:limit]
        return Page(
            deliberations=tuple(_listed(state) for _, state in shown),
            cursor=str(shown[-1][0]) if len(begun) > limit else "",
            behind=twin.behind,
        )

    @app.get("/v1/metrics")
    async def metrics(request: Request) -> Any:
        await _note(twin, request)
        return twin.answer or _metrics(twin.behind)

    @app.post("/v1/derivations")
    async def derivation(request: Request) -> Any:
        await _note(twin, request)
        await asyncio.sleep(twin.pace_s)
        return twin.answer or _derivation()

    @app.post("/v1/context")
    async def context(request: Request) -> Any:
        await _note(twin, request)
        await asyncio.sleep(twin.pace_s)
        return twin.answer or _context()

    @app.get("/v1/{what}")
    async def whole(what: str, request: Request) -> Any:
        await _note(twin, request)
        return twin.answer or {"councils": _councils(), "status": _status(twin.bus_url)}[what]


async def _note(twin: Twin, request: Request) -> dict[str, Any]:
    """Keep what was asked; refuse it where that is scripted."""
    raw = await request.body()
    body: dict[str, Any] = json.loads(raw) if raw else {}
    call, said = f"{request.method} {request.url.path}", dict(request.query_params)
    twin.asked.append(Asked(call, dict(request.headers), body, said))
    await asyncio.sleep(twin.slow_s)
    if twin.refusal is not None:
        raise twin.refusal
    return body


def _story(id: str) -> StoryView:
    """One note, which tries to steer a terminal."""
    note = Note(kind="milestone", id="m-1", at=BEGAN, text="It\x1b ticks", event="e", seq=1)
    found = Story(story_id=id).noting(note, 1, 8192)
    return StoryView(hash=found.hash, text=found.text, **dict(found))


def _derivation() -> Derivation:
    """Two tasks, of which one tries to steer a terminal."""
    constraints = TaskConstraints(rubric="", requirements=(), metadata={})
    first, second = (
        AtomicTask(
            task_id=f"derivation-1.{place}",
            role=role,
            description=description,
            dependencies=before,
            constraints=constraints,
            case_id="s-1",
            plan_id="p-1",
            priority=place,
        )
        for place, role, description, before in (
            (1, "DEV", "Build\x1b it", ()),
            (2, "QA", "Test it", ("derivation-1.1",)),
        )
    )
    return Derivation(
        derivation_id="derivation-1",
        case_id="s-1",
        plan_id="p-1",
        story_id="s-1",
        tasks=(first, second),
        total_tasks=2,
        author_id="agent-architect-002",
        published=2,
        durable=True,
    )


def _context() -> TaskContext:
    """A prompt of few words."""
    blocks = Seen(system="You sit", context="[bold]<task>\x1b</task>", question="Solve it")
    return TaskContext(
        task_id="t-1",
        role="DEV",
        agent_id="agent-dev-001",
        context_text=blocks.text,
        blocks=blocks,
        token_count=7,
        version_hash=blocks.hash,
    )


def _listed(state: Transcript) -> Listed:
    assert state.task is not None
    return Listed(
        id=state.task.id,
        role=state.task.role,
        story_id=state.task.story_id,
        status=result(state).status,
        began=state.began,
        ended=state.ended if state.end else None,
    )


def _councils() -> list[CouncilInfo]:
    return [
        CouncilInfo(
            council_id=council.id,
            role=role,
            num_agents=len(council.agents),
            agents=tuple(agent.id for agent in council.agents),
            status="busy" if role == "DEV" else "idle",
            models=("/models/SmolLM2-135M-Instruct",),
            running=("running-id",) if role == "DEV" else (),
            pid=4711,
            since=BEGAN,
            seats=seats_of(in_force(CONFIG), council, None, ()),
        )
        for role, council in COUNCILS.items()
    ]


def _metrics(behind: str) -> Metrics:
    council = CouncilStanding(status="busy", available_agents=3, busy_agents=1, success_rate=0.75)
    return Metrics(
        performance=Performance(
            avg_deliberation_ms=1500.0,
            avg_orchestration_ms=0.0,
            p50_latency_ms=1000.0,
            p95_latency_ms=3000.0,
            p99_latency_ms=4000.0,
        ),
        agents=AgentFigures(
            total_agents=6,
            active_agents=3,
            agents_per_role={"DEV": 3, "QA": 3},
            avg_agent_response_time_ms=250.0,
        ),
        councils=CouncilFigures(
            total_councils=2,
            active_councils=1,
            health_per_council={
                "council-dev": council,
                "council-qa": CouncilStanding(
                    status="away", available_agents=0, busy_agents=0, success_rate=None
                ),
            },
        ),
        behind=behind,
    )


def _status(bus_url: str) -> Status:
    bridge = Health(
        connected=True,
        in_flight=1,
        handled=7,
        buried=3,
        redelivered=0,
        pending=2,
        last_error="",
    )
    return Status(
        status="degraded",
        version="0.1.0",
        uptime_seconds=3723,
        troubles=("conclave:agent:small:0: failed out of memory",),
        pools=(PoolStatus(name="small", model="/models/SmolLM2-135M-Instruct", agents=(None,)),),
        stats=Stats(
            total_deliberations=12,
            total_orchestrations=0,
            avg_deliberation_time_ms=48_200.0,
            active_councils=5,
            role_counts={"DEV": 8, "QA": 4},
        ),
        bus=BusStatus(url=bus_url, bridge=bridge),
    )


@contextmanager
def serving(twin: Twin) -> Iterator[Twin]:
    """The twin at a free port of this machine, gone when left."""
    config = uvicorn.Config(app_of(twin), port=0, log_level="error", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started, "the twin serves")
        port = server.servers[0].sockets[0].getsockname()[1]
        twin.url = f"http://127.0.0.1:{port}"
        yield twin
    finally:
        server.should_exit = True
        thread.join()
