"""What councils are asked over the bus by ourselves, once each; knows nothing of who answers.

A request is named by its task: however often it is published, the stream has it once within an
hour, and a council that meets it later finds the work of that id begun or done.
"""

from __future__ import annotations

from typing import NamedTuple

from nats.js import JetStreamContext
from nats.js.api import Header
from pydantic import JsonValue

from actors.messages import PRODUCER, envelope
from actors.streams import REQUESTS
from engine.requests import ASKED


class Request(NamedTuple):
    """One task for the council of a role: the payload of its event, and its time in Unix seconds.

    Asked again it must be the same to the letter, else it is another request of the same id.
    """

    role: str
    task_id: str
    payload: dict[str, JsonValue]
    correlation_id: str
    at: float

    @property
    def subject(self) -> str:
        """Where it is asked."""
        return f"{ASKED}.{self.role.lower()}"

    @property
    def message(self) -> bytes:
        """As it is published."""
        return envelope(
            self.subject,
            self.payload,
            key=self.task_id,
            correlation_id=self.correlation_id,
            producer=PRODUCER,
            at=self.at,
            metadata={},
        )

    async def publish(self, js: JetStreamContext) -> None:
        """One attempt; returns when it is stored, now or before."""
        headers = {Header.MSG_ID.value: self.task_id, Header.EXPECTED_STREAM.value: REQUESTS}
        await js.publish(self.subject, self.message, headers=headers)
