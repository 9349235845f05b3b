"""Claims about who is let go by a supervisor, and how, without Ray."""

import asyncio

import pytest
from deadline import until_async

from actors import supervisor
from actors.crew import Seat
from actors.supervisor import Supervisor, Wanted
from engine.config import BusConfig
from engine.errors import Unavailable

OURS = ["conclave:bridge:new", "conclave:council:DEV:new", "conclave:agent:small:0:new"]
OLDER = ["conclave:bridge:old", "conclave:council:DEV:old", "conclave:agent:small:0:old"]
OTHERS = ["conclave:council:SEC:1:x", "conclave:agent:council-sec:0:x"]


def seat(name: str) -> Seat:
    """One that is filled already."""
    return Seat(name, "council", lambda: None)


class Let:
    """Who was let go, in which order, and whether their work was brought to an end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, living: list[str]) -> None:
        self.gone: list[tuple[str, bool]] = []
        monkeypatch.setattr(supervisor, "named_actors", lambda: living)
        monkeypatch.setattr(supervisor, "named_groups", list)
        monkeypatch.setattr(supervisor, "retire", self.retire)
        monkeypatch.setattr(supervisor, "LOOK_BACK_AFTER_S", 60.0)

    async def retire(self, name: str, *, dissolves: bool = False) -> None:
        """Note it."""
        self.gone.append((name, dissolves))


async def leave(watching: Supervisor) -> None:
    """Stop what it has begun."""
    for task in watching._leaving:
        task.cancel()
    await asyncio.gather(*watching._leaving, return_exceptions=True)


async def test_other_versions_are_drained_and_what_has_no_successor_is_dissolved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Councils go before the pools that they sit on."""
    let = Let(monkeypatch, [*OURS, *OLDER, *OTHERS])
    watching = Supervisor(BusConfig(), [seat(name) for name in OURS])
    await watching._remove_strangers(sure=True)
    assert let.gone == [(name, False) for name in OLDER]
    await asyncio.sleep(0.01)
    assert let.gone[3:] == [(name, True) for name in OTHERS]
    await leave(watching)


async def test_nothing_is_dissolved_while_it_is_not_known_what_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where NATS is away, a supervisor that starts must not take a created council for old."""
    let = Let(monkeypatch, [*OURS, *OLDER, *OTHERS])

    async def away() -> Wanted:
        raise Unavailable("NATS is away")

    watching = Supervisor(BusConfig(), [seat(name) for name in OURS], away)
    assert not await watching._renew()
    await watching._remove_strangers(sure=False)
    await asyncio.sleep(0.01)
    assert let.gone == [(name, False) for name in OLDER]


async def test_a_seat_that_is_not_wanted_any_more_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is not wanted goes; the others keep their posts, and a misfit is told."""
    let = Let(monkeypatch, [])
    wanted = [OURS[1:2], [*OURS[1:2], OTHERS[0]], OURS[1:2]]

    async def look() -> Wanted:
        return Wanted([seat(name) for name in wanted.pop()], ("council QA does not fit",))

    watching = Supervisor(BusConfig(), [], look)
    for there in (1, 2, 1):
        assert await watching._renew()
        assert len(watching.state().posts) == there
    await asyncio.sleep(0.01)
    assert let.gone == [(OTHERS[0], True)]
    assert "council QA does not fit" in watching.state().troubles
    await leave(watching)


class Handle:
    """Of an actor that says how it does, or only when it is not asked any more."""

    def __init__(self, name: str) -> None:
        self.name, self.health = name, self

    def remote(self) -> str:
        """What is awaited then."""
        return self.name


async def health(name: str) -> None:
    """The first one's keeper is slow to leave it."""
    if name == OTHERS[0]:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.1)


async def test_seats_that_go_together_break_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one keeper is on its way out, another one finds no seat of its own any more."""
    Let(monkeypatch, [])
    monkeypatch.setattr(supervisor, "LOOK_EVERY_S", 0.001)
    monkeypatch.setattr(supervisor, "find_actor", Handle)
    monkeypatch.setattr(supervisor, "call", health)
    watching = Supervisor(BusConfig(), [seat(name) for name in OTHERS])
    for name in OTHERS:
        watching._begin(name)
    await until_async(lambda: watching.state().posts[1].state == "ready", "they are kept")
    await watching._appoint([])
    assert watching._broke.empty()
    await leave(watching)
