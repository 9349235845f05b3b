"""Claims about the bus compared with what it should be: shown, mended, or left to who may."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from nats.js.api import KeyValueConfig, StreamConfig

from actors.bus import Connection, connect
from actors.drift import Drift, Standing, of_durable, of_stream
from actors.nats_server import NatsServer
from actors.provision import applied, examined, provision
from actors.streams import ATTEMPTS, BUCKETS, DAY, DURABLES, PLAN_APPROVED, PLANS, STREAMS, TEXTS
from engine.config import BusConfig
from engine.errors import SetupError

nats = pytest.mark.nats


@pytest.fixture
async def client(nats: NatsServer) -> AsyncIterator[Connection]:
    """A connection to a server without streams."""
    client = await connect(BusConfig(url=nats.url), "test", on_closed=lambda: None)
    yield client
    await client.leave()


@pytest.fixture
def bus(nats: NatsServer) -> BusConfig:
    """The default bus."""
    return BusConfig(url=nats.url)


# --- in words ---


def test_a_difference_is_told_in_words() -> None:
    """Ages in days, enumerations by their names, sources with what they move."""
    outbound = STREAMS[-1]
    found = outbound.evolve(max_age=600.0, sources=None, num_replicas=None)
    standing = of_stream(outbound.evolve(num_replicas=3), found)
    assert [drift.field for drift in standing.drifts] == ["max_age", "sources", "num_replicas"]
    age, sources, replicas = map(str, standing.drifts)
    assert age == "max_age: 600 s -> 7 d"
    assert sources.startswith("sources: none -> DELIBERATIONS (deliberation.*.completed to orch")
    assert replicas == "num_replicas: none -> 3"
    assert not standing.sound


def test_only_our_fields_are_compared() -> None:
    """What an operator set besides is no difference."""
    wanted = STREAMS[0]
    assert of_stream(wanted, wanted.evolve(max_bytes=10, description="theirs")).sound
    durable = DURABLES[0].config(30.0)
    assert of_durable(PLANS, durable, durable.evolve(description="theirs")).sound


def test_a_thing_that_is_missing_is_called_what_it_is() -> None:
    """A bucket is not called by the name of its stream."""
    words = [str(of_stream(each, None)) for each in (STREAMS[0], *BUCKETS)]
    assert words[0] == "stream PLANNING_EVENTS is missing"
    assert "bucket conclave-floors is missing" in words
    assert "objects conclave-texts is missing" in words
    durable = str(of_durable(PLANS, DURABLES[0].config(30.0), None))
    assert durable == f"durable {PLANS}/{PLAN_APPROVED} is missing"


# --- on a server ---


@nats
async def test_what_is_applied_is_what_was_examined(client: Connection, bus: BusConfig) -> None:
    """Everything is missing, then nothing; what differs is told as it was, once."""
    js = client.streams()
    all_ = await examined(js, bus)
    assert len(all_) == len(STREAMS) + len(BUCKETS) + len(DURABLES)
    assert all(each.missing for each in all_)
    assert await applied(js, bus) == all_
    assert await applied(js, bus) == []
    await js.update_stream((await js.stream_info("CONTEXT")).config, max_age=600, max_msgs=5)
    await js.add_consumer(
        PLANS, (await js.consumer_info(PLANS, PLAN_APPROVED)).config, max_ack_pending=7
    )
    unsound = [each for each in await examined(js, bus) if not each.sound]
    assert unsound == [
        Standing(
            what="stream",
            name="CONTEXT",
            drifts=(
                Drift(field="max_age", found="600 s", wanted="7 d"),
                Drift(field="max_msgs", found="5", wanted="1000000"),
            ),
        ),
        Standing(
            what="durable",
            name=f"{PLANS}/{PLAN_APPROVED}",
            drifts=(Drift(field="max_ack_pending", found="7", wanted="1024"),),
        ),
    ]
    assert await applied(js, bus) == unsound
    assert all(each.sound for each in await examined(js, bus))


@nats
async def test_an_engine_that_only_checks_changes_nothing(
    client: Connection, bus: BusConfig
) -> None:
    """It says what differs and which command mends it; when that is done it is content."""
    js = client.streams()
    checking = bus.model_copy(update={"provision": False})
    with pytest.raises(SetupError, match=r"stream PLANNING_EVENTS is missing, and \d+ more"):
        await provision(js, checking)
    assert await js.streams_info() == []
    assert await provision(js, bus) != []
    assert await provision(js, checking) == []
    await js.update_stream((await js.stream_info(PLANS)).config, max_age=DAY)
    with pytest.raises(SetupError, match=r"max_age: 1 d -> 30 d\. `conclave streams check`"):
        await provision(js, checking)
    assert (await js.stream_info(PLANS)).config.max_age == DAY


@nats
@pytest.mark.parametrize(
    ("since", "pending"),
    [(timedelta(0), 1), (timedelta(days=-1), 3), (timedelta(days=1), 0)],
)
async def test_a_first_durable_begins_at_a_time(
    client: Connection, bus: BusConfig, since: timedelta, pending: int
) -> None:
    """With the first event that was stored then or later; none where that is to come."""
    js = client.streams()
    await js.add_stream(name=PLANS, subjects=["planning.>"])
    for _ in range(3):
        await js.publish("planning.plan.approved", b"{}")
    third = (await js.get_msg(PLANS, 3)).time
    assert isinstance(third, datetime)
    start = (third.astimezone(UTC) + since).isoformat()
    await provision(js, BusConfig(url=bus.url, start=start))
    assert (await js.consumer_info(PLANS, PLAN_APPROVED)).num_pending == pending
    assert [each.name for each in await js.consumers_info(PLANS)].count("conclave-probe") == 0


@nats
async def test_buckets_are_those_that_the_client_would_make(
    client: Connection, bus: BusConfig
) -> None:
    """Asked for by the client's own call, each is there already and not another one."""
    js = client.streams()
    await provision(js, bus)
    for stream in BUCKETS:
        kind, _, name = str(stream.name).partition("_")
        if kind == "KV":
            ttl = stream.max_age or None
            bucket = await js.create_key_value(KeyValueConfig(bucket=name, ttl=ttl))
            await bucket.put("a", b"1")
            await bucket.put("a", b"2")
            assert (await bucket.get("a")).value == b"2"
    store = await js.object_store(TEXTS)
    await store.put("a", b"text")
    assert (await store.get("a")).data == b"text"
    assert (await js.key_value(ATTEMPTS)) is not None


@nats
async def test_more_replicas_than_servers_are_refused_with_the_remedy(
    client: Connection, bus: BusConfig
) -> None:
    """In one line, at once."""
    with pytest.raises(SetupError, match=r"PLANNING_EVENTS.*replicas.*Set bus\.replicas") as caught:
        await provision(client.streams(), bus.model_copy(update={"replicas": 3}))
    assert "\n" not in str(caught.value)


@nats
async def test_a_stream_that_cannot_become_ours_names_the_command(
    client: Connection, bus: BusConfig
) -> None:
    """Another storage cannot be changed in place: what removes it is told, and that it is lost."""
    js = client.streams()
    await js.add_stream(StreamConfig(name=PLANS, subjects=["planning.>"], storage="memory"))
    with pytest.raises(SetupError, match=rf"after a backup, `nats stream rm {PLANS}`"):
        await provision(js, bus)
