"""The laptop default: a real nats-server and a local Ray; knows nothing of councils or models."""

import logging
import os
import secrets
import shutil
import signal
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from actors.nats_server import NatsServer
from engine.errors import SetupError

MIB = 1024 * 1024
STOP_SECONDS = 10.0

RAY_ENVIRONMENT = {
    "RAY_process_group_cleanup_enabled": "1",  # the engine's processes die with their actor
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # else workers make themselves an environment
    "RAY_worker_niceness": "0",  # at 15, an engine's threads wait for one another (a fifth slower)
    "RAY_prestart_worker_first_driver": "0",  # else one idle process per logical CPU
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
}
MARK = "CONCLAVE_RAY"
NOT_STARTED = (RuntimeError, OSError, ValueError)
"""What Ray raises where it cannot start; where its node is late it is an Exception and no more."""


@contextmanager
def nats_server(store: Path, port: int = 0) -> Iterator[NatsServer]:
    """A running nats-server that keeps its streams in the folder `store`; stopped on leaving.

    It dies with this process, however that ends. Main thread only. Raises SetupError.
    """
    server = NatsServer(store, port)
    try:
        server.start()
        yield server
    finally:
        with undisturbed():
            server.stop()


@contextmanager
def local_ray(num_cpus: int = 16, object_store_bytes: int = 150 * MIB) -> Iterator[str]:
    """A Ray of our own on this machine, with no dashboard; yields its GCS address.

    `num_cpus` is logical: a few actors per core wait more than they compute, and Ray would leave
    those beyond the count pending for ever. On leaving, every process of it is gone, also those
    that lost their parent. Raises SetupError.
    """
    mark = uuid.uuid4().hex
    folder = Path(tempfile.mkdtemp(prefix="cv-", dir="/tmp"))  # short: socket paths are limited
    try:
        yield _start_ray(mark, folder, num_cpus, object_store_bytes)
    finally:
        with undisturbed():
            _stop_ray(mark)
            shutil.rmtree(folder, ignore_errors=True)


def _start_ray(mark: str, folder: Path, num_cpus: int, object_store_bytes: int) -> str:
    os.environ.update(RAY_ENVIRONMENT)  # Ray reads some on import, its daemons the others
    # Ray's ports are open to the network whatever address it is given. Finding a token it asks for
    # it; RAY_AUTH_MODE would come too late where Ray is imported already. Read once per process.
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    import ray

    os.environ[MARK] = mark  # inherited by all that Ray starts
    try:
        ray.init(
            address="local",
            namespace="conclave",
            num_cpus=num_cpus,
            object_store_memory=object_store_bytes,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _temp_dir=str(folder),
        )
    except Exception as error:
        if not (isinstance(error, NOT_STARTED) or type(error) is Exception):
            raise
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        remedy = "Free memory and /dev/shm, stop other Ray processes and run it again"
        raise SetupError(f"Ray did not start ({why[:200]})", remedy) from error
    finally:
        del os.environ[MARK]
    return str(ray.get_runtime_context().gcs_address)


def _stop_ray(mark: str) -> None:
    import ray

    try:
        ray.shutdown()
    finally:
        end_marked(mark)


def end_marked(mark: str) -> None:
    """Kill what carries the mark until nothing is left, for STOP_SECONDS at most."""
    deadline = time.monotonic() + STOP_SECONDS
    while (left := marked(mark)) and time.monotonic() < deadline:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def marked(mark: str) -> list[int]:
    """All living processes that were started with the mark in their environment."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let cleaning up finish although Ctrl-C or a kill comes again; main thread only matters."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ignore(number: int, frame: FrameType | None) -> None:
        """A Python handler, not SIG_IGN, which children would inherit."""

    before = {number: signal.signal(number, ignore) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
