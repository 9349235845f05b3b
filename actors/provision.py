"""The making of the bus's streams and durables, and their mending; knows nothing of messages."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from typing import Any, TypeVar

import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import (
    ConsumerConfig,
    ConsumerInfo,
    DeliverPolicy,
    KeyValueConfig,
    StreamConfig,
)
from nats.js.kv import KeyValue

from actors.patience import patiently
from actors.streams import PLANS, STREAMS, plan_approved
from engine.config import BusConfig
from engine.errors import SetupError

T = TypeVar("T")

log = logging.getLogger(__name__)

FLOORS = "conclave-floors"
"""The bucket that remembers, for each durable, the last event below which all are settled."""

STREAM_FIELDS = ("subjects", "retention", "storage", "discard", "max_age", "max_msgs", "sources")
DURABLE_FIELDS = ("filter_subject", "ack_policy", "ack_wait", "max_deliver", "max_ack_pending")


async def provision(js: JetStreamContext, bus: BusConfig) -> None:
    """Create what is missing, update what differs; idempotent, and safe when two do it at once.

    Only the fields that the contract names are compared: what an operator set besides stays.
    SetupError names what the server refuses and the command that mends it.
    """
    await patiently(js.account_info, "JetStream", patience_s=10.0)
    for wanted in STREAMS:
        await _provide_stream(js, wanted)
    await _provide_durable(js, PLANS, plan_approved(bus.ack_wait_s), bus.start)


async def _provide_stream(js: JetStreamContext, wanted: StreamConfig) -> None:
    name = wanted.name
    assert name is not None
    own_window = ("duplicate_window",) if wanted.duplicate_window else ()
    fields = (*STREAM_FIELDS, *own_window)
    try:
        found = await _found(js.stream_info(name))
        if found is None:
            await js.add_stream(wanted)
        elif _differ(wanted, found.config, fields):
            await js.update_stream(found.config, **_own(wanted, fields))
    except nats.js.errors.APIError as error:
        raise SetupError(
            f"stream {name}: the server refuses it: {error.description}",
            f"Compare `nats stream info {name}` and `nats stream ls`; after a backup, "
            f"`nats stream rm {name}` lets it be made anew",
        ) from error


async def _provide_durable(
    js: JetStreamContext, stream: str, wanted: ConsumerConfig, start: str
) -> None:
    name = wanted.durable_name
    assert name is not None
    try:
        found = await _found(js.consumer_info(stream, name))
        floor = await _floor(js, stream, name, found, start)
        if found is None:
            await js.add_consumer(
                stream,
                wanted,
                deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                opt_start_seq=floor + 1,
            )
        elif _differ(wanted, found.config, (*DURABLE_FIELDS, "deliver_subject")):
            own = _own(wanted, (*DURABLE_FIELDS, "deliver_subject"))
            await js.add_consumer(stream, found.config, **own)
    except nats.js.errors.APIError as error:
        raise SetupError(
            f"durable {name} of {stream}: the server refuses it: {error.description}",
            f"`nats consumer rm {stream} {name}` removes it; it then goes on where it stood",
        ) from error


async def _found(asked: Awaitable[T]) -> T | None:
    """What the server knows, None if it knows of no such thing."""
    try:
        return await asked
    except nats.js.errors.NotFoundError:
        return None


def _own(config: StreamConfig | ConsumerConfig, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(config, name) for name in names}


def _differ(
    wanted: StreamConfig | ConsumerConfig,
    found: StreamConfig | ConsumerConfig,
    names: tuple[str, ...],
) -> bool:
    differing = [n for n in names if getattr(wanted, n) != getattr(found, n)]
    if differing:
        log.info("%s differs in %s: updating it", wanted.name, ", ".join(differing))
    return bool(differing)


async def floors(js: JetStreamContext) -> KeyValue:
    """The bucket of floors, made if it is missing."""
    try:
        return await js.key_value(FLOORS)
    except nats.js.errors.BucketNotFoundError:
        return await js.create_key_value(KeyValueConfig(bucket=FLOORS))


async def _floor(
    js: JetStreamContext, stream: str, durable: str, found: ConsumerInfo | None, start: str
) -> int:
    """The sequence after which a durable begins, written down before it exists.

    So a durable that somebody removes begins again where it stood, whatever `start` says now.
    """
    bucket = await floors(js)
    last = (await js.stream_info(stream)).state.last_seq
    first = last if start == "now" else 0
    if found is not None and found.ack_floor is not None:
        first = found.ack_floor.stream_seq
    try:
        await bucket.create(durable, str(first).encode())
    except nats.js.errors.KeyWrongLastSequenceError:
        noted = await bucket.get(durable)
        return min(int(noted.value or b"0"), last)
    return first


async def note_floor(js: JetStreamContext, stream: str, durable: str) -> None:
    """Write down how far a durable is settled. A figure too low only means work found done."""
    info = await js.consumer_info(stream, durable)
    assert info.ack_floor is not None
    await (await floors(js)).put(durable, str(info.ack_floor.stream_seq).encode())
