"""With the bus away a council decides all the same, and the journal has everything afterwards."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import NamedTuple, get_args

import pytest
from deadline import reaches, until_async
from seats import Seat, a_task, answering, crash, journalled, result_of, seen_by

from actors.council import CouncilActor
from actors.crew import Kind
from actors.journal import Journal
from actors.line import Line
from actors.nats_server import NatsServer
from actors.roster import roster
from actors.run import Conclusion, Terms
from actors.supervisor import Post, State
from edges.desk import Desk
from engine.config import Config
from engine.errors import Away, Conflict, Ended, Unavailable
from engine.events import END, Decided, Drafted, Record, Resumed, Suspended
from engine.results import result
from engine.testing import GatedModel, ScriptedModel
from engine.transcript import fold
from engine.types import Task

pytestmark = pytest.mark.nats

KINDS: tuple[Kind, ...] = get_args(Kind)
AT_ONCE_S = 3.0
"""Three times what a caller has to wait at most once the bus is known to be away."""


class Following:
    """A caller of a council: what it was told so far, and the task that it listens with."""

    def __init__(self, actor: CouncilActor, task: Task) -> None:
        self.records: list[Record] = []
        self._actor = actor
        self.task = asyncio.create_task(self._follow(actor, task))

    async def _follow(self, actor: CouncilActor, task: Task) -> None:
        async with aclosing(actor.deliberate(task)) as stream:
            async for record in stream:
                self.records.append(record)

    async def leave(self) -> None:
        """Leave as the only caller: nobody waits for the work, so it is suspended."""
        self.task.cancel()
        await until_async(lambda: not self._actor._runs, "it is suspended", AT_ONCE_S)

    async def end(self) -> None:
        """Wait for the end, which is told at once."""
        await until_async(lambda: self.ended, "the end is told", AT_ONCE_S)

    def has(self, kind: type, times: int) -> bool:
        """Whether it was told so many events of a kind."""
        return sum(isinstance(record.event, kind) for record in self.records) == times

    @property
    def ended(self) -> bool:
        """Whether the end was told."""
        return bool(self.records) and isinstance(self.records[-1].event, END)


async def drafting(actor: CouncilActor, model: GatedModel) -> Following:
    """A caller whose drafts are under way."""
    caller = Following(actor, a_task())
    await until_async(lambda: len(model.held) == 3, "all drafts are asked for")
    return caller


async def connected_to(actor: CouncilActor) -> None:
    """Have the actor's line up."""
    await actor._opened().back()


async def stand_still(nats: NatsServer) -> None:
    """Stop the server's process, connections and all, until SIGCONT."""
    os.kill(nats.pid, signal.SIGSTOP)

    def still() -> bool:
        threads = Path(f"/proc/{nats.pid}/task").iterdir()
        return all(") T" in (thread / "stat").read_text() for thread in threads)

    await until_async(still, "it stands still")


@pytest.mark.parametrize("had", [True, False], ids=["lost", "never had"])
async def test_it_is_decided_at_once_and_written_when_the_bus_is_back(
    seat: Seat, config: Config, nats: NatsServer, had: bool
) -> None:
    """Whether the connection broke or was never made; the stream returns when all is durable."""
    actor = seat()
    if had:
        await connected_to(actor)
    nats.kill()
    first, second = Following(actor, a_task()), Following(actor, a_task("t-2"))
    await first.end()
    await second.end()
    found = await result_of(actor)
    assert (found.status, found.durable, first.task.done()) == ("completed", False, False)
    nats.start()
    await asyncio.wait_for(asyncio.gather(first.task, second.task), 15)
    assert await journalled(config.bus.url) == first.records
    assert await journalled(config.bus.url, "t-2") == second.records
    assert (await result_of(actor)).durable


async def test_a_request_that_meets_the_death_of_the_bus_is_not_held_up(
    seat: Seat, nats: NatsServer
) -> None:
    """A question that is under way when the connection breaks is given up with it."""
    actor = seat()
    await connected_to(actor)
    await stand_still(nats)
    asked = Following(actor, a_task())
    await until_async(lambda: actor._opened()._line._calls, "the journal is asked")
    nats.kill()
    await asked.end()


async def test_a_break_of_a_moment_is_waited_out(seat: Seat) -> None:
    """A connection that is mended at once hides nothing: the stored deliberation is found."""
    stored = await seen_by(seat(), a_task())
    model = ScriptedModel()
    actor = seat(model)
    line = actor._opened()._line
    client = await line.up()
    transport, server = client._transport, client._current_server
    assert transport is not None
    assert server is not None
    server.last_attempt = None  # one that has just been made is mended only after a second
    transport.close()
    await asyncio.wait_for(line._news.wait(), 5)
    assert line.away
    assert await seen_by(actor, a_task()) == stored
    assert model.turns == []


async def test_a_bus_that_is_there_and_tells_nothing_is_not_waited_for(
    seat: Seat, config: Config, nats: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process stands still: the deliberation goes on, and is written when it moves again."""
    monkeypatch.setattr("actors.conduct.HISTORY_WITHIN_S", 0.2)
    monkeypatch.setattr("actors.bus.REQUEST_S", 0.2)
    actor = seat()
    await connected_to(actor)
    await stand_still(nats)
    asked = Following(actor, a_task())
    await asked.end()
    assert not asked.task.done()
    os.kill(nats.pid, signal.SIGCONT)
    await asyncio.wait_for(asked.task, 15)
    assert await journalled(config.bus.url) == asked.records


async def test_a_key_sent_again_joins_what_runs_or_waits_here(seat: Seat, nats: NatsServer) -> None:
    """While it runs, and while its end waits for the bus; no turn is asked for twice."""
    model = GatedModel()
    actor = seat(model)
    nats.kill()
    early = await drafting(actor, model)
    during = Following(actor, a_task())
    answers = asyncio.create_task(answering(model))
    await early.end()
    late = Following(actor, a_task())
    await late.end()
    await during.end()
    answers.cancel()
    assert early.records == during.records == late.records
    assert max(model.asked().values()) == 1


async def test_what_is_suspended_without_the_bus_is_resumed_without_it(
    seat: Seat, config: Config, nats: NatsServer
) -> None:
    """Its callers left, one comes back: it goes on from memory, and the journal gets it whole."""
    model = GatedModel()
    actor = seat(model)
    await connected_to(actor)
    nats.kill()
    caller = await drafting(actor, model)
    model.release()
    await until_async(lambda: caller.has(Drafted, 3), "all drafts are told")
    await caller.leave()
    left = await actor.read("t-1")
    assert (left.state.suspended != "", left.durable) == (True, False)
    answers = asyncio.create_task(answering(model))
    again = Following(actor, a_task())
    await again.end()
    nats.start()
    await asyncio.wait_for(again.task, 15)
    answers.cancel()
    written = await journalled(config.bus.url)
    assert written == again.records
    assert again.has(Suspended, 1)
    assert again.has(Resumed, 1)
    drafts = [turn.agent for turn in model.turns if turn.phase == "draft"]
    assert len(drafts) == len(set(drafts)) == 3


async def test_another_request_takes_nothing_from_what_is_held(
    seat: Seat, config: Config, nats: NatsServer
) -> None:
    """It is refused for its id; who began can still read, and go on, and is written once."""
    model = GatedModel()
    actor = seat(model)
    nats.kill()
    await (await drafting(actor, model)).leave()
    held = (await actor.read("t-1")).records
    with pytest.raises(Conflict, match="belongs to another request"):
        await seen_by(actor, a_task(text="Build a sundial"))
    assert (await actor.read("t-1")).records == held
    answers = asyncio.create_task(answering(model))
    again = Following(actor, a_task())
    await again.end()
    assert again.records[: len(held)] == held
    nats.start()
    await asyncio.wait_for(again.task, 15)
    answers.cancel()
    assert await journalled(config.bus.url) == again.records


async def test_what_is_suspended_without_the_bus_is_written_by_itself(
    seat: Seat, config: Config, nats: NatsServer
) -> None:
    """Nobody comes back for it: the journal has it as soon as the bus is back."""
    model = GatedModel()
    actor = seat(model)
    nats.kill()
    await (await drafting(actor, model)).leave()
    told = list((await actor.read("t-1")).records)
    draining = asyncio.create_task(actor.drain())
    await until_async(lambda: actor._opened().away, "the bus is away")
    assert not draining.done()
    nats.start()

    async def written() -> bool:
        return await journalled(config.bus.url) == told

    await reaches(written, "it is written", 15)
    await asyncio.wait_for(draining, 5)
    assert actor._opened().unwritten("t-1") is None


@pytest.mark.parametrize("runs", [True, False], ids=["running", "suspended"])
async def test_it_is_cancelled_without_the_bus(
    seat: Seat, config: Config, nats: NatsServer, runs: bool
) -> None:
    """The caller is told at once, and that it is not durable; the journal gets the one end."""
    model = GatedModel()
    actor = seat(model)
    nats.kill()
    caller = await drafting(actor, model)
    if not runs:
        await caller.leave()
    found = await asyncio.wait_for(actor.cancel("t-1"), AT_ONCE_S)
    assert (result(found.state).error_type, found.durable) == ("Cancelled", False)
    nats.start()

    async def written() -> bool:
        return await journalled(config.bus.url) == found.records

    await reaches(written, "it is written", 15)
    with pytest.raises(Ended):
        await actor.cancel("t-1")


async def test_what_the_journal_holds_already_stays(
    seat: Seat, config: Config, nats: NatsServer
) -> None:
    """A key of yesterday, sent while nobody can look: decided anew; then the stored counts."""
    stored = await seen_by(seat(), a_task())
    nats.kill()
    asked = Following(seat(), a_task())
    await asked.end()
    nats.start()
    with pytest.raises(Unavailable, match="another writer"):
        await asyncio.wait_for(asked.task, 15)
    assert await journalled(config.bus.url) == stored


async def test_work_that_nobody_waits_for_is_not_begun_without_its_history(
    seat: Seat, nats: NatsServer
) -> None:
    """An event's deliberation may be half done: while the bus is away no turn of it is repeated."""
    await seen_by(seat(), a_task())
    model = ScriptedModel()
    actor = seat(model)
    nats.kill()
    again = asyncio.create_task(seen_by(actor, a_task(), Terms(detached=True)))
    await Following(actor, a_task("t-2")).end()
    assert {turn.deliberation for turn in model.turns} == {"t-2"}
    nats.start()
    assert isinstance((await asyncio.wait_for(again, 15))[-1].event, Decided)
    assert {turn.deliberation for turn in model.turns} == {"t-2"}


async def test_nothing_is_accepted_that_cannot_be_kept(seat: Seat, nats: NatsServer) -> None:
    """Refused in one line before anything begins."""
    model = ScriptedModel()
    actor = seat(model)
    nats.kill()
    with pytest.raises(Unavailable, match=r"nothing can be accepted .* no NATS server answers"):
        await asyncio.wait_for(actor.accept(a_task(), Terms()), AT_ONCE_S)
    assert (model.turns, (await actor.health()).running) == ([], ())


async def test_a_process_holds_only_so_much(seat: Seat, config: Config, nats: NatsServer) -> None:
    """Over its bound nothing new begins, in one line; what is held is written in the end."""
    actor = seat()
    actor._journal = Journal(Line(config.bus, "council"), held_bytes=1000)
    nats.kill()
    first = Following(actor, a_task())
    await first.end()
    with pytest.raises(Unavailable, match=r"bytes of records wait for the bus.* 1000: nothing new"):
        await seen_by(actor, a_task("t-2"))
    joined = Following(actor, a_task())
    await joined.end()
    nats.start()
    await asyncio.wait_for(first.task, 15)
    assert await seen_by(actor, a_task("t-2"))


async def test_accepted_work_goes_on_as_soon_as_the_bus_is_back(
    seat: Seat, config: Config, nats: NatsServer
) -> None:
    """Council and bus died, the council came back first: nobody has to ask, or to wait long."""
    first = seat(GatedModel())
    await first.accept(a_task(), Terms())
    await crash(first)
    nats.kill()
    actor = seat()
    await actor.health()
    with pytest.raises(Away):
        await actor.read("t-1")
    nats.start()
    back = time.monotonic()

    async def decided() -> bool:
        return isinstance((await journalled(config.bus.url))[-1].event, Decided)

    await reaches(decided, "it is decided", 15)
    assert time.monotonic() - back < 5


class Front(NamedTuple):
    """A desk, the one council actor behind it, and the model of that."""

    desk: Desk
    actor: CouncilActor
    model: GatedModel


@pytest.fixture
async def front(seat: Seat, config: Config) -> AsyncIterator[Front]:
    """A desk whose line to the bus and whose council's line are up."""
    model = GatedModel()
    actor = seat(model)
    desk = Desk(config, roster(config), _all_ready, lambda _: None)

    async def read(_role: str, task_id: str) -> Conclusion:
        return await actor.read(task_id)

    desk._councils.stream = actor.deliberate  # type: ignore[assignment, method-assign]
    desk._councils.read = read  # type: ignore[method-assign]
    await asyncio.gather(desk._opened().back(), connected_to(actor))
    yield Front(desk, actor, model)
    await desk._opened().close()


async def _all_ready() -> State:
    posts = tuple(Post(name=kind, kind=kind, state="ready") for kind in KINDS)
    return State(since=time.time(), bus="", posts=posts)


async def test_a_caller_at_a_door_is_answered_without_the_bus(
    front: Front, nats: NatsServer
) -> None:
    """At once after the end, which is not durable; it is when the bus is back, or was there."""
    answers = asyncio.create_task(answering(front.model))
    assert (await front.desk.conclude(a_task("t-0"), 60)).durable
    nats.kill()
    found = await asyncio.wait_for(front.desk.conclude(a_task(), 60), AT_ONCE_S)
    answers.cancel()
    assert (found.state.end is not None, found.durable) == (True, False)
    held = await asyncio.wait_for(front.desk.read("t-1"), AT_ONCE_S)
    assert (held.records, held.durable) == (found.records, False)
    assert not await front.desk.holds(found.records[-1])
    nats.start()

    async def durable() -> bool:
        return (await front.desk.read("t-1")).durable

    await reaches(durable, "it is durable", 15)
    assert await front.desk.holds(found.records[-1])


async def test_an_end_that_waits_is_answered_when_the_bus_is_lost(
    front: Front, nats: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bus stops answering before the end and dies after it: that is not waited out."""
    monkeypatch.setattr("edges.desk.DURABLE_WITHIN_S", 60.0)
    asked = asyncio.create_task(front.desk.conclude(a_task(), 60))
    await until_async(lambda: len(front.model.held) == 3, "all drafts are asked for")
    await stand_still(nats)
    answers = asyncio.create_task(answering(front.model))
    await until_async(lambda: front.actor._runs["t-1"].ended, "it is decided")
    answers.cancel()
    assert not asked.done()
    nats.kill()
    assert not (await asyncio.wait_for(asked, AT_ONCE_S)).durable


async def test_a_stream_goes_on_without_the_bus_and_with_it_again(
    front: Front, nats: NatsServer
) -> None:
    """Live while it is away, then from the journal: each record once, in order, to the end."""
    seen: list[Record] = []

    async def follow() -> None:
        async with aclosing(front.desk.follow(a_task(), 60)) as stream:
            async for record in stream:
                seen.append(record)  # noqa: PERF401 - read while it grows

    following = asyncio.create_task(follow())
    await until_async(lambda: len(seen) == 5, "the first records come from the journal")
    nats.kill()
    front.model.release()
    await until_async(lambda: len(seen) > 8, "those of the drafts come live", AT_ONCE_S)
    nats.start()
    await front.desk._opened().back()
    answers = asyncio.create_task(answering(front.model))
    await asyncio.wait_for(following, 15)
    answers.cancel()
    assert [record.seq for record in seen] == list(range(1, len(seen) + 1))
    assert seen == (await front.actor.read("t-1")).records
    assert fold(seen).end is not None


async def test_what_only_a_council_holds_is_watched(front: Front, nats: NatsServer) -> None:
    """What there is is told; the rest comes when the bus is back, each record once."""
    nats.kill()
    begun = asyncio.create_task(front.desk.conclude(a_task(), 60))
    await until_async(lambda: len(front.model.held) == 3, "all drafts are asked for")
    await asyncio.wait_for(front.desk.known("t-1"), AT_ONCE_S)
    seen: list[Record] = []

    async def watch() -> None:
        async with aclosing(front.desk.watch("t-1", after_seq=2)) as stream:
            async for record in stream:
                seen.append(record)  # noqa: PERF401 - read while it grows

    watching = asyncio.create_task(watch())
    await until_async(lambda: len(seen) == 3, "what there is is told", AT_ONCE_S)
    answers = asyncio.create_task(answering(front.model))
    told = (await asyncio.wait_for(begun, AT_ONCE_S)).records
    whole = front.desk.behind(await front.desk.known("t-1"), 0)
    async with aclosing(whole) as records:
        assert [record async for record in records] == told
    nats.start()
    await asyncio.wait_for(watching, 15)
    answers.cancel()
    assert seen == told[2:]


async def test_a_stream_ends_without_the_bus(front: Front, nats: NatsServer) -> None:
    """Its end is told live, and nothing is waited for after it."""
    nats.kill()
    answers = asyncio.create_task(answering(front.model))

    async def told() -> list[Record]:
        async with aclosing(front.desk.follow(a_task(), 60)) as stream:
            return [record async for record in stream]

    records = await asyncio.wait_for(told(), AT_ONCE_S)
    answers.cancel()
    assert isinstance(records[-1].event, Decided)
    assert records == front.actor._runs["t-1"].records


async def test_without_the_bus_the_whole_is_degraded_and_soon_healthy_again(
    front: Front, nats: NatsServer
) -> None:
    """The bus is named as the trouble; requests are done all the same, so it is not unhealthy."""
    assert (await front.desk.readiness()).status == "healthy"
    nats.kill()

    async def degraded() -> bool:
        return (await front.desk.readiness()).status == "degraded"

    await reaches(degraded, "degraded", AT_ONCE_S)
    found = await front.desk.readiness()
    assert found.troubles[0].startswith("bus: no NATS server answers at 127.0.0.1")
    status = await front.desk.status()
    assert (status.status, status.troubles, status.stats) == ("degraded", found.troubles, None)
    nats.start()

    async def healthy() -> bool:
        return (await front.desk.readiness()).status == "healthy"

    await reaches(healthy, "healthy again", 15)


async def test_those_who_wait_for_the_bus_wait_together(config: Config, nats: NatsServer) -> None:
    """With NATS away readers are refused in the time of one, and told where it should be."""
    nats.kill()
    desk = Desk(config, roster(config), _all_ready, lambda _: None)
    began = time.monotonic()
    asked = (desk.journalled("x") for _ in range(20))
    refused = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(each, Away) for each in refused)
    with pytest.raises(Away, match=f"at 127.0.0.1:{nats.port}; start nats-server or set bus.url"):
        await desk.journalled("x")
    assert time.monotonic() - began < AT_ONCE_S
    await desk._opened().close()
