"""Turns, configurations and waiting, for the tests of agents and pools."""

from __future__ import annotations

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
