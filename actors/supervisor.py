"""Creates, watches and replaces every actor of a configuration; knows nothing of what they do."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any, Literal

import ray
from ray.exceptions import RayTaskError

from actors.bus import connect
from actors.calls import ActorAway, call
from actors.councils import find_actor, named_actors
from actors.crew import Kind, Seat
from actors.patience import BROKEN, pauses, said
from actors.provision import provision
from actors.roster import PREFIX
from engine.config import BusConfig
from engine.data import Data
from engine.errors import ConclaveError, SetupError

log = logging.getLogger("conclave.supervisor")

LOOK_EVERY_S = 1.0
ANSWER_WITHIN_S = 30.0
SILENT_S = 5.0
"""Who takes longer is told of, though left alone: a busy machine is no reason to replace it."""
START_WITHIN_S = 180.0
"""The first answer may take longer: a cold, busy machine imports for a minute."""
STABLE_S = 60.0
FIRST_PAUSE_S, LAST_PAUSE_S = 0.2, 30.0
BUS_PAUSE_S = 2.0
"""The longest pause before the bus is looked for again: whoever brings it back waits for us."""
DRAIN_WITHIN_S = 30.0
REACH_WITHIN_S = 5.0
LOOK_BACK_AFTER_S = 30.0
"""An old supervisor may outlive the start of its successor by seconds and fill its seats again."""

UNDRAINED = (ActorAway, TimeoutError, ConclaveError, RayTaskError, AttributeError)
"""What an actor of another version may answer to `drain`, which it may not even have."""


class Post(Data):
    """One actor that there should be, and how it stands. `made` counts those made for it here."""

    name: str
    kind: Kind
    state: Literal["absent", "starting", "ready", "failed"] = "absent"
    reason: str = ""
    made: int = 0


class State(Data):
    """The whole as the supervisor sees it, who is there `since` then, in Unix seconds.

    `bus` says what keeps the bus from being provisioned.
    """

    since: float
    bus: str
    posts: tuple[Post, ...]

    @property
    def troubles(self) -> list[str]:
        """What is not as it should be, a line each; nothing when all is ready and well."""
        away = [f"bus: {self.bus}"] if self.bus else []
        unready = (post for post in self.posts if post.state != "ready" or post.reason)
        return away + [f"{post.name}: {post.state} {post.reason}".rstrip() for post in unready]


class Supervisor:
    """Sees to it that every seat is filled, one task for each of them.

    Old actors, of another configuration or code, are drained and removed first: their engines
    hold what the new ones need.
    """

    def __init__(self, bus: BusConfig, seats: Sequence[Seat]) -> None:
        self._bus, self._seats = bus, seats
        self._posts = {seat.name: Post(name=seat.name, kind=seat.kind) for seat in seats}
        self._bus_trouble = "not provisioned yet"
        self._work: asyncio.Task[None] | None = None
        self._since = time.time()

    def start(self) -> None:
        """Begin; needs a running event loop."""
        self._work = asyncio.create_task(self._supervise())

    async def stop(self) -> None:
        """Stop watching; the actors go on."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait({self._work})

    def check(self) -> None:
        """Raise what ended the watching, if anything has."""
        if self._work is not None and self._work.done():
            self._work.result()

    def state(self) -> State:
        """How everything stands, as last seen."""
        return State(since=self._since, bus=self._bus_trouble, posts=tuple(self._posts.values()))

    async def _supervise(self) -> None:
        await self._remove_strangers()
        await asyncio.gather(self._look_back(), self._provide_bus(), *map(self._keep, self._seats))

    async def _look_back(self) -> None:
        await asyncio.sleep(LOOK_BACK_AFTER_S)
        await self._remove_strangers()

    async def _remove_strangers(self) -> None:
        """Drain and kill the actors of ours that no seat is for: bridges first, they bring work."""
        names = [n for n in await asyncio.to_thread(named_actors) if n not in self._posts]
        for kind in ("bridge", "council", "agent"):
            await asyncio.gather(*(_retire(n) for n in names if n.startswith(f"{PREFIX}{kind}:")))

    async def _provide_bus(self) -> None:
        for pause in pauses(FIRST_PAUSE_S, BUS_PAUSE_S):
            try:
                await _provision(self._bus)
            except ConclaveError as error:
                self._bus_trouble = str(error)
            except BROKEN as error:
                self._bus_trouble = f"NATS went away: {said(error)}"
            else:
                self._bus_trouble = ""
                return
            await asyncio.sleep(pause)

    async def _keep(self, seat: Seat) -> None:
        """Keep the seat filled; an actor that does not last is made anew ever more slowly."""
        waits, well_since = pauses(FIRST_PAUSE_S, LAST_PAUSE_S), time.monotonic()
        while True:
            handle = await asyncio.to_thread(find_actor, seat.name)
            if handle is None:
                await self._fill(seat)
            elif await self._look_at(seat, handle):
                if time.monotonic() - well_since > STABLE_S:
                    waits = pauses(FIRST_PAUSE_S, LAST_PAUSE_S)
                await asyncio.sleep(LOOK_EVERY_S)
                continue
            well_since = time.monotonic()
            await asyncio.sleep(next(waits))

    async def _fill(self, seat: Seat) -> None:
        post = self._posts[seat.name]
        self._note(seat, "starting", post.reason)
        try:
            await asyncio.to_thread(seat.fill)
        except ValueError as error:  # another supervisor was quicker, or Ray refuses the options
            self._note(seat, "absent", said(error))
        else:
            self._note(seat, "starting", post.reason, post.made + 1)

    async def _look_at(self, seat: Seat, handle: Any) -> bool:
        """Ask an actor how it does; whether it may stay as it is."""
        known = self._posts[seat.name].state == "ready"
        within = ANSWER_WITHIN_S if known else START_WITHIN_S
        silence = f"has given no answer for {SILENT_S:g} s"
        telling = asyncio.get_running_loop().call_later(
            SILENT_S if known else START_WITHIN_S, self._note, seat, "failed", silence
        )
        try:
            async with asyncio.timeout(within):
                health = await call(handle.health.remote())
        except ActorAway as away:
            self._note(seat, "absent", self._reason(seat) or str(away))
            return False
        except TimeoutError:
            return self._replace(seat, handle, f"gave no answer in {within:g} s")
        except SetupError as error:
            return self._replace(seat, handle, str(error))
        except ConclaveError as error:
            self._note(seat, "failed", str(error))
            return True
        except RayTaskError as bug:
            return self._replace(seat, handle, f"its health broke: {said(bug.cause)}")
        finally:
            telling.cancel()
        self._note(seat, *_standing(health))
        return True

    def _reason(self, seat: Seat) -> str:
        """Why the actor was replaced, if it was: that it is gone then is no news."""
        post = self._posts[seat.name]
        return post.reason if post.state == "failed" else ""

    def _replace(self, seat: Seat, handle: Any, reason: str) -> bool:
        self._note(seat, "failed", reason)
        ray.kill(handle)
        return False

    def _note(
        self,
        seat: Seat,
        state: Literal["absent", "starting", "ready", "failed"],
        reason: str = "",
        made: int | None = None,
    ) -> None:
        before = self._posts[seat.name]
        update = {"state": state, "reason": reason, "made": made or before.made}
        self._posts[seat.name] = before.model_copy(update=update)
        if (before.state, before.reason) != (state, reason):
            log.info("%s is %s %s", seat.name, state, reason)


def _standing(health: Any) -> tuple[Literal["starting", "ready", "failed"], str]:
    """What an actor's own account of its health amounts to."""
    if getattr(health, "connected", True) is False:
        return "failed", health.last_error or "the connection to NATS is down"
    if trouble := getattr(health, "trouble", ""):
        return "failed", trouble
    if getattr(health, "silent_s", 0.0) > SILENT_S:
        return "ready", f"but its engine has given no token for more than {SILENT_S:g} s"
    return ("starting" if getattr(health, "state", "") == "starting" else "ready"), ""


async def _provision(bus: BusConfig) -> None:
    client = await connect(bus, "conclave-supervisor", lambda: None, REACH_WITHIN_S)
    try:
        await provision(client.streams(), bus)
    finally:
        await client.leave()


async def _retire(name: str) -> None:
    handle = await asyncio.to_thread(find_actor, name)
    if handle is None:
        return
    log.info("%s is of another version: draining it", name)
    try:
        async with asyncio.timeout(DRAIN_WITHIN_S):
            await call(handle.drain.remote())
    except UNDRAINED as error:
        log.warning("%s ends undrained: %s", name, said(error))
    ray.kill(handle)
