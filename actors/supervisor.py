"""Creates, watches and replaces every actor of a configuration; knows nothing of what they do."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, NamedTuple

import ray
from ray.exceptions import RayTaskError

from actors.bus import connect
from actors.calls import ActorAway, call
from actors.councils import find_actor, named_actors
from actors.crew import Kind, Seat
from actors.groups import named_groups
from actors.patience import BROKEN, pauses, said
from actors.provision import provision
from actors.retiring import kin, retire
from actors.roster import PREFIX
from engine.config import BusConfig
from engine.data import Data
from engine.errors import ConclaveError, SetupError
from engine.fanout import ended, together

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
REACH_WITHIN_S = 5.0
LOOK_BACK_AFTER_S = 30.0
"""An old supervisor may outlive the start of its successor by seconds and fill its seats again."""


class Post(Data):
    """One actor that there should be, and how it stands. `made` counts those made for it here."""

    name: str
    kind: Kind
    state: Literal["absent", "starting", "ready", "failed"] = "absent"
    reason: str = ""
    made: int = 0


class State(Data):
    """The whole as the supervisor sees it, who is there `since` then, in Unix seconds.

    `bus` says what keeps the bus from being provisioned, `councils` which changes of councils do
    not fit the configuration.
    """

    since: float
    bus: str
    posts: tuple[Post, ...]
    councils: tuple[str, ...] = ()

    @property
    def troubles(self) -> list[str]:
        """What is not as it should be, a line each; nothing when all is ready and well."""
        away = [*([f"bus: {self.bus}"] if self.bus else []), *self.councils]
        unready = (post for post in self.posts if post.state != "ready" or post.reason)
        return away + [f"{post.name}: {post.state} {post.reason}".rstrip() for post in unready]


class Wanted(NamedTuple):
    """The seats that there are to be, and what of the councils cannot be as it should."""

    seats: Sequence[Seat]
    troubles: tuple[str, ...]


Look = Callable[[], Awaitable[Wanted]]
"""Says what is wanted now; Unavailable where that cannot be told."""


class Supervisor:
    """Sees to it that every seat is filled, one task for each of them.

    Old actors, of another configuration or code, are drained and removed first: their engines
    hold what the new ones need. `look` says which seats there are now, again and again: a council
    that is none of them any more is dissolved, then goes the pool that it had for itself.
    """

    def __init__(self, bus: BusConfig, seats: Sequence[Seat], look: Look | None = None) -> None:
        self._bus, self._look = bus, look
        self._seats = {seat.name: seat for seat in seats}
        self._posts = {seat.name: Post(name=seat.name, kind=seat.kind) for seat in seats}
        self._begun = False
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._broke: asyncio.Queue[BaseException] = asyncio.Queue()
        self._unanswered: dict[str, float] = {}
        self._placeless: dict[str, float] = {}
        self._bus_trouble = "not provisioned yet"
        self._misfits: tuple[str, ...] = ()
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
        return State(
            since=self._since,
            bus=self._bus_trouble,
            posts=tuple(self._posts.values()),
            councils=self._misfits,
        )

    async def _supervise(self) -> None:
        try:
            sure = await self._renew()
            await self._remove_strangers(sure=sure)
            self._begun = True
            for name in self._seats:
                self._begin(name)
            works = (
                self._look_back(),
                self._provide_bus(),
                self._follow(sure=sure),
                self._breaks(),
            )
            await together(works)
        finally:
            await ended(*self._keepers.values(), *self._leaving)

    async def _look_back(self) -> None:
        await asyncio.sleep(LOOK_BACK_AFTER_S)
        await self._remove_strangers(sure=self._look is None)

    async def _follow(self, *, sure: bool) -> None:
        """See which seats there are to be, for ever."""
        while self._look is not None:
            await asyncio.sleep(LOOK_EVERY_S)
            if await self._renew() and not sure:
                sure = True
                await self._remove_strangers(sure=True)

    async def _renew(self) -> bool:
        """Whether it is known which seats there are to be; then they are kept, and no others."""
        if self._look is None:
            return True
        try:
            async with asyncio.timeout(REACH_WITHIN_S):
                wanted = await self._look()
        except (ConclaveError, TimeoutError) as trouble:
            log.info("the seats are as last known: %s", said(trouble))
            return False
        self._misfits = wanted.troubles
        await self._appoint(wanted.seats)
        return True

    async def _appoint(self, seats: Sequence[Seat]) -> None:
        """Have these seats and no others."""
        before, self._seats = self._seats, {seat.name: seat for seat in seats}
        self._posts = {
            seat.name: self._posts.get(seat.name) or Post(name=seat.name, kind=seat.kind)
            for seat in seats
        }
        gone = [name for name in before if name not in self._seats]
        keepers = [self._keepers.pop(name, None) for name in gone]
        await ended(*filter(None, keepers))  # all at once: none may look for its seat meanwhile
        if gone:
            self._dismiss(gone)
        if self._begun:
            for name in self._seats.keys() - self._keepers.keys():
                self._begin(name)

    def _begin(self, name: str) -> None:
        """Keep a seat; what breaks that ends the watching."""
        keeper = asyncio.create_task(self._keep(name), name=f"keeping {name}")
        keeper.add_done_callback(self._ended)
        self._keepers[name] = keeper

    def _ended(self, keeper: asyncio.Task[None]) -> None:
        if not keeper.cancelled() and (bug := keeper.exception()) is not None:
            self._broke.put_nowait(bug)

    async def _breaks(self) -> None:
        raise await self._broke.get()

    async def _remove_strangers(self, *, sure: bool) -> None:
        """Remove the actors of ours that no seat is for: bridges first, they bring work.

        Those of other versions are drained and gone when it returns. What has no successor is
        dismissed, but only where it is `sure` that it should have none.
        """
        actors, groups = await asyncio.to_thread(lambda: (named_actors(), named_groups()))
        names = [name for name in dict.fromkeys((*actors, *groups)) if name not in self._posts]
        known = {kin(name) for name in self._posts}
        for kind in ("bridge", "council", "agent"):
            older = (n for n in names if n.startswith(f"{PREFIX}{kind}:") and kin(n) in known)
            await asyncio.gather(*map(retire, older))
        if sure:
            self._dismiss([name for name in names if kin(name) not in known])

    def _dismiss(self, names: Sequence[str]) -> None:
        """Let go of actors that are not wanted any more, in the background."""
        leaving = asyncio.create_task(self._dismissed(names))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
        leaving.add_done_callback(self._ended)

    async def _dismissed(self, names: Sequence[str]) -> None:
        """Councils first, their pools last; once more where one was in the making meanwhile."""
        for pause in (0.0, LOOK_BACK_AFTER_S):
            await asyncio.sleep(pause)
            for kind in ("bridge", "council", "agent"):
                there = [n for n in names if n.startswith(f"{PREFIX}{kind}:")]
                work = (retire(n, dissolves=True) for n in there if n not in self._posts)
                await asyncio.gather(*work)

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

    async def _keep(self, name: str) -> None:
        """Keep the seat filled; an actor that does not last is made anew ever more slowly."""
        waits, well_since = pauses(FIRST_PAUSE_S, LAST_PAUSE_S), time.monotonic()
        while True:
            seat = self._seats[name]
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
        self._unanswered.setdefault(seat.name, time.monotonic())
        within = ANSWER_WITHIN_S if known else START_WITHIN_S
        telling = asyncio.create_task(self._tell(seat) if known else self._tell_unplaced(seat))
        telling.add_done_callback(self._ended)
        try:
            async with asyncio.timeout(within):
                health = await call(handle.health.remote())
        except ActorAway as away:
            self._note(seat, "absent", self._reason(seat) or str(away))
            return False
        except TimeoutError:
            if known or not await self._lately_unplaced(seat, within):
                self._replace(seat, handle, f"gave no answer in {within:g} s")
            return self._posts[seat.name].state != "failed"
        except SetupError as error:
            return self._replace(seat, handle, str(error))
        except ConclaveError as error:
            self._note(seat, "failed", str(error))
            return True
        except RayTaskError as bug:
            return self._replace(seat, handle, f"its health broke: {said(bug.cause)}")
        finally:
            telling.cancel()
        self._unanswered.pop(seat.name, None)
        self._note(seat, *_standing(health))
        return True

    async def _tell(self, seat: Seat) -> None:
        """Say that an actor is silent, once it is."""
        await asyncio.sleep(SILENT_S)
        self._note(seat, "failed", f"has given no answer for {SILENT_S:g} s")

    async def _tell_unplaced(self, seat: Seat) -> None:
        """Say, as long as an actor has not answered yet, why Ray has no place for it."""
        while True:
            await asyncio.sleep(SILENT_S)
            if why := await self._unplaced(seat):
                self._note(seat, "absent", why)
            elif self._posts[seat.name].state == "absent":
                self._note(seat, "starting")

    async def _unplaced(self, seat: Seat) -> str:
        waited = time.monotonic() - self._unanswered[seat.name]
        why = await asyncio.to_thread(seat.unplaced, waited)
        if why:
            self._placeless[seat.name] = time.monotonic()
        return why

    async def _lately_unplaced(self, seat: Seat, within: float) -> bool:
        """Whether it had no place a moment ago: another one has none either, or it starts now."""
        await self._unplaced(seat)
        return time.monotonic() - self._placeless.get(seat.name, -within) < within

    def _reason(self, seat: Seat) -> str:
        """Why the actor was replaced, if it was: that it is gone then is no news."""
        post = self._posts[seat.name]
        return post.reason if post.state == "failed" else ""

    def _replace(self, seat: Seat, handle: Any, reason: str) -> bool:
        self._note(seat, "failed", reason)
        self._unanswered.pop(seat.name, None)
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
