"""What is tried again and for how long, on a real nats-server, whatever dies in between."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bridging import Deciding, fleet, healthy, killed, plan, settled
from bus_fakes import connected, first_stands, letters, stored, told
from deadline import reaches, until_async
from nats.aio.msg import Msg
from nats.js.errors import NoKeysError, NotFoundError
from nursery import KILLS, TAKES_A_WHILE

from actors.attempts import CRASHES
from actors.bridge import Bridge
from actors.bus import Connection
from actors.deadletter import Letters
from actors.nats_server import NatsServer
from actors.streams import ATTEMPTS, PLANS
from actors.telling import Notice, tell
from engine.config import BusConfig
from engine.errors import InvalidRequest, Unavailable
from engine.events import Record
from engine.types import Task

pytestmark = pytest.mark.nats

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _short_fetches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopping waits for a fetch to expire."""
    monkeypatch.setattr("actors.bridge.FETCH_S", 0.1)


@pytest.fixture
def bus(nats: NatsServer) -> BusConfig:
    """A bus with short waits."""
    return BusConfig(url=nats.url, ack_wait_s=1.0, slots=2)


@pytest.fixture
async def client(bus: BusConfig) -> AsyncIterator[Connection]:
    """A producer's connection, the streams made."""
    async with connected(bus.url, bus) as client:
        yield client


@pytest.fixture
async def deciding(client: Connection) -> Deciding:
    """Councils that decide at once."""
    return Deciding(client)


async def publish(client: Connection, data: bytes) -> int:
    """Publish a plan."""
    return (await client.streams().publish("planning.plan.approved", data)).seq


class Held:
    """Stands where a call of ours does, and never returns."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()

    async def __call__(self, *_: Any, **__: Any) -> None:
        """Tell that it was reached, and wait."""
        self.reached.set()
        await asyncio.Event().wait()


@pytest.mark.parametrize("place", ["actors.routes.tell", "nats.aio.msg.Msg.ack_sync"])
async def test_a_plan_is_told_once_though_the_bridge_dies_at_its_end(
    bus: BusConfig,
    client: Connection,
    deciding: Deciding,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    """Between the last role's end and the notice, and between the notice and its acknowledgement.

    The next bridge asks no council: what has ended is in the journal.
    """
    held = Held()
    first = Bridge(fleet(bus), deciding)
    with monkeypatch.context() as patched:
        patched.setattr(place, held)
        await first.start()
        await publish(client, plan(roles=["dev", "qa"]))
        await asyncio.wait_for(held.reached.wait(), 10)
        before = await _journalled(client, "deliberation.notice.plan.>")
        await killed(first)
    assert before == ("tell" not in place)
    second = Bridge(fleet(bus), deciding)
    await second.start()
    await healthy(second, lambda h: h.handled == 1, "taken over")
    await reaches(lambda: settled(client), "acknowledged")
    await reaches(lambda: _count(client, "orchestration.plan.approved", 1), "told")
    assert deciding.roles == ["DEV", "QA"]
    await second.stop()


async def _journalled(client: Connection, subject: str) -> bool:
    try:
        await client.streams().get_msg("DELIBERATIONS", subject=subject, seq=1, next=True)
    except NotFoundError:
        return False
    return True


async def _count(client: Connection, subject: str, count: int) -> bool:
    return len(await told(client, subject)) == count


async def test_a_notice_is_told_once_whoever_tells_it(client: Connection) -> None:
    """Also where two different ones exclude each other, and beyond any window of duplicates."""
    root = "deliberation.notice.task.d.a"
    ends = [Notice(f"{root}.{end}", f"{root}.*", b"{}") for end in ("completed", "failed")]
    await asyncio.gather(*(tell(client, end) for end in ends * 10))
    assert await stored(client, "DELIBERATIONS") == 1
    await client.streams().publish(f"{root[:-1]}b.completed", b"{}")  # with no id to be known by
    for end in ends:
        other = end._replace(subject=end.subject.replace(".a.", ".b."), only=f"{root[:-1]}b.*")
        await tell(client, other)
    assert await stored(client, "DELIBERATIONS") == 2


async def test_of_two_notices_in_one_place_the_first_stands(client: Connection) -> None:
    """Told again it still does; the other one does not."""
    await first_stands(client)


async def test_the_same_identity_with_another_body_is_not_taken_for_done(
    bus: BusConfig, client: Connection
) -> None:
    """What another event said is no answer to this one: its council is asked, and refuses."""
    deciding = Deciding(client)
    bridge = Bridge(fleet(bus.model_copy(update={"slots": 1})), deciding)
    await bridge.start()
    for title in ("one", "other", "one"):
        await client.streams().publish(
            "agent.request.council.dev",
            json.dumps({"task_id": "t", "task_description": title}).encode(),
        )
    await healthy(bridge, lambda h: h.handled == 3, "handled")
    assert [task.text for task in deciding.asked] == ["one", "other"]
    await bridge.stop()


async def test_a_fault_that_passes_is_waited_for_however_often(
    bus: BusConfig, client: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no attempt: nothing is counted and nothing is buried; then it is done."""
    monkeypatch.setattr("actors.receipts.GIVEN_BACK_S", 0)
    deciding = Deciding(client)
    away = 12

    async def convene(task: Task) -> Record:
        nonlocal away
        away -= 1
        if away >= 0:
            raise Unavailable("the model is down")
        return await deciding(task)

    bridge = Bridge(fleet(bus), convene, patience_s=0.0)
    await bridge.start()
    await publish(client, plan(roles=["dev"]))
    health = await healthy(bridge, lambda h: h.handled == 1, "handled")
    assert (health.redelivered, health.buried) == (12, 0)
    await reaches(lambda: settled(client), "acknowledged")
    await reaches(lambda: _forgotten(client), "nothing is counted")
    await bridge.stop()


async def test_what_was_buried_for_its_crashes_is_not_begun_again(
    bus: BusConfig, client: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its acknowledgement got lost, so it comes once more: the letter stands alone."""
    monkeypatch.setattr("actors.receipts.GIVEN_BACK_S", 0)
    monkeypatch.setattr("actors.receipts.SETTLED_WITHIN_S", 0.1)
    monkeypatch.setattr("actors.attempts.UNCOUNTED", 0)
    bucket = await client.streams().key_value(ATTEMPTS)
    place = await publish(client, plan(roles=["dev"]))
    await bucket.put(f"{PLANS}.{place}", str(CRASHES).encode())
    deciding, lost = Deciding(client), 0

    async def ack_sync(message: Msg, timeout: float = 1.0) -> Msg:  # noqa: ASYNC109
        nonlocal lost
        lost += 1
        if lost == 1:
            raise TimeoutError
        return await original(message, timeout)

    original = Msg.ack_sync
    monkeypatch.setattr(Msg, "ack_sync", ack_sync)
    bridge = Bridge(fleet(bus), deciding)
    await bridge.start()
    await reaches(lambda: settled(client), "acknowledged")
    assert (lost, deciding.asked, len(await letters(client))) == (2, [], 1)
    await reaches(lambda: _forgotten(client), "nothing is counted")
    await bridge.stop()


async def _forgotten(client: Connection) -> bool:
    return await _keys(await client.streams().key_value(ATTEMPTS)) == []


async def _keys(bucket: Any) -> list[str]:
    try:
        found: list[str] = await bucket.keys()
    except NoKeysError:
        return []
    return found


async def test_what_is_given_back_rests_longer_each_time(
    bus: BusConfig, client: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to a minute, so that a long outage costs little and its end is noticed."""
    rests: list[float] = []

    async def nak(_message: Msg, delay: float | None = None) -> None:
        rests.append(delay or 0.0)
        await original(_message)

    async def convene(_task: Task) -> Record:
        raise Unavailable("the model is down")

    original = Msg.nak
    monkeypatch.setattr(Msg, "nak", nak)
    bridge = Bridge(fleet(bus), convene, patience_s=0.0)
    await bridge.start()
    await publish(client, plan(roles=["dev"]))
    await until_async(lambda: len(rests) >= 9, "given back often")
    assert rests[:9] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    await bridge.stop()


@contextmanager
def nursery(url: str) -> Iterator[None]:
    """Bridges in processes of their own, one after the other."""
    env = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    process = subprocess.Popen(
        [sys.executable, str(HERE / "nursery.py"), url], env=env, start_new_session=True
    )
    try:
        yield
    finally:
        os.killpg(process.pid, 9)
        process.wait()


async def test_an_event_that_kills_is_buried_and_takes_no_other_with_it(
    bus: BusConfig, client: Connection
) -> None:
    """Those that were in work beside it each time are decided, once; only it has a letter."""
    titles = [KILLS, TAKES_A_WHILE, TAKES_A_WHILE]
    places = [
        await publish(client, plan(plan_id=f"p{n}", title=title, roles=["dev"]))
        for n, title in enumerate(titles)
    ]
    with nursery(bus.url):
        await publish(client, plan(plan_id="p3", roles=["qa"]))
        await reaches(lambda: settled(client), "all settled", 30)
        [letter] = await letters(client)
        await reaches(lambda: _forgotten(client), "nothing is counted")
    assert (letter.kind, letter.seq, letter.deliveries) == ("crash_loop", places[0], 5)
    assert len(await told(client, "orchestration.plan.approved")) == 3
    assert len(await told(client, "orchestration.deliberation.failed")) == 3


async def test_a_replay_decides_only_what_was_not_decided(
    bus: BusConfig, client: Connection
) -> None:
    """A plan of two roles of which one was refused for good, and mended since."""
    deciding = Deciding(client)
    mended = False

    async def convene(task: Task) -> Record:
        if task.role == "QA" and not mended:
            raise InvalidRequest("text", "has 900 tokens and 800 fit")
        return await deciding(task)

    bridge = Bridge(fleet(bus), convene)
    await bridge.start()
    place = await publish(client, plan(roles=["dev", "qa"]))
    await healthy(bridge, lambda h: h.buried == 1, "buried")
    assert await told(client, "orchestration.plan.approved") == []
    mended = True
    await Letters(client).replay(PLANS, place)
    await healthy(bridge, lambda h: h.handled == 1, "handled")
    await reaches(lambda: _count(client, "orchestration.plan.approved", 1), "told")
    assert deciding.roles == ["DEV", "QA"]
    await bridge.stop()


async def test_several_bridges_share_the_work(bus: BusConfig, client: Connection) -> None:
    """Each event is one bridge's, and none is left out."""
    first, second = Deciding(client), Deciding(client)
    bridges = [Bridge(fleet(bus), each) for each in (first, second)]
    for bridge in bridges:
        await bridge.start()
    for n in range(40):
        await publish(client, plan(plan_id=f"p{n}", roles=["dev"]))
    await reaches(lambda: settled(client), "all settled")
    places = [task.plan_id for task in (*first.asked, *second.asked)]
    assert sorted(places) == sorted(f"p{n}" for n in range(40))
    assert first.asked
    assert second.asked
    for bridge in bridges:
        await bridge.stop()
