"""How an actor that is not wanted any more comes to its end; knows nothing of why that is so."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import ray
from ray.exceptions import RayTaskError

from actors.calls import ActorAway, call
from actors.councils import find_actor
from actors.groups import remove_group
from actors.patience import said
from engine.errors import ConclaveError

log = logging.getLogger("conclave.supervisor")

DRAIN_WITHIN_S = 30.0
DISSOLVE_WITHIN_S = 60.0
"""A deleted council has so long for what it deliberates on; it is decided then, or never is."""
DISSOLVED_WITHIN_S = 30.0
"""How much longer the writing of what had no decision may take."""
UNDRAINED = (ActorAway, TimeoutError, ConclaveError, RayTaskError, AttributeError)
"""What an actor of another version may answer to `drain`, which it may not even have."""


def kin(name: str) -> str:
    """What an actor's successors of other versions are called like: its name but for the hash."""
    return name.rpartition(":")[0]


async def retire(name: str, *, dissolves: bool = False) -> None:
    """End an actor in order: drained, or what it does brought to an end where it `dissolves`.

    What was kept for it on a node is given back, also where it is gone already.
    """
    handle = await asyncio.to_thread(find_actor, name)
    if handle is not None:
        await _end(name, handle, dissolves=dissolves)
    await asyncio.to_thread(remove_group, name)


async def _end(name: str, handle: Any, *, dissolves: bool) -> None:
    log.info("%s is not wanted any more", name)
    try:
        if dissolves and hasattr(handle, "dissolve"):
            async with asyncio.timeout(DISSOLVE_WITHIN_S + DISSOLVED_WITHIN_S):
                await call(handle.dissolve.remote(DISSOLVE_WITHIN_S))
        else:
            async with asyncio.timeout(DRAIN_WITHIN_S):
                await call(handle.drain.remote())
    except UNDRAINED as error:
        log.warning("%s ends undrained: %s", name, said(error))
    ray.kill(handle)
