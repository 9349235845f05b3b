"""The approved plans that the bus still holds, by their ids; knows nothing of what they ask for."""

from __future__ import annotations

import asyncio
import json

import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg

from actors.messages import NO_MESSAGE
from actors.streams import PLANS
from actors.wary import WaryClient
from engine.arrival import Arrival
from engine.config import BusConfig
from engine.errors import InvalidEvent, SetupError, Unavailable
from engine.planning import SUBJECT, PlanApproved, plan_approved

AT_ONCE = 64
"""So many events are asked for together, the newest first: a plan is mostly asked for soon."""
LOOK_WITHIN_S = 10.0
"""Whoever asks waits for it; some hundred thousand events are read in that time."""


class Plans:
    """The events of approved plans as their stream has them, which is for 30 days."""

    def __init__(self, js: JetStreamContext, bus: BusConfig) -> None:
        self._js, self._bus = js, bus

    async def of(self, plan_id: str) -> PlanApproved | None:
        """The plan that was approved last under that id, None where there is none. Unavailable."""
        try:
            async with asyncio.timeout(LOOK_WITHIN_S) as scope:
                return await self._sought(plan_id)
        except TimeoutError:
            if not scope.expired():
                raise
            raise Unavailable(
                f"plan {plan_id!r} is none of the newest on the bus, and the others could not be "
                f"read in {LOOK_WITHIN_S:g} s; publish it anew"
            ) from None
        except nats.js.errors.NotFoundError as error:
            remedy = "Start the engine anew: it makes its streams"
            raise SetupError(f"stream {PLANS} is missing", remedy) from error

    async def _sought(self, plan_id: str) -> PlanApproved | None:
        state = (await self._js.stream_info(PLANS)).state
        last, end = state.last_seq, max(1, state.first_seq)
        while last >= end:
            places = range(last, max(end, last - AT_ONCE + 1) - 1, -1)
            for message in await asyncio.gather(*map(self._event, places)):
                found = None if message is None else self._read(message, plan_id)
                if found is not None:
                    return found
            last = places[-1] - 1
        return None

    async def _event(self, seq: int) -> RawStreamMsg | None:
        """The event in that place, None where there is none any more."""
        try:
            return await self._js.get_msg(PLANS, seq=seq)
        except nats.js.errors.NotFoundError as error:
            if error.err_code == NO_MESSAGE:
                return None
            raise

    def _read(self, message: RawStreamMsg, plan_id: str) -> PlanApproved | None:
        """The plan of an event if it has that id; what cannot be read is no plan."""
        data = message.data or b""
        if message.subject != SUBJECT or not any(said in data for said in _spelled(plan_id)):
            return None
        assert message.seq is not None
        at = message.time.timestamp() if message.time else None
        headers = WaryClient.headers_of(message)
        arrival = Arrival(PLANS, message.seq, SUBJECT, data, headers, at=at)
        try:
            event = plan_approved(arrival, self._bus.max_event_bytes)
        except InvalidEvent:
            return None
        return event if event.plan.plan_id == plan_id else None


def _spelled(plan_id: str) -> tuple[bytes, bytes]:
    """How an id stands in JSON, so that most events need not be read."""
    escaped, plain = json.dumps(plan_id), json.dumps(plan_id, ensure_ascii=False)
    return escaped[1:-1].encode(), plain[1:-1].encode(errors="replace")
