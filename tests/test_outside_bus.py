"""Agents outside the engine, asked by a real council over a real bus."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from bus_fakes import letters, stored
from deadline import reaches, until_async
from seats import ONE, Seat, a_task, crash, journalled, seen_by

from actors.bus import Connection
from actors.council import CouncilActor
from actors.nats_server import NatsServer
from actors.testing import Asked, OutsideAgentTwin, obliging
from engine.config import BusConfig, Config, CouncilConfig, OutsideAgent, PoolConfig
from engine.events import Aborted, Decided, Drafted, Dropped, Record, Rejected, Resumed, Voted
from engine.testing import GatedModel
from engine.types import Task

pytestmark = pytest.mark.nats

EXPERT = "expert"
TEXT = f"{EXPERT} draft 0"


def councils(**limits: float) -> tuple[CouncilConfig, ...]:
    """Two agents of ours and one from outside."""
    expert = OutsideAgent(id=EXPERT, persona="You have seen it fail.", **limits)
    personas = ("You build it.", "You break it.")
    return (CouncilConfig(role="DEV", personas=personas, rubric="Short.", outside=(expert,)),)


@pytest.fixture
def config(nats: NatsServer, client: Connection, request: pytest.FixtureRequest) -> Config:
    """One council with an agent from outside; its limits are the test's parameter."""
    return Config(
        pools={"small": PoolConfig(model="/models/small")},
        councils=councils(**getattr(request, "param", {"answer_within_s": 20})),
        bus=BusConfig(url=nats.url),
    )


limits = pytest.mark.parametrize


def within(**said: float) -> pytest.MarkDecorator:
    """Other limits of the agent for one test."""
    return pytest.mark.parametrize("config", [said], indirect=True, ids=[""])


@pytest.fixture
async def expert(nats: NatsServer, client: Connection) -> AsyncIterator[OutsideAgentTwin]:
    """The agent, which answers whatever it is asked."""
    async with OutsideAgentTwin(EXPERT).on(nats.url) as twin:
        yield twin


def of_expert(records: list[Record], kind: type) -> list[Any]:
    """The events of one kind that are about the agent from outside."""
    return [r.event for r in records if isinstance(r.event, kind) and r.event.agent == EXPERT]


def reasons(records: list[Record]) -> list[str]:
    """Why the agent was dropped."""
    return [dropped.reason for dropped in of_expert(records, Dropped)]


async def ignored(actor: CouncilActor) -> dict[str, int]:
    """What the council did not take."""
    return (await actor.health()).ignored


async def test_an_agent_outside_sits_as_any_other(seat: Seat, expert: OutsideAgentTwin) -> None:
    """It drafts, reviews and votes, is told the task and the form, and costs no tokens of ours."""
    records = await seen_by(seat(), a_task(story_id="s-7"))
    assert isinstance(records[-1].event, Decided)
    assert {EXPERT, ONE} < {ranked.author for ranked in records[-1].event.decision.order}
    assert not records[-1].event.decision.degraded
    (drafted,), (voted,) = of_expert(records, Drafted), of_expert(records, Voted)
    assert (drafted.text, drafted.usage.generated) == (TEXT, 0)
    assert (voted.ballot.mass, voted.ballot.consistency) == (1.0, 0.0)
    first = expert.requests[0]
    assert (first["task_id"], first["phase"], first["form"]["kind"]) == (
        drafted.turn,
        "draft",
        "text",
    )
    assert (first["role"], first["story_id"], first["deliberation"]) == ("DEV", "s-7", "t-1")
    assert "Build a clock" in first["task_description"]
    assert "You have seen it fail." in first["task_description"]


async def test_one_that_gives_up_is_dropped_with_its_reason(
    seat: Seat, expert: OutsideAgentTwin
) -> None:
    """The others decide; it is not asked again."""
    expert.say = lambda asked: None
    actor = seat()
    running = asyncio.create_task(seen_by(actor, a_task()))
    await until_async(lambda: expert.requests)
    await expert.respond(expert.requests[0], "failed", error="no\ntime", error_type="Busy")
    records = await running
    assert reasons(records) == [f"GaveUp: {EXPERT}: Busy: no time"]
    assert isinstance(records[-1].event, Decided)
    assert list(records[-1].event.decision.lost) == [EXPERT]
    assert len(expert.requests) == 1


@within(answer_within_s=0.5)
async def test_a_late_answer_is_ignored(seat: Seat, expert: OutsideAgentTwin) -> None:
    """The agent is dropped when its time is up; what comes then changes nothing."""
    expert.say = lambda asked: None
    model = GatedModel()
    actor = seat(model)
    running = asyncio.create_task(seen_by(actor, a_task()))
    await until_async(lambda: len(model.held) == 2)
    late = asyncio.Event()

    async def answer_late() -> None:
        run = actor._runs["t-1"]
        await until_async(lambda: reasons(run.records))
        await expert.respond(expert.requests[0], proposal="too late")
        await reaches(lambda: _has(actor, "late"), "the late answer is counted")
        late.set()

    await answer_late()
    await _finish(model, running)
    records = await running
    assert late.is_set()
    assert reasons(records) == [f"NoAnswer: {EXPERT} gave no answer in 0.5 s"]
    assert not of_expert(records, Drafted)


async def _has(actor: CouncilActor, reason: str) -> bool:
    return reason in await ignored(actor)


async def _finish(model: GatedModel, running: asyncio.Task[list[Record]]) -> None:
    while not running.done():
        model.release()
        await asyncio.sleep(0)
