"""Forks on a real journal: what the origin has is read there, also after an interruption."""

import pytest
from seats import Seat, a_task, crash, journalled, publish_all, seen_by

from actors.council import CouncilActor
from actors.testing import ScriptedPool
from engine.config import Config
from engine.errors import Conflict, NotFound
from engine.events import Decided, Resumed
from engine.flips import compare
from engine.forks import fork
from engine.options import Rule
from engine.replay import replay
from engine.testing import ScriptedModel
from engine.transcript import fold
from engine.types import Task

pytestmark = pytest.mark.nats

LAST = "agent-dev-003"


async def a_fork(actor: CouncilActor, **changes: object) -> Task:
    """The task of a fork of a deliberation that has ended here."""
    records = await seen_by(actor, a_task())
    return fork(records, "f-1", **changes).task  # type: ignore[arg-type]


async def test_a_fork_takes_the_origins_turns_from_the_journal(seat: Seat) -> None:
    """Another actor, which has never seen the origin, asks nothing for another tally."""
    task = await a_fork(seat(), tally=Rule.COPELAND)
    model = ScriptedModel()
    records = await seen_by(seat(model), task)
    assert model.turns == []
    assert isinstance(records[-1].event, Decided)
    assert records[-1].event.decision.rule == Rule.COPELAND


async def test_a_fork_is_journalled_as_any_other(seat: Seat, config: Config) -> None:
    """Its own records suffice to replay it, and to compare it with its origin's."""
    task = await a_fork(seat(), without=(LAST,))
    records = await seen_by(seat(), task)
    assert await journalled(config.bus.url, "f-1") == records
    assert (await replay(records)).reproduced
    origin = fold(await journalled(config.bus.url))
    assert compare(origin, fold(records)).reused >= 2


async def test_an_interrupted_fork_goes_on(seat: Seat, config: Config) -> None:
    """Cut anywhere, it is resumed; neither its own turns nor its origin's are asked again."""
    task = await a_fork(seat(), without=(LAST,))
    whole = await seen_by(seat(), task)
    known = fold(await journalled(config.bus.url)).outcomes.keys()
    for cut in (1, 3, len(whole) // 2, len(whole) - 1):
        again = task.model_copy(update={"id": f"f-1-{cut}"})
        said = [r.model_copy(update={"deliberation": again.id}) for r in whole[:cut]]
        convened = said[0].event.model_copy(update={"task": again})
        said[0] = said[0].model_copy(update={"event": convened})
        await publish_all(config.bus.url, said)
        model = ScriptedModel()
        records = await seen_by(seat(model), again)
        assert isinstance(records[cut].event, Resumed)
        asked = {turn.id for turn in model.turns}
        assert not asked & (known | fold(said).outcomes.keys())
        assert isinstance(records[-1].event, Decided)


async def test_a_fork_of_nothing_is_not_found(seat: Seat) -> None:
    """The origin is named; nothing is journalled under the fork's id."""
    actor = seat()
    task = a_task("f-1", origin="never", seed="never", tally="copeland")
    with pytest.raises(NotFound, match="never"):
        await seen_by(actor, task)
    with pytest.raises(NotFound, match="f-1"):
        await actor.read("f-1")


async def test_the_id_of_a_fork_is_its_own(seat: Seat) -> None:
    """The same fork is joined, another one under its id is refused, and so is the origin's id."""
    actor = seat()
    task = await a_fork(actor, tally=Rule.COPELAND)
    first = await seen_by(actor, task)
    assert await seen_by(actor, task) == first
    for other in ({"tally": "irv"}, {"id": "t-1"}):
        with pytest.raises(Conflict):
            await seen_by(actor, Task.model_validate(dict(task) | other))


async def test_a_fork_sits_as_its_origin_did(seat: Seat, config: Config) -> None:
    """The council of the origin is in force, whatever the configuration says by now."""
    task = await a_fork(seat(), tally=Rule.COPELAND)
    role = config.councils[0]
    fewer = role.model_copy(update={"personas": role.personas[:2]})
    later = config.model_copy(update={"councils": (fewer,)})
    model = ScriptedModel()
    actor = CouncilActor(later, "DEV", lambda _config, _council: {"small": ScriptedPool(model)})
    records = await seen_by(actor, task)
    assert model.turns == []
    assert len(fold(records).seated) == 3
    await crash(actor)


async def test_a_fork_may_sit_on_another_pool(config: Config, seat: Seat) -> None:
    """All its turns go to that pool, which the council itself has no seat on."""
    task = await a_fork(seat(), model="large")
    models = {"small": ScriptedModel(), "large": ScriptedModel()}
    actor = CouncilActor(
        config,
        "DEV",
        lambda _config, council: {a.pool: ScriptedPool(models[a.pool]) for a in council.agents},
    )
    records = await seen_by(actor, task)
    assert isinstance(records[-1].event, Decided)
    assert (len(models["small"].turns), len(models["large"].turns)) == (0, 12)
    assert (await actor.health()).pools == ("small",)
    await crash(actor)
