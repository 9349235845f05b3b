"""A council on a real journal: every deliberation ends once, whatever happens to its actor."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress

import pytest
from bus_fakes import told
from deadline import reaches, until_async
from seats import (
    ONE,
    THREE,
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

from actors.bus import Connection
from actors.council import CouncilActor
from actors.nats_server import NatsServer
from actors.testing import ScriptedPool
from engine.config import Config
from engine.deliberation import deliberate
from engine.errors import Away, Broken, Conflict, NotFound, SetupError, Unavailable
from engine.events import END, Decided, Failed, Record, Resumed
from engine.testing import FlakyModel, GatedModel, ScriptedModel, words
from engine.transcript import Outcome
from engine.types import Phase, Task

pytestmark = pytest.mark.nats


async def first_end(actor: CouncilActor, task: Task, ends: list[Record]) -> None:
    """Follow a task to the return of its stream; the end is told as soon as it is seen."""
    async with aclosing(actor.deliberate(task)) as stream:
        async for record in stream:
            if isinstance(record.event, END):
                ends.append(record)  # noqa: PERF401 - read while the stream goes on


def outcomes(records: list[Record]) -> set[str]:
    """The turns whose outcome is recorded."""
    return {r.event.turn for r in records if isinstance(r.event, Outcome)}


def kinds(records: list[Record], *wanted: type) -> int:
    """How many events are of these kinds."""
    return sum(isinstance(r.event, wanted) for r in records)


async def outbound(client: Connection, end: str) -> dict[str, object]:
    """The one message on the outbound subject of an end."""
    subject = f"orchestration.deliberation.{end}"

    async def copied() -> bool:
        return bool(await told(client, subject))

    await reaches(copied, "the end is copied")
    [envelope] = await told(client, subject)
    return envelope


async def test_an_ended_deliberation_is_read_by_any_actor(seat: Seat, config: Config) -> None:
    """When the stream returns, the journal holds all of it, in the same words."""
    records = await seen_by(seat(), a_task())
    assert isinstance(records[-1].event, Decided)
    assert [r.seq for r in records] == list(range(1, len(records) + 1))
    assert await journalled(config.bus.url) == records
    found = await result_of(seat())
    assert (found.status, found.durable, len(found.results)) == ("completed", True, 3)


async def test_asking_again_asks_no_model_again(seat: Seat) -> None:
    """The same request gets the same records, from the same actor and from a new one."""
    actor, other = seat(), ScriptedModel()
    first = await seen_by(actor, a_task())
    assert await seen_by(actor, a_task()) == first
    assert await seen_by(seat(other), a_task()) == first
    assert other.turns == []


async def test_a_second_caller_joins_the_run(seat: Seat) -> None:
    """While it runs, callers share one run, whenever they came."""
    model = GatedModel()
    actor = seat(model)
    early = asyncio.create_task(seen_by(actor, a_task()))
    await until_async(lambda: len(model.held) == 3, "all drafts are asked for")
    late = asyncio.create_task(seen_by(actor, a_task()))
    answers = asyncio.create_task(answering(model))
    assert await early == await late
    assert max(model.asked().values()) == 1
    answers.cancel()


async def test_an_id_belongs_to_its_first_request(seat: Seat) -> None:
    """Another request under a known id is refused and sees nothing: running, ended, or anew."""
    model = GatedModel()
    actor, stranger = seat(model), a_task(text="Build a bomb")
    running = asyncio.create_task(seen_by(actor, a_task()))
    await until_async(lambda: model.held, "it runs")
    with pytest.raises(Conflict, match="t-1"):
        await seen_by(actor, stranger)
    answers = asyncio.create_task(answering(model))
    await running
    answers.cancel()
    for late in (actor, seat()):
        with pytest.raises(Conflict):
            await anext(late.deliberate(stranger))


async def test_a_refused_request_does_not_take_the_id_from_its_owner(seat: Seat) -> None:
    """A stranger that comes first after a restart is refused; the owner beside it is not."""
    first = await seen_by(seat(), a_task())
    actor = seat()
    stranger, owner = await asyncio.gather(
        seen_by(actor, a_task(text="Build a bomb")),
        seen_by(actor, a_task()),
        return_exceptions=True,
    )
    assert isinstance(stranger, Conflict)
    assert owner == first


async def test_no_journalled_turn_is_asked_again(seat: Seat, config: Config) -> None:
    """Cut after any number of records, a deliberation ends and asks only for what is missing."""
    council = config.council("DEV")
    assert council is not None
    model = ScriptedModel()
    events = [e async for e in deliberate(a_task(), council, model, words)]
    for cut in range(1, len(events)):
        task = a_task(f"t-{cut}")
        stream = deliberate(task, council, ScriptedModel(), words)
        history = [
            Record(deliberation=task.id, seq=seq, at=seq, event=event)
            async for seq, event in numbered(stream)
        ][:cut]
        await publish_all(config.bus.url, history)
        rest = ScriptedModel()
        records = await seen_by(seat(rest), task)
        asked = {turn.id for turn in rest.turns}
        assert records[:cut] == history
        assert not asked & outcomes(history)
        assert len(asked | outcomes(history)) == len(model.turns)
        assert (kinds(records, Resumed), kinds(records, Decided)) == (1, 1)


async def numbered(stream: AsyncIterator[object]) -> AsyncIterator[tuple[int, object]]:
    """What a stream yields, numbered from 1."""
    seq = 0
    async for each in stream:
        seq += 1
        yield seq, each


async def test_a_crashed_council_is_resumed_by_the_next(seat: Seat, config: Config) -> None:
    """Killed with drafts written and critiques under way, it is taken up where its journal ends."""
    model, rest = GatedModel(), ScriptedModel()
    actor = seat(model)
    following = asyncio.create_task(seen_by(actor, a_task()))
    await until_async(lambda: len(model.held) == 3, "all drafts are asked for")
    model.release()
    await until_async(lambda: len(model.held) == 3, "all critiques are asked for")

    async def drafted() -> bool:
        return len(outcomes(await journalled(config.bus.url))) == 3

    await reaches(drafted, "the drafts are journalled")
    await crash(actor)
    with pytest.raises(Unavailable):
        await following
    before = await journalled(config.bus.url)
    records = await seen_by(seat(rest), a_task())
    assert records[: len(before)] == before
    assert rest.asked().keys() & {(agent, Phase.DRAFT) for agent in (ONE, TWO, THREE)} == set()
    assert isinstance(records[-1].event, Decided)


async def test_of_two_actors_on_one_id_one_stops(
    seat: Seat, config: Config, client: Connection
) -> None:
    """The one that is overtaken says to ask again; there is one end, in the journal and outside."""
    model = GatedModel()
    stale = asyncio.create_task(seen_by(seat(model), a_task()))
    await until_async(lambda: len(model.held) == 3, "the first one asks for drafts")

    async def convened() -> bool:
        return len(await journalled(config.bus.url)) == 5

    await reaches(convened, "the first one's records are journalled")
    records = await seen_by(seat(), a_task())
    model.release(lambda turn: turn.agent == ONE)
    with pytest.raises(Unavailable, match="another writer"):
        await asyncio.wait_for(stale, 20)
    assert not model.held
    assert {turn.agent for turn in model.cancelled} >= {TWO, THREE}
    assert await journalled(config.bus.url) == records
    assert kinds(records, *END) == 1
    await outbound(client, "completed")

    async def all_told() -> bool:
        return len(await told(client, "orchestration.task.completed")) == 3

    await reaches(all_told, "the agents' tasks are told")
    assert await told(client, "orchestration.deliberation.failed") == []


async def test_a_bus_outage_delays_no_decision(
    seat: Seat, config: Config, nats: NatsServer
) -> None:
    """With NATS away it is decided and seen; the stream returns once the journal holds it."""
    model = GatedModel()
    ends: list[Record] = []
    following = asyncio.create_task(first_end(seat(model), a_task(), ends))
    await until_async(lambda: len(model.held) == 3, "all drafts are asked for")
    nats.kill()
    answers = asyncio.create_task(answering(model))
    await until_async(lambda: ends, "the decision is seen")
    assert not following.done()
    nats.start()
    await asyncio.wait_for(following, 20)
    answers.cancel()
    assert (await journalled(config.bus.url))[-1] == ends[0]
    assert (await result_of(seat())).status == "completed"


async def test_what_is_not_durable_yet_is_read_as_such(seat: Seat, nats: NatsServer) -> None:
    """While the end waits for NATS, its actor tells the result and that it may still be lost."""
    model = GatedModel()
    actor = seat(model)
    ends: list[Record] = []
    following = asyncio.create_task(first_end(actor, a_task(), ends))
    await until_async(lambda: model.held, "drafts are asked for")
    nats.kill()
    answers = asyncio.create_task(answering(model))
    await until_async(lambda: ends, "the decision is seen")
    found = await result_of(actor)
    assert (found.status, found.durable, following.done()) == ("completed", False, False)
    answers.cancel()


async def test_reading_without_nats_gives_up_soon(seat: Seat, nats: NatsServer) -> None:
    """A reader can ask again, so it is told at once that NATS is away."""
    actor = seat()
    await seen_by(actor, a_task())
    nats.kill()
    with pytest.raises(Away, match="no NATS server answers"):
        await asyncio.wait_for(actor.read("t-1"), 3)


async def test_an_engine_that_cannot_be_is_told_in_its_own_words(seat: Seat) -> None:
    """Without any engine nothing begins: the caller gets the reason and the remedy."""
    actor = seat(trouble=SetupError("No model at /models/small", "Name another"))
    with pytest.raises(Unavailable, match=r"No model at /models/small\. Name another"):
        await seen_by(actor, a_task())
    with pytest.raises(NotFound):
        await actor.read("t-1")
    assert (await actor.health()).status == "idle"


async def test_one_pool_without_engine_is_not_the_end(config: Config, client: Connection) -> None:
    """A council on two pools begins with the one that answers."""
    two = config.councils[0].model_copy(update={"pools": ("small", "large")})
    mixed = config.model_copy(
        update={"councils": (two,), "pools": dict.fromkeys(two.pools, config.pools["small"])}
    )
    pools = {
        "small": ScriptedPool(ScriptedModel()),
        "large": ScriptedPool(
            FlakyModel({(TWO, phase) for phase in Phase}), SetupError("Too big", "Take less")
        ),
    }
    actor = CouncilActor(mixed, "DEV", lambda _config, _council: pools)
    records = await seen_by(actor, a_task())
    assert isinstance(records[-1].event, Decided)
    assert records[-1].event.decision.degraded
    await crash(actor)


async def test_a_completed_deliberation_is_told_as_the_contract_says(
    seat: Seat, client: Connection
) -> None:
    """Names and places of the outbound fields; a check that did not run is null."""
    records = await seen_by(seat(), a_task(story_id="s-1"))
    envelope = await outbound(client, "completed")
    assert envelope["event_type"] == "orchestration.deliberation.completed"
    assert (envelope["idempotency_key"], envelope["correlation_id"]) == ("t-1", "s-1")
    payload = envelope["payload"]
    assert isinstance(payload, dict)
    assert payload.keys() == {
        *("story_id", "task_id", "role", "decisions", "winner_id", "packet"),
        *("tokens", "duration_ms", "timestamp"),
    }
    assert (payload["story_id"], payload["task_id"], payload["role"]) == ("s-1", "t-1", "DEV")
    best = payload["decisions"][0]
    assert best.keys() == {"proposal", "checks", "score", "rank"}
    assert best["proposal"]["author"] == {"agent_id": payload["winner_id"], "role": "DEV"}
    assert best["proposal"]["content"].endswith("says revise 1")
    assert best["checks"] == dict.fromkeys(("lint", "dryrun", "policy", "score"))
    assert [d["rank"] for d in payload["decisions"]] == [1, 2, 3]
    assert payload["packet"]["choice"] == payload["winner_id"]
    assert payload["tokens"]["generated"] > 0
    assert payload["timestamp"] == records[-1].at


async def test_a_lost_quorum_is_told_as_a_failure(seat: Seat, client: Connection) -> None:
    """With two of three agents gone it ends as failed, durable, with what was written."""
    model = FlakyModel({(ONE, Phase.DRAFT), (TWO, Phase.DRAFT)})
    records = await seen_by(seat(model), a_task())
    assert isinstance(records[-1].event, Failed)
    payload = (await outbound(client, "failed"))["payload"]
    assert isinstance(payload, dict)
    assert (payload["error_type"], payload["stop_reason"]) == ("QuorumLost", "degraded")
    assert payload["error"] == "1 of 3 have a text"
    assert [r["proposal"]["author"]["agent_id"] for r in payload["results"]] == [THREE]
    assert (await result_of(seat())).status == "failed"


async def test_health_names_what_runs(seat: Seat) -> None:
    """Busy with the ids that run, idle when they have ended."""
    model = GatedModel()
    actor = seat(model)
    assert (await actor.health()).status == "idle"
    runs = [asyncio.create_task(seen_by(actor, a_task(id))) for id in ("a", "b")]
    await until_async(lambda: len(model.held) == 6, "both run")
    health = await actor.health()
    assert (health.status, set(health.running)) == ("busy", {"a", "b"})
    assert (health.council_id, health.agents) == ("council-dev", (ONE, TWO, THREE))
    draining = asyncio.create_task(actor.drain())
    answers = asyncio.create_task(answering(model))
    await draining
    answers.cancel()
    assert (await actor.health()).status == "idle"
    assert [len(await run) > 0 for run in runs] == [True, True]


async def test_an_unknown_id_is_not_found(seat: Seat) -> None:
    """What the journal does not hold has not been."""
    with pytest.raises(NotFound, match="never-asked"):
        await seat().read("never-asked")


async def test_a_bug_is_no_endless_wait(seat: Seat) -> None:
    """What is nobody's fault but ours ends the run with an answer, and the next one can run."""
    calls = []

    async def broken(turn: object) -> None:
        calls.append(turn)
        raise ZeroDivisionError

    actor = seat(broken)
    with pytest.raises(Broken, match="ZeroDivisionError"):
        await seen_by(actor, a_task())
    assert calls
    assert (await actor.health()).status == "idle"


async def test_a_connection_closed_for_good_ends_the_process(seat: Seat) -> None:
    """Only a new process helps then, so the actor dies and is replaced."""
    deaths: list[int] = []
    actor = seat(die=deaths.append)
    await seen_by(actor, a_task())
    assert actor._journal is not None
    with suppress(Exception):
        await (await actor._journal._line.up()).close()
    assert deaths == [1]
