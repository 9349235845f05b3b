"""Where events go that can never be done, exactly once each; knows nothing of why they cannot."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import Any

import nats.js.errors
from nats.js.api import Header

from actors.bus import Connection
from actors.patience import BROKEN, patiently, said
from actors.streams import DEADLETTER
from actors.writer import HEADER_BYTES, RACING, WRONG_LAST
from engine.arrival import Arrival
from engine.errors import InvalidEvent, Unavailable

HEADERS_SHOWN = 64
TEXT_SHOWN = 512


def letter(arrival: Arrival, error: InvalidEvent, at: float, most: int) -> bytes:
    """The dead letter as JSON of at most `most` bytes; `at` in Unix seconds.

    Headers and bytes of a hostile size are clipped; the whole event stays in its own stream,
    under the `stream` and `seq` given here.
    """
    shown = list(arrival.headers.items())[:HEADERS_SHOWN]
    document: dict[str, Any] = {
        "kind": error.kind,
        "where": _shown(error.where),
        "what": _shown(error.what),
        "subject": _shown(arrival.subject),
        "stream": arrival.stream,
        "seq": arrival.seq,
        "deliveries": arrival.deliveries,
        "at": at,
        "headers": {_shown(key): _shown(value) for key, value in shown},
        "size": len(arrival.data),
        "sha256": hashlib.sha256(arrival.data).hexdigest(),
    }
    room = (most - len(json.dumps(document)) - 64) * 3 // 4
    document["clipped"] = len(arrival.data) > room
    document["data"] = base64.b64encode(arrival.data[: max(room, 0)]).decode()
    return json.dumps(document).encode()


def _shown(text: str) -> str:
    """The beginning of a text that anybody may have written, as what every reader takes."""
    return text[:TEXT_SHOWN].encode("utf-8", "backslashreplace").decode()


async def bury(
    client: Connection, arrival: Arrival, error: InvalidEvent, patience_s: float = 30.0
) -> None:
    """Write the dead letter of an event; it is fine if it is there already.

    Returns when it is durable, raises Unavailable if that takes longer than `patience_s`.
    """
    what = f"dead letter of {arrival.stream} {arrival.seq}"
    data = letter(arrival, error, time.time(), client.max_payload - HEADER_BYTES)
    try:
        await patiently(lambda: _publish(client, arrival, data), what, patience_s)
    except BROKEN as refusal:
        raise Unavailable(f"{what}: NATS refuses it: {said(refusal)}") from refusal


async def _publish(client: Connection, arrival: Arrival, data: bytes) -> None:
    place = f"{arrival.stream}.{arrival.seq}"
    headers = {
        Header.EXPECTED_STREAM.value: DEADLETTER,
        Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: "0",
    }
    try:
        await client.streams().publish(f"deadletter.{place}", data, headers=headers)
    except nats.js.errors.APIError as error:
        if error.err_code == RACING:
            raise nats.js.errors.ServiceUnavailableError from error
        if error.err_code != WRONG_LAST:
            raise
