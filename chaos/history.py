"""What the streams hold after a run, as plain data; knows nothing of what should be in them."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, RawStreamMsg

from actors.messages import opened
from actors.streams import DEADLETTER, JOURNAL, OUTBOUND, PLANS
from chaos.legality import check_legal
from chaos.workload import LABEL, Label
from engine.events import Asked, Convened, Decided, Record, Resumed
from engine.transcript import Outcome

BATCH = 200


class Stored(NamedTuple):
    """One message of a stream; `at` is when it was stored, in Unix seconds."""

    seq: int
    at: float
    subject: str
    headers: dict[str, str]
    data: bytes


class Told(NamedTuple):
    """What the world was told: of a plan, of a deliberation, or of what one agent did for it."""

    what: str
    of: str
    agent: str = ""


class Letter(NamedTuple):
    """What a dead letter says of which message."""

    seq: int
    kind: str


@dataclass
class Deliberation:
    """What the journal holds of one. `late` counts the messages behind its first end.

    `agents` are those that were asked. `outcomes` tells when the outcome of each turn was stored,
    `illegal` what may not stand where it stands.
    """

    id: str = ""
    plan: str = ""
    role: str = ""
    title: str = ""
    ends: int = 0
    late: int = 0
    resumed: int = 0
    decided: bool = False
    illegal: str = ""
    agents: set[str] = field(default_factory=set)
    outcomes: dict[str, float] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)

    def add(self, records: Sequence[Record], at: float, *, end: bool) -> None:
        """Take in one message; with the end, the records have been seen and are let go."""
        self.late += self.ends > 0
        self.ends += end
        if self.late:
            return
        self.records += records
        for event in (record.event for record in records):
            if isinstance(event, Outcome):
                self.outcomes.setdefault(event.turn, at)
        if end:
            self.look()

    def look(self) -> None:
        """See whether all is as it may be, once nothing more will come."""
        records, self.records = self.records, []
        if not records:
            return
        events = [record.event for record in records]
        if isinstance(events[0], Convened):
            task = events[0].task
            self.id, self.plan, self.role, self.title = task.id, task.plan_id, task.role, task.title
        self.agents = {event.agent for event in events if isinstance(event, Asked)}
        self.resumed = sum(isinstance(event, Resumed) for event in events)
        self.decided = isinstance(events[-1], Decided)
        if [record.seq for record in records] != list(range(1, len(records) + 1)):
            self.illegal = "a gap in its records"
            return
        try:
            check_legal(events)
        except AssertionError as error:
            self.illegal = str(error).partition("\n")[0] or "what its end says"


@dataclass
class History:
    """The streams after a run: events by their sequence, dead letters, journal, what is told.

    `outbound` counts how often the world was told each thing.
    """

    events: dict[int, Label]
    letters: list[Letter]
    journal: list[Deliberation]
    outbound: Counter[Told]


async def history(js: JetStreamContext) -> History:
    """Read all of it."""
    return History(
        events={
            m.seq: Label.model_validate_json(m.headers[LABEL]) async for m in all_of(js, PLANS)
        },
        letters=[_letter(m.data) async for m in all_of(js, DEADLETTER)],
        journal=await _journal(js),
        outbound=Counter([_about(m) async for m in all_of(js, OUTBOUND)]),
    )


async def all_of(js: JetStreamContext, stream: str) -> AsyncGenerator[Stored]:
    """Every message that the stream holds now, oldest first."""
    if (await js.stream_info(stream)).state.messages == 0:
        return
    config = ConsumerConfig(ack_policy=AckPolicy.NONE, inactive_threshold=60.0)
    reader = await js.pull_subscribe(">", stream=stream, config=config)
    pending = 1
    while pending:
        for message in await reader.fetch(BATCH, timeout=10):
            known = message.metadata
            pending = known.num_pending
            at = known.timestamp.timestamp()
            headers = dict(message.headers or {})
            yield Stored(known.sequence.stream, at, message.subject, headers, message.data)
    await reader.unsubscribe()


def _letter(data: bytes) -> Letter:
    document: dict[str, Any] = json.loads(data)
    return Letter(document["seq"], document["kind"])


def _about(message: Stored) -> Told:
    """What a message to the world tells of what."""
    payload: dict[str, str] = json.loads(message.data)["payload"]
    what = message.subject.removeprefix("orchestration.")
    what = {"task.completed": "task.ended", "task.failed": "task.ended"}.get(what, what)
    if what == "plan.approved":
        return Told(what, payload["plan_id"])
    return Told(what, payload["task_id"], payload.get("agent_id", ""))


async def _journal(js: JetStreamContext) -> list[Deliberation]:
    found: dict[str, Deliberation] = defaultdict(Deliberation)
    async with aclosing(all_of(js, JOURNAL)) as messages:
        async for message in messages:
            root, _, kind = message.subject.rpartition(".")
            if root.count(".") == 1 and kind in ("r", "completed", "failed"):
                raw = RawStreamMsg(subject=message.subject, seq=message.seq, data=message.data)
                read = opened(raw)
                found[root].add(read.records, message.at, end=read.ended)
    for deliberation in found.values():
        deliberation.look()
    return list(found.values())
