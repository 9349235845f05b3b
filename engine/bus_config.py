"""The bus as an operator may set it, as frozen data; knows nothing of pools or councils."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from engine.data import Data

MOST_STORY_BYTES = 768 * 1024
"""A story is kept in one message, and NATS takes 1 MiB unless told otherwise."""


class BusConfig(Data):
    """The NATS server, and how the bridge takes events from it.

    `url` names a server, or several of one cluster with commas between them. `slots` events of
    each kind are worked on at once. `start` says where a durable begins when it is created for the
    first time: `now` leaves old events alone, `all` takes every one still in the stream, a time
    (ISO 8601 with its zone) those stored since.
    `ack_wait_s` is how long the server waits for a sign of life before it gives an event to
    another bridge; one is sent every third of it. `max_event_bytes` bounds an event, and a request
    over HTTP alike. Of a story, the newest `story_notes` milestones and decisions are kept, and
    as many of the newest are shown as fit `story_bytes`, which also bounds a single one.

    `replicas` of each stream and bucket are kept by as many servers. `provision` says whether the
    engine makes and mends them itself, or only checks them and leaves that to an operator.

    The connection is by TLS where `tls_ca` (a file of the authorities to trust) is given or the
    url begins with tls://. The server has to prove that it is `tls_hostname`, by default the url's
    host, and we show `tls_cert` with `tls_key` if there are any. Who we are is said by `user` and
    `password_file`, by `token_file`, by `creds_file` (a JWT with its key) or by `nkey_file`. All
    are files, read when we connect: no secret is in the configuration.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    url: str = "nats://127.0.0.1:4222"
    slots: int = Field(default=4, ge=1)
    start: str = "now"
    ack_wait_s: float = Field(default=30.0, ge=1.0)
    max_event_bytes: int = Field(default=256 * 1024, ge=1024)
    replicas: Literal[1, 3, 5] = 1
    provision: bool = True
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    tls_hostname: str = ""
    user: str = Field(default="", pattern=r"^[A-Za-z0-9_-]*$")
    password_file: str = ""
    token_file: str = ""
    creds_file: str = ""
    nkey_file: str = ""
    story_notes: int = Field(default=32, ge=1)
    story_bytes: int = Field(default=8 * 1024, ge=4096)

    @property
    def servers(self) -> list[str]:
        """The URL of each server."""
        return [each.strip() for each in self.url.split(",")]

    @property
    def tls(self) -> bool:
        """Whether the connection must be by TLS."""
        return bool(self.tls_ca) or any(each.startswith("tls://") for each in self.servers)

    @field_validator("url")
    @classmethod
    def _shows_no_secret(cls, url: str) -> str:
        if "@" in url:
            raise ValueError(
                "holds credentials, which others can see; name bus.user and bus.password_file"
            )
        return url

    @field_validator("start")
    @classmethod
    def _is_a_beginning(cls, start: str) -> str:
        if start not in ("now", "all") and not _zoned(start):
            raise ValueError("is now, all, or a time such as 2026-01-31T08:00:00Z, with its zone")
        return start

    @model_validator(mode="after")
    def _credentials_fit_together(self) -> Self:
        if bool(self.user) != bool(self.password_file):
            raise ValueError("user and password_file go together")
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("tls_cert and tls_key go together")
        if (self.tls_cert or self.tls_hostname) and not self.tls:
            raise ValueError("tls_cert and tls_hostname need TLS: set tls_ca, or a url with tls://")
        ways = ("user", "token_file", "creds_file", "nkey_file")
        given = [way for way in ways if getattr(self, way)]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)}: we can be one of them")
        return self

    @model_validator(mode="after")
    def _a_story_is_one_message(self) -> Self:
        most = (self.story_notes + 1) * self.story_bytes
        if most > MOST_STORY_BYTES:
            raise ValueError(
                f"bus: story_notes and story_bytes allow a story of {most} bytes; "
                f"one message holds {MOST_STORY_BYTES}"
            )
        return self


def _zoned(time: str) -> bool:
    try:
        return datetime.fromisoformat(time).tzinfo is not None
    except ValueError:
        return False
