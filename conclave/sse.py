"""Server-sent events out of bytes, however those come; knows nothing of what the events mean."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

MEDIA_TYPE = "text/event-stream"


class Message(NamedTuple):
    """One server-sent event: its `event` and `data` fields."""

    event: str
    data: bytes


class Messages:
    """The events of one stream; comments, which keep it alive, are left out.

    Lines end with LF or CRLF. They are split as bytes, for a text may hold what Python takes for
    the end of a line and the format does not.
    """

    def __init__(self) -> None:
        self._rest, self._event, self._data = b"", "message", list[bytes]()

    def of(self, chunk: bytes) -> Iterator[Message]:
        """The events that end in these bytes, which follow those before."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            if (message := self._read(line.removesuffix(b"\r"))) is not None:
                yield message

    def _read(self, line: bytes) -> Message | None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            found = Message(self._event, b"\n".join(self._data)) if self._data else None
            self._event, self._data = "message", []
            return found
        if name == b"event":
            self._event = value.decode(errors="replace")
        elif name == b"data":
            self._data.append(value)
        return None
