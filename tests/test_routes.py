"""Every inbound and outbound row of the contract on a real nats-server, each in three shapes."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from bridging import Deciding, cloud, enveloped, fleet, healthy, settled
from bus_fakes import connected, letters, told
from deadline import reaches

from actors.bridge import Bridge
from actors.bus import Connection
from actors.nats_server import NatsServer
from actors.stories import Stories
from engine.config import BusConfig
from engine.errors import Conflict
from engine.events import Record
from engine.types import Task

pytestmark = pytest.mark.nats

NOW = "2026-11-22T00:00:00+00:00"
PLAN = {"story_id": "s", "plan_id": "p", "approved_by": "po", "timestamp": NOW, "roles": ["qa"]}
MOVED = {"story_id": "s", "from_phase": "DESIGN", "to_phase": "test", "timestamp": NOW}
ASKED = {"task_id": "t-1", "task_description": "Build a clock", "story_id": "s"}
UPDATED = {"story_id": "s", "version": 3}
REACHED = {"story_id": "s", "milestone_id": "m", "milestone_name": "Half way"}
ADDED = {"story_id": "s", "decision_id": "d", "decision_type": "TECHNICAL"}
ANSWERED = {"task_id": "t", "agent_id": "a", "role": "QA", "timestamp": "2026-11-22T00:00:00Z"}
ROWS = [
    ("planning.plan.approved", PLAN),
    ("planning.story.transitioned", MOVED),
    ("agent.request.council.qa", ASKED),
    ("context.updated", UPDATED),
    ("context.milestone.reached", REACHED),
    ("context.decision.added", ADDED),
    ("agent.response.completed", ANSWERED | {"proposal": "Do it"}),
    ("agent.response.failed", ANSWERED | {"error": "no", "error_type": "Tired"}),
    ("agent.response.progress", ANSWERED | {"progress_pct": 50, "message": "half"}),
]


def required(subject: str) -> str:
    """A field without which an event on the subject says nothing."""
    needed = {"council": "task_description", "response": "agent_id"}
    return next((field for part, field in needed.items() if part in subject), "story_id")


def bare(payload: dict[str, Any], _kind: str, _key: str) -> bytes:
    """The payload and nothing else."""
    return json.dumps(payload).encode()


@pytest.fixture(autouse=True)
def _short_fetches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopping waits for a fetch to expire."""
    monkeypatch.setattr("actors.bridge.FETCH_S", 0.1)


@pytest.fixture
async def client(nats: NatsServer) -> AsyncIterator[Connection]:
    """A producer's connection, the streams made."""
    async with connected(nats.url) as client:
        yield client


@pytest.fixture
async def deciding(client: Connection) -> Deciding:
    """Councils that decide at once."""
    return Deciding(client)


@pytest.fixture
async def bridge(nats: NatsServer, deciding: Deciding) -> AsyncIterator[Bridge]:
    """A running bridge."""
    running = Bridge(fleet(BusConfig(url=nats.url, slots=1)), deciding)
    await running.start()
    yield running
    await running.stop(grace_s=0)


async def test_every_row_is_taken_in_every_shape(
    bridge: Bridge, client: Connection, deciding: Deciding
) -> None:
    """Each is settled with no warning; those that convene do, those about a story are noted."""
    js = client.streams()
    for subject, payload in ROWS:
        for n, shape in enumerate((bare, enveloped, cloud)):
            said = payload | ({"task_id": f"t-{n}"} if "task_id" in payload else {})
            await js.publish(subject, shape(said, subject, f"{subject}-{n}"))
    health = await healthy(bridge, lambda h: h.handled + h.buried == 27, "all taken")
    await reaches(lambda: settled(client), "acknowledged")
    assert await letters(client) == []
    assert (health.handled, health.warnings) == (27, {})
    assert deciding.roles == ["QA"] * 9
    assert {task.id for task in deciding.asked} >= {"t-0", "t-1", "t-2"}
    assert {task.story_id for task in deciding.asked} == {"s"}
    story = await Stories(js, BusConfig()).of("s")
    assert story is not None
    assert {note.kind for note in story.notes} == {"update", "milestone", "decision"}
    assert set(health.durables.values()) == {0}


async def test_each_row_refuses_what_lacks_a_field(bridge: Bridge, client: Connection) -> None:
    """One dead letter each, with kind and place; there is one for each place of each stream."""
    for subject, payload in ROWS:
        lacking = {key: value for key, value in payload.items() if key != required(subject)}
        await client.streams().publish(subject, json.dumps(lacking).encode())
    await healthy(bridge, lambda h: h.buried == len(ROWS), "buried")
    found = {letter.subject: (letter.kind, letter.where) for letter in await letters(client)}
    assert found == {name: ("missing", f"payload.{required(name)}") for name, _ in ROWS}


async def test_what_had_to_be_understood_is_counted_and_told_once(
    bridge: Bridge, client: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """By kind, on every row; each kind is in the log once, however often it comes."""
    rows = {
        subject: payload
        for subject, payload in ROWS
        if payload.keys() & {"plan_id", "to_phase", "task_description"}
    }
    for n, (subject, payload) in enumerate(rows.items()):
        await client.streams().publish(subject, json.dumps(payload | {"story_id": n}).encode())
    await client.streams().publish("context.updated", b'{"story_id": 1, "version": "3"}')
    health = await healthy(bridge, lambda h: h.handled == 4, "all taken")
    assert health.warnings == {"number_for_text": 4, "text_for_number": 1}
    logged = [line for line in caplog.messages if "taken all the same" in line]
    assert sorted(line.split(": ")[2].split(" at ")[0] for line in logged) == [
        "number_for_text",
        "text_for_number",
    ]


async def test_asking_an_agent_outside_starts_no_deliberation(
    bridge: Bridge, client: Connection, deciding: Deciding
) -> None:
    """Only the councils' own subject is ours: not its neighbours, nor anything below it."""
    js, data = client.streams(), json.dumps(ASKED).encode()
    for subject in ("agent.request.agent.a", "agent.request.council.qa.a", "agent.request.council"):
        await js.publish(subject, data)
    await js.publish("agent.request.council.dev", data)
    await healthy(bridge, lambda h: h.handled == 1, "the council's is taken")
    await reaches(lambda: settled(client), "nothing else waits")
    assert deciding.roles == ["DEV"]


async def test_a_plan_is_told_when_all_its_roles_have_ended(
    bridge: Bridge, client: Connection, deciding: Deciding
) -> None:
    """Once, though the event comes twice; with what the contract names."""
    for _ in range(2):
        payload = PLAN | {"roles": ["dev", "qa"], "story_id": 7}
        data = enveloped(payload, "planning.plan.approved")
        await client.streams().publish("planning.plan.approved", data)
    await healthy(bridge, lambda h: h.handled == 2, "both taken")
    await reaches(lambda: _count(client, "orchestration.deliberation.failed", 2), "ends are told")
    [notice] = await told(client, "orchestration.plan.approved")
    assert deciding.roles == ["DEV", "QA"]
    ids = {task.role: task.id for task in deciding.asked}
    said = notice["payload"]
    assert said.pop("timestamp") == notice["timestamp"]
    assert said == {
        "story_id": "7",
        "plan_id": "p",
        "approved_by": "po",
        "roles": ["DEV", "QA"],
        "outcomes": {r: {"task_id": id, "status": "failed"} for r, id in ids.items()},
    }
    assert (notice["event_type"], notice["correlation_id"]) == ("orchestration.plan.approved", "c")
    assert notice["metadata"]["warnings"] == ["number_for_text at payload.story_id"]
    assert (await bridge.health()).warnings == {"number_for_text": 2}


async def test_a_transition_is_told_before_its_councils_begin(
    bridge: Bridge, client: Connection, deciding: Deciding
) -> None:
    """Also one that convenes nobody; a transition that comes twice is told once."""
    docs = MOVED | {"from_phase": "test", "to_phase": "DOCS"}
    for n, payload in enumerate((MOVED, docs, docs)):
        data = enveloped(payload, "StoryTransitioned", f"k-{min(n, 1)}")
        await client.streams().publish("planning.story.transitioned", data)
    await healthy(bridge, lambda h: h.handled == 3, "all taken")
    await reaches(lambda: _count(client, "orchestration.phase.changed", 2), "told")
    moved, _ = await told(client, "orchestration.phase.changed")
    phases = {"from_phase": "DESIGN", "to_phase": "TEST"}
    assert moved["payload"] == {"story_id": "s", **phases, "timestamp": NOW}
    assert deciding.roles == ["QA"]
    js = client.streams()
    first = await js.get_msg("DELIBERATIONS", subject="deliberation.notice.>", seq=1, next=True)
    ended = await js.get_msg("DELIBERATIONS", subject="deliberation.*.failed", seq=1, next=True)
    assert (first.seq or 0) < (ended.seq or 0)


async def test_another_transition_of_the_same_identity_is_buried(
    bridge: Bridge, client: Connection
) -> None:
    """Also where no council is there to refuse it: it would be gone without a sign."""
    for story in ("s", "s", "other"):
        data = enveloped(MOVED | {"story_id": story, "to_phase": "DOCS"}, "StoryTransitioned")
        await client.streams().publish("planning.story.transitioned", data)
    health = await healthy(bridge, lambda h: h.handled + h.buried == 3, "all taken")
    [letter] = await letters(client)
    assert (health.handled, letter.seq, letter.kind) == (2, 3, "conflict")


class Rivals(Deciding):
    """Councils whose ids belong to who came first; a title is let through to one role at first."""

    def __init__(self, client: Connection, first: dict[str, str]) -> None:
        super().__init__(client)
        self._first, self._taken = first, dict[str, Task]()
        self._all_there = asyncio.Event()

    async def __call__(self, task: Task) -> Record:
        """The end, once each title has had its first role, or does not come."""
        if task.role != self._first[task.title]:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._all_there.wait(), 0.5)
        if self._taken.setdefault(task.id, task) != task:
            raise Conflict(f"{task.id} is another request's")
        if len(self._taken) == len(self._first):
            self._all_there.set()
        return await super().__call__(task)


async def test_of_two_plans_of_one_identity_one_gets_all_its_roles(
    nats: NatsServer, client: Connection
) -> None:
    """However they meet: the other is one dead letter and takes no role from it."""
    bus = BusConfig(url=nats.url)
    rivals = Rivals(client, {"one": "DEV", "other": "QA"})
    bridge = Bridge(fleet(bus), rivals)
    for title in ("one", "other"):
        data = enveloped(PLAN | {"title": title, "roles": ["dev", "qa"]}, "PlanApproved")
        await client.streams().publish("planning.plan.approved", data)
    await bridge.start()
    await healthy(bridge, lambda h: h.handled + h.buried == 2, "both taken")
    await reaches(lambda: settled(client), "acknowledged")
    [letter] = await letters(client)
    [plan] = await told(client, "orchestration.plan.approved")
    titles = {task.title for task in rivals.asked}
    assert letter.kind == "conflict"
    assert plan["payload"]["roles"] == ["DEV", "QA"]
    assert (rivals.roles, len(titles)) == (["DEV", "QA"], 1)
    await bridge.stop()


async def test_a_plan_is_the_same_whatever_councils_there_are(
    nats: NatsServer, client: Connection
) -> None:
    """One that names no roles and comes again when there is a council more is no conflict."""
    bus = BusConfig(url=nats.url)
    whole = fleet(bus)
    fewer = whole.model_copy(update={"councils": whole.councils[:2]})
    data = enveloped({**PLAN, "roles": []}, "PlanApproved")
    for config in (fewer, whole):
        bridge = Bridge(config, Deciding(client))
        await bridge.start()
        await client.streams().publish("planning.plan.approved", data)
        await healthy(bridge, lambda h: h.handled + h.buried == 1, "taken")
        await bridge.stop()
    assert await letters(client) == []


async def test_a_plan_that_is_done_stays_so_whatever_councils_come_and_go(
    nats: NatsServer, client: Connection
) -> None:
    """It comes again: a new council is not convened for it, nor is it refused for a deleted one."""
    whole = fleet(BusConfig(url=nats.url))
    deciding = Deciding(client)
    for there in (2, 1, 3):
        config = whole.model_copy(update={"councils": whole.councils[:there]})
        bridge = Bridge(config, deciding)
        await bridge.start()
        for key, roles in (("k", []), ("k-2", ["qa"])):
            data = enveloped({**PLAN, "roles": roles}, "PlanApproved", key)
            await client.streams().publish("planning.plan.approved", data)
        await healthy(bridge, lambda h: h.handled + h.buried == 2, "taken")
        await bridge.stop()
    assert await letters(client) == []
    assert sorted(deciding.roles) == ["DEV", "QA", "QA"]


async def _count(client: Connection, subject: str, count: int) -> bool:
    return len(await told(client, subject)) == count
