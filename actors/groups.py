"""Placement groups by the names of their actors, and why an actor has no place; knows no vLLM.

A group outlives its actor, as a node's GPUs must not go to others while that is made anew. It
lives until it is removed, whoever made it.
"""

from __future__ import annotations

from typing import Any

import ray
from ray._private import state as ray_state
from ray._raylet import PlacementGroupID
from ray.exceptions import RaySystemError
from ray.util.placement_group import (
    PlacementGroup,
    placement_group,
    placement_group_table,
    remove_placement_group,
)
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from actors.councils import find_actor
from actors.placement import STRATEGY, Node, bundles, is_grouped, taken, too_large
from actors.roster import PREFIX
from engine.config import PoolConfig

PLACED_WITHIN_S = 60.0
"""Until then an actor without an answer may be placed, and its process still be starting."""

PENDING = ("PENDING_CREATION", "DEPENDENCIES_UNREADY")


def within_group(name: str, config: PoolConfig) -> dict[str, Any]:
    """The options by which an actor sits in the first bundle of its group, made if need be."""
    if not is_grouped(config):
        return {}
    strategy = PlacementGroupSchedulingStrategy(_group(name, config), 0)
    return {"scheduling_strategy": strategy}


def named_groups() -> list[str]:
    """The names of all groups of ours there are."""
    return [group["name"] for group in _groups() if group["name"].startswith(PREFIX)]


def remove_group(name: str) -> None:
    """Give back what was kept for the actor of that name, if anything."""
    for group in _groups():
        if group["name"] == name:
            remove_placement_group(_handle(group))


def unplaced(name: str, config: PoolConfig, waited_s: float) -> str:
    """Why Ray has not placed an actor that was made so long ago; empty where it may have."""
    if not _is_pending(name):
        return ""
    nodes = _nodes()
    if lack := too_large(config, nodes):
        return lack
    group = _found(name) if is_grouped(config) else None
    if group is not None:
        return "" if group["state"] == "CREATED" else taken(config, nodes)
    return taken(config, nodes) if waited_s >= PLACED_WITHIN_S else ""


def _group(name: str, config: PoolConfig) -> PlacementGroup:
    group = _found(name)
    if group is not None:
        return _handle(group)
    try:
        made: PlacementGroup = placement_group(
            bundles(config), STRATEGY, name=name, lifetime="detached"
        )
    except RaySystemError as error:  # another supervisor was quicker: the next try finds it
        raise ValueError(str(error)) from error
    return made


def _found(name: str) -> dict[str, Any] | None:
    return next((group for group in _groups() if group["name"] == name), None)


def _groups() -> list[dict[str, Any]]:
    """All groups of the cluster, whatever their namespace, but those that were removed."""
    return [group for group in placement_group_table().values() if group["state"] != "REMOVED"]


def _handle(group: dict[str, Any]) -> PlacementGroup:
    return PlacementGroup(PlacementGroupID.from_hex(group["placement_group_id"]))


def _is_pending(name: str) -> bool:
    handle = find_actor(name)
    if handle is None:
        return False
    actor = ray_state.actors(handle._actor_id.hex())  # noqa: SLF001  Ray tells it in no other way
    return actor.get("State") in PENDING


def _nodes() -> list[Node]:
    free = ray_state.available_resources_per_node()  # type: ignore[no-untyped-call]  # Ray's gap
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    alive = (node for node in nodes if node["Alive"])
    return [Node(node["Resources"], free.get(node["NodeID"], {})) for node in alive]
