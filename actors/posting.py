"""Events put on the bus for somebody who asks over a door; knows nothing of what they mean."""

from __future__ import annotations

import time

import nats.errors
import nats.js.errors
from nats.js.api import Header, PubAck

from actors.line import Line
from actors.messages import envelope
from actors.patience import BROKEN, said
from actors.streams import PLANS
from engine.errors import SetupError, TooLarge, Unavailable
from engine.posted import PRODUCER, Posted


async def post(line: Line, event: Posted) -> PubAck:
    """Put a planning event into its stream, which then holds it; `duplicate` if it did before.

    Away or Unavailable where it may not be held: posted again with its key it is still one event.
    """
    message = envelope(
        event.subject,
        event.payload,
        key=event.key,
        correlation_id=str(event.payload.get("story_id", "")),
        producer=PRODUCER,
        at=time.time(),
        metadata={},
    )
    headers = {
        Header.MSG_ID.value: f"{PRODUCER}/{event.key}",
        Header.EXPECTED_STREAM.value: PLANS,
    }
    try:
        return await line.ask(lambda js: js.publish(event.subject, message, headers=headers))
    except nats.js.errors.NoStreamResponseError as error:
        what = f"this bus has no stream for {event.subject}"
        raise SetupError(what, "Start the engine anew: it makes its streams") from error
    except nats.errors.MaxPayloadError as error:
        raise TooLarge("metadata", "is more than one message of NATS holds") from error
    except BROKEN as error:
        raise Unavailable(f"the bus did not take the event ({said(error)}); try again") from error
