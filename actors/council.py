"""One council as an actor: runs its deliberations and journals them; knows nothing of the edges."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import aclosing
from typing import Any, Literal, Never, Protocol

from actors.journal import Journal, Writer, envelope
from actors.run import Run
from engine.config import Config
from engine.deliberation import deliberate
from engine.errors import (
    Broken,
    ConclaveError,
    Conflict,
    EngineLost,
    NotFound,
    Superseded,
    Unavailable,
)
from engine.events import END, Record
from engine.results import Result, payload, result
from engine.transcript import Transcript, fold
from engine.types import Council, Count, Data, Reply, Task, Turn

log = logging.getLogger("conclave.council")

PRODUCER = "conclave"


class Pool(Protocol):
    """What a council needs of a pool of engines."""

    async def ready(self) -> object:
        """Return when an engine answers; SetupError or EngineLost where none will."""

    async def count(self) -> Count:
        """How many tokens a text has for the pool's model."""

    async def speak(self, turn: Turn) -> Reply:
        """The reply to a turn; SpeechFailed where there will be none."""


class CouncilHealth(Data):
    """One council actor as it stands; `since` in Unix seconds."""

    council_id: str
    role: str
    agents: tuple[str, ...]
    pools: tuple[str, ...]
    status: Literal["idle", "busy"]
    running: tuple[str, ...]
    pid: int
    since: float


class CouncilActor:
    """The agents of one role and what they deliberate on now.

    All state of record is in the journal: an actor that starts anew takes up what it is asked for
    where the last one left it. `die` ends the process when NATS closes the connection for good.
    """

    def __init__(
        self,
        config: Config,
        role: str,
        pools: Callable[[Config, Council], Mapping[str, Pool]],
        die: Callable[[int], None] = os._exit,
    ) -> None:
        council = config.council(role)
        assert council is not None, f"no council {role} in the configuration"
        self._council, self._bus, self._die = council, config.bus, die
        self._pools = pools(config, council)
        self._journal: Journal | None = None
        self._connecting = asyncio.Lock()
        self._runs: dict[str, Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._since = time.time()

    async def deliberate(self, task: Task) -> AsyncGenerator[Record, None]:
        """All records of the task's deliberation, those to come as they come.

        Starts it, resumes it from its journal, or joins the one that runs. The stream returns
        only when the end is durable. Conflict if the id belongs to another request.
        """
        async with aclosing((await self._run(task)).follow()) as records:
            async for record in records:
                yield record

    async def read(self, task_id: str) -> Result:
        """What is known of a deliberation now; NotFound if nothing is."""
        run = self._runs.get(task_id)
        if run is not None and run.records:
            return result(fold(run.records), durable=False)
        history = await (await self._opened()).read(task_id)
        if not history.records:
            raise NotFound(f"no deliberation {task_id!r} is in the journal")
        return result(fold(history.records))

    async def health(self) -> CouncilHealth:
        """The actor as it stands, at once."""
        return CouncilHealth(
            council_id=self._council.id,
            role=self._council.role,
            agents=tuple(agent.id for agent in self._council.agents),
            pools=tuple(self._pools),
            status="busy" if self._runs else "idle",
            running=tuple(self._runs),
            pid=os.getpid(),
            since=self._since,
        )

    async def drain(self) -> None:
        """Wait until nothing runs here."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _run(self, task: Task) -> Run:
        """The run of a task, started if it is not under way; one for each id."""
        while (run := self._runs.get(task.id)) is not None and run.task != task:
            if await _begins(run):
                raise _conflict(task)
        if run is None:
            run = self._runs[task.id] = Run(task)
            driver = asyncio.create_task(self._drive(run), name=f"deliberation {task.id}")
            self._tasks.add(driver)
            driver.add_done_callback(self._tasks.discard)
        return run

    async def _drive(self, run: Run) -> None:
        """Bring a run to its durable end, or close it with what prevents that."""
        try:
            await self._bring_to_its_end(run)
        except ConclaveError as failure:
            log.warning("deliberation %s stops here: %s", run.task.id, failure)
            run.close(_for_the_caller(failure))
        except asyncio.CancelledError:
            run.close(Unavailable(f"deliberation {run.task.id} was interrupted"))
            raise
        except BaseException as bug:
            run.close(Broken(f"deliberation {run.task.id} broke off by a bug: {bug!r}"))
            raise
        else:
            run.close()
        finally:
            del self._runs[run.task.id]

    async def _bring_to_its_end(self, run: Run) -> None:
        journal = await self._opened()
        history = await journal.read(run.task.id)
        transcript = fold(history.records)
        if transcript.task not in (None, run.task):
            raise _conflict(run.task)
        for record in history.records:
            run.add(record)
        if history.ended:
            return
        count = await self._count()
        writer = journal.writer(run.task.id, history.last)
        try:
            await _unless(writer.failed(), self._deliberate(run, writer, transcript, count))
        finally:
            await writer.close()

    async def _deliberate(
        self, run: Run, writer: Writer, transcript: Transcript, count: Count
    ) -> None:
        stream = deliberate(run.task, self._council, self._speak, count, transcript)
        async with aclosing(stream) as events:
            async for event in events:
                record = Record(
                    deliberation=run.task.id,
                    seq=len(run.records) + 1,
                    at=time.time(),
                    event=event,
                )
                run.add(record)
                if isinstance(event, END):
                    await writer.end(record, _end_message(run.records))
                else:
                    writer.append(record)

    async def _speak(self, turn: Turn) -> Reply:
        if turn.pool not in self._pools:
            raise EngineLost(f"pool {turn.pool!r} is not in the configuration any more")
        return await self._pools[turn.pool].speak(turn)

    async def _count(self) -> Count:
        """A count that no model of this council exceeds; waits until the engines answer."""
        pools = tuple(self._pools.values())
        ready = await asyncio.gather(*map(_trouble, pools))
        counts = [await p.count() for p, trouble in zip(pools, ready, strict=True) if not trouble]
        if not counts:
            raise Unavailable(f"no engine of {self._council.id} answers: {ready[0]}")
        return lambda text: max(count(text) for count in counts)

    async def _opened(self) -> Journal:
        async with self._connecting:
            if self._journal is None:
                self._journal = await Journal.connect(
                    self._bus.url, self._council.id, lambda: self._die(1)
                )
        return self._journal


async def _begins(run: Run) -> bool:
    """Wait whether a run gets a first record: only then the id is its own."""
    async with aclosing(run.follow()) as records:
        try:
            await anext(records)
        except (ConclaveError, StopAsyncIteration):
            return False
    return True


async def _trouble(pool: Pool) -> ConclaveError | None:
    """Wait until a pool is ready; what keeps it from being so."""
    try:
        await pool.ready()
    except ConclaveError as trouble:
        return trouble
    return None


async def _unless(stopped: Coroutine[Any, Any, Never], work: Coroutine[Any, Any, None]) -> None:
    """Do the work; if `stopped` raises first, cancel the work and raise that."""
    tasks = [asyncio.create_task(stopped), asyncio.create_task(work)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _end_message(records: list[Record]) -> bytes:
    """The contract's message for the end of a deliberation, with our record in its metadata."""
    state, last = fold(records), records[-1]
    assert state.task is not None
    return envelope(
        event_type=f"orchestration.deliberation.{result(state).status}",
        payload=payload(state),
        key=state.task.id,
        correlation_id=state.task.story_id or state.task.id,
        producer=PRODUCER,
        at=last.at,
        metadata={"record": last.model_dump(mode="json")},
    )


def _conflict(task: Task) -> Conflict:
    return Conflict(f"task_id {task.id!r} belongs to another request; send a new one")


def _for_the_caller(failure: ConclaveError) -> ConclaveError:
    """To a caller, a lost race is a reason to ask again: the journal then has the answer."""
    return Unavailable(str(failure)) if isinstance(failure, Superseded) else failure
