"""One council as an actor: runs its deliberations and journals them; knows nothing of the edges."""

from __future__ import annotations

import asyncio
import logging
import os
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from typing import Literal

from pydantic import Field

from actors.attendance import Attendance
from actors.backlog import Backlog, Work
from actors.conduct import Conduct, Pool, conflict
from actors.journal import History, Journal
from actors.line import Line
from actors.outsiders import Outsiders
from actors.run import Conclusion, Run, Stop, Terms
from actors.seating import Seating
from actors.sight import Context, Sight
from engine.charters import Charter
from engine.config import Config, OutsideAgent
from engine.data import Data
from engine.errors import (
    Away,
    Broken,
    ConclaveError,
    Conflict,
    Ended,
    NotFound,
    Superseded,
    Unavailable,
)
from engine.events import END, Record
from engine.fanout import first
from engine.transcript import fold
from engine.types import Council, Task

log = logging.getLogger("conclave.council")

ATTEND_S = 60.0
"""How long one call of `attend` lasts, so that those of dead callers end by themselves."""
RENEW_WITHIN_S = 10.0
TAKE_UP_EVERY_S = 30.0
ELDERS_S = 120.0
"""A deleted council of the role ends by itself what it had accepted; so long it may be at that."""


class CouncilHealth(Data):
    """One council actor as it stands; `since` in Unix seconds.

    `ignored` counts by their reason the responses of agents outside that were not taken, `trouble`
    is what NATS does not permit, empty if nothing.
    """

    council_id: str
    role: str
    agents: tuple[str, ...]
    pools: tuple[str, ...]
    status: Literal["idle", "busy"]
    running: tuple[str, ...]
    pid: int
    since: float
    ignored: dict[str, int] = Field(default_factory=dict)
    trouble: str = ""
    speaking: tuple[str, ...] = ()


class CouncilActor:
    """The agents of one role and what they deliberate on now.

    Who sits on it is looked up whenever something begins; `known` is what was changed about the
    councils when it was made. All state of record is in the journal: an actor that starts anew
    takes up accepted work by itself and other work when it is asked for it, where the last one
    left it. `die` ends the process when NATS closes the connection for good.
    """

    def __init__(
        self,
        config: Config,
        role: str,
        pools: Callable[[Config, Council], Mapping[str, Pool]],
        die: Callable[[int], None] = os._exit,
        known: tuple[Charter, ...] = (),
    ) -> None:
        self._bus, self._die = config.bus, die
        self._seating = Seating(config, role, pools, known)
        self._journal: Journal | None = None
        self._attendance = Attendance(self._deserted)
        self._runs: dict[str, Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepted: set[str] = set()
        self._lapses: dict[str, asyncio.TimerHandle] = {}
        self._keeping: asyncio.Task[None] | None = None
        self._since = time.time()

    async def deliberate(
        self, task: Task, terms: Terms | None = None, caller: str = ""
    ) -> AsyncGenerator[Record, None]:
        """All records of the task's deliberation, those to come as they come.

        Starts it, resumes it from its journal, or joins the one that runs. The stream returns
        only when the end is durable. Conflict if the id belongs to another request, InvalidRequest
        if it does not fit. When the last caller leaves, work that is not detached is suspended;
        `caller` is who may say so with `leave`, for a cancelled stream does not always end here.
        """
        with self._attendance.of(task.id, caller or uuid.uuid4().hex):
            run = await self._run(task, terms or Terms())
            async with aclosing(run.follow()) as records:
                async for record in records:
                    yield record

    async def accept(self, task: Task, terms: Terms) -> tuple[list[Record], bool]:
        """Begin a detached deliberation; returns when it goes on even without this actor.

        The records so far, and whether they are durable: the work itself is. Unavailable while the
        bus is away, for nothing could be kept.
        """
        with _kept():
            await self._opened().reached()
        run = await self._run(task, terms.model_copy(update={"detached": True}))
        await run.begun()
        if not run.ended:
            self._accepted.add(task.id)
            with _kept():
                number = self._seating.number
                await self._backlog().add(Work(task=task, terms=run.terms, number=number))
            if run.over.is_set():
                await self._forget(run)
        return run.records, run.over.is_set() and run.failure is None

    async def attend(self, task_id: str, watcher: str) -> None:
        """Count as a caller of a deliberation for ATTEND_S, or until cancelled.

        The same watcher that asks again in time has been there without a break.
        """
        renewed = self._lapses.pop(watcher, None)
        if renewed is not None:
            renewed.cancel()
        self._attendance.arrive(task_id, watcher)
        try:
            await asyncio.sleep(ATTEND_S)
        except asyncio.CancelledError:
            self._attendance.leave(task_id, watcher)
            raise
        later = asyncio.get_running_loop().call_later
        self._lapses[watcher] = later(RENEW_WITHIN_S, self._lapse, task_id, watcher)

    async def leave(self, task_id: str, caller: str) -> None:
        """A caller of `deliberate` or `attend` is gone, whatever became of its call."""
        self._attendance.leave(task_id, caller)

    async def read(self, task_id: str) -> Conclusion:
        """What is known of a deliberation; NotFound if nothing is."""
        run = self._runs.get(task_id)
        if run is not None and run.records:
            return Conclusion(run.records, durable=False, driven=True)
        left = self._opened().unwritten(task_id)
        if left is not None:
            return Conclusion(left.records, durable=False, driven=False)
        history = await self._known(task_id)
        driven = history.ended or task_id in self._runs or task_id in self._accepted
        return Conclusion(list(history.records), durable=True, driven=driven)

    async def context(self, sight: Sight) -> Context:
        """What one agent sees of a task; nothing is asked or begun. InvalidRequest, Unavailable."""
        return await self._conduct.context(sight)

    async def cancel(self, task_id: str) -> Conclusion:
        """End a deliberation without a decision. NotFound; Ended if it has another end already.

        Returns when the end is durable, or is there and the bus is away.
        """
        while True:
            run = self._runs.get(task_id) or await self._to_cancel(task_id)
            run.stop(Stop.CANCEL)
            await first(run.over.wait(), self._hopeless(run))
            if run.failure is not None:
                raise run.failure
            if run.was_cancelled:
                return Conclusion(run.records, durable=run.over.is_set())
            await run.over.wait()

    async def _hopeless(self, run: Run) -> None:
        """Return when a run has its end and the bus is not there to hold it."""
        await run.ends()
        await self._opened().lost()

    async def _to_cancel(self, task_id: str) -> Run:
        """A run that only ends what does not run; Ended, NotFound."""
        left = self._opened().unwritten(task_id)
        records = left.records if left is not None else (await self._known(task_id)).records
        if isinstance(records[-1].event, END):
            raise Ended(f"deliberation {task_id!r} has ended already; its result stays as it is")
        task = fold(records).task
        assert task is not None
        return self._runs.get(task_id) or self._start(Run(task, why=Stop.CANCEL))

    async def health(self) -> CouncilHealth:
        """The actor as it stands, at once. The first to ask sets it to work that was accepted."""
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._keep_accepted())
            self._keeping.add_done_callback(self._kept_no_more)
        return CouncilHealth(
            council_id=self._council.id,
            role=self._council.role,
            agents=tuple(agent.id for agent in self._council.agents),
            pools=self._conduct.pools,
            status="busy" if self._runs else "idle",
            running=tuple(self._runs),
            pid=os.getpid(),
            since=self._since,
            ignored=dict(self._outside.ignored),
            trouble=self._journal.trouble if self._journal is not None else "",
            speaking=self._seating.speaking,
        )

    async def found(self, agent: OutsideAgent) -> OutsideAgent:
        """An agent as it can be asked from here, its model named; Unavailable, InvalidRequest."""
        return await self._outside.found(agent)

    async def dissolve(self, within_s: float) -> None:
        """Begin nothing more; what runs is decided within so many seconds, or ends undecided.

        So does what was accepted, but not by a later council of the role. Returns when all of it
        is durable.
        """
        self._seating.close()
        for run in self._runs.values():
            run.hasten(within_s)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within_s)
        for run in tuple(self._runs.values()):
            run.stop(Stop.DISSOLVE)
        await self.drain()
        for work in await self._backlog().all():
            if work.number <= self._seating.number:
                await self._end_undecided(work)

    async def _end_undecided(self, work: Work) -> None:
        """End accepted work that nobody is at."""
        self._accepted.add(work.task.id)
        known = await self._opened().read(work.task.id)
        if not known.ended:
            run = self._start(Run(work.task, work.terms, why=Stop.DISSOLVE))
            await run.over.wait()
        await self._backlog().remove(work.task.id)

    async def drain(self) -> None:
        """Wait until nothing runs here and nothing is held for the bus."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        if self._journal is not None:
            await self._journal.settled()

    async def _keep_accepted(self) -> None:
        """See to it that accepted work goes on, whatever stopped it, here or in another actor."""
        while True:
            try:
                for work in await self._backlog().all():
                    if self._is_ours(work):
                        await self._take_up(work)
            except ConclaveError as trouble:
                log.warning("accepted work is not known yet: %s", trouble)
            await self._opened().rest(TAKE_UP_EVERY_S)

    def _is_ours(self, work: Work) -> bool:
        """Whether no earlier council of the role can be at it any more."""
        return work.number >= self._seating.number or time.time() - self._since > ELDERS_S

    def _kept_no_more(self, keeping: asyncio.Task[None]) -> None:
        """It ends only through a bug: begin anew rather than leave accepted work lying."""
        if not keeping.cancelled() and (bug := keeping.exception()) is not None:
            log.error("accepted work is kept no more", exc_info=bug)
            self._die(1)

    async def _take_up(self, work: Work) -> None:
        self._accepted.add(work.task.id)
        try:
            await self._run(work.task, work.terms)
        except ConclaveError as trouble:
            log.warning("accepted work %s waits: %s", work.task.id, trouble)

    @property
    def _council(self) -> Council:
        return self._seating.council

    @property
    def _conduct(self) -> Conduct:
        return self._seating.conduct

    @property
    def _outside(self) -> Outsiders:
        return self._seating.outsiders

    async def _run(self, task: Task, terms: Terms) -> Run:
        """The run of a task, started if it is not under way; one for each id."""
        while True:
            if task.id not in self._runs:
                await self._seating.renew(self._opened())  # also behind a run that was waited for
            run = self._runs.get(task.id)
            if run is None:
                return self._start(Run(task, terms))
            if run.why is not None:
                await run.over.wait()
            elif run.task == task:
                run.join(terms)
                return run
            elif await _is_taken(run):
                raise conflict(task)

    def _start(self, run: Run) -> Run:
        self._runs[run.task.id] = run
        run.driver = asyncio.create_task(self._drive(run), name=f"deliberation {run.task.id}")
        self._tasks.add(run.driver)
        run.driver.add_done_callback(self._tasks.discard)
        return run

    def _deserted(self, task_id: str) -> None:
        run = self._runs.get(task_id)
        if run is not None and not run.terms.detached and task_id not in self._accepted:
            run.stop(Stop.SUSPEND)

    def _lapse(self, task_id: str, watcher: str) -> None:
        """A watcher that has not asked again is gone."""
        del self._lapses[watcher]
        self._attendance.leave(task_id, watcher)

    async def _drive(self, run: Run) -> None:
        """Bring a run to its durable end, or close it with what prevents that."""
        try:
            await self._conduct.bring_to_its_end(run, self._opened())
        except ConclaveError as failure:
            log.warning("deliberation %s stops here: %s", run.task.id, failure)
            run.close(_for_the_caller(failure))
            if isinstance(failure, Conflict):  # what does not fit may do so after a change
                await self._forget(run)
        except asyncio.CancelledError:
            run.close(Unavailable(f"deliberation {run.task.id} was interrupted"))
            if run.why is None:
                raise
        except BaseException as bug:
            run.close(Broken(f"deliberation {run.task.id} broke off by a bug: {bug!r}"))
            raise
        else:
            run.close()
            await self._forget(run)
        finally:
            del self._runs[run.task.id]
            run.over.set()

    async def _forget(self, run: Run) -> None:
        """Take work out of the backlog that has ended, or whose id is another's for good.

        What stays there is found ended at the next look.
        """
        for_good = run.ended or isinstance(run.failure, Conflict)
        if run.task.id in self._accepted and for_good:
            try:
                await self._backlog().remove(run.task.id)
            except ConclaveError as trouble:
                log.warning("%s stays in the backlog: %s", run.task.id, trouble)
            else:
                self._accepted.discard(run.task.id)

    async def _known(self, task_id: str) -> History:
        history = await self._opened().read(task_id)
        if not history.records:
            raise NotFound(f"no deliberation {task_id!r} is in the journal")
        return history

    def _backlog(self) -> Backlog:
        return self._opened().backlog(self._council.role)

    def _opened(self) -> Journal:
        if self._journal is None:
            line = Line(self._bus, self._council.id, lambda: self._die(1))
            self._journal = Journal(line)
        return self._journal


async def _is_taken(run: Run) -> bool:
    """Wait whether a run gets a first record: only then the id is its own."""
    try:
        return await run.begun()
    except ConclaveError:
        return False


@contextmanager
def _kept() -> Iterator[None]:
    """Unavailable where the bus is away: "accepted" means that nothing can lose it."""
    try:
        yield
    except Away as away:
        raise Unavailable(
            f"nothing can be accepted to go on by itself: {away}, or wait for the decision"
        ) from away


def _for_the_caller(failure: ConclaveError) -> ConclaveError:
    """To a caller, a lost race is a reason to ask again: the journal then has the answer."""
    return Unavailable(str(failure)) if isinstance(failure, Superseded) else failure
