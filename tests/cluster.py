"""A bare Ray head of its own, and the application deployed to it as an operator would."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
from deadline import until

from actors.embedded import MARK, RAY_ENVIRONMENT, end_marked, marked
from actors.nats_server import free_port
from edges.rpcs import SERVICER
from engine.config import Config

BIN = Path(sys.executable).parent


class Cluster:
    """One `ray start --head`; whatever it starts carries its mark."""

    def __init__(self, mark: str, folder: Path) -> None:
        self.mark, self.folder = mark, folder
        self.dashboard = free_port()
        self.address = ""
        self.environment = (
            os.environ
            | RAY_ENVIRONMENT
            | {MARK: mark, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        )

    def start(self) -> None:
        """Start the head and nothing else."""
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        ports = [f"--port={port}", f"--dashboard-port={self.dashboard}"]
        sizes = ["--object-store-memory=150000000", "--dashboard-agent-listen-port=0"]
        self.run("ray", "start", "--head", *ports, *sizes, f"--temp-dir={self.folder}")

    def deploy(self, config: Config) -> str:
        """`serve deploy` with a config file; the application's HTTP address."""
        application = {
            "name": "conclave",
            "route_prefix": "/",
            "import_path": "serve_app:build",
            "args": config.model_dump(mode="json"),
        }
        options = {
            "http_options": {"host": config.http.host, "port": config.http.port},
            "grpc_options": {"port": config.grpc.port, "grpc_servicer_functions": [SERVICER]},
        }
        file = self.folder / "serve.yaml"
        file.write_text(json.dumps({**options, "applications": [application]}))
        self.run("serve", "deploy", "-a", f"http://127.0.0.1:{self.dashboard}", str(file))
        return f"http://{config.http.host}:{config.http.port}"

    def run(self, command: str, *arguments: str) -> None:
        """One of Ray's commands; its output is shown when it fails."""
        done = subprocess.run(
            [BIN / command, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{command} {arguments}: {done.stdout}{done.stderr}"

    def kill(self, title: str) -> int:
        """Kill -9 the one process whose title begins so; its pid."""
        pids = self.pids(title)
        assert len(pids) == 1, f"{title}: {pids}"
        return self.kill_pid(pids[0])

    def kill_pid(self, pid: int) -> int:
        """Kill -9 a process of this cluster; its pid."""
        assert pid in marked(self.mark)
        os.kill(pid, signal.SIGKILL)
        return pid

    def pids(self, title: str) -> list[int]:
        """The living processes of this cluster whose title begins so."""
        found = []
        for pid in marked(self.mark):
            try:
                line = " ".join(psutil.Process(pid).cmdline())
            except psutil.NoSuchProcess:
                continue
            if line.startswith(title):
                found.append(pid)
        return found


@contextmanager
def ray_head() -> Iterator[Cluster]:
    """A bare head, gone with everything it started when left."""
    folder = Path(tempfile.mkdtemp(prefix="cv-", dir="/tmp"))
    cluster = Cluster(uuid.uuid4().hex, folder)
    try:
        cluster.start()
        yield cluster
    finally:
        end_marked(cluster.mark)
        shutil.rmtree(folder, ignore_errors=True)


def until_ready(http: httpx.Client, seconds: float = 300.0) -> None:
    """Wait for `/readyz`; fail with what it last said."""
    said: list[str] = []

    def ready() -> bool:
        try:
            answer = http.get("/readyz")
        except httpx.TransportError as error:
            said[:] = [repr(error)]
            return False
        said[:] = [answer.text]
        return answer.status_code == 200 and answer.json()["ready"]

    until(ready, f"ready: {said}", seconds)
