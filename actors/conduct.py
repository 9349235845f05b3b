"""How one run is brought from its journal to its durable end; knows nothing of who asked for it."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Literal, Never, Protocol

from actors.clocking import clocked
from actors.ending import end_durably
from actors.journal import History, Journal, Unwritten, Writer
from actors.notices import dispatched
from actors.run import Run, Stop
from actors.sight import Context, Sight, look
from actors.stories import shown
from engine import taskgraph
from engine.brief import lay
from engine.config import Config
from engine.decision import failed
from engine.deliberation import deliberate
from engine.errors import (
    ConclaveError,
    Conflict,
    EngineLost,
    InvalidRequest,
    NotFound,
    Unavailable,
)
from engine.events import END, Convened, Suspended
from engine.fanout import ended, first
from engine.forks import Origin, origin_of
from engine.outside import clipped
from engine.seats import agents, furnished, settled
from engine.transcript import Transcript, fold
from engine.types import OUTSIDE, Council, Count, Message, Reply, Task, Turn
from engine.wording import wording

log = logging.getLogger("conclave.council")

HISTORY_WITHIN_S = 5.0
"""A connected bus that tells no history in this time, for a restart perhaps, is not waited for."""
LAST_WORDS_WITHIN_S = 5.0
"""What is not durable by then, or cannot be, is held."""
ENDINGS = {Stop.CANCEL: "it was cancelled on request", Stop.DISSOLVE: "its council was deleted"}
"""What is said of a run that was stopped for good."""
BREAKS = 8
"""What breaks off more often than this, with no turn finished in between, is given up."""


class Pool(Protocol):
    """What a council needs of a pool of engines."""

    async def ready(self) -> object:
        """Return when an engine answers; SetupError or EngineLost where none will."""

    async def count(self) -> Count:
        """How many tokens a text has for the pool's model."""

    async def tokens(self, messages: Sequence[Message], *, thinks: bool = True) -> int:
        """What a prompt takes, the marks of the model's chat included."""

    async def speak(self, turn: Turn) -> Reply:
        """The reply to a turn; SpeechFailed where there will be none."""


Pools = Mapping[str, Pool]
Ask = Callable[[Turn, Task], Awaitable[Reply]]
"""Asks an agent outside the engine a turn of a task; SpeechFailed where there is no answer."""


class Conduct:
    """Drives the runs of one council, and of forks with agents of it, wherever these are seated.

    `asked` counts for each agent the replies that are awaited now, of whatever conduct.
    """

    def __init__(
        self,
        council: Council,
        config: Config,
        pools: Callable[[Council], Pools],
        outside: Ask,
        asked: Counter[str],
    ) -> None:
        self._council, self._pools_of, self._outside = council, pools, outside
        self._limits, self._bus = config.limits, config.bus
        self._pools = pools(council)
        self._elsewhere: dict[str, Pool] = {}
        self._asked = asked

    @property
    def pools(self) -> tuple[str, ...]:
        """The names of the council's own pools."""
        return tuple(self._pools)

    async def bring_to_its_end(self, run: Run, journal: Journal) -> None:
        """Go on from what the journal holds; returns when the end is durable, or on `run.stop`.

        Conflict if the id belongs to another request, InvalidRequest if the task does not fit.
        """
        kept = journal.unwritten(run.task.id)
        history = await self._history(run, journal) if kept is None else _held(kept)
        transcript = fold(history.records)
        if transcript.task not in (None, run.task):
            raise conflict(run.task)  # what is held is left to its owner
        if kept is not None:
            journal.take_up(run.task.id)
        for record in history.records:
            run.add(record)
        if kept is None:
            if history.ended or run.why is Stop.SUSPEND:  # a cancellation can be lost while reading
                return
            journal.require_room()
        writer = kept.writer if kept else journal.writer(run.task.id, history.last)
        try:
            work = self._work(run, writer, transcript, journal)
            await _unless(writer.failed(), work)
        except asyncio.CancelledError:
            if run.why is None:
                raise
            await self._last_words(run, writer, journal)
        finally:
            await journal.let_go(run.task.id, writer, run.records)

    async def context(self, sight: Sight) -> Context:
        """What one agent sees of a task, and what that takes. InvalidRequest, Unavailable."""
        council = furnished(sight.council or self._council, sight.task)
        count = await self._count(self._reach(sight.task, council))
        view = look(sight, council, count)
        if view.pool == OUTSIDE:
            tokens = sum(count(message.content) for message in view.messages)
        else:
            pool = self._pools.get(view.pool) or self._elsewhere[view.pool]
            tokens = await pool.tokens(view.messages, thinks=view.thinks)
        return Context(agent_id=view.agent_id, seen=view.seen, tokens=tokens)

    async def _history(self, run: Run, journal: Journal) -> History:
        """What the journal holds. Where that cannot be told, work begins as if it held nothing.

        If it does, the writer finds that later: what is stored stays. Detached work waits for it:
        it may be half done already, and nobody sits there until it ends.
        """
        while True:
            try:
                return await journal.read(run.task.id, HISTORY_WITHIN_S)
            except Unavailable as away:
                log.warning("%s has no history yet: %s", run.task.id, away)
                if not run.terms.detached:
                    return History((), 0, ended=False)
            await journal.back()

    async def _work(
        self, run: Run, writer: Writer, transcript: Transcript, journal: Journal
    ) -> None:
        if run.ended:  # by one that could not wait for it to be durable
            await writer.ended()
        elif run.why in ENDINGS:
            await self._end_without(run, writer, journal, "Cancelled", ENDINGS[run.why])
        elif transcript.broke_off >= BREAKS:
            why = f"it broke off {transcript.broke_off} times and finished no turn in between"
            await self._end_without(run, writer, journal, "Broken", why)
        else:
            origin = await self._origin(run.task, journal)
            await self._deliberate(run, writer, transcript, origin, journal)

    async def _end_without(
        self,
        run: Run,
        writer: Writer,
        journal: Journal,
        kind: Literal["Cancelled", "Broken"],
        message: str,
    ) -> None:
        """End a run without a decision; returns when that is durable."""
        if not run.records:
            council = (await self._origin(run.task, journal)).council
            rules = settled(run.task, council)
            writer.append(run.note(Convened(task=run.task, council=council, rules=rules)))
        run.note(failed(fold(run.records), kind, message))
        await end_durably(run, writer)

    async def _origin(self, task: Task, journal: Journal) -> Origin:
        """The council in force and what is known before anybody is asked; NotFound."""
        if not task.origin:
            return Origin(self._council, {}, None)
        history = await journal.read(task.origin)
        if not history.records:
            raise NotFound(f"no deliberation {task.origin!r} is in the journal to be forked")
        return origin_of(history.records)

    async def _deliberate(
        self, run: Run, writer: Writer, transcript: Transcript, origin: Origin, journal: Journal
    ) -> None:
        council = transcript.council or origin.council
        count = await self._count(self._reach(run.task, council))
        if not (transcript.task or run.terms.clips or run.task.origin):
            self._refuse_what_would_be_clipped(run.task, count)
        story = origin.story
        if run.task.story_id and transcript.task is None:
            known = journal.story(run.task.story_id, self._bus)
            story = await shown(known, run.task.shown)
        with clocked(run, transcript, self._limits) as bell:
            before = tuple(run.records)
            speak = partial(self._speak, run.task, count)
            stream = deliberate(
                run.task,
                origin.council,
                speak,
                count,
                before,
                bell,
                check=taskgraph.check if run.task.graph else None,
                known=origin.known,
                story=story,
            )
            async with aclosing(stream) as events:
                async for event in events:
                    record = run.note(event)
                    writer.tell(*dispatched(run.records))
                    if isinstance(event, END):
                        await end_durably(run, writer)
                    else:
                        writer.append(record)

    async def _last_words(self, run: Run, writer: Writer, journal: Journal) -> None:
        """Write why the run stops: that it was cancelled, or that it waits to be resumed."""
        if run.ended:  # it came in the very moment of stopping
            await writer.ended()
        elif run.why in ENDINGS:
            await self._end_without(run, writer, journal, "Cancelled", ENDINGS[run.why])
        elif run.records:
            writer.append(run.note(Suspended(reason="no caller waited for it any more")))
            await first(writer.flush(), journal.lost(), within_s=LAST_WORDS_WITHIN_S)

    async def _speak(self, task: Task, count: Count, turn: Turn) -> Reply:
        self._asked[turn.agent] += 1
        try:
            return await self._reply(task, count, turn)
        finally:
            self._asked[turn.agent] -= 1
            if not self._asked[turn.agent]:
                del self._asked[turn.agent]

    async def _reply(self, task: Task, count: Count, turn: Turn) -> Reply:
        if turn.pool == OUTSIDE:
            return clipped(await self._outside(turn, task), turn.max_tokens, count)
        pool = self._pools.get(turn.pool) or self._elsewhere.get(turn.pool)
        if pool is None:
            raise EngineLost(f"pool {turn.pool!r} is not in the configuration any more")
        return await pool.speak(turn)

    def _reach(self, task: Task, council: Council) -> tuple[Pool, ...]:
        """The pools of the task's agents, which a fork and seats of before may have elsewhere."""
        if not task.origin and council == self._council:
            return tuple(self._pools.values())
        found = self._pools_of(council.model_copy(update={"agents": agents(task, council)}))
        return tuple(
            self._pools.get(name) or self._elsewhere.setdefault(name, pool)
            for name, pool in found.items()
        )

    async def _count(self, pools: Sequence[Pool]) -> Count:
        """A count that no model of these pools exceeds; waits until the engines answer."""
        ready = await asyncio.gather(*map(_trouble, pools))
        counts = [await p.count() for p, trouble in zip(pools, ready, strict=True) if not trouble]
        if not counts:
            why = next(iter(ready), "its pools are not in the configuration any more")
            raise Unavailable(f"no engine of {self._council.id} answers: {why}")
        return lambda text: max(count(text) for count in counts)

    def _refuse_what_would_be_clipped(self, task: Task, count: Count) -> None:
        """InvalidRequest for the first part of the task that does not fit the council's budget."""
        for cut in lay(task, self._council, count, wording()).clipped:
            if cut.part != "title":  # repeated beside the question; it is whole in the task
                where = {"task": "text"}.get(cut.part, cut.part)
                room = self._council.budgets.task
                raise InvalidRequest(
                    where,
                    f"has {cut.tokens} tokens and {cut.kept} fit: {self._council.role} takes "
                    f"{room} for rubric, requirements, text and context together",
                )


def _held(kept: Unwritten) -> History:
    """What this process knows better than the journal does."""
    return History(tuple(kept.records), 0, ended=False)


def conflict(task: Task) -> Conflict:
    """The id of the task belongs to another one."""
    return Conflict(f"task_id {task.id!r} belongs to another request; send a new one")


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
        await ended(*tasks)
