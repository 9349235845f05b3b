"""Events off the bus, each settled or buried before it is acknowledged; knows no meaning of any."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from pydantic import Field

from actors.attempts import TROUBLE, Attempts
from actors.bus import Connection, connect
from actors.convening import Convene, Convening
from actors.deadletter import bury
from actors.flights import Flights
from actors.patience import BROKEN, pauses, said
from actors.provision import note_floor, provision
from actors.routes import Route, Routes
from actors.streams import DURABLES, Durable
from actors.verdicts import arrived, bug
from engine.arrival import Arrival
from engine.config import Config
from engine.data import Data
from engine.errors import ConclaveError, InvalidEvent, Unavailable
from engine.lenient import Warned

log = logging.getLogger(__name__)

FETCH_S = 1.0
"""A fetch is never cancelled (its message would be lost until ack_wait), so it is short."""

GIVEN_BACK_S, LONGEST_BACK_S = 1.0, 60.0
"""How long an event rests that is given back: doubled with each delivery."""
AWAY_S = 2.0
"""How long a slot rests at most while there is nothing to be had; then it is back at work soon."""
FLOOR_EVERY_S = 1.0
MOST_ACKS = 64
"""So many acknowledgements may be on their way: the next event need not wait for the last one's."""


class Health(Data):
    """How the bridge does.

    `pending` counts the waiting events of each durable, None where that is unknown; `warnings`
    what events said otherwise than they should, by kind. `trouble` is what NATS does not permit,
    empty if nothing.
    """

    connected: bool
    in_flight: int
    handled: int
    buried: int
    redelivered: int
    pending: int | None
    last_error: str
    durables: dict[str, int | None] = Field(default_factory=dict)
    warnings: dict[str, int] = Field(default_factory=dict)
    trouble: str = ""


class Bridge:
    """Takes one event per slot, settles it, and acknowledges it when nothing is left to do.

    An event that can never be done is buried first. Whatever else happens, the event stays on the
    bus and comes again, here or at another bridge: `convene` finds the work already done.
    `on_closed` is called when only a new process can help. `patience_s` bounds the attempts made
    in place before an event is given back.
    """

    def __init__(
        self,
        config: Config,
        convene: Convene,
        on_closed: Callable[[], None] = lambda: None,
        patience_s: float = 60.0,
    ) -> None:
        self._config, self._bus, self._convene = config, config.bus, convene
        self._on_closed, self._patience_s = on_closed, patience_s
        self._client: Connection | None = None
        self._attempts: Attempts
        self._routes: dict[str, Route] = {}
        self._mending: Flights[None] = Flights()
        self._slots: list[asyncio.Task[None]] = []
        self._acks: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._in_flight = self._handled = self._buried = self._redelivered = 0
        self._warnings: Counter[str] = Counter()
        self._floors: dict[str, float] = {}
        self._last_error = ""

    async def start(self) -> None:
        """Connect, provide streams and durables, begin. Raises Unavailable or SetupError."""
        self._client = await connect(self._bus, "conclave-bridge", self._on_closed)
        try:
            await provision(self._js, self._bus)
        except ConclaveError:
            await self._client.leave()
            raise
        self._attempts = Attempts(self._js)
        convening = Convening(self._js, self._convene, self._patience_s, self._stopping, self._note)
        self._routes = Routes(self._config, self._client, convening).all()
        self._slots = [
            asyncio.create_task(self._slot(route.durable))
            for route in self._routes.values()
            for _ in range(route.slots)
        ]
        for slot in self._slots:
            slot.add_done_callback(self._ended)

    async def stop(self, grace_s: float = 5.0) -> None:
        """Take nothing more; let what runs end within the grace, give the rest back."""
        self._stopping.set()
        if self._slots:
            _, late = await asyncio.wait(self._slots, timeout=FETCH_S + grace_s)
            for slot in late:
                slot.cancel()
            await asyncio.wait(self._slots)
        if self._acks:
            await asyncio.wait(self._acks)
        if self._client is not None:
            with suppress(nats.errors.Error):
                await self._client.flush(timeout=1)  # what was given back must get there
            await self._client.leave()

    async def health(self) -> Health:
        """How it does; asks the server for what waits, for at most a second."""
        waiting = await asyncio.gather(*(self._pending(each) for each in DURABLES))
        known = [each for each in waiting if each is not None]
        return Health(
            connected=self._client is not None and self._client.is_connected,
            in_flight=self._in_flight,
            handled=self._handled,
            buried=self._buried,
            redelivered=self._redelivered,
            pending=sum(known) if known else None,
            last_error=self._last_error,
            trouble=self._client.trouble if self._client is not None else "",
            durables={d.name: n for d, n in zip(DURABLES, waiting, strict=True)},
            warnings=dict(self._warnings),
        )

    async def _pending(self, durable: Durable) -> int | None:
        if self._client is None or not self._client.is_connected:
            return None
        try:
            info = await self._js.consumer_info(durable.stream, durable.name, timeout=1.0)
        except BROKEN as error:
            self._note(durable.name, error)
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

    def _ended(self, work: asyncio.Task[None]) -> None:
        """What fails here does so through a bug: begin anew rather than go on with less."""
        if not work.cancelled() and (error := work.exception()) is not None:
            self._note("bug", error)
            self._on_closed()

    async def _slot(self, durable: Durable) -> None:
        events = await self._js.pull_subscribe_bind(durable=durable.name, stream=durable.stream)
        waits = pauses(0.5, AWAY_S)
        while not self._stopping.is_set():
            try:
                message = await self._next(events)
            except TROUBLE as error:
                self._note("taking events", error)
                await self._rest(next(waits))
                continue
            waits = pauses(0.5, AWAY_S)
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
            await self._mending.join("bus", self._mend)  # the durable may be gone
            raise

    async def _mend(self) -> None:
        await provision(self._js, self._bus)

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
                await self._settle(self._routes[message.metadata.consumer], arrival)
        except TROUBLE as error:
            self._note(_name(arrival), error)
            await self._give_back(message, self._back_s(arrival))
        except asyncio.CancelledError:
            await self._give_back(message, 0)
            raise
        else:
            await self._acknowledge(message)

    async def _acknowledge(self, message: Msg) -> None:
        """Begin to, once not too many others are on their way."""
        while len(self._acks) >= MOST_ACKS:
            await asyncio.wait(self._acks, return_when=asyncio.FIRST_COMPLETED)
        ack = asyncio.create_task(self._acknowledged(message))
        self._acks.add(ack)
        ack.add_done_callback(self._acks.discard)
        ack.add_done_callback(self._ended)

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

    async def _settle(self, route: Route, arrival: Arrival) -> None:
        """Return when nothing is left to do for the event; some TROUBLE if it must come again."""
        try:
            async with self._attempts.begun(arrival):
                warnings = await route.settle(arrival)
        except InvalidEvent as error:
            await self._put_away(arrival, error)
        else:
            self._handled += 1
            self._warn(arrival, warnings)
        await self._attempts.forget(arrival)

    def _warn(self, arrival: Arrival, warnings: tuple[Warned, ...]) -> None:
        """Count what had to be understood, and tell each kind once."""
        for kind, where in warnings:
            self._warnings[kind] += 1
            if self._warnings[kind] == 1:
                log.warning("bridge: %s: %s at %s; taken all the same", _name(arrival), kind, where)

    async def _put_away(self, arrival: Arrival, error: InvalidEvent) -> None:
        assert self._client is not None
        self._note(f"{_name(arrival)} is buried", error)
        await bury(self._client, arrival, error)
        self._buried += 1

    async def _acknowledged(self, message: Msg) -> None:
        """A lost acknowledgement costs a redelivery, which finds everything done."""
        known = message.metadata
        try:
            await message.ack_sync(timeout=5.0)
            if time.monotonic() - self._floors.get(known.consumer, -FLOOR_EVERY_S) > FLOOR_EVERY_S:
                self._floors[known.consumer] = time.monotonic()
                await note_floor(self._js, known.stream, known.consumer)
        except BROKEN as error:
            self._note("acknowledgement", error)

    def _back_s(self, arrival: Arrival) -> float:
        """How long an event that is given back rests."""
        if self._stopping.is_set():
            return 0.0
        return min(GIVEN_BACK_S * 2.0 ** min(arrival.deliveries - 1, 10), LONGEST_BACK_S)

    async def _give_back(self, message: Msg, delay_s: float) -> None:
        try:
            await message.nak(delay=delay_s or None)
        except BROKEN as error:
            self._note("giving back", error)


def _name(arrival: Arrival) -> str:
    return f"event {arrival.stream} {arrival.seq}"
