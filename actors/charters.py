"""What was changed about councils, kept on the bus by compare-and-set; knows nothing of actors.

One key a role. Whoever wants to know what is in force looks here each time: as long as nothing was
changed, that is one small question.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import NamedTuple, Protocol, TypeVar

import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import Header
from pydantic import ValidationError

from actors.messages import RACING, WRONG_LAST, next_message
from actors.patience import BROKEN, patiently, pauses, said
from actors.streams import COUNCILS
from engine.charters import Charter, Fleet, in_force
from engine.config import Config
from engine.errors import Away, ConclaveError, InvalidRequest, SetupError, Unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

STREAM = f"KV_{COUNCILS}"
ROOT = f"$KV.{COUNCILS}"
LOOK_WITHIN_S = 1.0
"""Whoever begins something goes on with what was last known rather than wait longer."""
CHANGE_WITHIN_S = 5.0
MOST_BYTES = 256 * 1024
"""Of a charter: it is one message, and NATS hangs up on who sends a longer one than it takes."""
RACES = 100
"""As often one may lose to others that change the same council."""


class Ask(Protocol):
    """Asks the bus something; Away where that is away."""

    def __call__(self, call: Callable[[JetStreamContext], Awaitable[T]], /) -> Awaitable[T]:
        """What the bus answers."""


class _Kept(NamedTuple):
    """All charters by their role, the revision of each, and the last one of all.

    `unread` are the roles whose charters another version wrote, or another program.
    """

    charters: dict[str, Charter]
    revisions: dict[str, int]
    last: int
    unread: tuple[str, ...] = ()


class Charters:
    """All charters over one way to the bus. The bucket may be missing: then nothing was changed.

    `fleet` is what was in force at the last look; at first, as `known` says.
    """

    def __init__(self, ask: Ask, config: Config, known: Fleet | None = None) -> None:
        self._ask, self._config = ask, config
        self.fleet = known or in_force(config)
        self._kept = _Kept({}, {}, -1)
        self._looking = asyncio.Lock()

    async def look(self) -> Fleet:
        """What is in force now. Unavailable or Away where the bus does not say."""
        try:
            async with asyncio.timeout(CHANGE_WITHIN_S), self._looking:
                if await self._asked(_last) != self._kept.last:
                    self._take(await self._asked(_all))
        except TimeoutError:
            raise Unavailable(
                f"NATS does not say in {CHANGE_WITHIN_S:g} s which councils there are"
            ) from None
        except BROKEN as error:
            raise Unavailable(f"councils: NATS refuses it: {said(error)}") from error
        return self.fleet

    async def soon(self) -> Fleet:
        """What is in force, as far as the bus says so at once; else what was last known."""
        try:
            async with asyncio.timeout(LOOK_WITHIN_S):
                return await self.look()
        except (TimeoutError, ConclaveError) as trouble:
            log.info("councils are taken to be as last known: %s", said(trouble))
            return self.fleet

    async def change(self, role: str, alter: Callable[[Fleet], Charter]) -> Fleet:
        """Write what `alter` makes of what is in force; what is in force then.

        It is asked again where somebody else was quicker. Raises what `alter` does, Unavailable
        where the bus is away: nothing is changed then, or that is found out by asking again.
        SetupError where what was changed before cannot be read: it is not written over.
        """
        by = uuid.uuid4().hex
        for _, pause in zip(range(RACES), pauses(0.002, 0.1), strict=False):
            try:
                fleet = await self.look()
                self._require_readable(role)
                if fleet.charter(role).by == by:  # it was written, and the receipt was lost
                    return fleet
                charter = alter(fleet).model_copy(update={"by": by})
                if await self._written(charter):
                    return await self.look()
            except Away as away:
                raise Unavailable(f"councils cannot be changed now: {away}") from away
            await asyncio.sleep(pause)
        raise Unavailable(f"council {role}: too many others change it just now; ask again")

    def _require_readable(self, role: str) -> None:
        if role in self._kept.unread:
            remedy = f"Run the version that wrote it, or drop it: nats kv del {COUNCILS} {role}"
            raise SetupError(_unread(role), remedy)

    async def _written(self, charter: Charter) -> bool:
        """Whether the charter is kept, and not another one that came between. InvalidRequest."""
        data = charter.model_dump_json().encode()
        if len(data) > MOST_BYTES:
            what = f"would take {len(data)} bytes with its agents, at most {MOST_BYTES} are kept"
            raise InvalidRequest("council", what)
        headers = {
            Header.EXPECTED_STREAM.value: STREAM,
            Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(
                self._kept.revisions.get(charter.role, 0)
            ),
        }
        subject = f"{ROOT}.{charter.role}"

        async def publish(js: JetStreamContext) -> bool:
            try:
                await js.publish(subject, data, headers=headers)
            except nats.js.errors.APIError as error:
                if error.err_code not in (WRONG_LAST, RACING):
                    raise
                return False
            return True

        try:
            return await self._asked(publish)
        except BROKEN as error:
            raise Unavailable(f"council {charter.role}: NATS refuses it: {said(error)}") from error

    async def _asked(self, call: Callable[[JetStreamContext], Awaitable[T]]) -> T:
        return await patiently(lambda: self._ask(call), "councils", CHANGE_WITHIN_S)

    def _take(self, kept: _Kept) -> None:
        self._kept = kept
        fleet = in_force(self._config, kept.charters.values())
        self.fleet = replace(fleet, troubles=(*fleet.troubles, *map(_unread, kept.unread)))
        for trouble in self.fleet.troubles:
            log.warning("%s", trouble)


def _unread(role: str) -> str:
    return f"council {role} is as configured: what was changed about it cannot be read"


async def _last(js: JetStreamContext) -> int:
    """The last revision there is, 0 where the bucket is empty or was not made yet."""
    try:
        return int((await js.stream_info(STREAM)).state.last_seq)
    except nats.js.errors.NotFoundError:
        return 0


async def _all(js: JetStreamContext) -> _Kept:
    charters: dict[str, Charter] = {}
    revisions: dict[str, int] = {}
    unread: set[str] = set()
    last, seen = 0, await _last(js)
    while seen and (message := await next_message(js, ROOT, last, STREAM)) is not None:
        assert message.seq is not None
        last, role = message.seq, (message.subject or "").rpartition(".")[2]
        revisions[role] = last
        try:
            if message.data:  # a key that somebody deleted has none
                charters[role] = Charter.model_validate_json(message.data)
        except ValidationError as error:
            log.warning("the charter of council %s cannot be read: %s", role, said(error))
            unread.add(role)
    return _Kept(charters, revisions, seen, tuple(sorted(unread)))
