"""What one engine takes of the GPUs, as numbers; knows nothing of pools, Ray or vLLM."""

from __future__ import annotations

MEMORY_SHARE = 0.9
"""Of what an engine has of a GPU. Outside it are contexts, graphs and what others allocate."""

ROUNDING = 1e-9


def memory_share(gpus: float, given: float | None) -> float:
    """The share of a GPU's whole memory that an engine fills, on each GPU it is on."""
    return round(MEMORY_SHARE * min(gpus, 1.0), 4) if given is None else given


def check_gpus(gpus: float, tensor_parallel: int, given: float | None) -> None:
    """ValueError where an engine cannot be put on the GPUs that it is said to take.

    With no engine filling more of a GPU's memory than it has of the GPU, whichever ones Ray puts
    together fit.
    """
    if tensor_parallel > 1 and gpus != tensor_parallel:
        raise ValueError(
            f"tensor_parallel {tensor_parallel} takes {tensor_parallel} whole GPUs, one for each "
            f"part of the model; set gpus: {tensor_parallel} (it is {gpus:g})"
        )
    if gpus > 1 and tensor_parallel == 1:
        raise ValueError(
            f"gpus: {gpus:g} for one engine that uses a single GPU; set tensor_parallel to the "
            "number of whole GPUs, or gpus to 1 or less"
        )
    if 0 < gpus < 1 and given is not None and given > gpus + ROUNDING:
        raise ValueError(
            f"gpu_memory_share {given:g} of a GPU of which the engine has {gpus:g}: engines that "
            f"share it would not fit; set it to {gpus:g} at most, or leave it out for "
            f"{memory_share(gpus, None):g}"
        )
