"""The journal on a real nats-server: one writer wins, nothing is lost, repeated or reordered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from bus_fakes import connected, last_record, outbound, record, stored
from deadline import reaches
from nats.js import JetStreamContext

from actors.journal import Journal
from actors.messages import ending
from actors.nats_server import NatsServer
from actors.provision import provision
from actors.telling import Notice, publish
from engine.config import BusConfig
from engine.errors import Superseded, Unavailable
from engine.events import Record

pytestmark = pytest.mark.nats


@pytest.fixture
async def journal(nats: NatsServer) -> AsyncIterator[Journal]:
    """A journal over streams just made."""
    async with connected(nats.url):
        opened = await Journal.connect(BusConfig(url=nats.url), "journal", patience_s=20.0)
        yield opened
        await opened.close()


def seqs(records: tuple[Record, ...] | list[Record]) -> list[int]:
    """The places of records."""
    return [r.seq for r in records]


async def test_unknown_id_is_an_empty_history(journal: Journal) -> None:
    """What was never written has no records and its writer starts at 0."""
    assert await journal.read("x") == ((), 0, False)


async def test_many_appends_travel_in_few_messages_and_in_order(journal: Journal) -> None:
    """Records appended while a message is on its way go together in the next one."""
    writer = journal.writer("x", 0)
    for seq in range(1, 501):
        writer.append(record("x", seq))
    await writer.flush()
    assert writer.messages <= 2
    assert seqs((await journal.read("x")).records) == list(range(1, 501))
    await writer.close()


async def test_what_comes_while_a_notice_is_told_stands_before_the_end(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record appended meanwhile is written, though the end is begun as well by then."""
    telling, told = asyncio.Event(), asyncio.Event()

    async def slowly(_notice: Notice, _js: JetStreamContext) -> None:
        telling.set()
        await told.wait()

    monkeypatch.setattr("actors.writer.publish", slowly)
    writer = journal.writer("x", 0)
    writer.append(record("x", 1))
    writer.tell(Notice("deliberation.notice.y", "deliberation.notice.y", b"{}"))
    await telling.wait()
    writer.append(record("x", 2))
    ending = asyncio.create_task(writer.end(last_record("x", 3), outbound(last_record("x", 3))))
    await asyncio.sleep(0)
    told.set()
    await ending
    assert seqs((await journal.read("x")).records) == [1, 2, 3]


async def test_a_notice_on_its_way_is_told_after_its_writer_is_let_go(
    journal: Journal, nats: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever stops when the records are durable need not come back to tell the rest."""
    flushed = asyncio.Event()

    async def slowly(notice: Notice, js: JetStreamContext) -> bool:
        await flushed.wait()
        return await publish(notice, js)

    monkeypatch.setattr("actors.writer.publish", slowly)
    writer = journal.writer("x", 0)
    writer.append(record("x", 1))
    writer.tell(Notice("deliberation.notice.y", "deliberation.notice.y", b"{}"))
    await writer.flush()
    await journal.let_go("x", writer, [record("x", 1)])
    flushed.set()
    await asyncio.wait_for(journal.settled(), 5)
    async with connected(nats.url) as client:
        found = await client.streams().get_last_msg("DELIBERATIONS", "deliberation.notice.y")
    assert found.data == b"{}"


async def test_a_batch_is_split_where_a_message_would_grow_too_large(journal: Journal) -> None:
    """No batch passes half a megabyte, however much waits."""
    writer = journal.writer("x", 0)
    end = last_record("x", 1)
    fat = end.event.model_copy(update={"message": "é" * 100_000})
    for seq in range(1, 13):
        writer.append(end.model_copy(update={"seq": seq, "event": fat}))
    await writer.flush()
    assert 5 <= writer.messages <= 12
    assert seqs((await journal.read("x")).records) == list(range(1, 13))
    await writer.close()


async def test_two_ids_do_not_disturb_each_other(journal: Journal) -> None:
    """Compare-and-set is per deliberation, also with subjects no client's id could be."""
    first, second = journal.writer("a b.>*", 0), journal.writer("x" * 5000, 0)
    for seq in (1, 2, 3):
        first.append(record("a b.>*", seq))
        second.append(record("x" * 5000, seq))
        await asyncio.gather(first.flush(), second.flush())
    assert seqs((await journal.read("a b.>*")).records) == [1, 2, 3]
    await asyncio.gather(first.close(), second.close())


async def test_a_stale_writer_is_stopped_by_the_append_of_another(journal: Journal) -> None:
    """The one that comes second learns it at once, also without asking."""
    stale = journal.writer("x", 0)
    stale.append(record("x", 1))
    await stale.flush()
    assert await journal.end("x") is None
    fresh = journal.writer("x", (await journal.read("x")).last)
    fresh.append(record("x", 2))
    await fresh.flush()
    stopped = asyncio.create_task(stale.failed())
    stale.append(record("x", 2))
    with pytest.raises(Superseded):
        await asyncio.wait_for(stopped, 5)
    with pytest.raises(Superseded):
        await stale.flush()
    with pytest.raises(Superseded):
        stale.append(record("x", 3))
    with pytest.raises(Superseded):
        await stale.end(last_record("x", 3), outbound(last_record("x", 3)))
    assert seqs((await journal.read("x")).records) == [1, 2]
    await fresh.close()


async def test_nobody_writes_after_the_end(journal: Journal) -> None:
    """After an end a stale writer is refused, also one that believes nothing is there."""
    stale, writer = journal.writer("x", 0), journal.writer("x", 0)
    end = last_record("x", 2)
    writer.append(record("x", 1))
    await writer.end(end, outbound(end))
    late = journal.writer("x", 0)
    for loser in (stale, late):
        with pytest.raises(Superseded):
            await loser.end(end, outbound(end))
    history = await journal.read("x")
    assert (seqs(history.records), history.ended) == ([1, 2], True)
    assert await journal.end("x") == end
    assert history.records[-1] == end == ending(outbound(end))


async def test_one_of_many_racing_writers_wins(journal: Journal) -> None:
    """Twenty writers that start at the same place: exactly one end is written."""
    end = last_record("x", 1)
    ends = [journal.writer("x", 0).end(end, outbound(end)) for _ in range(20)]
    outcomes = await asyncio.gather(*ends, return_exceptions=True)
    assert outcomes.count(None) == 1
    assert sum(isinstance(outcome, Superseded) for outcome in outcomes) == 19
    assert len((await journal.read("x")).records) == 1


async def test_an_end_is_copied_once_to_the_outbound_subject(
    journal: Journal, nats: NatsServer
) -> None:
    """The server copies it; the copy is the envelope itself, the records stay inside."""
    end = last_record("x", 2)
    writer = journal.writer("x", 0)
    writer.append(record("x", 1))
    await writer.end(end, outbound(end))
    async with connected(nats.url) as client:

        async def copied() -> bool:
            return await stored(client, "ORCHESTRATOR_EVENTS") > 0

        await reaches(copied, "the end is copied")
        await provision(client.streams(), BusConfig(url=nats.url))
        copy = await client.streams().get_last_msg(
            "ORCHESTRATOR_EVENTS", "orchestration.deliberation.failed"
        )
        assert copy.data == outbound(end)
        assert await stored(client, "ORCHESTRATOR_EVENTS") == 1


async def test_appends_survive_a_crash_of_the_server(journal: Journal, nats: NatsServer) -> None:
    """Killed in the middle of appends and started again: all is there once, in order."""
    writer = journal.writer("x", 0)
    seq = 0
    for _ in range(3):
        for _ in range(200):
            seq += 1
            writer.append(record("x", seq))
            if seq % 50 == 0:
                await asyncio.sleep(0)
        nats.kill()
        for _ in range(50):
            seq += 1
            writer.append(record("x", seq))
        nats.start()
        await writer.flush()
    end = last_record("x", seq + 1)
    await writer.end(end, outbound(end))
    assert seqs((await journal.read("x")).records) == list(range(1, seq + 2))


async def test_an_append_whose_answer_got_lost_is_recognised(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first attempt was stored, its answer was not heard: the second one is not a stranger."""
    writer = journal.writer("x", 0)
    publish, deaf = JetStreamContext.publish, [True, True]

    async def half_deaf(js: JetStreamContext, *args: str, **named: object) -> object:
        ack = await publish(js, *args, **named)  # type: ignore[arg-type]
        if deaf and deaf.pop():
            raise TimeoutError
        return ack

    monkeypatch.setattr(JetStreamContext, "publish", half_deaf)
    for seq in (1, 2, 3):
        writer.append(record("x", seq))
        await writer.flush()
    assert seqs((await journal.read("x")).records) == [1, 2, 3]
    await writer.close()


async def test_a_server_that_does_not_take_it_is_told(nats: NatsServer) -> None:
    """It answers and has no stream: after its patience the writer fails with what it did."""
    async with connected(nats.url) as client:
        journal = await Journal.connect(BusConfig(url=nats.url), "journal", patience_s=0.3)
        await client.streams().delete_stream("DELIBERATIONS")
        writer = journal.writer("x", 0)
        writer.append(record("x", 1))
        with pytest.raises(Unavailable, match="journal of x"):
            await asyncio.wait_for(writer.failed(), 10)
        await journal.close()


async def test_follow_replays_then_goes_on_live_over_a_restart(
    journal: Journal, nats: NatsServer
) -> None:
    """A follower sees each record once, in order, and stops at the end."""
    writer = journal.writer("x", 0)
    for seq in range(1, 4):
        writer.append(record("x", seq))
    await writer.flush()
    seen: list[int] = []

    async def watch() -> None:
        async with aclosing(journal.follow("x", after_seq=1)) as records:
            async for each in records:
                seen.append(each.seq)  # noqa: PERF401 - read while it grows

    watching = asyncio.create_task(watch())

    async def caught_up() -> bool:
        return seen == [2, 3]

    await reaches(caught_up, "the replay")
    nats.kill()
    writer.append(record("x", 4))
    nats.start()
    end = last_record("x", 5)
    await writer.end(end, outbound(end))
    await asyncio.wait_for(watching, 20)
    assert seen == [2, 3, 4, 5]


async def test_a_follower_that_leaves_is_forgotten(journal: Journal) -> None:
    """Closing the iterator gives its subscription back."""
    writer = journal.writer("x", 0)
    writer.append(record("x", 1))
    await writer.flush()
    client = await journal._line.up()
    before = len(client._subs)
    async with aclosing(journal.follow("x")) as records:
        async for each in records:
            assert each.seq == 1
            break
    assert len(client._subs) == before
    await writer.close()
