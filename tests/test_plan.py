"""Claims about `conclave plan`: what is published, followed, shown and answered with."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from bus_fakes import connected, outbound
from http_twin import COUNCILS, Refusal, Twin, recorded

from actors.bus import connect
from actors.journal import Journal
from actors.nats_server import NatsServer
from actors.streams import PLANS
from cli import main
from commands.here import PLAN
from engine.arrival import Arrival
from engine.config import BusConfig
from engine.planning import SUBJECT, plan_approved, tasks
from engine.results import Result
from engine.testing import FlakyModel, ScriptedModel
from engine.types import Phase, Speak

Capture = pytest.CaptureFixture[str]

LOST = FlakyModel({(f"agent-qa-{number:03}", Phase.DRAFT) for number in (1, 2, 3)})


async def decide_each(url: str, speak: Speak) -> None:
    """What the bridge and the councils do with a plan, until cancelled."""
    journal = await Journal.connect(BusConfig(url=url), "fleet")
    client = await connect(BusConfig(url=url), "fleet", lambda: None)
    events = await client.streams().subscribe(SUBJECT, ordered_consumer=True)
    try:
        async for message in events.messages:
            arrival = Arrival(PLANS, message.metadata.sequence.stream, SUBJECT, message.data)
            for task in tasks(plan_approved(arrival, 256 * 1024), tuple(COUNCILS)):
                *records, end = await recorded(task, speak)
                writer = journal.writer(task.id, 0)
                for record in records:
                    writer.append(record)
                await writer.end(end, outbound(end))
                await writer.close()
    finally:
        await events.unsubscribe()
        await client.leave()
        await journal.close()


async def make_streams(url: str) -> None:
    async with connected(url, BusConfig(url=url)):
        pass


@contextmanager
def fleet(url: str, speak: Speak) -> Iterator[None]:
    """Councils that decide at once, in a thread of their own."""
    asyncio.run(make_streams(url))
    loop = asyncio.new_event_loop()
    work = loop.create_task(decide_each(url, speak))

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(work)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(work.cancel)
        thread.join()
        loop.close()


@pytest.mark.nats
def test_a_plan_is_published_and_followed_to_its_decisions(
    nats: NatsServer, twin: Twin, capsys: Capture
) -> None:
    """The bus is asked of the engine; each role is told with the command that shows it."""
    twin.bus_url = nats.url
    with fleet(nats.url, ScriptedModel()):
        assert main(["plan", str(PLAN)]) == 0
    out = capsys.readouterr().out
    assert "Published on planning.plan.approved: Charge a customer once" in out
    for role in COUNCILS:
        assert f"conclave watch {role.lower()}-" in out
        assert f"{role} decided: agent-{role.lower()}-" in out


@pytest.mark.nats
def test_json_is_a_result_a_line(nats: NatsServer, twin: Twin, capsys: Capture) -> None:
    """Nothing else is on standard output."""
    with fleet(nats.url, ScriptedModel()):
        assert main(["plan", str(PLAN), "--bus", nats.url, "--json"]) == 0
    found = [Result.model_validate_json(line) for line in capsys.readouterr().out.splitlines()]
    assert [one.role for one in found] == ["DEV", "QA", "ARCHITECT", "DEVOPS", "DATA"]
    assert all(one.status == "completed" for one in found)


@pytest.mark.nats
def test_a_role_that_fails_is_exit_code_1(nats: NatsServer, twin: Twin, capsys: Capture) -> None:
    """The others' decisions are shown all the same."""
    with fleet(nats.url, LOST):
        assert main(["plan", str(PLAN), "--bus", nats.url]) == 1
    captured = capsys.readouterr()
    assert captured.err == "conclave: no decision of QA (QuorumLost: 0 of 3 have a text)\n"
    assert "DEV decided: " in captured.out


@pytest.mark.nats
def test_who_names_the_bus_needs_no_http(
    nats: NatsServer, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """The plan then has to name its roles."""
    monkeypatch.setenv("CONCLAVE_URL", "http://127.0.0.1:1")
    with fleet(nats.url, ScriptedModel()):
        assert main(["plan", str(PLAN), "--bus", nats.url]) == 0
    capsys.readouterr()


@pytest.mark.nats
def test_a_bus_without_streams(nats: NatsServer, twin: Twin, capsys: Capture) -> None:
    """It is another one's bus, or Conclave was never started on it."""
    assert main(["plan", str(PLAN), "--bus", nats.url]) == 1
    assert "This bus has no stream for planning.plan.approved" in capsys.readouterr().err


def test_what_is_wrong_with_a_plan_is_said_before_it_is_published(
    twin: Twin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """No such file, no plan, a role that no council is for, no bus: one line each."""
    monkeypatch.setattr("commands.reach.REACH_WITHIN_S", 0.1)
    plan = json.loads(PLAN.read_text())
    nobody = "--bus=nats://127.0.0.1:1"
    for content, says in (
        ("{", "json_invalid at event"),
        (json.dumps({**plan, "roles": ["DEV", "LEGAL"]}), "unknown_role at payload.roles[1]"),
        (json.dumps(plan), "no NATS server answers at 127.0.0.1:1"),
    ):
        file = tmp_path / "plan.json"
        file.write_text(content)
        assert main(["plan", str(file), nobody]) == 1
        error = capsys.readouterr().err
        assert says in error
        assert error.count("\n") == 1
    assert main(["plan", str(tmp_path / "none.json")]) == 1
    assert "none.json cannot be read" in capsys.readouterr().err


def test_an_engine_that_cannot_be_asked(
    twin: Twin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Neither for its bus nor for its councils."""
    twin.refusal = Refusal(503, "Unavailable", "the supervisor does not answer")
    assert main(["plan", str(PLAN)]) == 1
    assert capsys.readouterr().err == "conclave: the supervisor does not answer\n"
    file = tmp_path / "plan.json"
    file.write_text(json.dumps({**json.loads(PLAN.read_text()), "roles": []}))
    monkeypatch.setenv("CONCLAVE_URL", "http://127.0.0.1:1")
    assert main(["plan", str(file), "--bus", "nats://127.0.0.1:1"]) == 1
    assert "nothing answers at http://127.0.0.1:1" in capsys.readouterr().err
