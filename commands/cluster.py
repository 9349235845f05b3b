"""A Ray cluster that runs already, joined for a while and left as it was found.

Knows nothing of what is served there. Serve itself must not run in it yet: its ports and its
applications would not be ours.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any

from actors.councils import find_actor, named_actors
from actors.embedded import undisturbed
from actors.placement import Node, too_large
from actors.roster import NAMESPACE, PREFIX
from engine.config import Config
from engine.errors import SetupError

AUTO = "auto"
REACH_WITHIN_S = 3.0
GONE_WITHIN_S = 10.0
ENVIRONMENT = {
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # else workers make themselves an environment
    "RAY_NUM_REDIS_GET_RETRIES": "3",  # seconds; somebody waits before a terminal
}
CONTROLLER = "SERVE_CONTROLLER_ACTOR"
KINDS = ("bridge", "council", "agent")
"""In the order in which actors are ended: who brings work goes first."""


@contextmanager
def joined(address: str) -> Iterator[str]:
    """Be a driver of the cluster at HOST:PORT or `auto`; yields its GCS address.

    On leaving, no actor of ours is left in it.

    Raises SetupError. Whatever is served meanwhile must be taken down before it is left.
    """
    _reach(address)
    _join(address)
    import ray

    gcs = ray.get_runtime_context().gcs_address
    try:
        _require_no_serve()
        yield gcs
    finally:
        with undisturbed():
            if answers(gcs):  # a cluster that is gone has nothing to be removed from
                end_actors()
            ray.shutdown()


def _join(address: str) -> None:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)  # Ray reads it when it is first imported
    import ray

    with tempfile.TemporaryFile() as complaints:  # they come from below Python
        try:
            with errors_into(complaints):
                ray.init(
                    address=address,
                    namespace=NAMESPACE,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
        except (RuntimeError, OSError, ValueError) as error:
            complaints.seek(0)
            raise unjoined(address, f"{error}\n{complaints.read().decode()}") from error


@contextmanager
def errors_into(file: IO[Any]) -> Iterator[None]:
    """Whatever writes to standard error, also below Python, writes into the file meanwhile."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def end_actors() -> None:
    """Kill every actor of ours, wait until none is left, and keep no place for any."""
    import ray

    from actors.groups import named_groups, remove_group

    names = named_actors()
    for kind in KINDS:
        for name in (name for name in names if name.startswith(f"{PREFIX}{kind}:")):
            if (handle := find_actor(name)) is not None:
                ray.kill(handle)
    deadline = time.monotonic() + GONE_WITHIN_S
    while named_actors() and time.monotonic() < deadline:
        time.sleep(0.05)
    for name in named_groups():
        remove_group(name)


def require_fit(config: Config, *, own_bus: bool, own_model: bool) -> None:
    """SetupError where the Ray that was joined or started can never run the configuration."""
    import ray

    nodes = ray.nodes()  # type: ignore[no-untyped-call]  # Ray's own gap
    alive = [node for node in nodes if node["Alive"]]
    machines = {node["NodeManagerAddress"] for node in alive}
    check_fit(
        config,
        [node["Resources"] for node in alive],
        len(machines),
        own_bus=own_bus,
        own_model=own_model,
    )


def check_fit(
    config: Config,
    nodes: Sequence[Mapping[str, float]],
    machines: int,
    *,
    own_bus: bool,
    own_model: bool,
) -> None:
    """The same for a cluster of so many machines with nodes that have these resources."""
    if machines > 1 and own_bus:
        raise SetupError(
            f"The cluster has {machines} machines; a nats-server here is reached from this one",
            "Run one that all of them reach and name it: --bus nats://HOST:4222",
        )
    if machines > 1 and own_model:
        raise SetupError(
            f"The cluster has {machines} machines; the small model lies on this one",
            "Name a model that all of them can load: --config FILE",
        )
    pools = config.pools.values()
    for name, needed in (
        ("CPU", sum(pool.cpus * pool.replicas for pool in pools)),
        ("GPU", sum(pool.gpus * pool.replicas for pool in pools)),
    ):
        there = sum(node.get(name, 0.0) for node in nodes)
        if there < needed:
            raise SetupError(
                f"The pools need {needed:g} {name}, Ray has {there:g}",
                "Serve it where there are as many, or ask for less: `replicas`, `cpus`, `gpus`",
            )
    for name, pool in config.pools.items():
        if lack := too_large(pool, [Node(node, node) for node in nodes]):
            what, _, remedy = lack.partition(". ")
            raise SetupError(f"An engine of pool {name} {what}", remedy)


def _reach(address: str) -> None:
    """Ray itself would try for minutes."""
    if address == AUTO:
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        raise SetupError(
            f"{address!r} is no address of a Ray cluster",
            "Name it as HOST:PORT on one of its own nodes, or `auto`",
        )
    if not answers(address):
        raise SetupError(
            f"No Ray cluster answers at {address}",
            "Start one with `ray start --head`; it says its address",
        )


def answers(address: str) -> bool:
    """Whether somebody listens at HOST:PORT."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_WITHIN_S):
            return True
    except (OSError, OverflowError):
        return False


def unjoined(address: str, complaints: str) -> SetupError:
    """Why a cluster could not be joined, by what Ray had to say of it."""
    lines = [line.strip() for line in complaints.splitlines() if line.strip()]
    why = lines[0][:200] if lines else "Ray does not say why"
    remedy = "Start one with `ray start --head`, or name its address: --address HOST:PORT"
    if "AuthToken" in complaints or "authenticat" in complaints.lower():
        why = "it asks for a token"
        remedy = "Set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN to the token of the cluster"
    elif "version mismatch" in complaints.lower():
        remedy = "Use the same versions of Ray and Python as the cluster"
    return SetupError(f"The Ray cluster at {address} cannot be joined ({why})", remedy)


def _require_no_serve() -> None:
    import ray

    running: list[dict[str, Any]] = []
    with suppress(RuntimeError):
        running = ray.util.list_named_actors(all_namespaces=True)
    if any(actor["name"] == CONTROLLER for actor in running):
        raise SetupError(
            "Serve runs in this cluster already, with ports and applications of its own",
            "Add Conclave to it with `serve deploy FILE`, or stop it with `serve shutdown`",
        )
