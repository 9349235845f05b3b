"""How a council reaches a pool's engines, shown with agent actors in this process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import pytest
from agents import a_pool, a_turn
from deadline import until_async as until

from actors.agent import AgentActor
from actors.answer import Answer, Load
from actors.pool import SPILL_GAP, AgentPool
from actors.testing import LocalHandle, ScriptedEngine, local_call
from engine.config import PoolConfig, fleet_councils
from engine.deliberation import Bell, deliberate
from engine.errors import EngineLost, Overloaded, PromptTooLong, SetupError, Unavailable
from engine.events import Failed
from engine.testing import words
from engine.types import Message, Phase, Reply, Stopped, Task, Turn, Usage


class Pool:
    """A pool whose actors live here: `engines` and `handles` by replica."""

    def __init__(self, **fields: object) -> None:
        self.config = a_pool(**{"turn_timeout_s": 5.0, **fields})
        self.engines: dict[int, ScriptedEngine] = {}
        self.handles: dict[int, LocalHandle] = {}
        self.actors: list[AgentActor] = []
        self.agents = AgentPool("small", self.config, self.handles.get, local_call)

    async def start(self, replica: int, engine: ScriptedEngine | None = None) -> ScriptedEngine:
        """Start or replace a replica's actor, under the same name."""
        self.engines[replica] = engine or ScriptedEngine()
        actor = AgentActor("small", replica, self.config, start=self.engines[replica].start)
        await actor.ready()
        self.actors.append(actor)
        self.handles[replica] = LocalHandle(actor)
        return self.engines[replica]

    def kill(self, replica: int) -> None:
        """As SIGKILL, with nothing under the name until it is started again."""
        self.handles.pop(replica).kill()

    def favourite(self, deliberation: str = "d") -> int:
        """The replica a deliberation keeps to while all are idle."""
        return self.agents._order(deliberation)[0]


class Pools:
    """Makes pools whose replicas run, and stops their actors afterwards."""

    def __init__(self) -> None:
        self.made: list[Pool] = []

    async def __call__(self, running: int = 1, **fields: object) -> Pool:
        pool = Pool(**{"replicas": max(running, 1), **fields})
        self.made.append(pool)
        for replica in range(running):
            await pool.start(replica)
        return pool


@pytest.fixture
async def pools() -> AsyncIterator[Pools]:
    """Pools in this process."""
    made = Pools()
    yield made
    for actor in [actor for pool in made.made for actor in pool.actors]:
        await actor.stop()


async def test_a_deliberation_keeps_to_its_replica(pools: Pools) -> None:
    """Its turns go where its prefix is cached; deliberations spread over the replicas."""
    pool = await pools(3)
    for n in range(4):
        await pool.agents.speak(a_turn(f"{n}"))
    assert len(pool.engines[pool.favourite()].started) == 4
    assert {pool.favourite(f"d{n}") for n in range(30)} == {0, 1, 2}


async def test_a_lost_replica_moves_only_its_own(pools: Pools) -> None:
    """Rendezvous hashing: a pool with one replica more or less leaves the others' homes."""
    three, two = await pools(0, replicas=3), await pools(0, replicas=2)
    moved = [d for d in map(str, range(60)) if three.favourite(d) != two.favourite(d)]
    assert moved
    assert all(three.favourite(d) == 2 for d in moved)


async def test_a_busy_favourite_is_passed_over(pools: Pools) -> None:
    """Beyond a gap of turns the idler replica is worth a cold cache."""
    pool = await pools(2)
    home = pool.favourite()
    pool.engines[home].gate.clear()
    calls = [asyncio.ensure_future(pool.agents.speak(a_turn(f"{n}"))) for n in range(SPILL_GAP + 1)]
    await until(lambda: pool.engines[home].running == SPILL_GAP + 1)
    await pool.agents.speak(a_turn("spilled"))
    assert len(pool.engines[1 - home].started) == 1
    pool.engines[home].gate.set()
    await asyncio.gather(*calls)


class Busy:
    """An actor that others keep busy."""

    async def speak(self, turn: Turn) -> Answer:
        """Replies, and says how busy it is."""
        return Answer(reply=Reply(text="busy"), load=Load(running=SPILL_GAP + 1))


async def test_load_that_others_make_is_known_from_replies(
    pools: Pools, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a reply says of its engine counts while it is fresh, whoever asked for the work."""
    pool = await pools(2)
    home = pool.favourite()
    pool.handles[home] = LocalHandle(Busy())
    assert (await pool.agents.speak(a_turn("first"))).text == "busy"
    assert (await pool.agents.speak(a_turn("second"))).text == "yes"
    monkeypatch.setattr("actors.pool.LOAD_FRESH_S", 0.0)
    assert (await pool.agents.speak(a_turn("third"))).text == "busy"


async def test_a_turn_survives_the_death_of_its_engine(pools: Pools) -> None:
    """Killed in the middle and replaced under the same name: the turn ends with a reply."""
    pool = await pools(1)
    engine = pool.engines[0]
    engine.gate.clear()
    call = asyncio.ensure_future(pool.agents.speak(a_turn()))
    await until(lambda: engine.running)
    pool.kill(0)
    await until(lambda: not pool.agents._handles)
    replaced = await pool.start(0)
    assert (await call).text == "yes"
    assert replaced.started == [a_turn().id]


async def test_another_replica_takes_over_at_once(pools: Pools) -> None:
    """With a second replica nobody waits for the replacement."""
    pool = await pools(2)
    home = pool.favourite()
    pool.engines[home].gate.clear()
    call = asyncio.ensure_future(pool.agents.speak(a_turn()))
    await until(lambda: pool.engines[home].running)
    pool.kill(home)
    assert (await call).text == "yes"
    assert pool.engines[1 - home].started == [a_turn().id]


async def test_engines_that_stay_away_are_given_up_in_time(pools: Pools) -> None:
    """A turn ends when its time is up, with what was wrong."""
    pool = await pools(0, turn_timeout_s=0.05)
    began = time.monotonic()
    with pytest.raises(EngineLost, match=r"small gave no reply within 0.05 s: agent small-0"):
        await pool.agents.speak(a_turn())
    assert time.monotonic() - began < 2.0


async def test_a_hung_turn_is_aborted_in_time(pools: Pools) -> None:
    """An engine that never answers costs no more than the turn's time, and stops working."""
    pool = await pools(1, turn_timeout_s=0.05)
    pool.engines[0].gate.clear()
    with pytest.raises(EngineLost, match="within"):
        await pool.agents.speak(a_turn())
    await until(lambda: pool.engines[0].aborted)


async def test_an_overload_is_waited_out(pools: Pools) -> None:
    """A refused turn is asked again, with growing pauses, until there is a place."""
    pool = await pools(1, max_running=1, max_queued=0)
    pool.engines[0].gate.clear()
    first = asyncio.ensure_future(pool.agents.speak(a_turn("first")))
    await until(lambda: pool.engines[0].running)
    second = asyncio.ensure_future(pool.agents.speak(a_turn("second")))
    pool.engines[0].gate.set()
    assert [(await call).text for call in (first, second)] == ["yes", "yes"]


async def test_an_overload_without_end_is_said_as_such(pools: Pools) -> None:
    """The error names the load, not a lost engine."""
    pool = await pools(1, max_running=1, max_queued=0, turn_timeout_s=0.3)
    pool.engines[0].gate.clear()
    first = asyncio.ensure_future(pool.agents.speak(a_turn("first")))
    await until(lambda: pool.engines[0].running)
    with pytest.raises(Overloaded, match="1 turns running, 0 waiting"):
        await pool.agents.speak(a_turn("second"))
    first.cancel()
    await asyncio.wait({first})


async def test_a_cancelled_turn_stops_in_the_engine(pools: Pools) -> None:
    """Cancelling the caller leaves nothing running."""
    pool = await pools(1)
    pool.engines[0].gate.clear()
    call = asyncio.ensure_future(pool.agents.speak(a_turn()))
    await until(lambda: pool.engines[0].running)
    call.cancel()
    await until(lambda: pool.engines[0].aborted)
    assert pool.engines[0].running == 0


async def stopped(call: asyncio.Future[Reply]) -> asyncio.CancelledError:
    """How a call ends that is cancelled."""
    call.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await call
    return caught.value


async def test_a_cancelled_turn_tells_what_it_had_cost(pools: Pools) -> None:
    """It ends as Stopped, with the tokens that the engine had generated for it."""
    pool = await pools(1)
    pool.engines[0].gate.clear()
    pool.engines[0].written = 7
    call = asyncio.ensure_future(pool.agents.speak(a_turn()))
    await until(lambda: pool.engines[0].running)
    end = await stopped(call)
    assert isinstance(end, Stopped)
    assert end.usage == Usage(aborted=7)
    assert not pool.agents._speaking


async def test_a_cost_is_told_to_whoever_cancels_again_and_again(pools: Pools) -> None:
    """The next cancellations are for naught, yet it ends as cancelled."""
    pool = await pools(1)
    pool.engines[0].gate.clear()
    pool.engines[0].written = 7
    call = asyncio.ensure_future(pool.agents.speak(a_turn()))
    await until(lambda: pool.engines[0].running)
    for _ in range(3):
        call.cancel()
        await asyncio.sleep(0)
    end = await stopped(call)
    assert isinstance(end, Stopped)
    assert end.usage.aborted == 7
    assert call.cancelled()


async def test_a_deliberation_accounts_for_what_was_stopped(pools: Pools) -> None:
    """Its time is up during the drafts: their tokens stand in its account, with the turns."""
    pool = await pools(1)
    pool.engines[0].gate.clear()
    pool.engines[0].written = 7
    bell, council = Bell(), fleet_councils()[0].seated()
    task = Task(id="t", role="DEV", text="Clock")

    async def hurry() -> None:
        await until(lambda: pool.engines[0].running == len(council.agents))
        bell.hurry.set()

    hurrying = asyncio.create_task(hurry())
    *_, end = [e async for e in deliberate(task, council, pool.agents.speak, words, bell=bell)]
    await hurrying
    assert isinstance(end, Failed)
    assert (end.error_type, end.aborted) == ("DeadlineExceeded", 3)
    assert end.tokens == {Phase.DRAFT: Usage(aborted=21)}


class Mute(AgentActor):
    """An actor that never says what a turn had cost."""

    asked = 0

    async def aborted(self, turn_id: str) -> Usage:
        """Hangs."""
        self.asked += 1
        await asyncio.Event().wait()
        raise AssertionError


async def test_an_actor_that_does_not_say_it_holds_nobody_up(
    pools: Pools, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a moment the turn ends as cancelled, at no known cost; so it does with a dead actor."""
    monkeypatch.setattr("actors.pool.LAST_WORD_S", 0.05)
    pool, engine = await pools(0, replicas=1), ScriptedEngine()
    engine.gate.clear()
    actor = Mute("small", 0, pool.config, start=engine.start)
    pool.actors.append(actor)
    await actor.ready()
    pool.handles[0] = LocalHandle(actor)
    for last_breath in (lambda: None, pool.handles[0].kill):
        call = asyncio.ensure_future(pool.agents.speak(a_turn()))
        await until(lambda: engine.running)
        call.cancel()
        last_breath()
        assert type(await stopped(call)) is asyncio.CancelledError
        await until(lambda: not engine.running)
    assert actor.asked


async def test_a_turn_that_no_engine_has_costs_nothing(pools: Pools) -> None:
    """While no actor is there, there is nobody to ask."""
    pool = await pools(0, replicas=1)
    call = asyncio.ensure_future(pool.agents.speak(a_turn()))
    await asyncio.sleep(0)
    assert type(await stopped(call)) is asyncio.CancelledError


async def test_errors_of_the_turn_pass_at_once(pools: Pools) -> None:
    """What no other replica could do better is not tried again."""
    pool = await pools(2)
    with pytest.raises(PromptTooLong):
        await pool.agents.speak(a_turn("x" * 5000))


def _fail(config: PoolConfig, replica: int) -> ScriptedEngine:
    raise SetupError("no such model", "Name another")


async def test_a_pool_that_cannot_start_says_why(pools: Pools) -> None:
    """ready() raises the SetupError, and turns fail with its text and without waiting."""
    pool = await pools(0)
    pool.actors.append(AgentActor("small", 0, pool.config, start=_fail))
    pool.handles[0] = LocalHandle(pool.actors[0])
    with pytest.raises(SetupError, match="no such model"):
        await pool.agents.ready()
    with pytest.raises(EngineLost, match="no such model"):
        await pool.agents.speak(a_turn())


async def test_one_ready_replica_makes_the_pool_ready(pools: Pools) -> None:
    """A replica that is missing, or cannot start, does not hold up the others."""
    pool = await pools(0, replicas=3)
    pool.actors.append(AgentActor("small", 0, pool.config, start=_fail))
    pool.handles[0] = LocalHandle(pool.actors[0])
    waiting = asyncio.ensure_future(pool.agents.ready())
    await pool.start(2)
    assert (await waiting).replica == 2
    assert (await pool.agents.speak(a_turn())).text == "yes"


async def test_a_pool_nobody_starts_is_unavailable(pools: Pools) -> None:
    """Waiting for readiness ends as well."""
    pool = await pools(0, turn_timeout_s=0.05)
    with pytest.raises(Unavailable, match="became ready in time"):
        await pool.agents.ready()


async def test_tokens_are_counted_with_the_models_tokenizer(pools: Pools) -> None:
    """The tokenizer is fetched once; then counting needs no call."""
    pool = await pools(1)
    count = await pool.agents.count()
    assert count("three words here") == 3
    assert await pool.agents.count() is count


async def test_a_prompt_is_counted_as_the_engine_renders_it(pools: Pools) -> None:
    """What a turn's own reply says its prompt took; a replica that died is looked up anew."""
    pool = await pools(1)
    turn = a_turn("Say yes, or no.")
    spoken = (await pool.agents.speak(turn)).usage.prompt
    assert await pool.agents.tokens(turn.messages) == spoken
    asked: list[bool] = []
    engine = ScriptedEngine()
    render = engine.render

    def noted(messages: Sequence[Message], thinks: bool = True) -> list[int]:
        asked.append(thinks)
        return render(messages, thinks)

    engine.render = noted  # type: ignore[method-assign]
    pool.kill(0)
    await pool.start(0, engine)
    assert await pool.agents.tokens(turn.messages, thinks=False) == spoken
    assert asked[-1] is False
