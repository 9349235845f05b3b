"""What the server is told of an event that it has delivered; knows nothing of what is done with it.

Nothing here is relied on: what does not get there costs a redelivery, which finds the work done.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from nats.aio.msg import Msg
from nats.js import JetStreamContext

from actors.patience import BROKEN
from actors.provision import note_floor

GIVEN_BACK_S, LONGEST_BACK_S = 1.0, 60.0
"""How long an event rests that is given back: doubled with each delivery."""
FLOOR_EVERY_S = 1.0
SETTLED_WITHIN_S = 5.0

Note = Callable[[str, BaseException], None]
"""Hears what did not get there."""


class Receipts:
    """Tells the server what becomes of messages, and how far each durable is settled."""

    def __init__(self, js: JetStreamContext, ack_wait_s: float, note: Note) -> None:
        self._js, self._ack_wait_s, self._note = js, ack_wait_s, note
        self._floors: dict[str, float] = {}

    @asynccontextmanager
    async def kept(self, message: Msg) -> AsyncGenerator[None]:
        """Tell, while it is worked on, that the event is in good hands."""
        beat = asyncio.create_task(self._beat(message))
        try:
            yield
        finally:
            beat.cancel()

    async def settled(self, message: Msg) -> bool:
        """Nothing is left to do for it; whether that got there. The floor is noted now and then."""
        known, there = message.metadata, False
        try:
            await message.ack_sync(timeout=SETTLED_WITHIN_S)
            there = True
            if time.monotonic() - self._floors.get(known.consumer, -FLOOR_EVERY_S) > FLOOR_EVERY_S:
                self._floors[known.consumer] = time.monotonic()
                await note_floor(self._js, known.stream, known.consumer)
        except BROKEN as error:
            self._note("acknowledgement", error)
        return there

    async def given_back(self, message: Msg, delay_s: float = 0.0) -> None:
        """It is to come again, here or elsewhere."""
        try:
            await message.nak(delay=delay_s or None)
        except BROKEN as error:
            self._note("giving back", error)

    async def _beat(self, message: Msg) -> None:
        while True:
            await asyncio.sleep(self._ack_wait_s / 3)
            try:
                await message.in_progress()
            except BROKEN as error:
                self._note("sign of life", error)


def rest_s(deliveries: int) -> float:
    """How long an event rests after so many deliveries."""
    return min(GIVEN_BACK_S * 2.0 ** min(deliveries - 1, 10), LONGEST_BACK_S)
