"""What the world is told of each agent's task: once, with reasons, and nothing that is not so."""

import asyncio
import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from bus_fakes import last_record, outbound, record, told
from deadline import reaches, until_async
from recording import ONE, THREE, TWO, a_task, altered, recorded
from seats import Seat, crash, journalled, seen_by

from actors import writer as writing
from actors.bus import Connection
from actors.journal import Journal
from actors.nats_server import NatsServer
from actors.notices import concluded, dispatched
from actors.telling import Notice
from actors.writer import Writer
from engine.config import BusConfig
from engine.events import Asked, Checked, Resumed
from engine.packet import CheckResult, Verdict
from engine.testing import FlakyModel, GatedModel
from engine.types import Phase

ENDS = ("orchestration.task.completed", "orchestration.task.failed")


def payloads(notices: Sequence[Notice]) -> dict[str, dict[str, Any]]:
    """What is said of each agent, with the last part of the subject."""
    said = ((n.subject.rpartition(".")[2], json.loads(n.message)["payload"]) for n in notices)
    return {payload["agent_id"]: payload | {"told": end} for end, payload in said}


def checked(agent: str, *verdicts: Verdict) -> Checked:
    """What checks say of an agent's draft."""
    results = [CheckResult(check=f"c{n}", verdict=v) for n, v in enumerate(verdicts)]
    return Checked(agent=agent, round=0, results=tuple(results))


async def test_a_check_that_did_not_run_is_no_pass() -> None:
    """It says nothing then; else whether all that applied have passed."""
    records = await recorded(a_task(rounds=0, story_id="s"))
    none = payloads(list(concluded(records)))
    assert [said["told"] for said in none.values()] == ["completed"] * 3
    assert not any("checks_passed" in said for said in none.values())
    looked = [
        checked(ONE, Verdict.PASSED, Verdict.NOT_APPLICABLE),
        checked(TWO, Verdict.PASSED, Verdict.FAILED),
        checked(THREE, Verdict.NOT_APPLICABLE),
    ]
    some = payloads(list(concluded(altered(records, -2, records[-2].event, *looked))))
    assert {agent: said.get("checks_passed") for agent, said in some.items()} == {
        ONE: True,
        TWO: False,
        THREE: None,
    }
    first = next(r.at for r in records if isinstance(r.event, Asked) and r.event.agent == ONE)
    last = max(r.at for r in records if getattr(r.event, "agent", "") == ONE)
    assert none[ONE] == {
        "task_id": "t-1",
        "story_id": "s",
        "agent_id": ONE,
        "role": "DEV",
        "timestamp": none[TWO]["timestamp"],
        "duration_ms": (last - first) * 1000,
        "told": "completed",
    }


async def test_who_is_lost_has_failed_with_its_reason() -> None:
    """Whoever has a text has not; and who never got a turn was given nothing."""
    records = await recorded(a_task(), FlakyModel({(TWO, Phase.DRAFT)}))
    said = payloads(list(concluded(records)))
    assert {agent: each["told"] for agent, each in said.items()} == {
        ONE: "completed",
        TWO: "failed",
        THREE: "completed",
    }
    assert (said[TWO]["error"], said[TWO]["error_type"]) == (f"no engine for {TWO}", "EngineLost")
    cascade = await recorded(a_task(policy="cascade"))
    asked = {r.event.agent for r in cascade if isinstance(r.event, Asked)}
    assert set(payloads(list(concluded(cascade)))) == asked & {ONE, TWO, THREE}


async def test_an_agent_is_told_of_with_its_first_turn_and_again_on_resuming() -> None:
    """Further turns are part of the same task."""
    records = await recorded(a_task())
    subjects = [
        [notice.subject for notice in dispatched(records[:n])] for n in range(1, len(records) + 1)
    ]
    told_of = [subject for some in subjects for subject in some]
    assert len(told_of) == len(set(told_of)) == 3
    resumed = altered(records, -1, Resumed())
    assert [notice.subject for notice in dispatched(resumed)] == told_of


@pytest.mark.nats
async def test_each_task_is_told_once_with_its_end(seat: Seat, client: Connection) -> None:
    """Dispatched, and either completed or failed, before the deliberation's own end."""
    actor = seat(FlakyModel({(TWO, Phase.DRAFT)}))
    await seen_by(actor, a_task(story_id="s"))
    await reaches(lambda: _count(client, "orchestration.deliberation.completed", 1), "the end")
    given = await told(client, "orchestration.task.dispatched")
    assert {each["payload"]["agent_id"] for each in given} == {ONE, TWO, THREE}
    assert {each["event_type"] for each in given} == {"orchestration.task.dispatched"}
    assert {each["correlation_id"] for each in given} == {"s"}
    completed, failed = [await told(client, subject) for subject in ENDS]
    assert {each["payload"]["agent_id"] for each in completed} == {ONE, THREE}
    assert [each["payload"]["agent_id"] for each in failed] == [TWO]


@pytest.mark.nats
async def test_a_death_before_the_end_loses_and_repeats_none(
    seat: Seat, client: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tasks' ends are told, the actor dies, another one writes the deliberation's end."""

    async def never(_writer: Writer, _message: bytes) -> bytes:
        await asyncio.Event().wait()
        return b""

    first = seat()
    with monkeypatch.context() as patched:
        patched.setattr(Writer, "_fitting_end", never)
        doomed = asyncio.create_task(seen_by(first, a_task()))
        await reaches(lambda: _count(client, ENDS[0], 3), "told before the end")
        await crash(first)
        doomed.cancel()
    assert await told(client, "orchestration.deliberation.completed") == []
    await seen_by(seat(), a_task())
    await reaches(lambda: _count(client, "orchestration.deliberation.completed", 1), "the end")
    assert await _count(client, ENDS[0], 3)
    assert await _count(client, "orchestration.task.dispatched", 3)


@pytest.mark.nats
async def test_a_resumed_task_is_dispatched_once(seat: Seat, client: Connection) -> None:
    """However often its council dies in the middle of it."""
    for _ in range(2):
        model = GatedModel()
        actor = seat(model)
        doomed = asyncio.create_task(seen_by(actor, a_task()))
        await until_async(partial(_holds, model, 3), "all draft")
        await reaches(lambda: _count(client, "orchestration.task.dispatched", 3), "dispatched")
        await crash(actor)
        doomed.cancel()
    await seen_by(seat(), a_task())
    await reaches(lambda: _count(client, ENDS[0], 3), "completed")
    assert await _count(client, "orchestration.task.dispatched", 3)


@pytest.mark.nats
async def test_what_comes_while_notices_are_told_goes_before_the_end(
    nats: NatsServer, client: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No record and no notice is left behind by an end that was quicker."""
    gate, publish = asyncio.Event(), writing.publish

    async def gated(notice: Notice, js: Any) -> None:
        await gate.wait()
        await publish(notice, js)

    monkeypatch.setattr(writing, "publish", gated)
    journal = await Journal.connect(BusConfig(url=nats.url), "writing")
    writer = journal.writer("x", 0)
    writer.append(record("x", 1))
    writer.tell(_notice("a"))
    await writer.flush()
    writer.append(record("x", 2))
    writer.tell(_notice("b"))
    ending = asyncio.create_task(writer.end(last_record("x", 3), outbound(last_record("x", 3))))
    await asyncio.sleep(0)
    gate.set()
    await ending
    assert [each.seq for each in await journalled(nats.url, "x")] == [1, 2, 3]
    await reaches(lambda: _count(client, "orchestration.task.dispatched", 2), "both told")
    await journal.close()


def _notice(agent: str) -> Notice:
    subject = f"deliberation.notice.dispatched.x.{agent}"
    return Notice(subject, subject, b"{}")


def _holds(model: GatedModel, turns: int) -> bool:
    return len(model.held) == turns


async def _count(client: Connection, subject: str, count: int) -> bool:
    return len(await told(client, subject)) == count
