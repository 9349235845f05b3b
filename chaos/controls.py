"""Bridges and writers that leave out what keeps the promise, so that the checker has to notice."""

from __future__ import annotations

import json

from nats.aio.msg import Msg
from nats.js.api import Header

from actors.bus import Connection
from actors.journal import Journal
from actors.writer import EXPECTED_SUBJECT, Writer

CONTROLS = ("ack-first", "plain-publish", "msg-id-only")
WINDOW_S = 2.0
"""How long the server remembers message ids in a run of `msg-id-only`."""

EXPECTED = (Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value, EXPECTED_SUBJECT)


async def acknowledge_first(client: Connection, message: Msg) -> None:
    """Let the server forget an event before anything is done for it."""
    await client.request(message.reply, b"+ACK", timeout=5.0)


class PlainWriter(Writer):
    """It writes without looking whether somebody else has written."""

    async def _publish(self, subject: str, payload: bytes, headers: dict[str, str]) -> int:
        plain = {name: value for name, value in headers.items() if name not in EXPECTED}
        return await super()._publish(subject, payload, plain)


class NumberingWriter(PlainWriter):
    """It relies on the server to remember which records it has seen."""

    async def _publish(self, subject: str, payload: bytes, headers: dict[str, str]) -> int:
        first = json.loads(payload)["records"][0]["seq"] if subject.endswith(".r") else "end"
        number = {Header.MSG_ID.value: f"{subject}-{first}"}
        return await super()._publish(subject, payload, headers | number)


class PlainJournal(Journal):
    """A journal of plain writers."""

    def writer(self, id: str, last: int) -> Writer:
        """One that writes wherever it is."""
        return PlainWriter(self._client, id, last, self._patience_s)


class NumberingJournal(Journal):
    """A journal of writers that number their messages."""

    def writer(self, id: str, last: int) -> Writer:
        """One that writes wherever it is, unless the server remembers."""
        return NumberingWriter(self._client, id, last, self._patience_s)


JOURNALS: dict[str, type[Journal]] = {
    "plain-publish": PlainJournal,
    "msg-id-only": NumberingJournal,
}
