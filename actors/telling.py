"""How the world is told something once for ever; knows nothing of what it is told.

A notice is a message of the journal's stream that can be created once; the outbound stream copies
it from there. So whoever sees a reason to tell it does, however often.
"""

from __future__ import annotations

from typing import NamedTuple

import nats.errors
import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import Header

from actors.bus import Connection
from actors.messages import EXPECTED_SUBJECT, RACING, TASK, WRONG_LAST, last_message
from actors.patience import BROKEN, patiently, said
from actors.streams import JOURNAL
from engine.errors import Unavailable

LOOK_S = 15.0
"""Who only looks can look again."""


class Notice(NamedTuple):
    """One message; of all whose subjects fit `only`, one can ever be published.

    `digest` tells what it is about from anything else that would be told there.
    """

    subject: str
    only: str
    message: bytes
    digest: str = ""


async def digest_told(client: Connection, subject: str) -> str | None:
    """The digest of the notice that was told there, None while there is none. Unavailable."""
    found = await patiently(
        lambda: last_message(client.streams(), subject, exactly=True), subject, LOOK_S
    )
    return None if found is None else (found.headers or {}).get(TASK, "")


async def told_first(client: Connection, notice: Notice) -> bool:
    """Tell it; whether that, or the same before, is what now stands there. Unavailable."""
    await tell(client, notice)
    told = await digest_told(client, notice.subject)
    if told is None:
        raise Unavailable(f"{notice.subject}: NATS does not show yet what it has stored")
    return told in ("", notice.digest)


async def tell(client: Connection, notice: Notice, patience_s: float = 30.0) -> None:
    """Publish a notice; it is fine if it is there already.

    Returns when it is durable, raises Unavailable if that takes longer than `patience_s`.
    """
    try:
        await patiently(lambda: _attempt(client, notice), notice.subject, patience_s)
    except BROKEN as refusal:
        raise Unavailable(f"{notice.subject}: NATS refuses it: {said(refusal)}") from refusal


async def _attempt(client: Connection, notice: Notice) -> None:
    if not client.is_connected and not client.is_closed:
        raise nats.errors.ConnectionReconnectingError
    await publish(notice, client.streams())


async def publish(notice: Notice, js: JetStreamContext) -> None:
    """One attempt to publish a notice; it is fine if it is there already."""
    headers = {
        Header.MSG_ID.value: notice.only,
        Header.EXPECTED_STREAM.value: JOURNAL,
        Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: "0",
        EXPECTED_SUBJECT: notice.only,
        TASK: notice.digest,
    }
    try:
        await js.publish(notice.subject, notice.message, headers=headers)
    except nats.js.errors.APIError as error:
        if error.err_code == RACING:
            raise nats.js.errors.ServiceUnavailableError from error
        if error.err_code != WRONG_LAST:
            raise
