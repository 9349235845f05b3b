"""Claims about who waits for a deliberation, and what becomes of it when nobody does any more."""

import asyncio
from contextlib import aclosing

import pytest
from bus_fakes import connected
from deadline import reaches, until_async
from seats import (
    ONE,
    TWO,
    Seat,
    a_task,
    answering,
    crash,
    journalled,
    publish_all,
    result_of,
    seen_by,
)

from actors.council import CouncilActor
from actors.nats_server import NatsServer
from actors.run import Terms
from engine.config import Config, Limits
from engine.deliberation import deliberate
from engine.errors import Conflict, Ended, InvalidRequest, NotFound, Unavailable
from engine.events import Convened, Critiqued, Decided, Failed, Record, Resumed, Suspended
from engine.testing import GatedModel, ScriptedModel, words
from engine.transcript import Outcome
from engine.types import Phase

pytestmark = pytest.mark.nats


async def attached(actor: CouncilActor, model: GatedModel, id: str = "t-1") -> asyncio.Task[object]:
    """A caller that waits for a deliberation whose drafts are under way."""
    caller = asyncio.create_task(seen_by(actor, a_task(id)))
    await until_async(lambda: len(model.held) == 3, "all drafts are asked for")
    return caller


async def gone(caller: asyncio.Task[object]) -> None:
    """End a caller and wait until it is."""
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)


async def idle(actor: CouncilActor) -> None:
    """Wait until nothing runs there."""
    await until_async(lambda: not actor._runs, "nothing runs")


async def test_without_a_caller_it_is_suspended_and_resumes_for_the_next(
    seat: Seat, config: Config
) -> None:
    """The turns under way are cancelled at once; what was finished is not asked again."""
    model = GatedModel()
    actor = seat(model)
    caller = await attached(actor, model)
    model.release(lambda turn: turn.agent in (ONE, TWO))
    await until_async(lambda: any(t.phase is Phase.CRITIQUE for t, _ in model.held.values()))
    await gone(caller)
    await idle(actor)
    assert not model.held
    assert (await result_of(actor)).status == "suspended"
    before = await journalled(config.bus.url)
    assert isinstance(before[-1].event, Suspended)
    rest = ScriptedModel()
    records = await seen_by(seat(rest), a_task())
    assert records[: len(before)] == before
    assert isinstance(records[len(before)].event, Resumed)
    assert isinstance(records[-1].event, Decided)
    done = {r.event.turn for r in before if isinstance(r.event, Outcome)}
    assert done
    assert not done & {turn.id for turn in rest.turns}


async def test_a_caller_can_leave_though_its_stream_goes_on(seat: Seat) -> None:
    """Where the cancellation of its call was lost, its word counts; a stranger's does not."""
    model = GatedModel()
    actor = seat(model)
    async with aclosing(actor.deliberate(a_task(), None, "me")) as stream:
        await anext(stream)
        await until_async(lambda: len(model.held) == 3, "all drafts are asked for")
        await actor.leave("t-1", "another")
        assert len(model.held) == 3
        await actor.leave("t-1", "me")
        await idle(actor)
        assert not model.held
    assert (await result_of(actor)).status == "suspended"


async def test_the_last_of_several_callers_counts(seat: Seat) -> None:
    """While one is there it goes on, whether it waits for the end or only watches."""
    model = GatedModel()
    actor = seat(model)
    first = await attached(actor, model)
    second = asyncio.create_task(seen_by(actor, a_task()))
    watcher = asyncio.create_task(actor.attend("t-1", "w"))
    await asyncio.sleep(0)
    await gone(first)
    await gone(second)
    assert len(model.held) == 3
    await gone(watcher)
    await idle(actor)
    assert not model.held
    assert (await result_of(actor)).status == "suspended"


async def test_a_watcher_is_counted_before_there_is_a_run(seat: Seat) -> None:
    """Whoever watches a suspended deliberation keeps it going once somebody resumes it."""
    model = GatedModel()
    actor = seat(model)
    watcher = asyncio.create_task(actor.attend("t-1", "w"))
    await gone(await attached(actor, model))
    assert len(model.held) == 3
    await gone(watcher)
    await idle(actor)


async def test_attending_ends_by_itself_and_is_renewed_in_time(
    seat: Seat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller that died without a word is forgotten; one that asks again is never missed."""
    monkeypatch.setattr("actors.council.ATTEND_S", 0.01)
    monkeypatch.setattr("actors.council.RENEW_WITHIN_S", 0.3)
    model = GatedModel()
    actor = seat(model)
    caller = await attached(actor, model)
    await actor.attend("t-1", "w")
    await gone(caller)
    assert model.held
    await actor.attend("t-1", "w")
    assert model.held
    await until_async(lambda: not model.held, "it is suspended")
    await idle(actor)


async def test_a_caller_during_the_suspension_gets_the_rest(seat: Seat) -> None:
    """One that comes while the last words are written waits for them and goes on."""
    model = GatedModel()
    actor = seat(model)
    await gone(await attached(actor, model))
    answers = asyncio.create_task(answering(model))
    records = await seen_by(actor, a_task())
    answers.cancel()
    assert [type(r.event) for r in records].count(Suspended) == 1
    assert isinstance(records[-1].event, Decided)


async def test_a_decision_is_not_suspended_any_more(seat: Seat, nats: NatsServer) -> None:
    """With the end there and not yet durable, the caller may go: it is written all the same."""
    model = GatedModel()
    actor = seat(model)
    caller = await attached(actor, model)
    nats.kill()
    answers = asyncio.create_task(answering(model))
    await until_async(lambda: actor._runs["t-1"].ended, "it is decided")
    answers.cancel()
    await gone(caller)
    nats.start()
    await idle(actor)
    assert (await result_of(actor)).status == "completed"


async def test_suspended_before_it_began_leaves_nothing(seat: Seat) -> None:
    """A caller that leaves while no engine answers has asked for nothing."""
    actor = seat()
    pool = Never()
    actor._conduct._pools = {"small": pool}
    caller = asyncio.create_task(seen_by(actor, a_task()))
    await pool.asked.wait()
    await gone(caller)
    await idle(actor)
    with pytest.raises(NotFound):
        await actor.read("t-1")


class Never:
    """A pool whose engines never answer; `asked` is set once somebody waits for them."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def ready(self) -> None:
        self.asked.set()
        await asyncio.Event().wait()


async def test_accepted_work_needs_no_caller(seat: Seat, config: Config) -> None:
    """It is accepted when it would outlive its actor; the next one takes it up by itself."""
    model = GatedModel()
    actor = seat(model)
    records, _ = await actor.accept(a_task(), Terms())
    assert isinstance(records[0].event, Convened)
    await until_async(lambda: len(model.held) == 3, "it runs")
    await crash(actor)
    other = seat()
    await other.health()

    async def decided() -> bool:
        return isinstance((await journalled(config.bus.url))[-1].event, Decided)

    await reaches(decided, "it is decided by the next actor")
    await idle(other)
    async with connected(config.bus.url) as client:
        open_ = "$KV.conclave-open.>"
        info = await client.streams().stream_info("KV_conclave-open", subjects_filter=open_)
    assert not info.state.subjects


async def test_a_caller_that_leaves_does_not_suspend_accepted_work(seat: Seat) -> None:
    """Neither when it was accepted first nor when it was accepted while somebody waited."""
    model = GatedModel()
    actor = seat(model)
    caller = await attached(actor, model)
    await actor.accept(a_task(), Terms())
    await gone(caller)
    assert len(model.held) == 3
    answers = asyncio.create_task(answering(model))
    await actor.drain()
    answers.cancel()
    assert (await result_of(actor)).status == "completed"


async def test_what_cannot_be_kept_is_not_accepted(seat: Seat, nats: NatsServer) -> None:
    """With NATS away nobody is told "accepted"; another request's id is not taken either."""
    model = GatedModel()
    actor = seat(model)
    await attached(actor, model)
    with pytest.raises(Conflict):
        await actor.accept(a_task(text="Build a bomb"), Terms())
    nats.kill()
    with pytest.raises(Unavailable, match="nothing can be accepted to go on by itself"):
        await actor.accept(a_task(), Terms())


async def test_cancelled_it_ends_without_a_decision(seat: Seat, config: Config) -> None:
    """Its turns are cancelled, whoever waits is told, and it stays so."""
    model = GatedModel()
    actor = seat(model)
    caller = await attached(actor, model)
    records = (await actor.cancel("t-1")).records
    assert not model.held
    assert await caller == records == await journalled(config.bus.url)
    assert isinstance(records[-1].event, Failed)
    assert records[-1].event.error_type == "Cancelled"
    assert await seen_by(seat(), a_task()) == records
    with pytest.raises(Ended, match="t-1"):
        await actor.cancel("t-1")
    with pytest.raises(NotFound, match="never"):
        await actor.cancel("never")


async def test_what_does_not_run_is_cancelled_too(seat: Seat) -> None:
    """A suspended one, one that was accepted and lost its actor, one that has not begun."""
    model = GatedModel()
    actor = seat(model)
    await gone(await attached(actor, model))
    assert cancelled((await actor.cancel("t-1")).records)
    await actor.accept(a_task("t-2"), Terms())
    await crash(actor)
    other = seat()
    assert cancelled((await other.cancel("t-2")).records)
    await other.health()

    async def forgotten() -> bool:
        return await other._backlog().all() == []

    await reaches(forgotten, "the ended work is forgotten")
    waiting, pool = seat(), Never()
    waiting._conduct._pools = {"small": pool}
    caller = asyncio.create_task(seen_by(waiting, a_task("t-3")))
    await pool.asked.wait()
    records = (await waiting.cancel("t-3")).records
    assert cancelled(records)
    assert await caller == records


def cancelled(records: list[Record]) -> bool:
    """Whether they end so."""
    end = records[-1].event
    return isinstance(end, Failed) and end.error_type == "Cancelled"


@pytest.mark.parametrize(
    ("limits", "fields", "terms"),
    [
        (Limits(timeout_s=0.4), {}, Terms()),
        (Limits(), {"timeout_s": 0.4}, Terms(timeout_s=600)),
        (Limits(), {"timeout_s": 600}, Terms(timeout_s=0.4)),
    ],
    ids=["server", "task", "caller"],
)
async def test_the_shortest_time_counts(
    seat: Seat, limits: Limits, fields: dict[str, object], terms: Terms
) -> None:
    """With drafts under way that never end, one text there is is what is decided on."""
    model = GatedModel()
    actor = seat(model)
    actor._conduct._limits = limits
    caller = asyncio.create_task(seen_by(actor, a_task(**fields), terms))
    await until_async(lambda: len(model.held) == 3, "all drafts are asked for")
    model.release(lambda turn: turn.agent == ONE)
    records = await asyncio.wait_for(caller, 20)
    end = records[-1].event
    assert isinstance(end, Decided)
    assert (end.decision.choice, end.decision.stop_reason) == (ONE, "deadline")


@pytest.mark.parametrize(
    ("limits", "terms", "reason"),
    [
        (Limits(timeout_s=900), Terms(), "deadline"),
        (Limits(timeout_s=5000), Terms(timeout_s=30), "decided"),
    ],
    ids=["the server's time is of all work", "the caller's begins with the call"],
)
async def test_time_worked_before_an_interruption(
    seat: Seat, config: Config, limits: Limits, terms: Terms, reason: str
) -> None:
    """After a thousand seconds of drafting and a long pause, it resumes and is decided."""
    council = config.council("DEV")
    assert council is not None
    stream = deliberate(a_task(), council, ScriptedModel(), words)
    events = [event async for event in stream]
    cut = next(n for n, event in enumerate(events) if isinstance(event, Critiqued))
    before = [*events[:cut], Suspended(reason="nobody waited")]
    history = [
        Record(deliberation="t-1", seq=n, at=1000.0 * (n > 1) + 1, event=event)
        for n, event in enumerate(before, 1)
    ]
    await publish_all(config.bus.url, history)
    actor = seat()
    actor._conduct._limits = limits
    end = (await seen_by(actor, a_task(), terms))[-1].event
    assert isinstance(end, Decided)
    assert end.decision.stop_reason == reason


async def test_the_reserve_is_kept_for_the_decision(seat: Seat) -> None:
    """A larger share ends the drafts earlier: with nearly all of the time they end at once."""
    model = GatedModel()
    actor = seat(model)
    actor._conduct._limits = Limits(timeout_s=30, decision_reserve=0.99)
    caller = asyncio.create_task(seen_by(actor, a_task()))
    await until_async(lambda: len(model.held) == 3, "all drafts are asked for")
    model.release(lambda turn: turn.agent == ONE)
    assert isinstance((await asyncio.wait_for(caller, 10))[-1].event, Decided)


async def test_what_does_not_fit_is_refused_to_a_caller_and_clipped_on_the_bus(seat: Seat) -> None:
    """The part is named with its tokens and the room; a refused task has taken no id."""
    long = a_task(text="word " * 5000)
    with pytest.raises(InvalidRequest, match=r"text: has 5000 tokens and \d+ fit: DEV takes 1200"):
        await seen_by(seat(), long)
    with pytest.raises(InvalidRequest, match="context: has"):
        await seen_by(seat(), a_task(context={"log": "word " * 5000}))
    with pytest.raises(NotFound):
        await seat().read("t-1")
    records = await seen_by(seat(), long, Terms(clips=True))
    assert isinstance(records[-1].event, Decided)
