"""The headers of the journal's messages, read without their bodies; knows nothing of their use."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from actors.streams import JOURNAL

RECORDS = "deliberation.*.r"
ENDS = ("deliberation.*.completed", "deliberation.*.failed")
BATCH = 256
FETCH_S = 3.0
FORGOTTEN_AFTER_S = 10.0


async def headers(
    js: JetStreamContext, subjects: Sequence[str], first: int
) -> AsyncGenerator[Msg, None]:
    """The messages of some subjects from a stream sequence on, as many as there are now.

    Close it (`contextlib.aclosing`) to leave early.
    """
    config = ConsumerConfig(
        filter_subjects=list(subjects),
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=first,
        ack_policy=AckPolicy.NONE,
        headers_only=True,
        mem_storage=True,
        inactive_threshold=FORGOTTEN_AFTER_S,  # so it goes by itself where we cannot remove it
    )
    consumer = await js.add_consumer(JOURNAL, config)
    left = consumer.num_pending or 0
    reader = await js.pull_subscribe_bind(consumer=consumer.name, stream=JOURNAL)
    try:
        while left > 0:
            # never more than there are: a fetch that runs into its timeout stalls the next
            for message in await reader.fetch(min(BATCH, left), timeout=FETCH_S):
                left -= 1
                yield message
    finally:
        await reader.unsubscribe()
    await js.delete_consumer(JOURNAL, consumer.name)


def sequence(message: Msg) -> int:
    """Where a message is in the stream."""
    found: int = message.metadata.sequence.stream
    return found
