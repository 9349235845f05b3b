"""Claims about hostile texts: wherever one stands, it is data, and the deliberation is the same."""

import asyncio
import json
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import NamedTuple

import pytest
from hostile import CORPUS, Hostile
from pydantic import ValidationError

from engine import prompts
from engine.brief import TITLE_TOKENS, lay
from engine.config import fleet_councils
from engine.deliberation import deliberate
from engine.events import (
    END,
    Asked,
    Brief,
    Briefed,
    Convened,
    Critiqued,
    Decided,
    Dropped,
    Event,
    Rejected,
    Revised,
    Voted,
)
from engine.story import Note, Story
from engine.testing import ScriptedModel
from engine.transcript import Outcome
from engine.types import Phase, Severity, Task, Turn
from engine.wording import wording

COUNCIL = fleet_councils()[0].seated()
BUDGETS = COUNCIL.budgets
ONE, TWO, _ = (agent.id for agent in COUNCIL.agents)


def brief_of(task: Task, story: str = "") -> Brief:
    return lay(task, COUNCIL, len, wording(), story)


FENCE = brief_of(Task(id="t-1", role="DEV", text="Build")).fence
FENCED = re.compile(rf"<([a-z]+(?: [A-Z])?) {FENCE}>\n(.*?)\n</\1 {FENCE}>", re.DOTALL)
MARK = re.compile(rf"<(/?[a-z]+(?: [A-Z])?) {FENCE}>")
HARMLESS = "Count the swings."
ASKED = ("text", "title", "rubric", "requirement", "context key", "context value")
WRITTEN = ("draft", "issue", "revision")
READ_BY_PEERS = {"policy": "debate", "rounds": 1, "ballot": "ranking", "decide": "architect"}
"""Where texts are shown in all further prompts: to rewrite, to rank as JSON, to judge."""


class Run(NamedTuple):
    """What happened and what was asked."""

    events: list[Event]
    turns: dict[tuple[str, Phase, int, str, int], Turn]


async def run(text: str, place: str, **options: object) -> Run:
    """A deliberation with the text in one place, all others harmless."""
    model = ScriptedModel(_script(text, place))
    story = _story(text if place in ("story", "task") else HARMLESS)
    stream = deliberate(_task(text, place, **options), COUNCIL, model, len, story=story.context)
    events = [event async for event in stream]
    turns: dict[tuple[str, Phase, int, str, int], Turn] = {}
    asked: Counter[tuple[str, Phase, int, str]] = Counter()
    for turn in model.turns:
        what = (turn.agent, turn.phase, turn.round, turn.target)
        asked[what] += 1
        turns[(*what, asked[what])] = turn
    return Run(events, turns)


def _story(text: str) -> Story:
    """A story with the text as the name and the id of a milestone."""
    name = f"milestone_name: {text}"
    note = Note(kind="milestone", id=text[:512], at=0.0, text=name, event="e", seq=1)
    return Story(story_id="s-1").noting(note, 1, 8192)


def _task(text: str, place: str, **options: object) -> Task:
    """The task with the text in one of ASKED, or in every one of them."""
    said = {name: text if place in (name, "task") else HARMLESS for name in ASKED}
    context = {said.pop("context key"): said.pop("context value")}
    return Task.model_validate(
        {"id": "t-1", "role": "DEV", "story_id": "s-1", "requirements": (said.pop("requirement"),)}
        | {"context": context}
        | said
        | options
    )


def _script(text: str, place: str) -> dict[tuple[str, Phase], str]:
    """One agent's replies, those of the other two being the twin's own."""
    issue = text if place == "issue" else HARMLESS
    finding = {"severity": "major", "issue": issue}
    critique = json.dumps({"findings": [finding], "verdict": "revise"})
    return {
        (ONE, Phase.DRAFT): text if place == "draft" else HARMLESS,
        (ONE, Phase.REVISE): text if place == "revision" else HARMLESS,
        (ONE, Phase.CRITIQUE): text if place == "raw critique" else critique,
    }


@cache
def harmless(**options: object) -> Run:
    """What happens with nothing hostile anywhere; it is the same for all."""
    with ThreadPoolExecutor(1) as elsewhere:  # a loop runs here already
        return elsewhere.submit(lambda: asyncio.run(run(HARMLESS, "task", **options))).result()


each_text = pytest.mark.parametrize("hostile", CORPUS, ids=lambda hostile: hostile.id)


def armed(hostile: Hostile) -> str:
    """The text with the right code, as if it had been guessed."""
    return hostile.text.replace("FENCE", FENCE)


def legal(events: list[Event]) -> bool:
    """Whether every outcome was asked for, texts come before the vote, and one end comes last."""
    asked = [e.turn for e in events if isinstance(e, Asked)]
    ended = [e.turn for e in events if isinstance(e, Outcome)]
    votes = [n for n, e in enumerate(events) if isinstance(e, Voted)]
    texts = [n for n, e in enumerate(events) if isinstance(e, Critiqued | Revised)]
    return (
        [type(event) for event in events[:2]] == [Convened, Briefed]
        and sorted(asked) == sorted(ended)
        and all(_place(events, turn, Asked) < _place(events, turn, Outcome) for turn in asked)
        and max(texts) < min(votes)
        and [isinstance(event, END) for event in events].index(True) == len(events) - 1
    )


def _place(events: list[Event], turn: str, kind: type) -> int:
    return next(n for n, e in enumerate(events) if isinstance(e, kind) and e.turn == turn)


def outside(turn: Turn) -> list[tuple[str, str]]:
    """All that the model is told, what stands within fences and the author's own text left out."""
    return [(m.role, bare(m.content) if m.role != "assistant" else "") for m in turn.messages]


def bare(text: str) -> str:
    """The marks of fences with nothing between them, and what stands around them."""
    return FENCED.sub(r"<\1>", text)


def marks(turn: Turn) -> list[str]:
    """The fences that the model sees opened and closed, in their order."""
    return [m for said in turn.messages if said.role == "user" for m in MARK.findall(said.content)]


def order(run: Run) -> list[str]:
    """The authors as they were ranked."""
    (decided,) = (event for event in run.events if isinstance(event, Decided))
    return [ranked.author for ranked in decided.decision.order]


@each_text
async def test_a_hostile_text_stays_data_wherever_it_stands(hostile: Hostile) -> None:
    """Every prompt is the same outside the fences; questions, caps and the decided order too.

    JSON or labels inside an issue add no finding and change no verdict.
    """
    for place in ("task", "story", *WRITTEN):
        found = await run(armed(hostile), place)
        check_same(found, harmless(), place)
        reviews = [e for e in found.events if isinstance(e, Critiqued) and e.agent == ONE]
        assert [[f.severity for f in review.findings] for review in reviews] == [[Severity.MAJOR]]
        assert [review.verdict for review in reviews] == ["revise"]


@each_text
async def test_a_hostile_text_stays_data_for_peers_voters_and_the_architect(
    hostile: Hostile,
) -> None:
    """Also where whole texts are read to write anew, ranked as JSON, or chosen from."""
    found = await run(armed(hostile), "draft", **READ_BY_PEERS)
    check_same(found, harmless(**READ_BY_PEERS), "draft")


def check_same(found: Run, twin: Run, place: str) -> None:
    """The prompts around the data, what is asked and what comes of it."""
    assert legal(found.events), place
    assert found.turns.keys() == twin.turns.keys(), place
    for key, turn in found.turns.items():
        same = twin.turns[key]
        assert outside(turn) == outside(same), (place, key)
        assert marks(turn) == marks(same), (place, key)
        assert (turn.form, turn.max_tokens) == (same.form, same.max_tokens), (place, key)
    assert order(found) == order(twin), place


@each_text
def test_a_hostile_part_of_a_task_stays_in_its_fence_and_budget(hostile: Hostile) -> None:
    """Each part alone: the marks are the same, and all parts together take no more than allowed."""
    twin = brief_of(_task(HARMLESS, "task"))
    for place in ASKED:
        brief = brief_of(_task(armed(hostile), place))
        assert (bare(brief.text), bare(brief.title)) == (bare(twin.text), bare(twin.title))
        assert MARK.findall(brief.text) == MARK.findall(twin.text), place
        assert sum(len(text) for _, text in FENCED.findall(brief.text)) <= BUDGETS.task, place
        assert all(len(t) <= TITLE_TOKENS for _, t in FENCED.findall(brief.title)), place


@each_text
def test_a_hostile_story_stays_in_its_fence_and_budget(hostile: Hostile) -> None:
    """A milestone with such a name is one note, within one fence that comes last."""
    story = _story(armed(hostile))
    assert [line[:2] for line in story.text.split("\n")].count("- ") == 1
    brief = brief_of(_task(HARMLESS, "task"), story.text)
    twin = brief_of(_task(HARMLESS, "task"), _story(HARMLESS).text)
    assert bare(brief.text) == bare(twin.text)
    assert MARK.findall(brief.text)[-2:] == ["story", "/story"]
    assert sum(len(text) for _, text in FENCED.findall(brief.text)) <= BUDGETS.task


@each_text
async def test_a_hostile_reply_in_place_of_json_is_read_strictly_or_missing(
    hostile: Hostile,
) -> None:
    """What is no review is asked for once more and then missing; the vote is the same."""
    text, twin = armed(hostile), harmless()
    found = await run(text, "raw critique")
    assert legal(found.events)
    kinds = [
        type(e) for e in found.events if isinstance(e, Critiqued | Rejected) and e.agent == ONE
    ]
    assert kinds in ([Critiqued], [Rejected, Rejected])
    assert (kinds == [Critiqued]) == (hostile.id in ("json-accept", "json-revise"))
    assert all(text not in m.content for turn in found.turns.values() for m in turn.messages)
    votes = [key for key in twin.turns if key[1] is Phase.VOTE]
    assert [found.turns[key].form for key in votes] == [twin.turns[key].form for key in votes]
    assert order(found) == order(twin)


async def test_no_agent_is_dropped_for_a_hostile_text() -> None:
    """One hostile text in a place of each kind costs nobody the seat."""
    for place in ("task", *WRITTEN, "raw critique"):
        found = await run(armed(CORPUS[0]), place)
        assert not [event for event in found.events if isinstance(event, Dropped)], place


def test_half_a_character_is_refused_as_a_task() -> None:
    """A lone surrogate cannot be written to the journal, so no task's text can hold one."""
    with pytest.raises(ValidationError):
        _task("x \ud800 y", "text")


async def test_a_review_with_more_findings_than_asked_for_adds_none_beyond_them() -> None:
    """Where no schema is enforced, a reviewer cannot bury an author under findings."""
    finding = {"severity": "minor", "issue": "Count the swings of the pendulum."}
    many = json.dumps({"findings": [finding] * 9, "verdict": "revise"})
    found = await run(many, "raw critique")
    reviews = [e for e in found.events if isinstance(e, Critiqued) and e.agent == ONE]
    assert all(len(review.findings) <= prompts.MAX_FINDINGS for review in reviews)


async def test_half_a_character_in_a_draft_ends_no_deliberation() -> None:
    """What cannot be written down is replaced where one sees it, and nothing falls over."""
    assert legal((await run("x \ud800 y", "draft")).events)


def test_the_corpus_is_large_and_names_each_text_once() -> None:
    """At least 48 texts, each with an id of its own and what it tries."""
    assert len({hostile.id for hostile in CORPUS}) == len(CORPUS) >= 48
    assert len({hostile.text for hostile in CORPUS}) == len(CORPUS)
    assert all(hostile.tries for hostile in CORPUS)
