"""Lists and figures follow the journal, whatever becomes of its stream and of the copy's file."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from bus_fakes import last_record, outbound
from deadline import until_async
from nats.aio.msg import Msg
from recording import kept
from scripted_desk import a_task, deliberated, stamped
from seats import Seat, seen_by

from actors import catalogue as catalogues
from actors import passing
from actors.bus import Connection
from actors.catalogue import Catalogue
from actors.ending import end_durably
from actors.journal import Journal
from actors.listing import Wanted
from actors.nats_server import NatsServer
from actors.provision import provision
from actors.run import Run, Terms
from actors.streams import JOURNAL
from engine.config import BusConfig, Config
from engine.errors import Away, SetupError, Unavailable
from engine.events import Convened, Record, Suspended

pytestmark = pytest.mark.nats

ALL, CLOCKS = Wanted(), Wanted(text="clock")


@pytest.fixture
async def journal(nats: NatsServer, client: Connection) -> AsyncIterator[Journal]:
    """A journal over streams just made."""
    opened = await Journal.connect(BusConfig(url=nats.url), "journal")
    yield opened
    await opened.close()


@pytest.fixture
async def catalogue(journal: Journal, tmp_path: Path) -> AsyncIterator[Catalogue]:
    """A catalogue of it with a file of its own."""
    opened = Catalogue(journal._line, tmp_path / "lists")
    yield opened
    await opened.close()


async def write(journal: Journal, records: list[Record], *, ends: bool = False) -> None:
    """Put records into the journal, each in a message; the last one as an end."""
    writer = journal.writer(records[0].deliberation, 0)
    for record in records[:-1] if ends else records:
        writer.append(record)
        await writer.flush()
    if ends:
        await writer.end(records[-1], outbound(records[-1]))
    await writer.close()


async def begun(id: str) -> list[Record]:
    """The first records of a deliberation."""
    return (await deliberated(a_task(id=id, story_id=f"s-{id}")))[:3]


async def listed(catalogue: Catalogue, wanted: Wanted = ALL) -> list[str]:
    """The ids of what is wanted, all of it on one page that lacks nothing."""
    page = await catalogue.page(wanted, 100, "")
    assert (page.cursor, page.behind) == ("", "")
    return [each.id for each in page.deliberations]


async def test_a_page_tells_each_deliberation_as_it_stands(
    journal: Journal, catalogue: Catalogue
) -> None:
    """One that ended without a decision, one that nobody waits for, one under way."""
    await write(journal, [*await begun("a"), last_record("a", 1004)], ends=True)
    left = [record.event for record in await begun("b")]
    await write(journal, stamped(a_task(id="b"), [*left, Suspended(reason="nobody waits")]))
    await write(journal, await begun("c"))
    c, b, a = (await catalogue.page(ALL, 20, "")).deliberations
    assert [(each.id, each.status) for each in (c, b, a)] == [
        ("c", "in_progress"),
        ("b", "suspended"),
        ("a", "failed"),
    ]
    assert (a.role, a.story_id, a.began, a.ended, a.took_ms) == ("DEV", "s-a", 1001, 1004, 3000)
    assert c.ended is None


async def test_pages_follow_one_another(journal: Journal, catalogue: Catalogue) -> None:
    """Each deliberation is on one page, the one begun last first."""
    assert await listed(catalogue) == []
    ids = [f"t-{n}" for n in range(5)]
    for id in ids:
        await write(journal, await begun(id))
    first = await catalogue.page(ALL, 3, "")
    await write(journal, await begun("new"))
    second = await catalogue.page(ALL, 3, first.cursor)
    shown = [each.id for page in (first, second) for each in page.deliberations]
    assert (shown, second.cursor) == (ids[::-1], "")


async def test_what_a_council_did_is_listed_found_and_counted(seat: Seat, config: Config) -> None:
    """Decisions, by a word of the winner's text too; each is there as soon as it is durable."""
    actor = seat()
    await seen_by(actor, a_task(story_id="s-1"))
    await actor.accept(a_task(id="t-2", text="Paint a fence"), Terms())
    await actor.drain()
    journal = await Journal.connect(config.bus, "looking")
    found = (await journal.catalogue.page(Wanted(story="s-1"), 20, "")).deliberations
    assert [(each.id, each.status, each.policy) for each in found] == [
        ("t-1", "completed", "council")
    ]
    winner = found[0].winner_id
    assert await listed(journal.catalogue, Wanted(text=f'"{winner}" CLOCK')) == ["t-1"]
    figures = await journal.catalogue.figures()
    assert (figures.ended, figures.decided) == ({"DEV": 2}, {"DEV": 2})
    assert figures.turns == 24
    assert figures.behind == ""
    await journal.close()


@pytest.mark.parametrize("name", ["council", "lost", "quorum-lost", "2-aborted"])
async def test_the_work_is_that_of_the_header_of_the_end(
    name: str, journal: Journal, catalogue: Catalogue
) -> None:
    """The rows and the message itself tell of the same milliseconds."""
    records = kept(name)
    assert isinstance(records[0].event, Convened)
    run = Run(records[0].event.task)
    run.records += records
    writer = journal.writer(run.task.id, 0)
    for record in records[:-1]:
        writer.append(record)
    await end_durably(run, writer)
    await writer.close()
    message = await journal._asked(lambda js: js.get_last_msg(JOURNAL, "deliberation.*.*"), 5)
    (found,) = (await catalogue.page(ALL, 5, "")).deliberations
    assert str(found.took_ms) == (message.headers or {})["Conclave-Took-Ms"]


async def test_what_is_too_large_for_a_message_is_listed(
    journal: Journal, catalogue: Catalogue, caplog: pytest.LogCaptureFixture, client: Connection
) -> None:
    """What is kept by reference is read where it is; where that is lost, all else is shown."""
    first = (await begun("a"))[0]
    assert isinstance(first.event, Convened)
    task = first.event.task.model_copy(update={"text": "x " * 2**20 + "pendulum"})
    event = first.event.model_copy(update={"task": task})
    large = first.model_copy(update={"event": event})
    await write(journal, [large])
    assert await listed(catalogue, Wanted(text="pendulum")) == ["a"]
    await client.streams().purge_stream("OBJ_conclave-texts")
    await write(journal, [large.model_copy(update={"deliberation": "b"})])
    await client.streams().purge_stream("OBJ_conclave-texts")
    await write(journal, await begun("c"))
    assert await listed(catalogue) == ["c", "a"]
    assert "has lost its text" in caplog.text


async def test_what_nobody_can_read_hides_nothing_else(
    journal: Journal, catalogue: Catalogue, client: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """It is passed over, and the log says which message it was."""
    for kind, data in (("r", b"{"), ("completed", b"{}"), ("failed", b'{"metadata": {}}')):
        await client.streams().publish(f"deliberation.x.{kind}", data)
    await write(journal, await begun("a"))
    assert await listed(catalogue) == ["a"]
    assert caplog.text.count(f"of {JOURNAL} cannot be read") == 3


async def test_a_message_that_is_lost_on_its_way_is_read_again(
    journal: Journal, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server counts it as delivered; to read on behind it would hide it for ever."""
    for id in ("a", "b", "c"):
        await write(journal, await begun(id))
    fetch = passing._fetch

    async def holed(*asked: object) -> list[Msg]:
        messages = await fetch(*asked)  # type: ignore[arg-type]
        return messages[:1] + messages[2:]

    monkeypatch.setattr(passing, "_fetch", holed)
    with pytest.raises(Unavailable, match="the journal cannot be read: Gap"):
        await listed(catalogue)
    monkeypatch.setattr(passing, "_fetch", fetch)
    assert await listed(catalogue) == ["c", "b", "a"]


async def test_a_stream_that_was_made_anew_is_read_from_its_beginning(
    journal: Journal, catalogue: Catalogue, client: Connection, nats: NatsServer
) -> None:
    """What the one before held is shown no more, though the new one has gone further."""
    await write(journal, await begun("before"))
    assert await listed(catalogue) == ["before"]
    await client.streams().delete_stream(JOURNAL)
    with pytest.raises(SetupError, match=f"stream {JOURNAL} is missing"):
        await listed(catalogue)
    await provision(client.streams(), BusConfig(url=nats.url))
    for id in ("a", "b"):
        await write(journal, await begun(id))
    assert await listed(catalogue) == ["b", "a"]


async def test_another_one_goes_on_where_the_file_stands(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read once is not read again."""
    await write(journal, await begun("a"))
    first = Catalogue(journal._line, tmp_path / "lists")
    assert await listed(first) == ["a"]
    await first.close()
    await write(journal, await begun("b"))
    seen, read = list[int](), catalogues.sequence
    monkeypatch.setattr(catalogues, "sequence", lambda m: seen.append(read(m)) or read(m))
    next_one = Catalogue(journal._line, tmp_path / "lists")
    assert await listed(next_one) == ["b", "a"]
    assert seen == [4, 5, 6]
    await next_one.close()


def damage_words(path: Path) -> None:
    """Damage what is searched, so that the file is sound but for that."""
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM texts_data")
    db.close()


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b"\xff" * path.stat().st_size),
        lambda path: path.write_bytes(path.read_bytes()[:4096]),
        damage_words,
    ],
    ids=["deleted", "damaged", "cut off", "with damaged words"],
)
async def test_whatever_happens_to_the_file_nothing_is_lost(
    change: Callable[[Path], object], journal: Journal, catalogue: Catalogue, tmp_path: Path
) -> None:
    """The next answer is right, and so are ten at once."""
    await write(journal, await begun("a"))
    await write(journal, await begun("b"))
    assert await listed(catalogue) == ["b", "a"]
    (path,) = (tmp_path / "lists").glob("*.sqlite")
    change(path)
    found = await asyncio.gather(*(listed(catalogue, CLOCKS) for _ in range(10)))
    assert found == [["b", "a"]] * 10


async def test_a_file_that_cannot_be_kept_is_told_with_the_remedy(
    journal: Journal, catalogue: Catalogue, tmp_path: Path
) -> None:
    """Once it has been tried anew."""
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "deliberations-0.sqlite").mkdir()
    with pytest.raises(Unavailable, match=r"cannot be used .* set \$TMPDIR"):
        await listed(catalogue)


async def test_an_answer_says_what_it_lacks_and_the_reading_goes_on(
    journal: Journal, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks again has all of it."""
    for id in ("a", "b", "c"):
        await write(journal, await begun(id))
    monkeypatch.setattr("actors.passing.BATCH", 3)
    gate, read = asyncio.Event(), catalogue._take

    async def held(*batch: object) -> None:
        await read(*batch)  # type: ignore[arg-type]
        await gate.wait()

    monkeypatch.setattr(catalogue, "_take", held)
    monkeypatch.setattr(catalogues, "CURRENT_WITHIN_S", 0.05)
    page = await catalogue.page(ALL, 20, "")
    assert page.behind.startswith("the journal is still being read: ")
    assert [each.id for each in page.deliberations] in ([], ["a"])
    rows = await catalogue._in_thread(catalogue._opened)
    await until_async(lambda: rows.rows("SELECT 1 FROM texts"), "the first batch is taken")
    page = await catalogue.page(ALL, 20, "")
    assert [each.id for each in page.deliberations] == ["a"]
    assert page.behind.startswith("the journal is still being read: ")
    assert (await catalogue.figures()).behind == page.behind
    gate.set()
    monkeypatch.setattr(catalogues, "CURRENT_WITHIN_S", 20.0)
    assert await listed(catalogue) == ["c", "b", "a"]


async def test_without_the_bus_there_is_no_answer_and_soon_after_there_is(
    journal: Journal, catalogue: Catalogue, nats: NatsServer
) -> None:
    """It is told as what it is."""
    await write(journal, await begun("a"))
    nats.kill()
    await journal.lost()
    with pytest.raises(Away):
        await listed(catalogue)
    nats.start()
    await journal.back()
    assert await listed(catalogue) == ["a"]


async def test_who_asks_later_waits_for_more_than_is_being_read(
    journal: Journal, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reading that began before something was written does not hold it."""
    await write(journal, await begun("a"))
    reads, gate, take = asyncio.Event(), asyncio.Event(), catalogue._take

    async def held(*batch: object) -> None:
        reads.set()  # so it knows where it ends
        await gate.wait()
        await take(*batch)  # type: ignore[arg-type]

    monkeypatch.setattr(catalogue, "_take", held)
    first = asyncio.create_task(listed(catalogue))
    await asyncio.wait_for(reads.wait(), 20)
    await write(journal, await begun("b"))
    second = asyncio.create_task(listed(catalogue))
    await asyncio.sleep(0)
    gate.set()
    assert await second == ["b", "a"]
    assert "a" in await first


async def test_many_ask_at_once_and_each_sees_what_was_there_before(
    journal: Journal, catalogue: Catalogue
) -> None:
    """A reading that began earlier is not enough for who asks later."""

    async def asked(id: str) -> None:
        await write(journal, await begun(id))
        assert id in await listed(catalogue)

    await asyncio.gather(*(asked(f"t-{n}") for n in range(20)))
