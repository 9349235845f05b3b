"""Claims about stories: whatever comes in whatever order, they are bounded, newest first, the same.

The events are read as they come off the bus, in all three shapes.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError
from recording import COUNCIL, a_task, altered, recorded

from engine.arrival import Arrival
from engine.brief import CLIP_MARK
from engine.bus_config import MOST_STORY_BYTES, BusConfig
from engine.deliberation import deliberate
from engine.errors import InvalidEvent
from engine.events import Briefed, Convened
from engine.story import Note, Story
from engine.testing import ScriptedModel, words
from engine.told import KINDS, told
from engine.types import Shown

MOST = 256 * 1024
SUBJECT = {
    "update": "context.updated",
    "milestone": "context.milestone.reached",
    "decision": "context.decision.added",
}
FIELDS: dict[str, dict[str, object]] = {
    "update": {"story_id": "s-1", "version": 3},
    "milestone": {"story_id": "s-1", "milestone_id": "m-1", "milestone_name": "It ticks"},
    "decision": {"story_id": "s-1", "decision_id": "d-1"},
}
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()


def event(kind: str, seq: int = 1, at: float | None = NOON, **fields: object) -> Arrival:
    """An event as it comes bare, `at` being when the stream took it."""
    data = json.dumps(FIELDS[kind] | fields).encode()
    return Arrival("CONTEXT", seq, SUBJECT[kind], data, at=at)


def note_of(kind: str, seq: int = 1, at: float | None = NOON, **fields: Any) -> Note:
    return told(event(kind, seq, at, **fields), MOST).note


def story_of(notes: Sequence[Note], most: int = 32, most_bytes: int = 8192) -> Story:
    story = Story(story_id="s-1")
    for note in notes:
        story = story.noting(note, most, most_bytes)
    return story


# Reading


@pytest.mark.parametrize("kind", FIELDS)
@pytest.mark.parametrize("shape", ["bare", "envelope", "cloud event"])
def test_each_kind_is_read_in_each_shape(kind: str, shape: str) -> None:
    """What is noted is the same but for the event's identity."""
    subject, payload = SUBJECT[kind], FIELDS[kind] | {"timestamp": "2026-11-22T12:00:00Z"}
    shapes: dict[str, object] = {
        "bare": payload,
        "envelope": {"event_type": subject, "payload": payload, "producer": "p"},
        "cloud event": {"specversion": "1.0", "type": subject, "source": "p", "id": "1"}
        | {"data": payload},
    }
    found = told(Arrival("CONTEXT", 1, subject, json.dumps(shapes[shape]).encode()), MOST)
    plain = told(event(kind), MOST)
    assert found.story_id == "s-1"
    assert found.note == plain.note.model_copy(update={"event": found.note.event})


@pytest.mark.parametrize(
    ("kind", "fields", "where"),
    [
        ("update", {"version": "three"}, "payload.version"),
        ("update", {"version": True}, "payload.version"),
        ("update", {"version": -1}, "payload.version"),
        ("update", {"version": 1 << 63}, "payload.version"),
        ("update", {"version": None}, "payload.version"),
        ("milestone", {"milestone_id": " "}, "payload.milestone_id"),
        ("milestone", {"milestone_name": ""}, "payload.milestone_name"),
        ("milestone", {"milestone_name": ["a"]}, "payload.milestone_name"),
        ("decision", {"decision_id": None}, "payload.decision_id"),
        ("decision", {"story_id": {}}, "payload.story_id"),
        ("decision", {"decision_type": ["a"]}, "payload.decision_type"),
    ],
)
def test_what_cannot_be_understood_is_refused(
    kind: str, fields: dict[str, Any], where: str
) -> None:
    """With the place of what is wrong; the contract requires each of these."""
    with pytest.raises(InvalidEvent) as refused:
        note_of(kind, **fields)
    assert refused.value.where == where


def test_an_event_of_another_subject_tells_of_no_story() -> None:
    """It is refused, and the line names those that do."""
    with pytest.raises(InvalidEvent, match=r"context\.updated, context\.milestone\.reached"):
        told(Arrival("CONTEXT", 1, "context.other", b"{}"), MOST)


def test_what_can_be_understood_is() -> None:
    """Numbers as ids and names, a version as text, no type of a decision, any further field."""
    assert note_of("update", version="7").version == 7
    milestone = note_of("milestone", milestone_id=7, milestone_name=8)
    assert (milestone.id, milestone.text) == ("7", "milestone_name: 8")
    for unsaid in (None, ""):
        assert note_of("decision", decision_type=unsaid).text == "decision_type: TECHNICAL"
    note = note_of("decision", why="it is slow\nand old", links=[{"to": "d-0"}])
    assert note.text.split("\n")[-3:] == ["why: it is slow", "and old", 'links: [{"to": "d-0"}]']


@pytest.mark.parametrize(
    ("said", "arrived", "at"),
    [
        ("2026-11-22T11:00:00+00:00", NOON, NOON - 3600),
        ("2026-11-22T13:00:00+02:00", NOON, NOON - 3600),
        ("2026-11-22", NOON, NOON - 12 * 3600),
        (1_000_000_000, NOON, 1e9),
        ("2031-01-01", NOON, NOON),
        ("2031-01-01", None, 1_924_992_000.0),
    ],
)
def test_an_event_happened_when_it_says(said: object, arrived: float | None, at: float) -> None:
    """Unless that is still to come: then it happened when it arrived."""
    note = note_of("decision", at=arrived, timestamp=said)
    assert (note.at, note.text) == (at, "decision_type: TECHNICAL")


@pytest.mark.parametrize(
    "said", ["yesterday", {"at": 3}, None, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"]
)
def test_a_time_that_cannot_be_read_is_shown_as_it_came(said: object) -> None:
    """The event then happened when it arrived, or nobody knows when."""
    assert note_of("decision", timestamp=said).at == NOON
    note = note_of("decision", at=None, timestamp=said)
    assert note.at == 0.0
    assert note.text.startswith("decision_type: TECHNICAL\ntimestamp: ")


# What a story keeps


def test_the_newest_comes_first() -> None:
    """By the events' own time, then by arrival, whatever the order in which they are noted."""
    ids = {"a": NOON - 9, "b": NOON, "c": NOON}
    notes = [
        note_of("decision", seq, decision_id=id, timestamp=at)
        for seq, (id, at) in enumerate(ids.items(), 1)
    ]
    for order in (notes, notes[::-1]):
        assert [note.id for note in story_of(order).notes] == ["c", "b", "a"]


def test_an_older_update_never_replaces_a_newer_one() -> None:
    """The highest version stays, however late the others were made or come."""
    new = note_of("update", 1, version=5, summary="new")
    old = note_of("update", 2, at=NOON + 60, version=4, summary="old")
    for order in ([new, old], [old, new]):
        story = story_of(order)
        assert story.notes == (new,)
        assert story.version == 5


def test_of_what_is_told_twice_the_newer_telling_stays() -> None:
    """One note for each milestone and each decision; ids of the two are apart."""
    first = note_of("milestone", 1, NOON, milestone_id="x", milestone_name="Begun")
    second = note_of("milestone", 2, NOON + 1, milestone_id="x", milestone_name="Done")
    other = note_of("decision", 3, NOON, decision_id="x")
    for order in ([first, second, other], [other, second, first]):
        assert story_of(order).notes == (second, other)


def test_an_event_published_again_changes_nothing() -> None:
    """It has the same identity: it arrives later and is not newer for that."""
    first = note_of("milestone", 1, NOON)
    between = note_of("decision", 2, NOON + 1)
    again = note_of("milestone", 3, NOON + 2).model_copy(update={"event": first.event})
    story = story_of([first, between])
    assert story.noting(again, 32, 8192) == story
    assert story_of([again, between, first]) == story


def test_the_oldest_go_when_there_are_too_many() -> None:
    """Milestones and decisions are counted; the newest update stays however old it is."""
    update = note_of("update", 1, NOON - 1000)
    notes = [note_of("decision", 20 - n, NOON + n, decision_id=n) for n in range(2, 9)]
    story = story_of([*notes, update], most=3)
    assert [note.id for note in story.notes] == ["8", "7", "6", ""]


def test_a_long_note_is_cut_visibly() -> None:
    """It takes no more than a whole story, and leaves room for no other."""
    long = note_of("decision", 2, NOON + 1, why="x" * 100_000)
    short = note_of("milestone", 1, NOON, why="y" * 300)
    story = story_of([short, long], most_bytes=4096)
    shown = story.within(4096)
    assert shown.notes[0].text.endswith(CLIP_MARK)
    assert 3700 < len(shown.text.encode()) <= 4096
    assert (len(shown.notes), shown.left_out) == (1, 1)
    assert shown.text.endswith("\n[1 older left out]")


def test_the_text_says_what_happened_when() -> None:
    """As the agents are shown it."""
    story = story_of([note_of("update"), note_of("milestone", 2, NOON + 1, owner="ann\nbob")])
    assert story.text == (
        "Context version 3. Newest first:\n"
        '- 2026-11-22T12:00:01+00:00 milestone "m-1"\n'
        "  milestone_name: It ticks\n"
        "  owner: ann\n"
        "  bob\n"
        "- 2026-11-22T12:00:00+00:00 update\n"
        "  version: 3"
    )
    assert story.context.model_dump() == {
        "version": 3,
        "notes": 2,
        "hash": story.hash,
        "text": story.text,
        "missing": "",
    }


def test_a_note_cannot_look_like_two() -> None:
    """A text with the marks of a further note stays inside its own."""
    forged = note_of("milestone", milestone_name='x\n- 2026-01-01T00:00:00+00:00 decision "d"')
    heads = [line for line in story_of([forged]).text.splitlines() if line.startswith("- ")]
    assert heads == ['- 2026-11-22T12:00:00+00:00 milestone "m-1"']


# Any events in any order

kinds = st.sampled_from(sorted(FIELDS))
letters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
texts = st.one_of(
    st.text(letters, max_size=30), st.integers(900, 9000).map(lambda length: "x" * length)
)


@st.composite
def arrivals(draw: st.DrawFn) -> list[Note]:
    """Events of few matters at few times, so that they meet; some come more than once."""
    notes = []
    for seq in range(1, draw(st.integers(1, 12)) + 1):
        kind = draw(kinds)
        named = draw(st.sampled_from("abcd"))
        version = draw(st.integers(0, 3))
        fields = {"version": version} if kind == "update" else {f"{kind}_id": named}
        notes.append(note_of(kind, seq, NOON + draw(st.integers(0, 3)), say=draw(texts), **fields))
    return [*notes, *draw(st.lists(st.sampled_from(notes), max_size=5))]


@given(arrivals(), st.randoms(use_true_random=False), st.integers(1, 6))
def test_the_order_of_arrival_does_not_matter(notes: list[Note], dice: Random, most: int) -> None:
    """Any order, any repetition: the same story, with the same text and hash, within its bounds."""
    story = story_of(notes, most, 4096)
    other = notes.copy()
    dice.shuffle(other)
    assert story_of(other, most, 4096) == story
    assert len([n for n in story.notes if n.kind != "update"]) <= most
    assert len([n for n in story.notes if n.kind == "update"]) <= 1
    assert len(story.model_dump_json()) <= (most + 1) * 4096 + 512
    shown = story.within(4096)
    assert len(shown.text.encode()) <= 4096
    assert shown.notes == story.notes[: len(shown.notes)]
    assert shown.left_out == len(story.notes) - len(shown.notes)
    assert shown.notes


@given(arrivals(), arrivals())
def test_the_hash_changes_exactly_when_what_is_told_does(
    notes: list[Note], others: list[Note]
) -> None:
    """Two stories have one hash if and only if the same is said in them."""
    one, two = story_of(notes), story_of(others)
    assert (one.hash == two.hash) == (_said(one) == _said(two))


def _said(story: Story) -> object:
    return story.version, [(n.kind, n.id, n.at, n.text) for n in story.notes]


ODD = '\x01"\\\n\u00e9\U0001f600'


@example("\na" * 1500, "")
@given(st.text(ODD, max_size=3000), st.text(ODD, max_size=512))
def test_what_takes_many_bytes_is_within_them_too(text: str, id: str) -> None:
    """Control characters and emoji, in a text and in an id."""
    note = note_of("decision").model_copy(update={"text": text, "id": id})
    story = story_of([note], most_bytes=4096)
    assert story.notes[0].size <= 4096
    assert len(story.within(4096).notes) == 1


def test_a_story_that_no_message_holds_is_refused_where_it_is_configured() -> None:
    """The line names both bounds."""
    assert BusConfig(story_notes=95, story_bytes=8192)
    with pytest.raises(ValidationError, match=f"one message holds {MOST_STORY_BYTES}"):
        BusConfig(story_notes=96, story_bytes=8192)


def test_every_subject_of_the_contract_is_read() -> None:
    """The three that build a story, and no other."""
    assert set(KINDS) == set(SUBJECT.values())


# What a deliberation shows


@pytest.mark.parametrize("known", [1, 2])
async def test_a_resumption_shows_the_story_of_its_beginning(known: int) -> None:
    """Also where no prompt was laid down by then, or in words that an upgrade has changed."""
    first, later = story_of([note_of("update")]), story_of([note_of("milestone")])
    records = (await recorded(a_task(story_id="s-1"), story=first.context))[:known]
    if known == 2:
        brief = records[1].event
        assert isinstance(brief, Briefed)
        worded = brief.brief.model_copy(update={"prompts": "of yesterday"})
        records = altered(records, 1, Briefed(brief=worded))
    model = ScriptedModel()
    stream = deliberate(a_task(story_id="s-1"), COUNCIL, model, words, records, story=later.context)
    events = [event async for event in stream]
    assert not [event for event in events if isinstance(event, Convened)]
    assert all(first.text in "".join(m.content for m in t.messages) for t in model.turns)
    assert len(model.turns) == 12


# Parts


def test_a_task_may_be_shown_a_part_of_its_story() -> None:
    """The newest notes of the kinds that it wants; without kinds, of all of them."""
    notes = [
        note_of("update", 1, NOON),
        *(note_of("milestone", n, NOON + n, milestone_id=f"m-{n}") for n in (2, 3)),
        note_of("decision", 4, NOON + 4),
    ]
    story = story_of(notes)
    kinds = {
        None: ["decision", "milestone", "milestone", "update"],
        Shown(): ["decision", "milestone", "milestone", "update"],
        Shown(kinds=("milestone",)): ["milestone", "milestone"],
        Shown(kinds=("update", "decision")): ["decision", "update"],
        Shown(most=2): ["decision", "milestone"],
        Shown(kinds=("milestone",), most=1): ["milestone"],
    }
    for shown, expected in kinds.items():
        assert [note.kind for note in story.part(shown).notes] == expected
    assert story.part(Shown(kinds=("milestone",), most=1)).left_out == 0
    assert story.part(Shown(most=1)).hash != story.hash
    assert story.part(None) is story
