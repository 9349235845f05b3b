"""How many deliberations have ended and how long they took, out of the journal's headers alone."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from nats.aio.msg import Msg
from nats.js import JetStreamContext

from actors.headers import ENDS, headers, sequence
from actors.messages import ROLE, TOOK_MS
from actors.patience import BROKEN, said
from engine.data import Data
from engine.errors import Unavailable


class Totals(Data):
    """Ended deliberations, and what they took together in milliseconds, for each role."""

    ended: dict[str, int]
    took_ms: dict[str, int]


class Ledger:
    """The totals of everything the journal holds; each reading goes on where the last one was."""

    def __init__(self) -> None:
        self._last = 0
        self._counting = asyncio.Lock()
        self._ended: dict[str, int] = {}
        self._took_ms: dict[str, int] = {}

    async def totals(self, js: JetStreamContext) -> Totals:
        """The totals as of now; Unavailable where NATS does not answer."""
        try:
            async with self._counting:
                await self._catch_up(js)
        except BROKEN as error:
            raise Unavailable(f"counting the journal's ends: {said(error)}") from error
        return Totals(ended=dict(self._ended), took_ms=dict(self._took_ms))

    async def _catch_up(self, js: JetStreamContext) -> None:
        async with aclosing(headers(js, ENDS, self._last + 1)) as messages:
            async for message in messages:
                self._count(message)

    def _count(self, message: Msg) -> None:
        self._last = sequence(message)
        told = message.headers or {}
        role = told.get(ROLE)
        if role:
            self._ended[role] = self._ended.get(role, 0) + 1
            self._took_ms[role] = self._took_ms.get(role, 0) + int(told.get(TOOK_MS, 0))
