"""Publishes a workload until the server has all of it, come what may; knows nothing of bridges."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from actors.bus import Connection
from actors.patience import patiently
from chaos.workload import SUBJECT, Message

PATIENCE_S = 120.0


class Producer:
    """What `acknowledged` holds, by its place in the stream, the server has said to keep."""

    def __init__(self, client: Connection) -> None:
        self._client = client
        self.sent = 0
        self.acknowledged: set[int] = set()

    async def publish(self, batches: Iterable[list[Message]], per_s: float) -> None:
        """Publish them at that pace, and make up for the time in which it was not possible."""
        began = time.monotonic()
        for batch in batches:
            await asyncio.gather(*map(self.send, batch))
            self.sent += len(batch)
            await asyncio.sleep(max(0.0, began + self.sent / per_s - time.monotonic()))

    async def send(self, message: Message) -> None:
        """Publish one; what has no answer is sent again and may be there twice."""
        js = self._client.streams()
        ack = await patiently(
            lambda: js.publish(SUBJECT, message.data, headers=message.headers),
            "publishing",
            PATIENCE_S,
        )
        self.acknowledged.add(ack.seq)
