"""A NATS client that no header of a message can deafen or deceive; knows nothing of our streams.

nats-py takes a header `Status` for the server's own word, also where a producer has sent it: such
an event would never be seen, or end the process. A header block that it cannot read ends its
reading for good, while the connection looks well. Both would come again with each delivery.
"""

from __future__ import annotations

import base64
import logging

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import Header, RawStreamMsg

log = logging.getLogger(__name__)

FROM_A_STREAM = b"$JS.ACK."
"""What a delivered event is answered to; the server's own word has no such place."""
RESERVED = (Header.STATUS.value, Header.DESCRIPTION.value)


class WaryClient(Client):
    """A client for messages that anybody may have written."""

    async def _process_headers(self, headers: bytes) -> dict[str, str] | None:
        """The headers; none where they cannot be read."""
        try:
            read: dict[str, str] | None = await super()._process_headers(headers)
        except (IndexError, ValueError) as error:
            log.warning("a message has headers that cannot be read: %r", error)
            return None
        return read

    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Msg:
        """What a stream delivers keeps what it says, under names that have no meaning here."""
        if headers and reply.startswith(FROM_A_STREAM):
            for name in RESERVED:
                if name in headers:
                    headers[name.lower()] = headers.pop(name)
        built: Msg = super()._build_message(sid, subject, reply, data, headers)
        return built

    @classmethod
    def headers_of(cls, message: RawStreamMsg) -> dict[str, str]:
        """The headers of a message that was looked up, read as those of a delivered one.

        nats-py reads them as those of a mail: what is not ASCII is no text then, and folds and
        blanks come out otherwise.
        """
        _version, _, lines = base64.b64decode(message.hdrs or "").partition(b"\r\n")
        read: dict[str, str] = cls._parse_header_lines(lines)
        return read
