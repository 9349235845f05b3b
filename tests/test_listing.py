"""The journal lists what it holds, newest first, page by page, out of the stream alone."""

from collections.abc import AsyncIterator

import pytest
from bus_fakes import connected, last_record, outbound
from scripted_desk import a_task, deliberated, stamped
from seats import Seat, crash, seen_by

from actors.journal import Journal
from actors.nats_server import NatsServer
from actors.run import Terms
from engine.config import BusConfig, Config
from engine.events import Convened, Record, Suspended

pytestmark = pytest.mark.nats


@pytest.fixture
async def journal(nats: NatsServer) -> AsyncIterator[Journal]:
    """A journal over streams just made."""
    async with connected(nats.url):
        opened = await Journal.connect(BusConfig(url=nats.url), "journal")
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


async def test_a_page_tells_each_deliberation_as_it_stands(journal: Journal) -> None:
    """One that ended without a decision, one that nobody waits for, one under way."""
    await write(journal, [*await begun("a"), last_record("a", 4)], ends=True)
    left = [record.event for record in await begun("b")]
    await write(journal, stamped(a_task(id="b"), [*left, Suspended(reason="nobody waits")]))
    await write(journal, await begun("c"))
    page = await journal.page()
    assert page.before is None
    c, b, a = page.deliberations
    assert [(each.id, each.status) for each in (c, b, a)] == [
        ("c", "in_progress"),
        ("b", "suspended"),
        ("a", "failed"),
    ]
    assert (a.role, a.story_id, a.began, a.ended) == ("DEV", "s-a", 1001.0, 4.0)
    assert c.ended is None


async def test_pages_follow_one_another_and_stay_bounded(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each deliberation is on one page, the one begun last first, however the windows fall."""
    assert (await journal.page()).deliberations == ()
    ids = [f"t-{n}" for n in range(7)]
    for id in ids:
        await write(journal, await begun(id))
    await write(journal, [*await begun("late"), last_record("late", 4)], ends=True)
    for window in (1, 4, 1024):
        monkeypatch.setattr("actors.listing.WINDOW", window)
        listed, before = list[str](), None
        for _ in range(4):
            page = await journal.page(limit=2, before=before)
            assert len(page.deliberations) <= 2
            listed += [each.id for each in page.deliberations]
            before = page.before
        assert before is None
        assert listed == ["late", *reversed(ids)]


async def test_what_a_council_did_is_listed(seat: Seat, config: Config) -> None:
    """A decision, one cancelled before it began, and one accepted; its backlog is none."""
    actor = seat()
    await seen_by(actor, a_task())
    await actor.accept(a_task(id="t-2"), Terms())
    await actor.drain()
    journal = await Journal.connect(config.bus, "looking")
    page = await journal.page()
    assert {(each.id, each.status) for each in page.deliberations} == {
        ("t-1", "completed"),
        ("t-2", "completed"),
    }
    await journal.close()
    await crash(actor)


async def test_a_beginning_too_large_for_a_message_is_listed(journal: Journal) -> None:
    """What is kept by reference is read where it is."""
    first = (await begun("a"))[0]
    assert isinstance(first.event, Convened)
    task = first.event.task.model_copy(update={"text": "x" * 2**21})
    event = first.event.model_copy(update={"task": task})
    await write(journal, [first.model_copy(update={"event": event})])
    assert [each.id for each in (await journal.page()).deliberations] == ["a"]
