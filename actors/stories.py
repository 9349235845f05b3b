"""What is known of each story, kept on the bus; knows nothing of who tells it or asks for it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

import nats.errors
import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import Header
from pydantic import ValidationError

from actors.messages import NO_MESSAGE, RACING, WRONG_LAST
from actors.patience import BROKEN, patiently, pauses, said
from actors.streams import STORIES
from engine.arrival import Arrival
from engine.config import BusConfig
from engine.errors import ConclaveError, SetupError, Unavailable
from engine.events import StoryContext
from engine.lenient import Warned
from engine.story import Note, Story
from engine.told import told
from engine.types import Shown

T = TypeVar("T")

PATIENCE_S = 10.0
"""An event that cannot be noted for so long comes again."""
SHOWN_WITHIN_S = 1.0
"""A deliberation can do without what is known of its story."""
STREAM = f"KV_{STORIES}"
RACES = 100
"""As often one may lose to others that note something of the same story."""


class _Kept(NamedTuple):
    """A story as the bucket has it; revision 0 where it has none yet."""

    story: Story
    revision: int


class Stories:
    """All stories, over one connection. The bucket must exist; any number may write to it."""

    def __init__(
        self, js: JetStreamContext, bus: BusConfig, patience_s: float = PATIENCE_S
    ) -> None:
        self._js, self._bus, self._patience_s = js, bus, patience_s

    async def note(self, arrival: Arrival, max_bytes: int) -> tuple[Warned, ...]:
        """Add what an event tells; returns when that is durable. The same event changes nothing.

        What of it had to be understood is returned.
        InvalidEvent if it can never be noted, Unavailable if it should come again.
        """
        story_id, note, warnings = told(arrival, max_bytes)
        for _, pause in zip(range(RACES), pauses(0.002, 0.1), strict=False):
            if await self._asked(lambda: self._added(story_id, note)):
                return warnings
            await asyncio.sleep(pause)
        raise Unavailable(f"story {story_id!r}: too many others note something of it just now")

    async def of(self, story_id: str) -> Story | None:
        """The newest of what is known, as much as is shown; None where nothing is. Unavailable."""
        kept = await self._asked(lambda: self._kept(story_id))
        return kept.story.within(self._bus.story_bytes) if kept.story.notes else None

    async def _added(self, story_id: str, note: Note) -> bool:
        """Whether the note is kept now, and not another one that came between."""
        kept = await self._kept(story_id)
        grown = kept.story.noting(note, self._bus.story_notes, self._bus.story_bytes)
        if grown == kept.story:
            return True
        headers = {
            Header.EXPECTED_STREAM.value: STREAM,
            Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(kept.revision),
        }
        data = grown.model_dump_json().encode()
        try:
            await self._js.publish(subject_of(story_id), data, headers=headers)
        except nats.js.errors.APIError as error:
            if error.err_code not in (WRONG_LAST, RACING):
                raise
            return False
        return True

    async def _kept(self, story_id: str) -> _Kept:
        """A key that somebody deleted has a revision and no data."""
        try:
            message = await self._js.get_last_msg(STREAM, subject_of(story_id))
        except nats.js.errors.NotFoundError as error:
            if error.err_code != NO_MESSAGE:
                raise
            return _Kept(Story(story_id=story_id), 0)
        found = Story.model_validate_json(message.data) if message.data else None
        return _Kept(found or Story(story_id=story_id), message.seq or 0)

    async def _asked(self, call: Callable[[], Awaitable[T]]) -> T:
        """Ask patiently, with every trouble told as one of ours."""
        try:
            return await patiently(call, "stories", self._patience_s)
        except nats.js.errors.NotFoundError as error:
            remedy = "Start the engine anew: it makes its buckets"
            raise SetupError(f"bucket {STORIES} is missing", remedy) from error
        except nats.errors.MaxPayloadError as error:
            remedy = "Raise max_payload of nats-server, or lower bus.story_bytes"
            raise SetupError("a story is longer than NATS takes", remedy) from error
        except BROKEN as error:
            raise Unavailable(f"stories: NATS refuses it: {said(error)}") from error
        except ValidationError as error:
            raise SetupError(
                f"a story in bucket {STORIES} cannot be read ({said(error)})",
                "Another version wrote it, or another program: see `nats kv ls`",
            ) from error


async def shown(asked: Awaitable[Story | None], part: Shown | None = None) -> StoryContext:
    """What a deliberation that begins now is shown, or why nothing: it does not wait for that."""
    try:
        async with asyncio.timeout(SHOWN_WITHIN_S):
            found = await asked
    except TimeoutError:
        return StoryContext(missing=f"NATS gave no answer in {SHOWN_WITHIN_S:g} s")
    except ConclaveError as trouble:
        return StoryContext(missing=str(trouble))
    if found is None:
        return StoryContext(missing="no event has told of it")
    chosen = found.part(part)
    return (
        chosen.context if chosen.notes else StoryContext(missing="no note of the kinds asked for")
    )


def subject_of(story_id: str) -> str:
    """Where a story is kept: a client's id never becomes a key."""
    return f"$KV.{STORIES}.{hashlib.sha256(story_id.encode()).hexdigest()}"
