"""The rows of a projection are what the journal says of it, whatever becomes of their file."""

import math
import random
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shelves import Known

from actors.claim import Claim
from actors.figures import figures
from actors.listing import LONGEST, Wanted, page
from actors.messages import key_of
from actors.projection import Message, Projection
from engine.errors import InvalidRequest, SetupError
from engine.events import Resumed

WORDS = st.sampled_from(["clock", "Clock,", "sun", "sundial", "NOT", "AND", "a-b", "b", "C3"])
HOSTILE = st.sampled_from(['"', "*", "task:", "NEAR(", "OR", "^a", "-", "';--", "{a}", "\0b", "%"])
TEXTS = st.lists(WORDS, min_size=1, max_size=4).map(" ".join)
SOUGHT = st.lists(WORDS | HOSTILE, max_size=3).map(" ".join)
STATUSES = ["completed", "failed", "suspended", "in_progress"]
TIMES = st.integers(1, 8).map(float)
KNOWN = st.builds(
    Known,
    id=st.text("abc", min_size=1, max_size=3),
    role=st.sampled_from(["DEV", "QA"]),
    story=st.sampled_from(["", "s-1", "s-2"]),
    status=st.sampled_from(STATUSES),
    purpose=st.sampled_from(["", "orchestration"]),
    began=TIMES,
    took=st.integers(0, 9),
    task=TEXTS,
    decision=TEXTS,
)
FILTERS = {
    "role": st.sampled_from(["dev", "QA"]),
    "story": st.just("s-1"),
    "status": st.sampled_from(STATUSES),
    "since": TIMES,
    "until": TIMES,
    "text": SOUGHT,
}
WANTED = st.sets(st.sampled_from(sorted(FILTERS)), max_size=2).flatmap(
    lambda names: st.builds(Wanted, **{name: FILTERS[name] for name in sorted(names)})
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file is to be."""
    return tmp_path / "rows.sqlite"


def filled(path: Path, *known: Known, identity: str = "one") -> Projection:
    """A projection of these, the first one at place 1."""
    rows = Projection(path)
    rows.follow(identity, 1, len(known))
    rows.take([each.message(n) for n, each in enumerate(known, 1)], len(known))
    return rows


def listed(rows: Projection, wanted: Wanted | None = None, limit: int = 100) -> list[str]:
    """The ids on all pages."""
    ids, cursor = list[str](), ""
    while True:
        found = page(rows, wanted or Wanted(), limit, cursor)
        ids += [each.id for each in found.deliberations]
        cursor = found.cursor
        if not cursor:
            return ids


@settings(max_examples=80)
@given(st.lists(KNOWN, max_size=8, unique_by=lambda k: k.id), WANTED, st.integers(1, 4))
def test_a_list_shows_what_fits_and_nothing_else(
    known: list[Known], wanted: Wanted, limit: int
) -> None:
    """All filters together, page by page, against a model that looks at each one."""
    with tempfile.TemporaryDirectory() as folder:
        rows = filled(Path(folder) / "rows", *known)
        assert listed(rows, wanted, limit) == [k.id for k in known[::-1] if k.fits(wanted)]
        rows.close()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("SUNDIAL clock", True),
        ("build", True),
        ("buil", False),
        ("a-clock", True),
        ("clock-a", False),
        ('clock" OR "moon', False),
        ("moon OR clock", False),
        ("task:clock", False),
        ("decision : clock", False),
        ("NOT moon", False),
        ("clo*", False),
        ("'; DROP TABLE deliberations; --", False),
        ("\0", False),
        ("-", False),
        ("clock - ?", True),
        ("x " * (LONGEST // 2), False),
    ],
)
def test_a_text_is_words_and_never_syntax(path: Path, text: str, found: bool) -> None:
    """Each is looked for as it stands; what has no letter says nothing."""
    rows = filled(path, Known("k"))
    assert listed(rows, Wanted(text=text)) == (["k"] if found else [])
    assert listed(rows) == ["k"]
    rows.close()


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (Wanted(since=2.0), ["k-3", "k-2"]),
        (Wanted(until=2.0), ["k-1"]),
        (Wanted(since=2.0, until=3.0), ["k-2"]),
        (Wanted(since=3.5), []),
    ],
)
def test_what_began_at_since_is_shown_and_what_began_at_until_is_not(
    path: Path, wanted: Wanted, ids: list[str]
) -> None:
    """So that two ranges that meet share nothing and leave nothing out."""
    rows = filled(path, *(Known(f"k-{n}", began=float(n)) for n in (1, 2, 3)))
    assert listed(rows, wanted) == ids
    rows.close()


def test_the_text_of_what_was_not_decided_is_not_found(path: Path) -> None:
    """A draft is no decision; the task is found all the same."""
    rows = filled(path, Known("k", status="failed"))
    assert listed(rows, Wanted(text="sundial")) == []
    assert listed(rows, Wanted(text="clock")) == ["k"]
    rows.close()


def test_pages_stay_as_they_are_while_new_ones_come(path: Path) -> None:
    """What begins between two pages is on neither of them."""
    rows = filled(path, *(Known(f"k-{n}") for n in range(1, 6)))
    first = page(rows, Wanted(), 2, "")
    rows.take([Known("new").message(6)], 6)
    second = page(rows, Wanted(), 2, first.cursor)
    assert [each.id for each in second.deliberations] == ["k-3", "k-2"]
    assert listed(rows)[0] == "new"
    rows.close()


@pytest.mark.parametrize("cursor", ["1", "AAAA", "not a cursor", "_" * 11, "é", "AAAAAAAAAAB="])
def test_what_is_no_cursor_is_refused(path: Path, cursor: str) -> None:
    """By its name, with the remedy."""
    rows = filled(path, Known("k"))
    with pytest.raises(InvalidRequest, match=r"^cursor: .* leave it out"):
        page(rows, Wanted(), 2, cursor)
    rows.close()


def test_a_row_tells_what_a_reader_asks_for(path: Path) -> None:
    """Its times and work, how it ended and by what policy, and what it cost."""
    rows = filled(path, Known("k", story="s-1", began=7.0, took=4), Known("l", status="failed"))
    failed, decided = page(rows, Wanted(), 5, "").deliberations
    assert (decided.story_id, decided.began, decided.ended, decided.took_ms) == ("s-1", 7, 11, 4000)
    assert (decided.policy, decided.winner_id) == ("council", "agent-dev-001")
    assert (decided.usage.prompt, decided.usage.cached, decided.usage.generated) == (5, 2, 3)
    assert (failed.error_type, failed.stop_reason, failed.winner_id) == (
        "QuorumLost",
        "degraded",
        "",
    )
    rows.close()


@given(st.lists(KNOWN, max_size=12, unique_by=lambda k: k.id), TIMES)
def test_figures_are_those_of_what_ended_since(known: list[Known], since: float) -> None:
    """Counts, means and percentiles by nearest rank, against sums by hand."""
    with tempfile.TemporaryDirectory() as folder:
        rows = filled(Path(folder) / "rows", *known)
        found = figures(rows, since)
        rows.close()
    ended = [k for k in known if k.status in ("completed", "failed") and k.began + k.took >= since]
    times = sorted(k.took * 1000 for k in ended)
    assert found.total == len(ended)
    assert found.mean_ms == (sum(times) / len(times) if times else 0.0)
    orchestrations = [k.took * 1000 for k in ended if k.purpose]
    assert found.orchestrations == len(orchestrations)
    assert found.mean_orchestration_ms == sum(orchestrations) / (len(orchestrations) or 1)
    for percent, told in found.percentiles.items():
        assert told == (times[math.ceil(len(times) * percent / 100) - 1] if times else 0)
    for role in ("DEV", "QA"):
        outcomes = [k.status == "completed" for k in ended if k.role == role]
        rate = sum(outcomes) / len(outcomes) if outcomes else None
        assert found.success_rate(role) == rate


def test_what_was_read_is_there_when_the_file_is_opened_again(path: Path) -> None:
    """With its place, and what was under way goes on."""
    begun = Known("k").records()
    rows = Projection(path)
    assert rows.follow("one", 1, 9) == 0
    rows.take([Message(key_of("k"), 3, tuple(begun[:2]))], 5)
    rows.close()
    rows = Projection(path)
    assert rows.follow("one", 1, 9) == 5
    rows.take([Message(key_of("k"), 6, tuple(begun[2:]))], 6)
    assert listed(rows, Wanted(text="sundial", status="completed")) == ["k"]
    rows.close()


@pytest.mark.parametrize("seen", [("another", 1, 9), ("one", 1, 0)], ids=["remade", "restored"])
def test_another_stream_is_read_from_its_beginning(path: Path, seen: tuple[str, int, int]) -> None:
    """Nothing of the one before is shown, nor found in what has its place now."""
    rows = filled(path, Known("k"))
    assert rows.follow(*seen) == 0
    assert listed(rows) == []
    rows.take([Known("l", task="Paint a fence").message(1)], 1)
    assert listed(rows) == listed(rows, Wanted(text="fence")) == ["l"]
    assert listed(rows, Wanted(text="clock")) == []
    rows.close()


def test_what_the_stream_has_let_go_is_forgotten(path: Path) -> None:
    """A deliberation without its beginning is shown no more, as if it were read today."""
    rows = filled(path, Known("old"), Known("new"))
    assert rows.follow("one", 2, 2) == 2
    assert listed(rows) == listed(rows, Wanted(text="clock")) == ["new"]
    rows.take([Message(key_of("old"), 3, tuple(Known("old").records()[1:]))], 3)
    assert listed(rows) == ["new"]
    rows.close()


def test_a_batch_is_taken_whole_or_not_at_all(path: Path) -> None:
    """So that the place is never ahead of the rows, nor behind them."""
    rows = filled(path, Known("k"))
    broken = Message("key", 3, (*Known("b").records()[:1], "no record"))  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        rows.take([Known("l").message(2), broken], 3)
    assert listed(rows) == ["k"]
    assert rows.follow("one", 1, 3) == 1
    rows.close()


def test_nothing_follows_an_end_and_nothing_begins_in_the_middle(path: Path) -> None:
    """Such messages are passed over."""
    rows = filled(path, Known("k"))
    late = Known("k").records()[-1].model_copy(update={"event": Resumed(), "seq": 4})
    rows.take([Message(key_of("k"), 2, (late,)), Message(key_of("m"), 3, (late,))], 3)
    assert [each.status for each in page(rows, Wanted(), 9, "").deliberations] == ["completed"]
    rows.close()


@given(
    st.lists(KNOWN, min_size=1, max_size=4, unique_by=lambda k: k.id),
    st.randoms(use_true_random=False),
    st.integers(2, 30),
)
def test_how_messages_fall_into_batches_changes_nothing(
    known: list[Known], dice: random.Random, size: int
) -> None:
    """Also where deliberations take turns, where one has no beginning or goes on behind its end."""
    left = [[(key_of(k.id), (record,)) for record in k.records()] for k in known]
    for told in left:
        begun, last = told[0], told[-1][1][0]
        late = last.model_copy(update={"event": Resumed()})
        told.extend([(begun[0], (late,))] * dice.randrange(2))
        del told[: dice.randrange(5) == 0]
    turns = [told for told in left for _ in told]
    dice.shuffle(turns)
    messages = []
    for seq, each in enumerate(turns, 1):
        key, records = each.pop(0)
        messages.append(Message(key, seq, records))
    shown = []
    with tempfile.TemporaryDirectory() as folder:
        for each in (1, size):
            rows = Projection(Path(folder) / str(each))
            for first in range(0, len(messages), each):
                rows.take(messages[first : first + each], first + each)
            texts = rows.rows("SELECT * FROM texts ORDER BY rowid")
            shown.append((page(rows, Wanted(), 9, ""), figures(rows, 0.0), texts))
            rows.close()
    assert shown[0] == shown[1]


def damage(path: Path) -> None:
    """Write over what is behind the header of the file."""
    data = path.read_bytes()
    path.write_bytes(data[:100] + b"\xff" * (len(data) - 100))


def of_another_version(path: Path) -> None:
    """Say that it has other rows."""
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()


@pytest.mark.parametrize(
    "change",
    [
        damage,
        of_another_version,
        lambda path: path.write_bytes(b"no database"),
        lambda path: path.write_bytes(path.read_bytes()[:5000]),
        lambda path: path.unlink(),
    ],
    ids=["damaged", "of another version", "something else", "cut off", "deleted"],
)
def test_a_file_that_is_not_as_it_was_left_is_made_anew(path: Path, change: object) -> None:
    """Then nothing was read."""
    filled(path, Known("k")).close()
    change(path)  # type: ignore[operator]
    rows = Projection(path)
    assert rows.follow("one", 1, 1) == 0
    assert listed(rows) == []
    rows.close()


def test_a_file_that_is_deleted_while_it_is_used_is_made_anew(path: Path) -> None:
    """At the next look at the stream."""
    rows = filled(path, Known("k"))
    path.unlink()
    assert rows.follow("one", 1, 1) == 0
    rows.take([Known("l").message(1)], 1)
    assert listed(rows) == ["l"]
    rows.close()


def test_each_has_a_file_of_its_own_and_takes_up_one_that_is_left(tmp_path: Path) -> None:
    """There are never more than there are users at once."""
    folder = tmp_path / "lists"
    first, second = Claim(folder, "x"), Claim(folder, "x")
    assert (first.path.name, second.path.name) == ("x-0.sqlite", "x-1.sqlite")
    assert folder.stat().st_mode & 0o777 == 0o700
    first.let_go()
    third = Claim(folder, "x")
    assert third.path == first.path
    second.let_go()
    third.let_go()


def test_a_folder_that_cannot_be_used_is_named_with_the_remedy(tmp_path: Path) -> None:
    """Here it is a file."""
    (tmp_path / "lists").write_text("")
    with pytest.raises(SetupError, match=r"lists .*\. Set \$TMPDIR"):
        Claim(tmp_path / "lists", "x")
