"""What Ray places an engine by, and why it cannot; knows nothing of Ray's calls or of vLLM."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from actors.engine_args import engine_env
from engine.config import PoolConfig

STRATEGY = "STRICT_PACK"
"""The parts of one model talk at every layer, so they share a node."""


class Node(NamedTuple):
    """What a node has in all, and what of it is free."""

    total: Mapping[str, float]
    free: Mapping[str, float]


def bundles(config: PoolConfig) -> list[dict[str, float]]:
    """What the engine takes, a bundle for each of its actors; all of them on one node.

    vLLM takes no bundle of more than one GPU. Our own actor sits in the first one, beside the
    worker, and takes no GPU of it.
    """
    own = {"CPU": config.cpus, **config.resources}
    if not is_grouped(config):
        return [_above_0({"GPU": config.gpus, **own})]
    first, *others = [{"GPU": config.gpus / config.tensor_parallel}] * config.tensor_parallel
    return [_above_0({**first, **own}), *others]


def is_grouped(config: PoolConfig) -> bool:
    """Whether the engine is several actors, which only a placement group puts together."""
    return config.tensor_parallel > 1


def actor_options(config: PoolConfig, replica: int) -> dict[str, Any]:
    """What our own actor of the engine takes; those of a group's GPUs are vLLM's workers'."""
    return {
        "num_cpus": config.cpus,
        "num_gpus": 0 if is_grouped(config) else config.gpus,
        "resources": config.resources,
        "runtime_env": {"env_vars": engine_env(config, replica)},
    }


def needs(config: PoolConfig) -> dict[str, float]:
    """What one node must have for one engine."""
    summed: dict[str, float] = {}
    for bundle in bundles(config):
        for name, amount in bundle.items():
            summed[name] = summed.get(name, 0.0) + amount
    return summed


def too_large(config: PoolConfig, nodes: Sequence[Node]) -> str:
    """Why no node can ever hold the engine, and what helps; empty where one can."""
    wanted = needs(config)
    if any(_holds(node.total, wanted) for node in nodes):
        return ""
    for name, amount in wanted.items():
        most = max((node.total.get(name, 0.0) for node in nodes), default=0.0)
        if most < amount:
            together = " together on one node" if amount > 1 else ""
            what = f"{_counted(name, amount)}{together}; the cluster's largest node has {most:g}"
            return f"needs {what}. {_remedy(config, [name])}"
    what = f"{_listed(wanted)} on one node; each is on another one"
    return f"needs {what}. {_remedy(config, wanted)}"


def taken(config: PoolConfig, nodes: Sequence[Node]) -> str:
    """Why no node has room for the engine now, and what helps; empty where one seems to."""
    wanted = needs(config)
    able = [node for node in nodes if _holds(node.total, wanted)]
    if any(_holds(node.free, wanted) for node in able):
        return ""
    remedy = "Add a node, or lower the `replicas` of a pool"
    for name, amount in wanted.items():
        free = max((node.free.get(name, 0.0) for node in able), default=0.0)
        if free < amount:
            room = f"no node has more than {free:g} left"
            return f"waits for {_counted(name, amount)} on one node; {room}. {remedy}"
    return f"waits for {_listed(wanted)} on one node; what is left is on several. {remedy}"


def _above_0(resources: Mapping[str, float]) -> dict[str, float]:
    """Ray takes no bundle with nothing of a kind."""
    return {name: amount for name, amount in resources.items() if amount > 0}


def _holds(there: Mapping[str, float], wanted: Mapping[str, float]) -> bool:
    return all(there.get(name, 0.0) >= amount for name, amount in wanted.items())


def _counted(name: str, amount: float) -> str:
    plural = "s" if name in ("CPU", "GPU") and amount > 1 else ""
    return f"{amount:g} {name}{plural}"


def _listed(wanted: Mapping[str, float]) -> str:
    return " and ".join(_counted(name, amount) for name, amount in wanted.items())


def _remedy(config: PoolConfig, lacking: Iterable[str]) -> str:
    """A node for it, or the keys of a pool that these amounts come from."""
    gpu = ("tensor_parallel", "gpus") if is_grouped(config) else ("gpus",)
    keys = {"CPU": ("cpus",), "GPU": gpu}
    named = dict.fromkeys(key for name in lacking for key in keys.get(name, ("resources",)))
    return f"Add such a node, or lower the pool's {' and '.join(f'`{key}`' for key in named)}"
