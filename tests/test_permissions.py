"""Claims about deploy/nats: each user can do its work on a real server, and nothing else."""

import asyncio
import json
import logging
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from bus_fakes import ended, last_record, outbound, record
from deadline import reaches
from papers import secret
from servers import Furnished, furnished

from actors.attempts import Attempts
from actors.backlog import Work
from actors.bridge import Bridge
from actors.bus import Connection, connect
from actors.deadletter import Letters
from actors.journal import Journal
from actors.listing import ALL
from actors.outside import Outside
from actors.patience import Forbidden
from actors.provision import note_floor, provision
from actors.requesting import Request
from actors.run import Terms
from actors.stories import Stories
from actors.streams import BUCKETS, DURABLES, PLAN_APPROVED, PLANS, STREAMS
from actors.texts import get, put
from engine.arrival import Arrival
from engine.config import BusConfig, Config, OutsideAgent, PoolConfig, fleet_councils
from engine.errors import SetupError
from engine.types import OUTSIDE, Phase, Task, Turn

pytestmark = pytest.mark.nats

DEPLOY = Path(__file__).resolve().parent.parent / "deploy" / "nats"
USERS = ("provisioner", "conclave", "planner", "observer", "agent", "operator")
API = "$JS.API"

HANDED_IN = ("planning.plan.approved", "planning.story.transitioned")
EVENTS = (*HANDED_IN, "context.updated", "agent.request.council.dev")
RESULTS = (
    "deliberation.0.completed",
    "deliberation.0.r",
    "deliberation.notice.0",
    "orchestration.plan.approved",
    "orchestration.deliberation.completed",
)
ANSWERS = ("agent.response.completed", "agent.response.failed", "agent.response.progress")
LETTERS = ("deadletter.PLANNING_EVENTS.1",)
ASKED = ("agent.request.agent.reviewer", "agent.request.agent.other")
NAMES = [str(stream.name) for stream in (*STREAMS, *BUCKETS)]
RUIN = [
    f"{API}.STREAM.{verb}.{name}"
    for verb in ("DELETE", "MSG.DELETE", "SNAPSHOT", "RESTORE", "LEADER.STEPDOWN")
    for name in NAMES
]
PURGES = [f"{API}.STREAM.PURGE.{name}" for name in NAMES]
OPEN_PURGE = f"{API}.STREAM.PURGE.KV_conclave-open"
MAKING = [f"{API}.STREAM.{verb}.{name}" for verb in ("CREATE", "UPDATE") for name in NAMES]
UNMADE = [f"{API}.CONSUMER.DELETE.{each.stream}.{each.name}" for each in DURABLES]
READS = [f"{API}.STREAM.MSG.GET.{name}" for name in NAMES]
TAKES = [f"{API}.CONSUMER.MSG.NEXT.{each.stream}.{each.name}" for each in DURABLES]
VALUES = [f"$KV.{name.removeprefix('KV_')}.x" for name in NAMES if name.startswith("KV_")]


class May(NamedTuple):
    """What a user may publish and subscribe of all that is tried below."""

    publish: set[str]
    subscribe: set[str]


PUBLISHED = {
    *EVENTS,
    *RESULTS,
    *ANSWERS,
    *LETTERS,
    *ASKED,
    *RUIN,
    *PURGES,
    *MAKING,
    *UNMADE,
    *READS,
}
PUBLISHED |= {*TAKES, *VALUES, "$SYS.REQ.SERVER.PING", "_INBOX_planner.1", "anything"}
HEARD = {*EVENTS, *RESULTS, *ANSWERS, *LETTERS, *ASKED, ">", "_INBOX.>", "$SYS.>", "$JS.>"}
HEARD |= {f"_INBOX_{user}.>" for user in USERS}

MATRIX: dict[str, May] = {
    "provisioner": May(
        {*MAKING, f"{API}.STREAM.MSG.GET.KV_conclave-floors", "$KV.conclave-floors.x"},
        {"_INBOX_provisioner.>"},
    ),
    "conclave": May(
        {
            *(subject for subject in RESULTS if subject.startswith("deliberation.")),
            *LETTERS,
            *ASKED,
            *HANDED_IN,
            "agent.request.council.dev",
            *TAKES,
            *VALUES,
            OPEN_PURGE,
            *(
                f"{API}.STREAM.MSG.GET.{name}"
                for name in NAMES
                if name.startswith(("KV_", "OBJ_"))
                or name in ("DELIBERATIONS", "PLANNING_EVENTS")
                or name in ("AGENT_REQUESTS", "AGENT_RESPONSES")
            ),
        },
        {
            "_INBOX_conclave.>",
            *(subject for subject in RESULTS if subject.startswith("deliberation.")),
            *ANSWERS,
        },
    ),
    "planner": May({*EVENTS}, {"_INBOX_planner.>"}),
    "observer": May(
        set(),
        {"_INBOX_observer.>", *(s for s in RESULTS if s.startswith("orchestration."))},
    ),
    "agent": May({*ANSWERS}, {"_INBOX_agent.>", "agent.request.agent.reviewer"}),
    "operator": May(
        {
            *EVENTS,
            *ANSWERS,
            *(
                f"{API}.STREAM.MSG.GET.{name}"
                for name in NAMES
                if name in ("DEADLETTER", "PLANNING_EVENTS", "CONTEXT") or name.startswith("AGENT_")
            ),
        },
        {"_INBOX_operator.>"},
    ),
}
"""Everything that is not named here for a user is refused to it."""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Furnished]:
    """A server with the very file that is shipped, and passwords of this test."""
    for user in USERS:
        monkeypatch.setenv(f"NATS_{user.upper()}_PASSWORD", f"of-{user}")
    store = tmp_path / "nats"
    store.mkdir()
    shutil.copy(DEPLOY / "permissions.conf", store)
    with furnished(store, text='include "permissions.conf"') as running:
        yield running


@pytest.fixture
def bus_as(server: Furnished, tmp_path: Path) -> Callable[..., BusConfig]:
    """The bus for one of the users, which only checks."""

    def bus(user: str, **more: Any) -> BusConfig:
        file = secret(tmp_path / user, f"of-{user}")
        options = {"url": server.url, "user": user, "password_file": file, "provision": False}
        return BusConfig.model_validate(options | more)

    return bus


@pytest.fixture
async def made(bus_as: Callable[..., BusConfig]) -> None:
    """The streams, made by the user who may."""
    async with line(bus_as("provisioner")) as client:
        await provision(client.streams(), bus_as("provisioner", provision=True))


@asynccontextmanager
async def line(bus: BusConfig) -> AsyncIterator[Connection]:
    """A connection; nothing that is done over it may be refused."""
    client = await connect(bus, "test", lambda: None)
    try:
        yield client
        assert client.trouble == ""
    finally:
        await client.leave()


@pytest.mark.parametrize("user", USERS)
async def test_each_user_may_do_what_the_matrix_says_and_no_more(
    user: str, bus_as: Callable[..., BusConfig], made: None
) -> None:
    """Every subject of ours, the server's levers on our streams, and the inboxes of others."""
    client = await connect(bus_as(user), "test", lambda: None)
    may = MATRIX[user]
    assert may.publish <= PUBLISHED
    assert may.subscribe <= HEARD
    for subject in sorted(PUBLISHED):
        await client.publish(subject, b"{}")
    for subject in sorted(HEARD):
        await client.subscribe(subject)
    for _ in range(2):  # a ping may overtake what waits to be sent, a second one cannot
        await client.flush(5)
    refused = list(client._refused)
    await client.leave()

    def allowed(kind: str, subjects: set[str]) -> set[str]:
        return {s for s in subjects if not any(f'{kind} "{s.lower()}"' in r for r in refused)}

    assert allowed("publish to", PUBLISHED) == may.publish
    assert allowed("subscription to", HEARD) == may.subscribe


def fleet(bus: BusConfig) -> Config:
    """One council that listens on a bus."""
    return Config(pools={"small": PoolConfig(model="m")}, councils=fleet_councils()[:1], bus=bus)


async def test_the_journal_is_kept_by_the_engines_user(
    bus_as: Callable[..., BusConfig], made: None, caplog: pytest.LogCaptureFixture
) -> None:
    """Appended, read, followed, ended, counted; accepted work kept and forgotten; large texts."""
    caplog.set_level(logging.WARNING)
    journal = await Journal.connect(bus_as("conclave"), "test")
    writer = journal.writer("t-1", 0)
    writer.append(record("t-1", 1))
    await writer.flush()
    end = last_record("t-1", 2)
    await writer.end(end, outbound(end), {"Conclave-Role": "DEV", "Conclave-Took-Ms": "5"})
    await writer.close()
    assert (await journal.read("t-1")).ended
    async with aclosing(journal.follow("t-1")) as records:
        assert [each.seq async for each in records] == [1, 2]
    assert (await journal.catalogue.page(ALL, 20, "")).behind == ""
    backlog = journal.backlog("DEV")
    await backlog.add(Work(task=Task(id="t-2", role="DEV", text="x"), terms=Terms()))
    assert [work.task.id for work in await backlog.all()] == ["t-2"]
    await backlog.remove("t-2")
    assert await backlog.all() == []
    await journal.close()
    async with line(bus_as("conclave")) as client:
        js = client.streams()
        named = await put(js, b"x" * 300_000, client.max_payload)
        assert await get(js, named) == b"x" * 300_000
    assert "permissions violation" not in caplog.text


async def test_plans_are_found_and_tasks_are_asked_by_the_engines_user(
    bus_as: Callable[..., BusConfig], made: None, caplog: pytest.LogCaptureFixture
) -> None:
    """What splitting a plan takes of the bus, besides the deliberation itself."""
    caplog.set_level(logging.WARNING)
    event = {"story_id": "s", "plan_id": "p", "approved_by": "po", "timestamp": "2026-11-22"}
    async with line(bus_as("planner")) as planner:
        data = json.dumps(event).encode()
        await planner.streams().publish("planning.plan.approved", data)
    journal = await Journal.connect(bus_as("conclave"), "test")
    found = await journal.plan("p", bus_as("conclave"))
    assert found is not None
    assert found.plan.story_id == "s"
    await journal.request([Request("DEV", "t-1", {"task_description": "x"}, "s", 1.0)])
    await journal.close()
    assert "permissions violation" not in caplog.text


async def test_events_are_settled_by_the_engines_user(
    bus_as: Callable[..., BusConfig],
    made: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """From the planner's event to what the observer sees; an invalid one to the operator."""
    monkeypatch.setattr("actors.bridge.FETCH_S", 0.2)
    caplog.set_level(logging.WARNING)
    bus = bus_as("conclave", ack_wait_s=1.0)
    with pytest.raises(SetupError, match="ack_wait"):
        await Bridge(fleet(bus), decided).start()
    bridge = Bridge(fleet(bus_as("conclave")), decided)
    await bridge.start()
    async with line(bus_as("planner")) as planner:
        event = {"story_id": "s", "plan_id": "p", "approved_by": "po", "timestamp": "2026-11-22"}
        for data in (json.dumps(event).encode(), b"{"):
            await planner.streams().publish("planning.plan.approved", data)
        noted = {"story_id": "s", "version": 2}
        await planner.streams().publish("context.updated", json.dumps(noted).encode())

    async def settled() -> bool:
        health = await bridge.health()
        return health.buried == 1 and health.pending == 0 and health.in_flight == 0

    await reaches(settled, "all is settled")
    assert (await bridge.health()).trouble == ""
    await bridge.stop()
    async with line(bus_as("conclave")) as client:
        js = client.streams()
        assert await Stories(js, bus_as("conclave")).of("s") is not None
        attempts = Attempts(js)
        again = Arrival(PLANS, 1, "planning.plan.approved", b"{}", {}, deliveries=20)
        async with attempts.begun(again):
            pass
        await attempts.forget(again)
        await note_floor(js, PLANS, PLAN_APPROVED)
    async with line(bus_as("observer")) as observer:
        seen = await observer.streams().pull_subscribe("orchestration.>")
        (message,) = await seen.fetch(1, timeout=5)
        assert message.subject == "orchestration.plan.approved"
        await message.ack()
    async with line(bus_as("operator")) as operator:
        letters = Letters(operator)
        (letter,) = await letters.all()
        assert letter.kind == "json_invalid"
        assert await letters.replay(letter.stream, letter.seq) == 3
    assert "permissions violation" not in caplog.text


async def decided(task: Task) -> Any:
    """A convene whose deliberations are found ended."""
    return ended(task)


async def test_an_agent_outside_is_asked_and_answers(
    bus_as: Callable[..., BusConfig], made: None, caplog: pytest.LogCaptureFixture
) -> None:
    """It takes what it is asked; the engine hears what it says and buries what it cannot read."""
    caplog.set_level(logging.WARNING)
    bridge = Bridge(fleet(bus_as("conclave")), decided)
    await bridge.start()
    outside = Outside(bus_as("conclave"), "test", [OutsideAgent(id="reviewer")])
    turn = Turn(
        deliberation="t-1",
        agent="reviewer",
        pool=OUTSIDE,
        phase=Phase.DRAFT,
        round=0,
        target="reviewer",
        messages=(),
        max_tokens=9,
    )
    asking = asyncio.create_task(outside.ask(turn, Task(id="t-1", role="DEV", text="x")))
    async with line(bus_as("agent")) as agent:
        js = agent.streams()
        subject = "agent.request.agent.reviewer"
        requests = await js.pull_subscribe(subject, durable="agent-reviewer")
        (request,) = await requests.fetch(1, timeout=5)
        asked = json.loads(request.data)["payload"]
        said = {"task_id": asked["task_id"], "agent_id": "reviewer", "role": "DEV"}
        await js.publish("agent.response.completed", b"{")
        answer = json.dumps(said | {"output": "a text"}).encode()
        await js.publish("agent.response.completed", answer)
        await request.ack_sync()
    assert (await asking).text == "a text"
    async with line(bus_as("operator")) as operator:

        async def buried() -> bool:
            return [each.stream for each in await Letters(operator).all()] == ["AGENT_RESPONSES"]

        await reaches(buried, "what cannot be read is buried")
    await bridge.stop()
    await outside.close()
    assert "permissions violation" not in caplog.text


async def test_an_agent_outside_cannot_listen_for_another(
    bus_as: Callable[..., BusConfig], made: None
) -> None:
    """Its consumer takes no other filter than its own subject."""
    client = await connect(bus_as("agent"), "test", lambda: None)
    js = client.jetstream(timeout=0.3)
    with pytest.raises(Forbidden, match=r"agent\.request\.agent\.other"):
        await js.add_consumer(
            "AGENT_REQUESTS",
            name="agent-reviewer",
            durable_name="agent-reviewer",
            filter_subject="agent.request.agent.other",
        )
    await client.leave()


async def test_an_engine_that_may_not_make_streams_says_who_must(
    bus_as: Callable[..., BusConfig],
) -> None:
    """With an empty bus: what is missing, and the command."""
    async with line(bus_as("conclave")) as client:
        with pytest.raises(
            SetupError, match=r"stream PLANNING_EVENTS is missing, and .* more"
        ) as e:
            await provision(client.streams(), bus_as("conclave"))
    assert "`conclave streams apply`" in str(e.value)


def test_no_password_is_shipped() -> None:
    """Each is a variable of the environment, and nobody comes in without one."""
    text = (DEPLOY / "permissions.conf").read_text()
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    passwords = [line for line in lines if line.startswith("password")]
    assert passwords == [f"password: $NATS_{user.upper()}_PASSWORD" for user in USERS]
    both = text + (DEPLOY / "nats-server.conf").read_text()
    assert not any(line.strip().startswith("no_auth_user") for line in both.splitlines())
    assert 'include "permissions.conf"' in both
