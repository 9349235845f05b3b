"""Events off the bus, each settled or buried before it is acknowledged; knows no meaning of any."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from pydantic import Field

from actors.attempts import RETURNS, TROUBLE, Attempts
from actors.bus import Connection, connect
from actors.charters import Charters
from actors.convening import Convene, Convening
from actors.deadletter import bury
from actors.flights import Flights
from actors.patience import BROKEN, pauses, said
from actors.provision import provision
from actors.receipts import Receipts, rest_s
from actors.routes import Route, Routes
from actors.streams import DURABLES, Durable
from actors.verdicts import arrived, bug
from engine.arrival import Arrival
from engine.charters import Fleet
from engine.config import Config
from engine.data import Data
from engine.errors import InvalidEvent, Unavailable
from engine.fanout import ended
from engine.lenient import Warned

log = logging.getLogger(__name__)

FETCH_S = 1.0
"""A fetch is never cancelled (its message would be lost until ack_wait), so it is short."""

AWAY_S = 2.0
"""How long a slot rests at most while there is nothing to be had; then it is back at work soon."""
MOST_FINISHING = 64
"""So many events may be buried or acknowledged while their slots are at the next ones already."""
FINISHED_WITHIN_S = 5.0


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
    in place before an event is given back: it holds a slot that others wait for. `seated` hears
    which councils there are, event by event.
    """

    def __init__(
        self,
        config: Config,
        convene: Convene,
        on_closed: Callable[[], None] = lambda: None,
        patience_s: float = 10.0,
        seated: Callable[[Fleet], None] = lambda _fleet: None,
    ) -> None:
        self._seated = seated
        self._charters = Charters(lambda call: call(self._js), config)
        self._config, self._bus, self._convene = config, config.bus, convene
        self._on_closed, self._patience_s = on_closed, patience_s
        self._client: Connection | None = None
        self._attempts: Attempts
        self._receipts: Receipts
        self._routes: dict[str, Route] = {}
        self._mending: Flights[None] = Flights()
        self._slots: list[asyncio.Task[None]] = []
        self._finishing: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._in_flight = self._handled = self._buried = self._redelivered = 0
        self._warnings: Counter[str] = Counter()
        self._last_error = ""

    async def start(self) -> None:
        """Connect, provide streams and durables, begin. Raises Unavailable or SetupError."""
        self._client = await connect(self._bus, "conclave-bridge", self._on_closed)
        try:
            await provision(self._js, self._bus)
        except RETURNS:
            await self._client.leave()
            raise
        self._attempts = Attempts(self._js)
        self._receipts = Receipts(self._js, self._bus.ack_wait_s, self._note)
        convening = Convening(self._js, self._convene, self._patience_s, self._stopping, self._note)
        self._routes = Routes(self._config, self._client, convening, self._in_force).all()
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
        if self._finishing:
            await asyncio.wait(self._finishing, timeout=FINISHED_WITHIN_S)
            await ended(*self._finishing)
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

    async def _in_force(self) -> Config:
        """The councils there are now; whoever has to know them is told first."""
        fleet = await self._charters.look()
        self._seated(fleet)
        return fleet.config

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
                await self._receipts.given_back(message)
            else:
                await self._work(message)
        finally:
            self._in_flight -= 1

    async def _work(self, message: Msg) -> None:
        arrival = arrived(message)
        self._redelivered += arrival.deliveries > 1
        try:
            async with self._receipts.kept(message):
                refusal = await self._settle(self._routes[message.metadata.consumer], arrival)
        except TROUBLE as error:
            await self._given_back(message, arrival, error)
        except asyncio.CancelledError:
            await self._receipts.given_back(message)
            raise
        else:
            await self._finish(self._finished(message, arrival, refusal))

    async def _settle(self, route: Route, arrival: Arrival) -> InvalidEvent | None:
        """Do what the event asks for; why that can never be. Some TROUBLE if it must come again."""
        try:
            async with self._attempts.begun(arrival):
                warnings = await route.settle(arrival)
        except InvalidEvent as error:
            return error
        self._handled += 1
        self._warn(arrival, warnings)
        return None

    async def _finish(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin to, once not too much other is finishing."""
        while len(self._finishing) >= MOST_FINISHING:
            await asyncio.wait(self._finishing, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(work)
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)
        task.add_done_callback(self._ended)

    async def _finished(self, message: Msg, arrival: Arrival, refusal: InvalidEvent | None) -> None:
        """Nothing is left to do but to bury what can never be done, and to say so."""
        try:
            if refusal is not None:
                await self._put_away(arrival, refusal)
            else:
                await self._attempts.forget(arrival)
        except TROUBLE as error:
            await self._given_back(message, arrival, error)
        else:
            if await self._acknowledged(message) and refusal is not None:
                await self._forget(arrival)

    async def _acknowledged(self, message: Msg) -> bool:
        """Whether that got there."""
        return await self._receipts.settled(message)

    async def _forget(self, arrival: Arrival) -> None:
        """A buried event's attempts count no more; till now, for it might have been begun again."""
        try:
            await self._attempts.forget(arrival)
        except TROUBLE as error:
            self._note("forgetting attempts", error)

    async def _given_back(self, message: Msg, arrival: Arrival, error: BaseException) -> None:
        self._note(_name(arrival), error)
        rest = 0.0 if self._stopping.is_set() else rest_s(arrival.deliveries)
        await self._receipts.given_back(message, rest)

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


def _name(arrival: Arrival) -> str:
    return f"event {arrival.stream} {arrival.seq}"
