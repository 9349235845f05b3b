"""The stream of responses, read one after the other; knows nothing of who waits for one.

What cannot be understood is passed over: the bridge, which reads all of them too, buries it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple

import nats.errors
import nats.js.errors
from nats.aio.msg import Msg
from nats.js.api import RawStreamMsg

from actors.bus import Connection
from actors.messages import NO_MESSAGE
from actors.patience import BROKEN, pauses, said
from actors.streams import ANSWERS
from engine.arrival import Arrival
from engine.errors import ConclaveError, InvalidEvent, Unavailable
from engine.fanout import ended
from engine.outside import ANSWERED, Response, response

log = logging.getLogger(__name__)

SUBJECTS = f"{ANSWERED}.>"
LOOK_WITHIN_S = 1.0
AGAIN_AFTER_S = 0.5
TROUBLE: tuple[type[Exception], ...] = (ConclaveError, *BROKEN)


class Heard(NamedTuple):
    """A response, and when the server stored it, in Unix seconds."""

    said: Response
    at: float


class Ear:
    """Hands each response to `take`, from the first call of `place` on, until it is closed.

    `opened` gives the connection, also after one was lost for good. There is no consumer that
    could be lost: it asks the stream for what follows the last one, when a message is heard and
    every second.
    """

    def __init__(
        self,
        opened: Callable[[], Awaitable[Connection]],
        take: Callable[[Response, float], None],
        max_bytes: int,
    ) -> None:
        self._opened, self._take, self._max_bytes = opened, take, max_bytes
        self.last = 0
        self._sounded = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None

    async def place(self) -> int:
        """The sequence behind which all is going to be heard."""
        client = await self._opened()
        stored = (await client.streams().stream_info(ANSWERS)).state.last_seq
        if self._listening is None:
            self.last = stored
            self._listening = asyncio.create_task(self._for_ever())
        if self._listening.done():
            self._listening.result()  # only a bug ends it: who asks now must not wait in vain
        self.last = min(self.last, stored)  # the stream may have been made anew
        return self.last

    async def between(self, after: int, last: int) -> AsyncGenerator[Heard]:
        """What can be understood of a stretch that was heard already."""
        client = await self._opened()
        while (message := await _next(client, after)) is not None:
            after = message.seq or after
            if after > last:
                return
            with suppress(InvalidEvent):
                yield self._understood(message)

    async def close(self) -> None:
        """Hear nothing more."""
        if self._listening is not None:
            await ended(self._listening)

    async def _for_ever(self) -> None:
        while True:
            try:
                await self._listen(await self._opened())
            except TROUBLE as error:
                log.warning("responses of agents outside: %s", said(error))
                await asyncio.sleep(AGAIN_AFTER_S)

    async def _listen(self, client: Connection) -> None:
        async def sounds(_message: Msg) -> None:
            self._sounded.set()

        ear = await client.subscribe(SUBJECTS, cb=sounds)
        waits = pauses(0.002, LOOK_WITHIN_S)
        try:
            while True:
                message = await _next(client, self.last)
                if message is not None:
                    self._read(message)
                    self.last = message.seq or self.last
                elif await self._sounds(next(waits)):  # a moment before it is stored
                    waits = pauses(0.002, LOOK_WITHIN_S)
        finally:
            with suppress(nats.errors.Error):
                await ear.unsubscribe()

    async def _sounds(self, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                await self._sounded.wait()
        except TimeoutError:
            return False
        self._sounded.clear()
        return True

    def _read(self, message: RawStreamMsg) -> None:
        with suppress(InvalidEvent):
            heard = self._understood(message)
            self._take(heard.said, heard.at)

    def _understood(self, message: RawStreamMsg) -> Heard:
        assert message.time is not None
        return Heard(response(_arrival(message), self._max_bytes), message.time.timestamp())


async def _next(client: Connection, after: int) -> RawStreamMsg | None:
    """The first response behind a sequence, None if there is none."""
    if not client.is_connected:
        raise Unavailable("NATS is away")
    try:
        js = client.streams()
        return await js.get_msg(ANSWERS, seq=after + 1, subject=SUBJECTS, next=True)
    except nats.js.errors.NotFoundError as error:
        if error.err_code == NO_MESSAGE:
            return None
        raise


def _arrival(message: RawStreamMsg) -> Arrival:
    assert message.seq is not None
    return Arrival(
        stream=ANSWERS,
        seq=message.seq,
        subject=message.subject or "",
        data=message.data or b"",
        headers=dict(message.headers or {}),
    )
