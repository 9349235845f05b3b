"""Planning events off the bus into deliberations; knows nothing of councils, models or Ray."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from actors.bus import Connection, connect
from actors.deadletter import bury
from actors.patience import BROKEN, pauses, said
from actors.provision import note_floor, provision
from actors.streams import PLAN_APPROVED, PLANS
from actors.verdicts import arrived, bug, verdict
from engine.arrival import Arrival
from engine.config import BusConfig
from engine.data import Data
from engine.errors import (
    ConclaveError,
    InvalidEvent,
    Superseded,
    Unavailable,
)
from engine.events import Record
from engine.planning import plan_approved, tasks
from engine.types import Task

log = logging.getLogger(__name__)

Convene = Callable[[Task], Awaitable[Record]]
"""Runs the deliberation of a task to its durable end, or finds it done; the end's record."""

FETCH_S = 1.0
"""A fetch is never cancelled (its message would be lost until ack_wait), so it is short."""

GIVEN_BACK_S = 5.0
TROUBLE: tuple[type[Exception], ...] = (ConclaveError, *BROKEN)


class Health(Data):
    """How the bridge does. `pending` counts the durable's waiting events, None if unknown.

    `trouble` is what NATS does not permit it, empty if nothing.
    """

    connected: bool
    in_flight: int
    handled: int
    buried: int
    redelivered: int
    pending: int | None
    last_error: str
    trouble: str = ""


class Bridge:
    """Takes one event per slot, convenes all its roles at once, acknowledges when all have ended.

    An event that can never be done is buried first. Whatever else happens, the event stays on the
    bus and comes again, here or at another bridge: `convene` finds the work already done.
    `on_closed` is called when only a new process can help. `patience_s` bounds the attempts made
    in place before an event is given back.
    """

    def __init__(
        self,
        bus: BusConfig,
        roles: tuple[str, ...],
        convene: Convene,
        on_closed: Callable[[], None] = lambda: None,
        patience_s: float = 300.0,
    ) -> None:
        assert roles, "a bridge without councils would acknowledge everything unseen"
        self._bus, self._roles, self._convene = bus, roles, convene
        self._on_closed, self._patience_s = on_closed, patience_s
        self._client: Connection | None = None
        self._slots: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()
        self._in_flight = self._handled = self._buried = self._redelivered = 0
        self._last_error = ""

    async def start(self) -> None:
        """Connect, provide streams and durable, begin. Raises Unavailable or SetupError."""
        self._client = await connect(self._bus, "conclave-bridge", self._on_closed)
        try:
            await provision(self._js, self._bus)
        except ConclaveError:
            await self._client.leave()
            raise
        self._slots = [asyncio.create_task(self._slot()) for _ in range(self._bus.slots)]
        for slot in self._slots:
            slot.add_done_callback(self._slot_ended)

    async def stop(self, grace_s: float = 5.0) -> None:
        """Take nothing more; let what runs end within the grace, give the rest back."""
        self._stopping.set()
        if self._slots:
            _, late = await asyncio.wait(self._slots, timeout=FETCH_S + grace_s)
            for slot in late:
                slot.cancel()
            await asyncio.wait(self._slots)
        if self._client is not None:
            with suppress(nats.errors.Error):
                await self._client.flush(timeout=1)  # what was given back must get there
            await self._client.leave()

    async def health(self) -> Health:
        """How it does; asks the server for what waits, for at most a second."""
        return Health(
            connected=self._client is not None and self._client.is_connected,
            in_flight=self._in_flight,
            handled=self._handled,
            buried=self._buried,
            redelivered=self._redelivered,
            pending=await self._pending(),
            last_error=self._last_error,
            trouble=self._client.trouble if self._client is not None else "",
        )

    async def _pending(self) -> int | None:
        if self._client is None or not self._client.is_connected:
            return None
        try:
            info = await self._js.consumer_info(PLANS, PLAN_APPROVED, timeout=1.0)
        except BROKEN as error:
            self._note("durable", error)
            return None
        waiting: int | None = info.num_pending
        return waiting

    @property
    def _js(self) -> JetStreamContext:
        assert self._client is not None, "start() comes first"
        return self._client.streams()

    def _note(self, what: str, error: BaseException) -> None:
        self._last_error = f"{what}: {said(error)}"
        log.warning("bridge: %s", self._last_error, exc_info=bug(error))

    def _slot_ended(self, slot: asyncio.Task[None]) -> None:
        """A slot only ends by itself through a bug: begin anew rather than go on with fewer."""
        if not slot.cancelled() and (error := slot.exception()) is not None:
            self._note("slot", error)
            self._on_closed()

    async def _slot(self) -> None:
        events = await self._js.pull_subscribe_bind(durable=PLAN_APPROVED, stream=PLANS)
        waits = pauses(0.5, 10.0)
        while not self._stopping.is_set():
            try:
                message = await self._next(events)
            except TROUBLE as error:
                self._note("taking events", error)
                await self._rest(next(waits))
                continue
            waits = pauses(0.5, 10.0)
            if message is not None:
                await self._handle(message)

    async def _next(self, events: JetStreamContext.PullSubscription) -> Msg | None:
        """The next event, None if there is none just now.

        While NATS is away nothing is asked: requests kept for later would fetch events for nobody.
        """
        assert self._client is not None
        if not self._client.is_connected:
            raise Unavailable("NATS is away")
        try:
            return (await events.fetch(1, timeout=FETCH_S))[0]
        except TimeoutError:
            return None
        except BROKEN as error:
            self._note("fetch", error)
            await provision(self._js, self._bus)  # the durable may be gone
            raise

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _handle(self, message: Msg) -> None:
        self._in_flight += 1
        try:
            if self._stopping.is_set():
                await self._give_back(message, 0)
            else:
                await self._work(message)
        finally:
            self._in_flight -= 1

    async def _work(self, message: Msg) -> None:
        arrival = arrived(message)
        self._redelivered += arrival.deliveries > 1
        try:
            async with self._kept(message):
                await self._settle(arrival)
        except Unavailable as error:
            self._note(f"event {arrival.seq}", error)
            await self._give_back(message, 0 if self._stopping.is_set() else GIVEN_BACK_S)
        except asyncio.CancelledError:
            await self._give_back(message, 0)
            raise
        else:
            await self._acknowledge(message)

    @asynccontextmanager
    async def _kept(self, message: Msg) -> AsyncGenerator[None]:
        """Tell the server, while we work, that the event is in good hands."""
        beat = asyncio.create_task(self._beat(message))
        try:
            yield
        finally:
            beat.cancel()

    async def _beat(self, message: Msg) -> None:
        while True:
            await asyncio.sleep(self._bus.ack_wait_s / 3)
            try:
                await message.in_progress()
            except BROKEN as error:
                self._note("sign of life", error)

    async def _settle(self, arrival: Arrival) -> None:
        """Return when nothing is left to do for the event; Unavailable if it must come again."""
        try:
            event = plan_approved(arrival, self._bus.max_event_bytes)
            wanted = tasks(event, self._roles)
        except InvalidEvent as error:
            await self._put_away(arrival, error)
            return
        work = (self._convened(task) for task in wanted)
        outcomes = await asyncio.gather(*work, return_exceptions=True)
        await self._judge(arrival, {t.id: o for t, o in zip(wanted, outcomes, strict=True)})

    async def _convened(self, task: Task) -> Record:
        """Convene in place until it ends, while the trouble is one that passes."""
        deadline = time.monotonic() + self._patience_s
        for pause in pauses(0.2, 15.0):
            try:
                return await self._convene(task)
            except (Unavailable, Superseded) as error:
                self._note(task.id, error)
                if self._stopping.is_set() or time.monotonic() + pause > deadline:
                    raise
            await self._rest(pause)
        raise AssertionError("pauses() never ends")

    async def _judge(self, arrival: Arrival, outcomes: dict[str, Record | BaseException]) -> None:
        """Bury the event if it can never be done, raise Unavailable if it should come again."""
        troubles = {i: o for i, o in outcomes.items() if isinstance(o, BaseException)}
        if not troubles:
            self._handled += 1
            return
        verdicts = []
        for id_, error in troubles.items():
            self._note(id_, error)
            verdicts.append(verdict(id_, error, arrival.deliveries))
        if None in verdicts:
            raise Unavailable(f"{len(troubles)} of {len(outcomes)} deliberations have not ended")
        assert verdicts[0] is not None
        await self._put_away(arrival, verdicts[0])

    async def _put_away(self, arrival: Arrival, error: InvalidEvent) -> None:
        assert self._client is not None
        self._note(f"event {arrival.seq} is buried", error)
        await bury(self._client, arrival, error)
        self._buried += 1

    async def _acknowledge(self, message: Msg) -> None:
        """A lost acknowledgement costs a redelivery, which finds everything done."""
        try:
            await message.ack_sync(timeout=5.0)
            await note_floor(self._js, PLANS, PLAN_APPROVED)
        except BROKEN as error:
            self._note("acknowledgement", error)

    async def _give_back(self, message: Msg, delay_s: float) -> None:
        try:
            await message.nak(delay=delay_s or None)
        except BROKEN as error:
            self._note("giving back", error)
