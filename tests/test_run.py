"""A run and its readers: all see everything from the first record, and none waits for another."""

import asyncio
from contextlib import aclosing

import pytest
from bus_fakes import last_record, record

from actors.run import Run
from engine.errors import Unavailable
from engine.types import Task


def a_run(records: int = 0) -> Run:
    """A run with some records in it already."""
    run = Run(Task(id="x", role="DEV", text="do"))
    for n in range(records):
        run.add(record("x", n + 1))
    return run


async def seqs(run: Run) -> list[int]:
    """What a reader sees, up to the end."""
    return [each.seq async for each in run.follow()]


async def test_every_reader_sees_all_records_whenever_it_came() -> None:
    """Before the first record, in the middle and after the last: all see the same."""
    run = a_run(1)
    early = asyncio.create_task(seqs(run))
    await asyncio.sleep(0)
    run.add(record("x", 2))
    middle = asyncio.create_task(seqs(run))
    await asyncio.sleep(0)
    run.add(record("x", 3))
    run.close()
    assert await early == await middle == await seqs(run) == [1, 2, 3]


async def test_a_slow_reader_stalls_nobody_and_misses_nothing() -> None:
    """One that stands at the first record neither holds the writer nor the other readers."""
    run = a_run(1)
    async with aclosing(run.follow()) as slow:
        assert (await anext(slow)).seq == 1
        for seq in range(2, 1001):
            run.add(record("x", seq))
        run.close()
        assert await seqs(run) == list(range(1, 1001))
        assert [each.seq async for each in slow] == list(range(2, 1001))


async def test_the_last_record_is_shown_before_the_end_is_durable() -> None:
    """Readers see an end at once, and their stream returns only with `close`."""
    run = a_run()
    async with aclosing(run.follow()) as reader:
        run.add(last_record("x", 1))
        assert run.ended
        assert (await anext(reader)).seq == 1
        following = asyncio.ensure_future(anext(reader, None))
        await asyncio.sleep(0)
        assert not following.done()
        run.close()
        assert await following is None


async def test_a_failure__every_reader_after_the_records() -> None:
    """What came before the failure is seen, then each reader gets the failure itself."""
    run = a_run(2)
    run.close(Unavailable("gone"))
    for _ in range(2):
        async with aclosing(run.follow()) as reader:
            assert [(await anext(reader)).seq, (await anext(reader)).seq] == [1, 2]
            with pytest.raises(Unavailable, match="gone"):
                await anext(reader)


async def test_a_reader_that_leaves_changes_nothing() -> None:
    """The records go on for those who stay."""
    run = a_run(1)
    async with aclosing(run.follow()) as leaving:
        await anext(leaving)
    run.add(record("x", 2))
    run.close()
    assert await seqs(run) == [1, 2]


def test_a_run_has_ended_only_with_an_end() -> None:
    """Neither no record nor any other last record is an end."""
    assert not a_run().ended
    assert not a_run(3).ended
