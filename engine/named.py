"""Agents that a configuration names one by one, ours and others; knows nothing of councils."""

from __future__ import annotations

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from engine.data import Data

REMEMBERED_S = 3600.0
"""So long a request to an agent outside is sure not to be sent twice, whatever is resumed."""


AgentId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class OutsideAgent(Data):
    """An agent that is no engine of ours: it is asked over the bus, or at its `endpoint`.

    Its `id` is the last part of the subject it is asked on. From then on it has `answer_within_s`
    seconds for each turn, or is dropped; an hour is as long as a request is sure to be remembered.
    With `silent_after_s`, it is dropped already when it has said nothing for so long: its progress
    counts as a sign of life.

    With an `endpoint`, the base URL of an OpenAI-compatible API, its turns go to `model` there, at
    most `at_once` at a time. `key_env` names the environment variable of the council's process
    that holds the key. Such a variable begins with CONCLAVE_KEY_, so that nobody who may seat an
    agent can have any other secret sent anywhere.
    """

    id: AgentId
    persona: str = ""
    answer_within_s: float = Field(default=120.0, gt=0, le=REMEMBERED_S)
    silent_after_s: float | None = Field(default=None, gt=0)
    endpoint: str = Field(default="", max_length=2048)
    model: str = Field(default="", max_length=200)
    key_env: str = Field(default="", pattern=r"^(CONCLAVE_KEY_[A-Z0-9_]{1,64})?$")
    at_once: int = Field(default=8, ge=1, le=1024)

    @field_validator("endpoint")
    @classmethod
    def _is_an_address(cls, endpoint: str) -> str:
        return checked_endpoint(endpoint)

    @model_validator(mode="after")
    def _endpoint_and_model_go_together(self) -> Self:
        if bool(self.endpoint) != bool(self.model):
            raise ValueError("endpoint and model go together")
        if self.key_env and not self.endpoint:
            raise ValueError("key_env is for an endpoint")
        return self


class NamedAgent(Data):
    """An agent of ours that has a name of its own and sits on the pool that is named."""

    id: AgentId
    pool: str
    persona: str = ""


def checked_endpoint(endpoint: str) -> str:
    """The base URL of an API without the slash at its end; ValueError where it is none."""
    if not endpoint:
        return ""
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is no URL such as https://api.example.com/v1")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("holds more than an address; a key is named by its environment variable")
    return endpoint.rstrip("/")
