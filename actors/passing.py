"""The journal's messages from a place on, a batch at a time; knows nothing of what they tell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import NamedTuple

import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from actors.streams import JOURNAL
from engine.fanout import ended

DELIBERATIONS = ("deliberation.*.r", "deliberation.*.completed", "deliberation.*.failed")
BATCH = 64
"""Messages of one fetch; two fetches are in memory together, and some messages have 0.5 MB."""
FETCH_S = 3.0
FORGOTTEN_AFTER_S = 10.0


class Gap(nats.errors.Error):
    """A message was delivered and did not get here; whoever reads on would never see it."""


class Batch(NamedTuple):
    """Messages in the order of the stream, and how many are to come."""

    messages: list[Msg]
    left: int


async def batches(js: JetStreamContext, first: int) -> AsyncGenerator[Batch, None]:
    """The records of all deliberations from a stream sequence on, as many as there are now.

    Gap where one of them is lost on its way, as in a break of the connection: none comes twice.
    Close it (`contextlib.aclosing`) to leave early.
    """
    config = ConsumerConfig(
        filter_subjects=list(DELIBERATIONS),
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=first,
        ack_policy=AckPolicy.NONE,
        mem_storage=True,
        inactive_threshold=FORGOTTEN_AFTER_S,  # so it goes by itself where we cannot remove it
    )
    consumer = await js.add_consumer(JOURNAL, config)
    left, passed = consumer.num_pending or 0, 0
    reader = await js.pull_subscribe_bind(consumer=consumer.name, stream=JOURNAL)
    coming = _fetching(reader, left)
    try:
        while left > 0:
            messages = await coming
            passed += len(messages)
            if messages[-1].metadata.sequence.consumer != passed:
                raise Gap
            left -= len(messages)
            coming = _fetching(reader, left)  # while these are put to use
            yield Batch(messages, left)
    finally:
        await ended(coming)
        await reader.unsubscribe()
    await js.delete_consumer(JOURNAL, consumer.name)


def _fetching(reader: JetStreamContext.PullSubscription, left: int) -> asyncio.Task[list[Msg]]:
    """The next messages; never more than there are, for a fetch that runs out stalls the next."""
    return asyncio.create_task(_fetch(reader, min(BATCH, left)))


async def _fetch(reader: JetStreamContext.PullSubscription, count: int) -> list[Msg]:
    return await reader.fetch(count, timeout=FETCH_S) if count else []


def sequence(message: Msg) -> int:
    """Where a message is in the stream."""
    found: int = message.metadata.sequence.stream
    return found
