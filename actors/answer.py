"""What an agent actor says of a turn and of itself; knows nothing of how it came about."""

from __future__ import annotations

from typing import Literal

from engine.data import Data
from engine.types import Reply


class Load(Data):
    """How busy one engine is. `kv_tokens_in_use` is what the turns under way may come to hold."""

    running: int = 0
    waiting: int = 0
    kv_tokens_in_use: int = 0
    kv_tokens: int = 0

    def __str__(self) -> str:
        return (
            f"{self.running} turns running, {self.waiting} waiting, "
            f"{self.kv_tokens_in_use} of {self.kv_tokens} cache tokens in use"
        )


class Answer(Data):
    """A reply, and how busy its engine was when it was given."""

    reply: Reply
    load: Load


class AgentHealth(Data):
    """One agent actor as it stands. `up_since` is in Unix seconds, 0 while it starts.

    For `silent_s` seconds its engine has owed the one token that it is asked for now and then.
    """

    pool: str
    replica: int
    pid: int
    model: str
    state: Literal["starting", "ready", "draining"]
    up_since: float
    window: int
    load: Load
    generated: int
    turns: int
    silent_s: float = 0.0
