"""Engines that share a GPU start one after another; knows nothing of vLLM itself."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.config import PoolConfig

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""Where Ray tells an actor's process which GPU it is on."""


@contextmanager
def taking_turns(config: PoolConfig, folder: Path | None = None) -> Iterator[None]:
    """Be the only engine that starts on its GPU, where it has but a share of it; blocks.

    An engine takes for its own whatever memory of the GPU is taken while it starts (vLLM says so
    in `determine_available_memory`): of two that start together one gets no cache, or fails. All
    that share a GPU are of one node and one user. A lock ends with the process that holds it.
    """
    if not 0 < config.gpus < 1:
        yield
        return
    gpu = os.environ.get(VISIBLE, "")
    name = f"conclave-{os.getuid()}-gpu-{gpu.replace('/', '-')}.lock"
    with ((folder or Path(tempfile.gettempdir())) / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
