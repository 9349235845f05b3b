"""Claims about what comes in the wrong moment: stops, deaths, bugs and callers in a hurry."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import pytest
from bus_fakes import connected, last_record, record
from deadline import reaches, until_async
from seats import Seat, a_task, answering, crash, journalled, result_of, seen_by

from actors.backlog import Backlog, Work
from actors.council import CouncilActor
from actors.nats_server import NatsServer
from actors.roster import roster
from actors.run import Run, Stop, Terms
from actors.testing import ScriptedPool
from edges import desk
from edges.desk import Desk
from engine.config import Config
from engine.errors import ConclaveError, Ended, EngineLost
from engine.events import END, Decided, Failed, Record
from engine.testing import GatedModel, ScriptedModel
from engine.types import Phase, Reply, Task, Turn

pytestmark = pytest.mark.nats


class Trigger(ScriptedModel):
    """A model that acts so many turns of the event loop after the last vote was asked for."""

    def __init__(self, act: Callable[[], None], turns: int) -> None:
        super().__init__()
        self._act, self._left, self._votes = act, turns, 0

    async def __call__(self, turn: Turn) -> Reply:
        """The scripted reply."""
        self._votes += turn.phase is Phase.VOTE
        if self._votes == 3:
            self._count_down()
        return await super().__call__(turn)

    def _count_down(self) -> None:
        self._left -= 1
        if self._left < 0:
            self._act()
        else:
            asyncio.get_running_loop().call_soon(self._count_down)


@pytest.mark.parametrize("why", list(Stop))
async def test_a_stop_in_the_moment_of_the_end(seat: Seat, config: Config, why: Stop) -> None:
    """Whatever wins, there is at most one end, and the journal holds what was told."""
    actor = seat()
    ends = set()
    for turns in range(14):
        id, stopped = f"{why}-{turns}", list[Run]()

        def stop(id: str = id, stopped: list[Run] = stopped) -> None:
            stopped.append(actor._runs[id])
            stopped[0].stop(why)

        actor._conduct._pools = {"small": ScriptedPool(Trigger(stop, turns))}
        await asyncio.gather(seen_by(actor, a_task(id)), return_exceptions=True)
        await until_async(lambda: not actor._runs, "the run is over")
        written = await journalled(config.bus.url, id)
        assert written == stopped[0].records
        assert sum(isinstance(each.event, END) for each in written) <= 1
        ends.add(type(written[-1].event))
    assert Decided in ends
    assert len(ends) == 2


async def held(actor: CouncilActor, model: GatedModel) -> asyncio.Task[list[Record]]:
    """A caller whose drafts are under way."""
    caller = asyncio.create_task(seen_by(actor, a_task()))
    await until_async(lambda: len(model.held) == 3, "all drafts are asked for")
    return caller


async def test_what_was_not_cancelled_is_not_said_to_be(seat: Seat, config: Config) -> None:
    """Another actor has taken it over: the cancelling one says so, and it is decided there."""
    stale, model = GatedModel(), GatedModel()
    old, new = seat(stale), seat(model)
    losing = await held(old, stale)

    async def convened() -> bool:
        return len(await journalled(config.bus.url)) == 5

    await reaches(convened, "the first one's records are journalled")
    winning = await held(new, model)
    await until_async(lambda: new._runs["t-1"].records[-1].seq == 9, "the other's too")
    with pytest.raises(ConclaveError):
        await old.cancel("t-1")
    await asyncio.gather(losing, return_exceptions=True)
    answers = asyncio.create_task(answering(model))
    assert isinstance((await winning)[-1].event, Decided)
    answers.cancel()


async def test_of_two_that_cancel_both_are_told(seat: Seat) -> None:
    """Running or suspended; one that comes when it has ended is told that."""
    model = GatedModel()
    actor = seat(model)
    caller = await held(actor, model)
    first, second = await asyncio.gather(actor.cancel("t-1"), actor.cancel("t-1"))
    assert first.records == second.records == await caller
    with pytest.raises(Ended):
        await actor.cancel("t-1")


async def test_accepted_work_waits_out_passing_trouble(
    seat: Seat, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No engine yet, an entry nobody can read, a caller that joins and leaves: it goes on."""
    monkeypatch.setattr("actors.council.TAKE_UP_EVERY_S", 0.05)
    model = GatedModel()
    first = seat(model)
    await first.accept(a_task(), Terms())
    await crash(first)
    async with connected(config.bus.url) as client:
        await client.streams().publish("$KV.conclave-open.dev.0", b'{"from": "tomorrow"}')
    actor = seat(model, EngineLost("the engines still start"))
    await actor.health()
    await until_async(lambda: "t-1" in actor._accepted, "it is known")
    assert (await result_of(actor)).status == "in_progress"
    actor._conduct._pools = {"small": ScriptedPool(model)}
    await until_async(lambda: len(model.held) == 3, "it is taken up")
    async with aclosing(actor.deliberate(a_task())) as joined:
        await anext(joined)
    assert len(model.held) == 3
    answers = asyncio.create_task(answering(model))

    async def decided() -> bool:
        return isinstance((await journalled(config.bus.url))[-1].event, Decided)

    await reaches(decided, "it is decided")
    answers.cancel()


async def test_accepted_work_that_breaks_each_time_is_given_up(
    seat: Seat, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends without a decision, and says how often it broke off."""
    monkeypatch.setattr("actors.council.TAKE_UP_EVERY_S", 0.02)

    async def broken(_turn: Turn) -> Reply:
        await asyncio.sleep(0.02)  # the record before is written by then
        raise ZeroDivisionError

    actor = seat(broken)
    await actor.accept(a_task(), Terms())
    await actor.health()

    async def ended() -> bool:
        return isinstance((await journalled(config.bus.url))[-1].event, Failed)

    await reaches(ended, "it is given up")
    found = await result_of(actor)
    assert (found.status, found.error_type) == ("failed", "Broken")
    assert "broke off 8 times" in found.error


async def test_accepted_work_whose_id_is_anothers_is_given_up(
    seat: Seat, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could never be done, and would be tried for as long as the bucket keeps it."""
    monkeypatch.setattr("actors.council.TAKE_UP_EVERY_S", 0.05)
    actor = seat()
    await seen_by(actor, a_task())
    other = a_task().model_copy(update={"text": "Something else"})
    await actor._backlog().add(Work(task=other, terms=Terms(detached=True)))
    await actor.health()

    async def empty() -> bool:
        return await actor._backlog().all() == []

    await reaches(empty, "it is given up")
    written = await journalled(config.bus.url)
    assert sum(isinstance(each.event, END) for each in written) == 1


async def test_a_bug_in_keeping_accepted_work_begins_the_actor_anew(
    seat: Seat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rather than that the work lies there and nobody knows."""
    actor, deaths = seat(), list[int]()
    actor._die = deaths.append

    async def broken(_self: Backlog) -> list[Work]:
        raise ZeroDivisionError

    monkeypatch.setattr(Backlog, "all", broken)
    await actor.health()
    await until_async(lambda: deaths == [1], "it dies")


async def test_what_nobody_drives_is_told_as_suspended(seat: Seat, config: Config) -> None:
    """After its council was killed, and before somebody sends it again."""
    model = GatedModel()
    actor = seat(model)
    caller = await held(actor, model)

    async def convened() -> bool:
        return len(await journalled(config.bus.url)) == 5

    await reaches(convened, "its records are journalled")
    await crash(actor)
    await asyncio.gather(caller, return_exceptions=True)
    assert (await result_of(seat())).status == "suspended"


async def test_a_callers_time_begins_with_its_call(seat: Seat) -> None:
    """Waiting for an engine is part of it: what is left then is the decision's reserve."""
    model, gate = GatedModel(), asyncio.Event()

    class Late(ScriptedPool):
        async def ready(self) -> None:
            await gate.wait()

    actor = seat()
    actor._conduct._pools = {"small": Late(model)}
    caller = asyncio.create_task(seen_by(actor, a_task(), Terms(timeout_s=0.6)))
    await until_async(lambda: "t-1" in actor._runs, "it is taken up")
    await until_async(lambda: actor._runs["t-1"].left_s < 0.1, "its time is nearly up")
    gate.set()
    end = (await asyncio.wait_for(caller, 20))[-1].event
    assert isinstance(end, Failed)
    assert end.error_type == "DeadlineExceeded"


async def test_the_most_patient_caller_counts(seat: Seat) -> None:
    """One in a hurry does not hurry the others; without them it does."""
    model = GatedModel()
    actor = seat(model)
    hasty = asyncio.create_task(seen_by(actor, a_task(), Terms(timeout_s=0.5)))
    await until_async(lambda: len(model.held) == 3, "all drafts are asked for")
    patient = asyncio.create_task(seen_by(actor, a_task(), Terms(timeout_s=600)))
    await until_async(lambda: actor._runs["t-1"].left_s > 500, "the other has joined")
    run = actor._runs["t-1"]
    until = run._latest(Terms(timeout_s=0.6))
    await until_async(lambda: run._latest(Terms(timeout_s=0.01)) > until, "the first's is over")
    answers = asyncio.create_task(answering(model))
    end = (await patient)[-1].event
    answers.cancel()
    assert isinstance(end, Decided)
    assert end.decision.stop_reason == "decided"
    await hasty


def a_desk(config: Config, records: list[Record]) -> Desk:
    """A desk whose councils tell these records and then wait for the journal."""
    made = Desk(config, roster(config), NotImplemented, lambda _: None)

    async def stream(_task: Task, _terms: Terms) -> AsyncGenerator[Record, None]:
        for each in records:
            yield each
        await asyncio.Event().wait()

    made._councils.stream = stream  # type: ignore[method-assign]
    return made


async def test_a_decision_that_the_journal_lacks_is_told_as_such(
    config: Config, nats: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By every door, soon after the end and whatever time the caller gave."""
    monkeypatch.setattr(desk, "DURABLE_WITHIN_S", 0.2)
    records = [record("t-1", 1), last_record("t-1", 2)]
    made = a_desk(config, records)
    found = await asyncio.wait_for(made.conclude(a_task(), 0.01), 20)
    assert (found.records, found.durable) == (records, False)

    async def told() -> list[Record]:
        async with aclosing(made.follow(a_task(), 0.01)) as stream:
            return [each async for each in stream]

    assert await asyncio.wait_for(told(), 20) == records
    assert made._journal is not None
    await made._journal.close()
