"""The journal's messages from a place on, a batch at a time; knows nothing of what they tell."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import NamedTuple

from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from actors.streams import JOURNAL

DELIBERATIONS = ("deliberation.*.r", "deliberation.*.completed", "deliberation.*.failed")
BATCH = 64
"""Messages that are in memory together; some have half a megabyte."""
FETCH_S = 3.0
FORGOTTEN_AFTER_S = 10.0


class Batch(NamedTuple):
    """Messages in the order of the stream, and how many are to come."""

    messages: list[Msg]
    left: int


async def batches(js: JetStreamContext, first: int) -> AsyncGenerator[Batch, None]:
    """The records of all deliberations from a stream sequence on, as many as there are now.

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
    left = consumer.num_pending or 0
    reader = await js.pull_subscribe_bind(consumer=consumer.name, stream=JOURNAL)
    try:
        while left > 0:
            # never more than there are: a fetch that runs into its timeout stalls the next
            messages = await reader.fetch(min(BATCH, left), timeout=FETCH_S)
            left -= len(messages)
            yield Batch(messages, left)
    finally:
        await reader.unsubscribe()
    await js.delete_consumer(JOURNAL, consumer.name)


def sequence(message: Msg) -> int:
    """Where a message is in the stream."""
    found: int = message.metadata.sequence.stream
    return found
