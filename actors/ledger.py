"""How many deliberations have ended and how long they took, out of the journal's headers alone."""

from __future__ import annotations

import asyncio

from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from actors.messages import ROLE, TOOK_MS
from actors.patience import BROKEN, said
from actors.streams import JOURNAL
from engine.data import Data
from engine.errors import Unavailable

ENDS = ["deliberation.*.completed", "deliberation.*.failed"]
BATCH = 256
FETCH_S = 3.0
FORGOTTEN_AFTER_S = 10.0


class Totals(Data):
    """Ended deliberations, and what they took together in milliseconds, for each role."""

    ended: dict[str, int]
    took_ms: dict[str, int]


class Ledger:
    """The totals of everything the journal holds; each reading goes on where the last one was."""

    def __init__(self, js: JetStreamContext) -> None:
        self._js = js
        self._last = 0
        self._counting = asyncio.Lock()
        self._ended: dict[str, int] = {}
        self._took_ms: dict[str, int] = {}

    async def totals(self) -> Totals:
        """The totals as of now; Unavailable where NATS does not answer."""
        try:
            async with self._counting:
                await self._catch_up()
        except BROKEN as error:
            raise Unavailable(f"counting the journal's ends: {said(error)}") from error
        return Totals(ended=dict(self._ended), took_ms=dict(self._took_ms))

    async def _catch_up(self) -> None:
        config = ConsumerConfig(
            filter_subjects=ENDS,
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=self._last + 1,
            ack_policy=AckPolicy.NONE,
            headers_only=True,
            mem_storage=True,
            inactive_threshold=FORGOTTEN_AFTER_S,
        )
        consumer = await self._js.add_consumer(JOURNAL, config)
        left = consumer.num_pending or 0
        reader = await self._js.pull_subscribe_bind(consumer=consumer.name, stream=JOURNAL)
        try:
            while left > 0:
                # never more than there are: a fetch that runs into its timeout stalls the next
                for message in await reader.fetch(min(BATCH, left), timeout=FETCH_S):
                    self._count(message)
                    left -= 1
        finally:
            await reader.unsubscribe()
            await self._js.delete_consumer(JOURNAL, consumer.name)

    def _count(self, message: Msg) -> None:
        self._last = message.metadata.sequence.stream
        headers = message.headers or {}
        role = headers.get(ROLE)
        if role:
            self._ended[role] = self._ended.get(role, 0) + 1
            self._took_ms[role] = self._took_ms.get(role, 0) + int(headers.get(TOOK_MS, 0))
