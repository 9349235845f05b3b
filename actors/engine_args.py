"""What an engine is started with, derived from its configuration; knows nothing of vLLM itself."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from engine.config import PoolConfig
from engine.errors import SetupError
from engine.shares import memory_share

GB = 1024**3
OVERHEAD_GB = 2.5
"""What the three processes of a CPU engine take beside weights and cache.

Measured: 2.6 as the sum of their resident sets, which counts shared pages in each.
"""
WEIGHTS = ("*.safetensors", "*.bin", "*.pt")
BIND = "VLLM_CPU_OMP_THREADS_BIND"
GPUS_OF_A_WORKER = "VLLM_RAY_PER_WORKER_GPUS"


def engine_args(config: PoolConfig, replica: int) -> dict[str, Any]:
    """The arguments of vLLM's AsyncEngineArgs for one replica of a pool."""
    common: dict[str, Any] = {
        "model": model_source(config.model),
        "max_model_len": config.window,
        # One seat more than turns, and priorities, so that the canary never queues behind work.
        "max_num_seqs": config.max_running + 1,
        "scheduling_policy": "priority",
        "block_size": config.block_size,
        "enable_prefix_caching": True,
        # Replicas that drew alike would make a council of echoes.
        "seed": replica,
        "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
        "disable_log_stats": True,
    }
    if config.reasoning_parser:
        common["reasoning_parser"] = config.reasoning_parser
    return common | (_on_gpu(config) if config.gpus > 0 else _on_cpu(config))


def _on_gpu(config: PoolConfig) -> dict[str, Any]:
    args: dict[str, Any] = {
        "gpu_memory_utilization": memory_share(config.gpus, config.gpu_memory_share)
    }
    if config.tensor_parallel > 1:
        # vLLM makes a Ray actor for each part, in the placement group of the actor it runs in.
        args["tensor_parallel_size"] = config.tensor_parallel
        args["distributed_executor_backend"] = "ray"
    return args


def _on_cpu(config: PoolConfig) -> dict[str, Any]:
    return {
        "dtype": "bfloat16",
        # torch.compile costs 90 s at start and gains a tenth.
        "enforce_eager": True,
        # Left out, the cache takes most of the machine's memory.
        "kv_cache_memory_bytes": int(config.kv_cache_gb * GB),
        # A prompt is prefilled in one piece.
        "max_num_batched_tokens": max(config.window, 2048),
    }


def engine_env(config: PoolConfig, replica: int) -> dict[str, str]:
    """The environment of one replica's process, set before anything is imported in it."""
    env = {"VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "WARNING"}
    if is_folder(config.model):
        env["HF_HUB_OFFLINE"] = "1"
    cores = config.cores_by_replica[min(replica, config.replicas - 1)]
    if cores and config.gpus == 0:
        env[BIND] = cores
    if config.tensor_parallel > 1:
        env[GPUS_OF_A_WORKER] = f"{config.gpus / config.tensor_parallel:g}"
    return env


def is_folder(model: str) -> bool:
    """Whether `model` is written as a path; anything else is a Hugging Face id."""
    return model[:1] in ("/", ".", "~")


def model_source(model: str) -> str:
    """The model as vLLM takes it: a full path, or the Hugging Face id as it is."""
    return str(Path(model).expanduser().resolve()) if is_folder(model) else model


def core_ranges(cores: Iterable[int]) -> str:
    """Core numbers in the notation of `cores`: {0, 1, 2, 5} is "0-2,5"."""
    ranges: list[list[int]] = []
    for core in sorted(cores):
        if ranges and core == ranges[-1][1] + 1:
            ranges[-1][1] = core
        else:
            ranges.append([core, core])
    return ",".join(f"{a}-{b}" if b > a else str(a) for a, b in ranges)


def bind_to_all_cores() -> None:
    """Give an engine without cores of its own all that this process may use.

    vLLM's own choice leaves one core idle. Done in the actor: only its node knows its cores.
    """
    allowed = sorted(os.sched_getaffinity(0))
    os.environ.setdefault(BIND, core_ranges(allowed[: _cpu_quota(len(allowed))]))


def _cpu_quota(cores: int) -> int:
    """How many of `cores` the container's quota pays for, at least one."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, math.ceil(int(quota) / int(period))))


def check_model(model: str) -> None:
    """SetupError where a model given as a folder is none."""
    if not is_folder(model):
        return
    folder = Path(model_source(model))
    if not (folder / "config.json").is_file():
        what = "has no config.json" if folder.is_dir() else "does not exist"
        raise SetupError(
            f"model folder {folder} {what}",
            "Name a folder with a Hugging Face model, or a Hugging Face id, in the pool's `model`",
        )


def check_memory(config: PoolConfig, available: int | None = None) -> None:
    """SetupError where the machine's free memory does not hold this CPU engine.

    Weights of a model that is not a folder are unknown here and count as nothing.
    """
    if config.gpus > 0:
        return
    free = available_memory() if available is None else available
    weights = weights_bytes(config.model) / GB
    needed = weights + config.kv_cache_gb + OVERHEAD_GB
    if free < needed * GB:
        raise SetupError(
            f"an engine for {config.model} needs {needed:.1f} GB of memory (weights "
            f"{weights:.1f}, cache {config.kv_cache_gb:.1f}, processes {OVERHEAD_GB}); "
            f"{free / GB:.1f} GB are free",
            "Free memory, lower the pool's `kv_cache_gb` or `replicas`, or take a smaller model",
        )


def weights_bytes(model: str) -> int:
    """Bytes of the weight files in a model folder, of the first format there is."""
    folder = Path(model_source(model))
    if not is_folder(model) or not folder.is_dir():
        return 0
    sizes = (sum(file.stat().st_size for file in folder.glob(kind)) for kind in WEIGHTS)
    return next((size for size in sizes if size), 0)


def available_memory() -> int:
    """Bytes that can be taken without swapping: the machine's, or the container's where less."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    kib = next(line.split()[1] for line in lines if line.startswith("MemAvailable:"))
    return min(int(kib) * 1024, _container_memory())


def _container_memory(group: Path = Path("/sys/fs/cgroup")) -> int:
    try:
        limit = (group / "memory.max").read_text().strip()
        used = int((group / "memory.current").read_text())
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return 2**63
    # Cached file pages count as used and are given back on demand.
    return 2**63 if limit == "max" else int(limit) - used + int(stat.get("inactive_file", 0))
