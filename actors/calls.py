"""How a call of a Ray actor is awaited, cancelled, and how it fails; knows nothing of agents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from engine.errors import ConclaveError, SpeechFailed

Call = Callable[[Any], Awaitable[Any]]
"""Awaits what `handle.method.remote()` returned; cancelling it cancels the method."""

Streamed = Callable[..., AsyncGenerator[Any, None]]
"""Calls a `handle.method`, yields what that does; closing it cancels the method."""


class ActorAway(Exception):
    """The actor is dead or cannot be reached; the call may have run or not."""


async def call(ref: Any) -> Any:
    """Await an ObjectRef: our own errors come out as they were raised, a lost actor as ActorAway.

    Ray is imported here, so that whoever is given another Call needs none of it.
    """
    import ray
    from ray.exceptions import (
        NodeDiedError,
        ObjectLostError,
        RayActorError,
        RayTaskError,
        TaskCancelledError,
        WorkerCrashedError,
    )

    gone = (RayActorError, WorkerCrashedError, NodeDiedError, ObjectLostError)
    try:
        return await ref
    except asyncio.CancelledError:
        ray.cancel(ref)
        raise
    except gone as lost:
        raise ActorAway(type(lost).__name__) from None
    except TaskCancelledError:
        raise SpeechFailed("the call was cancelled in its actor") from None
    except RayTaskError as failed:
        if isinstance(failed.cause, ConclaveError):
            raise failed.cause from None
        raise


async def streamed(method: Any, *arguments: Any) -> AsyncGenerator[Any, None]:
    """What a generator method of an actor yields; fails as `call` does."""
    import ray

    refs = method.options(num_returns="streaming").remote(*arguments)
    try:
        async for ref in refs:
            yield await call(ref)
    finally:
        ray.cancel(refs)
