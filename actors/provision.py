"""The making of the bus's streams and durables, and their mending; knows nothing of messages."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeVar

from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerInfo, DeliverPolicy, StreamConfig
from nats.js.errors import (
    APIError,
    KeyWrongLastSequenceError,
    NotFoundError,
    ServiceUnavailableError,
)
from nats.js.kv import KeyValue

from actors.drift import DURABLE_FIELDS, Standing, fields_of, of_durable, of_stream
from actors.patience import patiently
from actors.streams import BUCKETS, DURABLES, FLOORS, STREAMS, Durable
from engine.config import BusConfig
from engine.errors import SetupError

T = TypeVar("T")

log = logging.getLogger(__name__)

PATIENCE_S = 10.0
FORGOTTEN_AFTER_S = 10.0
PROBE = "conclave-probe"
MOST_ABOVE_FLOOR = 1_000_000
"""So many events a stream keeps at most, so none had a place further above a durable's floor."""
NO_LEADER = (10008, 10009, 10118)
"""What a cluster says while it elects a leader."""


async def provision(js: JetStreamContext, bus: BusConfig) -> list[Standing]:
    """Create what is missing, update what differs; what was done, as it stood before.

    It is idempotent, and safe when two do it at once. Only the fields that the contract names are
    compared: what an operator set besides stays. Where `bus.provision` is no, nothing is changed
    and SetupError says what differs. It also says what the server refuses and how to mend that.
    """
    if not bus.provision:
        _require([each for each in await examined(js, bus) if not each.sound])
        return []
    return await applied(js, bus)


async def examined(js: JetStreamContext, bus: BusConfig) -> list[Standing]:
    """How each stream, bucket and durable stands, in the order of their making."""
    await _there(js)
    streams = [of_stream(wanted, await _stream(js, wanted)) for wanted in wanted_streams(bus)]
    durables = [
        of_durable(each.stream, each.config(bus.ack_wait_s), info.config if info else None)
        for each, info in [(each, await _durable(js, each)) for each in DURABLES]
    ]
    return streams + durables


async def applied(js: JetStreamContext, bus: BusConfig) -> list[Standing]:
    """Make everything as it should be; what was not, as it stood before. SetupError."""
    await _there(js)
    standings = [await _provide_stream(js, wanted) for wanted in wanted_streams(bus)]
    standings += [await _provide_durable(js, each, bus) for each in DURABLES]
    return [each for each in standings if not each.sound]


def wanted_streams(bus: BusConfig) -> list[StreamConfig]:
    """Every stream, those of buckets included, with as many replicas as the bus is to have."""
    return [each.evolve(num_replicas=bus.replicas) for each in (*STREAMS, *BUCKETS)]


def _require(unsound: list[Standing]) -> None:
    if unsound:
        more = f", and {len(unsound) - 1} more" if len(unsound) > 1 else ""
        raise SetupError(
            f"the bus is not as it must be: {unsound[0]}{more}",
            "`conclave streams check` shows all, `conclave streams apply` mends it; run it as a "
            "user who may, or set bus.provision",
        )


async def _there(js: JetStreamContext) -> None:
    await patiently(js.account_info, "JetStream", PATIENCE_S)


async def _stream(js: JetStreamContext, wanted: StreamConfig) -> StreamConfig | None:
    name = wanted.name
    assert name is not None
    info = await _found(lambda: js.stream_info(name), f"stream {name}")
    return info.config if info else None


async def _durable(js: JetStreamContext, durable: Durable) -> ConsumerInfo | None:
    return await _found(
        lambda: js.consumer_info(durable.stream, durable.name), f"durable {durable.name}"
    )


async def _provide_stream(js: JetStreamContext, wanted: StreamConfig) -> Standing:
    """Make a stream or mend it; how it stood before."""
    found = await _stream(js, wanted)
    standing = of_stream(wanted, found)
    if standing.sound:
        return standing
    log.info("%s: mending it", standing)
    first = await _first_of(js, wanted.name or "") if found is None else None

    async def mend() -> None:
        if found is None:
            await js.add_stream(wanted.evolve(first_seq=first))
        else:
            await js.update_stream(found, **{n: getattr(wanted, n) for n in fields_of(wanted)})

    await _asked(mend, f"stream {wanted.name}", lambda error: _remedy(error, wanted))
    return standing


async def _first_of(js: JetStreamContext, stream: str) -> int | None:
    """Where a stream begins that is made anew: behind every place that events have had before.

    An event without an id is known by its place, and so is a dead letter.
    """

    async def highest() -> int:
        noted = [await _noted(js, each) for each in DURABLES if each.stream == stream]
        return max(filter(None, noted), default=0)

    settled = await patiently(highest, f"floors of {stream}", PATIENCE_S)
    return settled + MOST_ABOVE_FLOOR + 1 if settled else None


async def _noted(js: JetStreamContext, durable: Durable) -> int | None:
    """How far a durable was settled when that was last written down, None where it never was."""
    try:
        entry = await (await floors(js)).get(durable.name)
    except NotFoundError:
        return None
    return int(entry.value or b"0")


def _remedy(error: APIError, wanted: StreamConfig) -> str:
    if "replicas" in (error.description or "") or "peers" in (error.description or ""):
        return "Set bus.replicas to no more than the servers that there are: 1, 3 or 5"
    return (
        f"Compare `nats stream info {wanted.name}` and `nats stream ls`; after a backup, "
        f"`nats stream rm {wanted.name}` lets it be made anew"
    )


async def _provide_durable(js: JetStreamContext, durable: Durable, bus: BusConfig) -> Standing:
    """Make a durable or mend it; how it stood before."""
    stream, wanted = durable.stream, durable.config(bus.ack_wait_s)
    found = await _durable(js, durable)
    standing = of_durable(stream, wanted, found.config if found else None)

    async def mend() -> None:
        floor = await _floor(js, durable, found, bus.start)
        if found is None:
            begin = DeliverPolicy.BY_START_SEQUENCE
            await js.add_consumer(stream, wanted, deliver_policy=begin, opt_start_seq=floor + 1)
        elif not standing.sound:
            log.info("%s: mending it", standing)
            own: dict[str, Any] = {name: getattr(wanted, name) for name in DURABLE_FIELDS}
            await js.add_consumer(stream, found.config, **own)

    remedy = (
        f"`nats consumer rm {stream} {durable.name}` removes it; it then goes on where it stood"
    )
    await _asked(mend, f"durable {durable.name} of {stream}", lambda _error: remedy)
    return standing


async def _found(ask: Callable[[], Awaitable[T]], what: str) -> T | None:
    """What the server knows, None if it knows of no such thing."""
    try:
        return await patiently(ask, what, PATIENCE_S)
    except NotFoundError:
        return None


async def _asked(
    ask: Callable[[], Awaitable[None]], what: str, remedy: Callable[[APIError], str]
) -> None:
    """Ask for a change, again while a cluster has no leader who could make it."""

    async def once() -> None:
        try:
            await ask()
        except ServiceUnavailableError:
            raise
        except APIError as error:
            if error.err_code in NO_LEADER:
                raise ServiceUnavailableError from error
            refused = f"{what}: the server refuses it: {error.description}"
            raise SetupError(refused, remedy(error)) from error

    await patiently(once, what, PATIENCE_S)


async def floors(js: JetStreamContext) -> KeyValue:
    """The bucket that remembers for each durable the last event below which all are settled."""
    return await js.key_value(FLOORS)


async def _floor(
    js: JetStreamContext, durable: Durable, found: ConsumerInfo | None, start: str
) -> int:
    """The sequence after which a durable begins, written down before it exists.

    So a durable that somebody removes begins again where it stood, whatever `start` says now.
    """
    bucket = await floors(js)
    last = (await js.stream_info(durable.stream)).state.last_seq
    if found is not None and found.ack_floor is not None:
        first = found.ack_floor.stream_seq
    else:
        first = await _first(js, durable.stream, last, start)
    try:
        await bucket.create(durable.name, str(first).encode())
    except KeyWrongLastSequenceError:
        noted = await _noted(js, durable) or 0
        return noted if noted <= last else 0  # else another program made the stream anew
    return first


async def _first(js: JetStreamContext, stream: str, last: int, start: str) -> int:
    """The sequence after which a durable begins that there has never been."""
    if start in ("now", "all"):
        return last if start == "now" else 0
    probe = await js.add_consumer(  # only the server knows what it stored when
        stream,
        name=PROBE,
        deliver_policy=DeliverPolicy.BY_START_TIME,
        opt_start_time=datetime.fromisoformat(start),
        ack_policy=AckPolicy.NONE,
        mem_storage=True,
        inactive_threshold=FORGOTTEN_AFTER_S,
    )
    with suppress(NotFoundError):  # another one who asked was quicker
        await js.delete_consumer(stream, PROBE)
    assert probe.delivered is not None
    return min(probe.delivered.stream_seq, last)


async def note_floor(js: JetStreamContext, stream: str, durable: str) -> None:
    """Write down how far a durable is settled. A figure too low only means work found done."""
    info = await js.consumer_info(stream, durable)
    assert info.ack_floor is not None
    await (await floors(js)).put(durable, str(info.ack_floor.stream_seq).encode())
