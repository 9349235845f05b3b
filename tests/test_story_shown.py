"""Claims about a story on a real bus: what is known of it reaches the agents, once and for all."""

import asyncio
import json
import re

import pytest
from deadline import reaches, until_async
from seats import Seat, a_task, crash, journalled, seen_by

from actors import stories
from actors.bus import Connection
from actors.nats_server import NatsServer
from actors.roster import roster
from actors.stories import Stories
from actors.streams import STORIES
from edges.desk import Desk
from engine.arrival import Arrival
from engine.brief import CLIP_MARK
from engine.config import Config
from engine.errors import NotFound
from engine.events import Briefed, Decided, Record, StoryContext
from engine.forks import fork
from engine.options import Rule
from engine.replay import replay
from engine.results import result
from engine.story import Story
from engine.testing import GatedModel, ScriptedModel
from engine.transcript import fold
from engine.types import Shown, Turn

pytestmark = pytest.mark.nats

MOST = 256 * 1024


async def tell(config: Config, client: Connection, name: str, story: str = "s-1") -> Story:
    """A milestone of a story was reached; what is known of it then."""
    payload = {"story_id": story, "milestone_id": name[:9], "milestone_name": name}
    data = json.dumps(payload).encode()
    keeper = Stories(client.streams(), config.bus)
    await keeper.note(Arrival("CONTEXT", 1, "context.milestone.reached", data, at=1.0), MOST)
    found = await keeper.of(story)
    assert found is not None
    return found


def shown(turns: list[Turn]) -> set[str]:
    """The parts named `story` that stand in prompts, and "" where one has none."""
    texts = ("".join(m.content for m in turn.messages) for turn in turns)
    found = (re.search(r"<story (\w+)>\n(.*?)\n</story \1>", text, re.DOTALL) for text in texts)
    return {match[2] if match else "" for match in found}


def of(records: list[Record]) -> StoryContext:
    """What was recorded of the story."""
    story = fold(records).story
    assert story is not None
    return story


async def test_every_prompt_of_a_later_deliberation_has_the_story(
    seat: Seat, config: Config, client: Connection
) -> None:
    """All of its text in each turn of each agent, and its hash in the record and the result."""
    story = await tell(config, client, "It ticks")
    model = ScriptedModel()
    records = await seen_by(seat(model), a_task(story_id="s-1"))
    assert len({turn.agent for turn in model.turns}) == 3
    assert shown(model.turns) == {story.text}
    assert of(records) == story.context
    assert of(await journalled(config.bus.url)).hash == story.hash
    seen = result(fold(records)).story
    assert seen is not None
    assert (seen.hash, seen.notes) == (story.hash, 1)
    assert "text" not in seen.model_dump()


async def test_a_task_is_shown_the_part_that_it_wants(
    seat: Seat, config: Config, client: Connection
) -> None:
    """Of the kinds and the number it names; where that is nothing, the record says why."""
    await tell(config, client, "It ticks")
    story = await tell(config, client, "Late hands")
    model = ScriptedModel()
    actor = seat(model)
    newest, none = Shown(kinds=("milestone",), most=1), Shown(kinds=("decision",))
    records = await seen_by(actor, a_task("one", story_id="s-1", shown=newest))
    assert shown(model.turns) == {story.part(newest).text}
    assert of(records).notes == 1
    model.turns.clear()
    records = await seen_by(actor, a_task("two", story_id="s-1", shown=none))
    assert shown(model.turns) == {""}
    assert of(records).missing == "no note of the kinds asked for"


@pytest.mark.parametrize(("story", "missing"), [("s-2", "no event has told of it"), ("", None)])
async def test_no_other_deliberation_has_it(
    seat: Seat, config: Config, client: Connection, story: str, missing: str | None
) -> None:
    """Neither one of another story nor one of none; only the first has something to miss."""
    await tell(config, client, "It ticks")
    model = ScriptedModel()
    records = await seen_by(seat(model), a_task(story_id=story))
    assert shown(model.turns) == {""}
    found = fold(records).story
    assert (found and found.missing) == missing


async def test_what_was_shown_stays_though_the_story_goes_on(
    seat: Seat, config: Config, client: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resumption reads nothing and shows what was shown; the same request is the same still."""
    first = await tell(config, client, "It ticks")
    model = GatedModel()
    actor = seat(model)
    running = asyncio.create_task(seen_by(actor, a_task(story_id="s-1")))
    await until_async(lambda: len(model.held) == 3, "all drafts are asked for")
    await begun_durably(config)
    await crash(actor)
    await asyncio.gather(running, return_exceptions=True)
    later = await tell(config, client, "It strikes")
    assert later.hash != first.hash
    other = ScriptedModel()
    monkeypatch.setattr(Stories, "of", NotImplemented)
    records = await seen_by(seat(other), a_task(story_id="s-1"))
    monkeypatch.undo()
    assert shown(other.turns) == {first.text}
    assert of(records) == first.context
    again = await seen_by(seat(), a_task(story_id="s-1"))
    assert again == records
    model = ScriptedModel()
    assert of(await seen_by(seat(model), a_task("t-2", story_id="s-1"))) == later.context
    assert shown(model.turns) == {later.text}


async def begun_durably(config: Config) -> None:
    async def begun() -> bool:
        records = await journalled(config.bus.url)
        return any(isinstance(record.event, Briefed) for record in records)

    await reaches(begun, "what is shown is recorded")


async def test_its_records_suffice_to_replay_and_to_fork_it(
    seat: Seat, config: Config, client: Connection
) -> None:
    """Nothing is asked anew, though more is known of the story by then."""
    story = await tell(config, client, "It ticks")
    records = await seen_by(seat(), a_task(story_id="s-1"))
    await tell(config, client, "It strikes")
    assert (await replay(records)).reproduced
    model = ScriptedModel()
    task = fork(records, "f-1", tally=Rule.COPELAND).task
    again = await seen_by(seat(model), task)
    assert model.turns == []
    assert of(again) == story.context


async def test_a_long_story_is_clipped_and_no_reason_to_refuse(
    seat: Seat, config: Config, client: Connection
) -> None:
    """What the task's budget does not hold is cut where the agents see it, and recorded."""
    budget = config.councils[0].budgets.task
    story = await tell(config, client, " ".join(["tick"] * 2 * budget))
    records = await seen_by(seat(), a_task(story_id="s-1"))
    brief = next(r.event.brief for r in records if isinstance(r.event, Briefed))
    assert [cut.part for cut in brief.clipped] == ["story"]
    assert CLIP_MARK in brief.text
    assert of(records).text == story.text
    assert isinstance(records[-1].event, Decided)


async def test_a_deliberation_does_not_wait_for_its_story(
    seat: Seat, client: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the bucket, or without an answer in time, it goes on and says what it missed."""
    monkeypatch.setattr(stories, "SHOWN_WITHIN_S", 0.0)
    late = await seen_by(seat(), a_task("t-1", story_id="s-1"))
    assert of(late).missing == "NATS gave no answer in 0 s"
    monkeypatch.undo()
    await client.streams().delete_key_value(STORIES)
    without = await seen_by(seat(), a_task("t-2", story_id="s-1"))
    assert f"bucket {STORIES} is missing" in of(without).missing
    assert all(isinstance(records[-1].event, Decided) for records in (late, without))
    assert not [
        r for r in without if isinstance(r.event, Briefed) and "story" in r.event.brief.text
    ]


async def test_while_nats_is_away_it_goes_on_without_its_story(
    seat: Seat, config: Config, client: Connection, nats: NatsServer
) -> None:
    """It is decided all the same; its record says why no agent was shown anything."""
    await tell(config, client, "It ticks")
    actor, task = seat(), a_task(story_id="s-1")
    await seen_by(actor, a_task("t-0"))
    nats.kill()
    running = asyncio.create_task(seen_by(actor, task))
    await until_async(lambda: "t-1" in actor._runs and actor._runs["t-1"].ended, "it is decided")
    nats.start()
    records = await running
    assert "no NATS server answers" in of(records).missing
    assert await journalled(config.bus.url) == records


async def test_the_desk_tells_what_agents_will_be_shown(config: Config, client: Connection) -> None:
    """The text, its hash and its notes; a story of which nothing is known is not found."""
    story = await tell(config, client, "It ticks")
    desk = Desk(config, roster(config), NotImplemented, lambda _: None)
    found = await desk.story(" s-1")
    assert (found.text, found.hash, found.notes) == (story.text, story.hash, story.notes)
    with pytest.raises(NotFound, match="s-2"):
        await desk.story("s-2")
    assert desk._journal is not None
    await desk._journal.close()
