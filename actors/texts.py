"""Texts too large for a message, kept in the object store by their digest; knows nothing of why.

Their name is their content, so to put one twice is harmless, and so is one that nobody names.
"""

from __future__ import annotations

import hashlib

import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import ObjectInfo, ObjectMeta, ObjectMetaOptions, RawStreamMsg
from nats.js.object_store import ObjectStore

from actors.streams import TEXTS, TEXTS_STREAM
from engine.data import Data
from engine.errors import SetupError

CHUNK_BYTES = 128 * 1024


class Reference(Data):
    """Where a text is: its bucket, its name there, which is its sha256, and its size in bytes."""

    bucket: str = TEXTS
    object: str
    size: int


def reference(text: bytes) -> Reference:
    """What a text is called."""
    return Reference(object=hashlib.sha256(text).hexdigest(), size=len(text))


async def put(js: JetStreamContext, text: bytes, most: int) -> Reference:
    """Keep a text in chunks of at most `most` bytes; returns when it is durable.

    What was put already is not sent again.
    """
    named = reference(text)
    store = ObjectStore(TEXTS, TEXTS_STREAM, js)
    try:
        found = await store.get_info(named.object)
    except nats.js.errors.ObjectNotFoundError:
        found = None
    if found is None or found.size != named.size:
        options = ObjectMetaOptions(max_chunk_size=min(CHUNK_BYTES, most))
        await store.put(named.object, text, ObjectMeta(name=named.object, options=options))
    return named


async def get(js: JetStreamContext, named: Reference) -> bytes:
    """The text of that name; SetupError where it is missing or is not what it was.

    Read chunk by chunk, each a request with its own timeout, and never more than its size.
    """
    try:
        info = await ObjectStore(TEXTS, TEXTS_STREAM, js).get_info(named.object)
    except (nats.js.errors.ObjectNotFoundError, nats.js.errors.BadObjectMetaError):
        raise _damaged(named, "is missing") from None
    if info.size != named.size:
        raise _damaged(named, f"has {info.size} bytes instead of {named.size}")
    text = await _chunks(js, info, named.size)
    if hashlib.sha256(text).hexdigest() != named.object:
        raise _damaged(named, f"is damaged: {len(text)} of {named.size} bytes, another digest")
    return text


async def _chunks(js: JetStreamContext, info: ObjectInfo, most: int) -> bytes:
    """All chunks that there are, joined."""
    text, last = bytearray(), 0
    while len(text) < most and (chunk := await _next_chunk(js, info, last)) is not None:
        assert chunk.seq is not None
        text += chunk.data or b""
        last = chunk.seq
    return bytes(text)


async def _next_chunk(js: JetStreamContext, info: ObjectInfo, last: int) -> RawStreamMsg | None:
    subject = f"$O.{TEXTS}.C.{info.nuid}"
    try:
        return await js.get_msg(TEXTS_STREAM, seq=last + 1, subject=subject, next=True)
    except nats.js.errors.NotFoundError:
        return None


def _damaged(named: Reference, how: str) -> SetupError:
    return SetupError(
        f"the text {named.object} of the bucket {TEXTS} {how}",
        f"Restore the stream {TEXTS_STREAM} from a backup that is as old as the journal's",
    )
