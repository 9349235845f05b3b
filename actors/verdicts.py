"""What becomes of an event whose deliberation has not ended; knows nothing of how it was tried."""

from __future__ import annotations

from nats.aio.msg import Msg

from actors.patience import BROKEN
from engine.arrival import Arrival
from engine.errors import (
    Broken,
    ConclaveError,
    Conflict,
    InvalidEvent,
    InvalidRequest,
    NotFound,
)


def arrived(message: Msg) -> Arrival:
    """The event as it came."""
    known = message.metadata
    return Arrival(
        stream=known.stream,
        seq=known.sequence.stream,
        subject=message.subject,
        data=message.data,
        headers=dict(message.headers or {}),
        deliveries=known.num_delivered,
        at=known.timestamp.timestamp(),
    )


def bug(error: BaseException) -> BaseException | None:
    """The error itself if its text is not enough to understand it."""
    return None if isinstance(error, (*BROKEN, ConclaveError)) else error


def lasting(id_: str, error: BaseException) -> InvalidEvent | None:
    """Why a deliberation can never be had, None if that is not said."""
    if isinstance(error, InvalidEvent):
        return error
    if isinstance(error, InvalidRequest):
        return InvalidEvent("invalid_request", error.where, f"{id_}: {error.what}")
    if isinstance(error, Conflict):
        return InvalidEvent("conflict", "event", f"{id_}: {error}")
    if isinstance(error, NotFound):
        return InvalidEvent("unknown_role", "payload.roles", f"{id_}: {error}")
    return None


def passes(error: BaseException) -> bool:
    """Whether the trouble is none of the event's: it waits, however long."""
    known = isinstance(error, (*BROKEN, ConclaveError))
    return known and not isinstance(error, Broken) and lasting("", error) is None
