"""A desk without councils: what it tells is scripted; requests are checked by the real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Literal

from chamber_twin import ChamberTwin

from actors.figures import Figures
from actors.journal import Journal
from actors.run import Conclusion
from actors.sight import Context, Sight
from edges.desk import Desk
from edges.orders import Accepted
from edges.views import CouncilInfo, SeatInfo, Stats, Status
from engine.charters import Capabilities
from engine.config import Config, PoolConfig, fleet_councils
from engine.decision import failed
from engine.deliberation import deliberate
from engine.events import END, Event, Record, Suspended
from engine.posted import PlanningEvent, posted
from engine.testing import GatedModel, ScriptedModel, words
from engine.transcript import fold
from engine.types import Task

CONFIG = Config(pools={"small": PoolConfig(model="/models/small")}, councils=fleet_councils()[:2])
DEV = CONFIG.councils[0].seated()
BEGAN = 1000.0
End = Literal["QuorumLost", "NoBallots", "DeadlineExceeded", "Cancelled"]


def a_task(**fields: object) -> Task:
    """What the DEV council is asked."""
    return Task.model_validate({"id": "t-1", "role": "DEV", "text": "Build a clock"} | fields)


def stamped(task: Task, events: list[Event]) -> list[Record]:
    """Records of events, a second apart."""
    return [
        Record(deliberation=task.id, seq=n, at=BEGAN + n, event=event)
        for n, event in enumerate(events, 1)
    ]


async def deliberated(task: Task, model: ScriptedModel | None = None) -> list[Record]:
    """All records of a deliberation with a scripted model."""
    events = deliberate(task, DEV, model or ScriptedModel(), words)
    return stamped(task, [event async for event in events])


async def broken_off(task: Task, after: int, *last: Event) -> list[Record]:
    """The first records of a deliberation, and what came instead of the others."""
    events = [record.event for record in await deliberated(task)]
    return stamped(task, [*events[:after], *last])


async def ended(task: Task, after: int, kind: End) -> list[Record]:
    """A deliberation that ended without a decision after so many records."""
    state = fold(await broken_off(task, after))
    return await broken_off(task, after, failed(state, kind, "so it was"))


async def suspended(task: Task, after: int) -> list[Record]:
    """A deliberation that nobody waited for after so many records."""
    return await broken_off(task, after, Suspended(reason="nobody waits for it"))


class ScriptedDesk(Desk):
    """Deliberates with `model`, keeps what it was asked, raises `trouble` if there is one.

    `known` are the deliberations that it has; `end` is how the next one ends, if not well.
    """

    def __init__(self) -> None:
        self.config = CONFIG
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.model: ScriptedModel = ScriptedModel()
        self.trouble: Exception | None = None
        self.end: End | None = None
        self.durable = True
        self.known: dict[str, list[Record]] = {}
        self.asked: list[tuple[Task, float]] = []
        self.left: list[str] = []
        self.events: list[tuple[PlanningEvent, str]] = []
        self.chamber = ChamberTwin(CONFIG, self._raise)
        self.infos = [_info("DEV", "idle"), _info("QA", "away")]
        self.since: float | None = None
        self.counted = Figures(
            ended={"DEV": 4, "QA": 3},
            decided={"DEV": 3, "QA": 0},
            took_ms={"DEV": 4000, "QA": 3000},
            percentiles={50: 900, 95: 1800, 99: 2000},
            turns=10,
            replied_ms=2500,
            orchestrations=2,
            orchestrated_ms=6000,
        )
        self.stats: Stats | None = Stats(
            total_deliberations=7,
            total_orchestrations=0,
            avg_deliberation_time_ms=1.5,
            active_councils=1,
            role_counts={"DEV": 4, "QA": 3},
        )

    async def conclude(self, task: Task, within_s: float) -> Conclusion:
        """Deliberate to the end; a caller that goes away is noted."""
        records = [record async for record in self.follow(task, within_s)]
        return Conclusion(records, self.durable)

    async def accept(self, task: Task, within_s: float) -> Conclusion:
        """Take the task, and have begun."""
        self._raise()
        self.asked.append((task, within_s))
        records = self.known[task.id] = await broken_off(task, 2)
        return Conclusion(records, durable=False)

    async def plan(self, event: PlanningEvent, key: str = "") -> Accepted:
        """Say what would follow."""
        self._raise()
        self.events.append((event, key))
        found = posted(event, key, self.config)
        ids = tuple(task.id for task in found.tasks)
        return Accepted(processed=True, message="it is there", derived_task_ids=ids)

    async def follow(self, task: Task, within_s: float) -> AsyncGenerator[Record, None]:
        """Deliberate, and tell each record."""
        self._raise()
        self.asked.append((task, within_s))
        told = self.known[task.id] = list[Record]()
        try:
            if self.end is not None:
                for record in await ended(task, 8, self.end):
                    told.append(record)
                    yield record
                return
            async for event in deliberate(task, DEV, self.model, words):
                told.append(stamped(task, [*(r.event for r in told), event])[-1])
                yield told[-1]
        except (asyncio.CancelledError, GeneratorExit):
            self.left.append(task.id)
            raise

    async def holds(self, end: Record) -> bool:
        """As scripted."""
        return self.durable

    async def watch(self, task_id: str, after_seq: int = 0) -> AsyncGenerator[Record, None]:
        """What is known of it."""
        self._raise()
        for record in self.known[task_id][after_seq:]:
            yield record
        if not isinstance(self.known[task_id][-1].event, END):
            try:
                await asyncio.Event().wait()
            except (asyncio.CancelledError, GeneratorExit):
                self.left.append(task_id)
                raise

    async def read(self, task_id: str) -> Conclusion:
        """What is known of it."""
        self._raise()
        return Conclusion(self.known[task_id], self.durable)

    async def figures(self, since: float = 0.0) -> Figures:
        """As scripted; `since` is kept."""
        self._raise()
        self.since = since
        return self.counted

    async def cancel(self, task_id: str) -> Conclusion:
        """End it."""
        self._raise()
        records = self.known[task_id]
        task = fold(records).task
        assert task is not None
        self.known[task_id] = await ended(task, len(records), "Cancelled")
        return Conclusion(self.known[task_id], durable=True)

    async def councils(self) -> list[CouncilInfo]:
        """As scripted."""
        self._raise()
        return self.infos

    async def status(self) -> Status:
        """As scripted."""
        self._raise()
        return Status.model_construct(
            status="degraded",
            uptime_seconds=61,
            troubles=("council QA is away",),
            stats=self.stats,
        )

    @property
    def journal(self) -> Journal:
        """There is none, so that nothing can be derived here."""
        self._raise()
        raise AssertionError("a scripted desk has no journal")

    async def sees(self, sight: Sight) -> Context:
        """Nothing."""
        self._raise()
        raise AssertionError("a scripted desk sees nothing")

    def hold(self) -> GatedModel:
        """Let no turn be answered before it is released."""
        self.model = GatedModel()
        return self.model

    def _raise(self) -> None:
        if self.trouble is not None:
            raise self.trouble


def _info(role: str, status: Literal["idle", "busy", "away"]) -> CouncilInfo:
    agents = tuple(f"agent-{role.lower()}-{n:03}" for n in (1, 2, 3))
    return CouncilInfo(
        council_id=f"council-{role.lower()}",
        role=role,
        num_agents=3,
        agents=agents,
        status=status,
        models=("/models/small", "/models/large"),
        running=(),
        pid=None,
        since=None,
        seats=tuple(
            SeatInfo(
                agent_id=agent,
                status="offline" if status == "away" else "busy" if status == "busy" else "ready",
                pool="small",
                endpoint="",
                capabilities=Capabilities(languages=("en",)),
                labels={},
            )
            for agent in agents
        ),
    )
