"""Turns, configurations and waiting, for the tests of agents and pools."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from engine.config import PoolConfig
from engine.types import Form, Message, Phase, TextForm, Turn


def a_turn(
    text: str = "Say yes.", form: Form | None = None, max_tokens: int = 16, deliberation: str = "d"
) -> Turn:
    """A turn of one user message."""
    return Turn(
        deliberation=deliberation,
        agent="agent-dev-001",
        pool="small",
        phase=Phase.DRAFT,
        round=0,
        target="",
        messages=(Message(role="user", content=text),),
        form=form or TextForm(),
        max_tokens=max_tokens,
    )


def a_pool(model: str = "/models/small", **fields: object) -> PoolConfig:
    """A pool's configuration with some of its fields set."""
    return PoolConfig.model_validate({"model": model, **fields})


async def until(true: Callable[[], object], within_s: float = 5.0) -> None:
    """Let others run until `true()`; fails when that takes too long."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.002)
