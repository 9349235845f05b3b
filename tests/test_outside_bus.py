"""Agents outside the engine, asked by a real council over a real bus."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from bus_fakes import ended, letters, stored
from deadline import reaches, until_async
from seats import ONE, TWO, Seat, a_task, answering, crash, journalled, seen_by

from actors.bridge import Bridge
from actors.bus import Connection
from actors.council import CouncilActor
from actors.nats_server import NatsServer, free_port
from actors.outside import Outside
from actors.roster import roster
from actors.streams import STREAMS
from actors.supervisor import State
from actors.testing import Asked, OutsideAgentTwin, obliging
from edges.desk import Desk
from engine.config import BusConfig, Config, CouncilConfig, OutsideAgent, PoolConfig
from engine.errors import NoAnswer, Unavailable
from engine.events import Aborted, Decided, Drafted, Dropped, Record, Rejected, Resumed, Voted
from engine.forks import fork
from engine.testing import GatedModel
from engine.types import OUTSIDE, Phase, Task, Turn

pytestmark = pytest.mark.nats

EXPERT = "expert"
TEXT = f"{EXPERT} draft 0"

PLAN = b'{"story_id": "s", "plan_id": "p", "approved_by": "a", "timestamp": "2026-01-01T00:00:00Z"}'

Turns = tuple[asyncio.Task[list[Record]], Asked]


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


def drafts(expert: OutsideAgentTwin) -> list[Asked]:
    """What it was asked to write first; its first review may come before."""
    return [asked for asked in expert.requests if asked["phase"] == "draft"]


def reasons(records: list[Record]) -> list[str]:
    """Why the agent was dropped."""
    return [dropped.reason for dropped in of_expert(records, Dropped)]


async def test_an_agent_outside_sits_as_any_other(seat: Seat, expert: OutsideAgentTwin) -> None:
    """It drafts, reviews and votes, is told the task and the form, and costs no tokens of ours."""
    records = await seen_by(seat(), a_task(story_id="s-7"))
    assert isinstance(records[-1].event, Decided)
    assert {EXPERT, ONE} < {ranked.author for ranked in records[-1].event.decision.order}
    assert not records[-1].event.decision.degraded
    (drafted,), (voted,) = of_expert(records, Drafted), of_expert(records, Voted)
    assert (drafted.text, drafted.usage.generated) == (TEXT, 0)
    assert (voted.ballot.mass, voted.ballot.consistency) == (1.0, 0.0)
    first = drafts(expert)[0]
    assert (first["task_id"], first["phase"], first["form"]["kind"]) == (
        drafted.turn,
        "draft",
        "text",
    )
    assert (first["role"], first["story_id"], first["deliberation"]) == ("DEV", "s-7", "t-1")
    assert "Build a clock" in first["task_description"]
    assert "You have seen it fail." in first["task_description"]


async def running(actor: CouncilActor, expert: OutsideAgentTwin, task: Task | None = None) -> Turns:
    """Begin a deliberation in which the agent says nothing by itself; the request of its draft."""
    expert.say = lambda asked: None
    work = asyncio.create_task(seen_by(actor, task or a_task()))
    await until_async(lambda: drafts(expert), "the agent is asked")
    return work, drafts(expert)[0]


async def answer_all(expert: OutsideAgentTwin, work: asyncio.Task[list[Record]]) -> list[Record]:
    """Answer what was asked, first the later requests, and what will be; all records."""
    expert.say = obliging
    for asked in reversed(expert.requests):
        await expert.respond(asked, **obliging(asked))
    return await work


async def counted(actor: CouncilActor, **wanted: int) -> None:
    """Wait until the council has ignored so much for these reasons."""

    async def look() -> bool:
        seen = (await actor.health()).ignored
        return all(seen.get(reason.replace("_", " "), 0) == n for reason, n in wanted.items())

    await reaches(look, f"{wanted} are counted")


async def test_one_that_gives_up_is_dropped_with_its_reason(
    seat: Seat, expert: OutsideAgentTwin
) -> None:
    """The others decide without it; it is asked nothing more."""
    expert.say = lambda asked: {"kind": "failed", "error": "no\ntime", "error_type": "Busy"}
    records = await seen_by(seat(), a_task())
    assert set(reasons(records)) == {f"GaveUp: {EXPERT}: Busy: no time"}
    assert isinstance(records[-1].event, Decided)
    assert list(records[-1].event.decision.lost) == [EXPERT]
    assert {asked["phase"] for asked in expert.requests} <= {"draft", "critique"}


@within(answer_within_s=0.4)
async def test_a_late_answer_is_ignored(seat: Seat, expert: OutsideAgentTwin) -> None:
    """The agent is dropped when its time is up; what comes then changes nothing."""
    model = GatedModel()
    actor = seat(model)
    work, asked = await running(actor, expert)
    await until_async(lambda: reasons(actor._runs["t-1"].records), "its time is up")
    await expert.respond(asked, proposal="too late")
    await counted(actor, late=1)
    letting = asyncio.create_task(answering(model))
    records = await work
    letting.cancel()
    assert set(reasons(records)) == {f"NoAnswer: {EXPERT} gave no answer in 0.4 s"}
    assert isinstance(records[-1].event, Decided)
    assert not of_expert(records, Drafted)


async def test_an_answer_counts_once(seat: Seat, expert: OutsideAgentTwin) -> None:
    """The first one; the same again and another one are ignored, and so is a change of mind."""
    actor = seat()
    work, asked = await running(actor, expert)
    for text in ("first", "first", "second"):
        await expert.respond(asked, proposal=text)
    await expert.respond(asked, "failed", error="on second thoughts")
    await counted(actor, again=3)
    expert.requests.remove(asked)
    records = await answer_all(expert, work)
    assert [drafted.text for drafted in of_expert(records, Drafted)] == ["first"]
    assert not reasons(records)


async def test_nobody_answers_for_another(seat: Seat, expert: OutsideAgentTwin) -> None:
    """What another agent says of the turn, or of a turn that nobody asked, is ignored."""
    actor = seat()
    work, asked = await running(actor, expert)
    await expert.respond(asked, agent_id="impostor", proposal="I am it")
    await expert.respond(asked, task_id="never-asked", proposal="to whom?")
    await counted(actor, from_another_agent=1, unknown_task=1)
    records = await answer_all(expert, work)
    assert [drafted.text for drafted in of_expert(records, Drafted)] == [TEXT]


@within(answer_within_s=60, silent_after_s=2)
async def test_progress_is_a_sign_of_life(seat: Seat, expert: OutsideAgentTwin) -> None:
    """While the agent says that it works it is waited for, much longer than it may be silent."""
    work, _ = await running(seat(), expert)
    for percent in range(10):
        for each in list(expert.requests):
            await expert.respond(each, "progress", progress_pct=percent)
        await asyncio.wait([work], timeout=0.3)
    assert not work.done()
    records = await answer_all(expert, work)
    assert not reasons(records)
    assert len(of_expert(records, Drafted)) == 1


@within(answer_within_s=20, silent_after_s=0.3)
async def test_a_silent_agent_is_taken_for_gone(seat: Seat, expert: OutsideAgentTwin) -> None:
    """Long before its time to answer is up."""
    work, _ = await running(seat(), expert)
    records = await work
    assert set(reasons(records)) == {f"NoAnswer: {EXPERT} gave no sign of life in 0.3 s"}
    assert isinstance(records[-1].event, Decided)


GARBAGE = {
    b"\xff\x00": "json_invalid",
    b"[1]": "dict_type",
    b"[" * 5000: "json_invalid",
    b'{"task_id": "x"}': "missing",
    b'{"task_id": {}, "agent_id": "expert"}': "string_type",
    b'{"task_id": "x", "agent_id": "expert", "task_id": "y"}': "duplicate_key",
    b'{"specversion": "1.0", "id": "1", "data": {}}': "missing",
    b'{"proposal": "' + b"x" * 300_000 + b'"}': "too_large",
}


async def never(_task: Task) -> Record:
    """What a bridge convenes with that is only to read responses."""
    raise AssertionError("no deliberation was asked for")


async def test_garbage_gets_one_dead_letter_and_the_next_answer_is_taken(
    seat: Seat, expert: OutsideAgentTwin, client: Connection, config: Config
) -> None:
    """Two bridges take them and two councils hear them: one letter each, and both decide."""
    bridges = [Bridge(config, never) for _ in range(2)]
    for bridge in bridges:
        await bridge.start()
    works = []
    for number, actor in enumerate((seat(), seat())):
        work, _ = await running(actor, expert, a_task(f"t-{number}"))
        works.append(work)
    await until_async(lambda: {r["deliberation"] for r in expert.requests} == {"t-0", "t-1"})
    for data in GARBAGE:
        await expert.publish(data)
    await expert.publish(b"{}", "shrugged")
    ends = [(await answer_all(expert, work))[-1].event for work in works]
    assert all(isinstance(end, Decided) and not end.decision.degraded for end in ends)

    async def all_buried() -> bool:
        return await stored(client, "DEADLETTER") >= len(GARBAGE) + 1

    await reaches(all_buried, "the garbage is buried")
    found = await letters(client)
    assert [letter.kind for letter in sorted(found, key=lambda it: it.seq)] == [
        *GARBAGE.values(),
        "unknown_subject",
    ]
    assert {letter.stream for letter in found} == {"AGENT_RESPONSES"}
    for bridge in bridges:
        await bridge.stop()


async def test_a_resumed_council_finds_what_was_answered_meanwhile(
    seat: Seat, expert: OutsideAgentTwin, client: Connection
) -> None:
    """The request is sent once, and the answer that came while nobody listened is taken."""
    first = seat()
    work, asked = await running(first, expert, a_task(num_agents=3))
    await until_async(lambda: len(expert.requests) == 2, "its draft and a review are asked for")
    await crash(first)
    await asyncio.gather(work, return_exceptions=True)
    await expert.respond(asked, proposal="while you were away")
    before = await stored(client, "AGENT_REQUESTS")
    expert.requests.remove(asked)
    again = asyncio.create_task(seen_by(seat(), a_task(num_agents=3)))
    records = await answer_all(expert, again)
    assert [type(r.event) for r in records].count(Resumed) == 1
    (drafted,) = of_expert(records, Drafted)
    assert (drafted.turn, drafted.text) == (asked["task_id"], "while you were away")
    sent = [each["task_id"] for each in expert.requests]
    assert len(sent) == len(set(sent))
    assert await stored(client, "AGENT_REQUESTS") == before + len(sent) - 1
    assert not reasons(records)


async def test_a_cancelled_turn_is_aborted(seat: Seat, expert: OutsideAgentTwin) -> None:
    """When time is up what the agent was asked is given up, and its answer is late."""
    actor = seat()
    work, asked = await running(actor, expert, a_task(timeout_s=1.0))
    records = await work
    assert {aborted.turn for aborted in of_expert(records, Aborted)} >= {asked["task_id"]}
    assert isinstance(records[-1].event, Decided)
    await expert.respond(asked, proposal="at last")
    await counted(actor, late=1)


async def test_a_text_over_its_budget_is_cut_visibly(seat: Seat, expert: OutsideAgentTwin) -> None:
    """By the council's own count of tokens."""
    expert.say = lambda asked: (
        obliging(asked) | ({"proposal": "word " * 5000} if asked["phase"] == "draft" else {})
    )
    records = await seen_by(seat(), a_task())
    (drafted,) = of_expert(records, Drafted)
    assert drafted.truncated
    assert drafted.text.endswith("[clipped]")
    assert len(drafted.text.split()) == drafts(expert)[0]["max_tokens"]


async def test_an_answer_of_another_form_is_asked_for_once_more(
    seat: Seat, expert: OutsideAgentTwin
) -> None:
    """The second request says what was wrong with the first answer."""
    wrong = {"draft": {"proposal": " "}, "critique": {"output": {"verdict": "maybe"}}}
    seen: set[str] = set()

    def say(asked: Asked) -> Asked:
        first = asked["phase"] not in seen
        seen.add(asked["phase"])
        return wrong.get(asked["phase"], {"output": [7]}) if first else obliging(asked)

    expert.say = say
    records = await seen_by(seat(), a_task())
    rejected = of_expert(records, Rejected)
    assert {each.phase for each in rejected} == {"draft", "critique", "vote"}
    assert not reasons(records)
    assert "empty text" in drafts(expert)[1]["task_description"]


async def test_an_outage_shorter_than_its_time_loses_no_answer(
    seat: Seat, expert: OutsideAgentTwin, nats: NatsServer
) -> None:
    """The server dies after it was asked; what it answers to the next one is taken."""
    work, _ = await running(seat(), expert, a_task(policy="vote"))
    nats.restart()
    records = await answer_all(expert, work)
    assert not reasons(records)
    assert [drafted.text for drafted in of_expert(records, Drafted)] == [TEXT]
    assert await journalled(nats.url) == records


async def test_without_nats_it_is_told_that_nobody_could_be_asked() -> None:
    """Within the agent's time, and so that the reader knows what is the matter."""
    agent = OutsideAgent(id=EXPERT, answer_within_s=0.3)
    outside = Outside(BusConfig(url=f"nats://127.0.0.1:{free_port()}"), "nobody", [agent])
    turn = Turn(
        deliberation="t-1",
        agent=EXPERT,
        pool=OUTSIDE,
        phase=Phase.DRAFT,
        round=0,
        target=EXPERT,
        messages=(),
        max_tokens=9,
    )
    with pytest.raises(NoAnswer, match=r"expert could not be asked in 0.3 s: NATS does not answer"):
        await outside.ask(turn, a_task())
    await outside.close()


def matches(pattern: str, subject: str) -> bool:
    """Whether a filter takes a subject, by the rules of NATS."""
    wanted, given = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        wanted, given = wanted[:-1], given[: len(wanted) - 1]
    return len(wanted) == len(given) and all(
        w in ("*", g) for w, g in zip(wanted, given, strict=True)
    )


async def test_asking_starts_no_deliberation(
    seat: Seat, expert: OutsideAgentTwin, client: Connection, config: Config
) -> None:
    """No durable of ours takes the subject, and a bridge that runs beside convenes nothing."""
    convened: list[Task] = []

    async def convene(task: Task) -> Record:
        convened.append(task)
        return ended(task)

    bridge = Bridge(config, convene)
    await bridge.start()
    await seen_by(seat(), a_task())
    for stream in STREAMS:
        for durable in await client.streams().consumers_info(str(stream.name)):
            if durable.name != EXPERT:
                filters = [durable.config.filter_subject, *(durable.config.filter_subjects or [])]
                asked = f"agent.request.agent.{EXPERT}"
                assert not any(matches(each, asked) for each in filters if each), durable.name
                assert any(filters), f"{durable.name} takes everything"
    assert len(expert.requests) >= 4
    await client.streams().publish("planning.plan.approved", PLAN)
    await until_async(lambda: convened, "the bridge works")
    await bridge.stop()
    assert [task.plan_id for task in convened] == ["p"]
    assert await stored(client, "DEADLETTER") == 0


async def test_forks_ask_an_agent_outside_each_turn_once(
    seat: Seat, expert: OutsideAgentTwin, client: Connection
) -> None:
    """Two at once wait for the same answers; what their origin was told is not asked again."""
    actor = seat()
    origin = await seen_by(actor, a_task())
    known = {asked["task_id"] for asked in expert.requests}
    tasks = [fork(origin, f"f-{n}", without=(TWO,)).task for n in (1, 2)]
    first, second = await asyncio.gather(*(seen_by(actor, task) for task in tasks))
    for records in (first, second):
        assert isinstance(records[-1].event, Decided)
        assert not records[-1].event.decision.degraded
        assert of_expert(records, Voted)
    asked = [each["task_id"] for each in expert.requests]
    assert len(asked) == len(set(asked)) > len(known)
    assert await stored(client, "AGENT_REQUESTS") == len(asked)


async def test_the_example_takes_part_as_it_is_shipped(
    seat: Seat, nats: NatsServer, client: Connection
) -> None:
    """It drafts, reviews and votes, and says so."""
    example = Path(__file__).parent.parent / "examples" / "outside_agent.py"
    script = await asyncio.create_subprocess_exec(
        sys.executable, str(example), EXPERT, nats.url, stdout=asyncio.subprocess.PIPE
    )
    try:
        records = await seen_by(seat(), a_task())
    finally:
        script.terminate()
        said, _ = await script.communicate()
    assert isinstance(records[-1].event, Decided)
    assert not records[-1].event.decision.degraded
    assert of_expert(records, Drafted)[0].text.startswith("Ship it behind a flag")
    assert of_expert(records, Voted)
    assert b"draft, round 0: completed" in said


@within(answer_within_s=0.8)
async def test_what_came_in_time_counts_however_late_the_council_is_back(
    seat: Seat, expert: OutsideAgentTwin
) -> None:
    """The time of a turn runs from its first request; by the stream an answer is late or not."""
    first = seat()
    task = a_task(policy="vote")
    work, asked = await running(first, expert, task)
    begun = time.monotonic()
    await crash(first)
    await asyncio.gather(work, return_exceptions=True)
    await expert.respond(asked, proposal="in time")
    await until_async(lambda: time.monotonic() > begun + 1.0, "its time is up")
    await expert.respond(asked, proposal="late")
    expert.say = obliging
    records = await seen_by(seat(), task)
    assert [drafted.text for drafted in of_expert(records, Drafted)] == ["in time"]
    assert of_expert(records, Voted)


@within(answer_within_s=0.5)
async def test_what_came_late_is_late_for_whoever_resumes(
    seat: Seat, expert: OutsideAgentTwin
) -> None:
    """It is not asked again, and its time is not begun anew."""
    first = seat()
    task = a_task(policy="vote")
    work, asked = await running(first, expert, task)
    begun = time.monotonic()
    await crash(first)
    await asyncio.gather(work, return_exceptions=True)
    await until_async(lambda: time.monotonic() > begun + 0.7, "its time is up")
    await expert.respond(asked, proposal="late")
    records = await seen_by(seat(), task)
    assert reasons(records) == [f"NoAnswer: {EXPERT} gave no answer in 0.5 s"]
    assert len(expert.requests) == 1


async def test_a_connection_closed_for_good_is_made_anew(
    seat: Seat, expert: OutsideAgentTwin
) -> None:
    """Whoever waits hears the answer all the same."""
    actor = seat()
    work, _ = await running(actor, expert)
    assert actor._outside._bus._client is not None
    await actor._outside._bus._client.close()
    records = await answer_all(expert, work)
    assert not reasons(records)
    assert len(of_expert(records, Drafted)) == 1


async def test_what_others_are_told_is_not_ours_to_count(
    seat: Seat, expert: OutsideAgentTwin
) -> None:
    """Councils read one stream: an answer to another one is no stray answer here."""
    actor = seat()
    work, asked = await running(actor, expert)
    await expert.respond(asked, task_id="theirs", agent_id="their-agent", proposal="x")
    await answer_all(expert, work)
    assert (await actor.health()).ignored == {}


async def test_the_desk_tells_of_councils_with_agents_outside(config: Config) -> None:
    """They are among its agents, and have no model."""

    async def state() -> State:
        raise Unavailable("nobody is there")

    (told,) = await Desk(config, roster(config), state, find=lambda name: None).councils()
    assert told.agents == (ONE, TWO, EXPERT)
    assert told.models == ("/models/small",)
