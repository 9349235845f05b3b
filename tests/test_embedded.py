import os
import pickle
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import nats as nats_py
import psutil
import pytest
from deadline import until

from actors.embedded import RAY_ENVIRONMENT, _start_ray, nats_server
from actors.nats_server import NatsServer, free_port
from actors.small_model import NAME, materialise_small_model
from engine.errors import SetupError

ROOT = Path(__file__).parent.parent
TAG = "CONCLAVE_TEST"

Start = Callable[[str], subprocess.Popen[str]]


@pytest.fixture
def tag() -> Iterator[str]:
    """Marks a child and all that descends from it, through the environment."""
    value = uuid.uuid4().hex
    yield value
    for process in tagged(value):
        process.kill()


@pytest.fixture
def start(tag: str) -> Iterator[Start]:
    """Start a Python script as a child whose descendants can be found again."""
    children: list[subprocess.Popen[str]] = []

    def start_script(script: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", script]
        environment = os.environ | {TAG: tag, "PYTHONPATH": str(ROOT)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        child = subprocess.Popen(command, env=environment, text=True, **pipes)
        children.append(child)
        return child

    yield start_script
    for child in children:
        child.kill()
        child.communicate()


def tagged(tag: str, name: str = "") -> list[psutil.Process]:
    """The living processes that carry the tag and whose command line holds the name."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(TAG) == tag and name in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def first_line(child: subprocess.Popen[str]) -> str:
    """What the child says first."""
    assert child.stdout is not None
    return child.stdout.readline().strip()


def test_an_error_says_what_and_the_remedy_and_survives_pickling() -> None:
    """Ray carries errors between processes, so they must come out of a pickle as they went in."""
    error = pickle.loads(pickle.dumps(SetupError("No disk", "Buy one")))
    assert (str(error), error.what, error.remedy) == ("No disk. Buy one", "No disk", "Buy one")


def test_a_free_port_can_be_bound() -> None:
    """A free port is one that can be listened on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))


def test_a_model_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    """The second call returns at once and says nothing."""
    folder = tmp_path / "models" / NAME
    folder.mkdir(parents=True)
    said: list[str] = []
    assert materialise_small_model(tmp_path, said.append) == folder
    assert said == []


def test_a_cache_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    """The message names the folder and another way."""
    (tmp_path / "models").write_text("a file in the way")
    with pytest.raises(SetupError, match=rf"{tmp_path}.*CONCLAVE_CACHE"):
        materialise_small_model(tmp_path, print)


@pytest.mark.nats
async def test_an_acknowledged_message_survives_kill_9(nats: NatsServer) -> None:
    """JetStream is on disk and synced: what was acknowledged is there after a crash."""
    port = nats.port
    async with await nats_py.connect(nats.url) as client:
        stream = client.jetstream()
        await stream.add_stream(name="KEPT", subjects=["kept.>"])
        await stream.publish("kept.one", b"still here")
    nats.kill()
    nats.restart()
    async with await nats_py.connect(nats.url) as client:
        message = await client.jetstream().get_msg("KEPT", seq=1)
    assert (message.data, nats.port) == (b"still here", port)


@pytest.mark.nats
def test_a_taken_port_is_named_with_its_remedy(tmp_path: Path) -> None:
    """A taken port is one clear line, at once."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with (
            pytest.raises(SetupError, match=rf"Port {port} on 127.0.0.1 is taken.*another port"),
            nats_server(tmp_path, port),
        ):
            pass


@pytest.mark.nats
def test_a_store_has_one_server(nats: NatsServer) -> None:
    """A second server on the same store is refused: it would ruin it."""
    with pytest.raises(SetupError, match="is in use"), nats_server(nats.store):
        pass


@pytest.mark.nats
def test_the_server_listens_on_loopback_only(nats: NatsServer) -> None:
    """One port, the client one; no monitoring, nothing for the network."""
    listening = psutil.Process(nats.pid).net_connections("inet")
    assert {(at.laddr.ip, at.laddr.port) for at in listening if not at.raddr} == {
        ("127.0.0.1", nats.port)
    }


@pytest.mark.nats
def test_the_server_dies_with_its_parent(tmp_path: Path, start: Start) -> None:
    """Kill -9 of the parent leaves no nats-server behind."""
    child = start(
        "from pathlib import Path; from actors.embedded import nats_server\n"
        f"with nats_server(Path({str(tmp_path)!r})) as server:\n"
        "    print(server.pid, flush=True)\n"
        "    input()\n"
    )
    pid = int(first_line(child))
    child.kill()
    child.wait()
    until(lambda: not psutil.pid_exists(pid), "nats-server is gone")


RAY = """
import ray, subprocess
from actors.embedded import local_ray

class Engine:
    def __init__(self):
        self.child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    def ready(self):
        return True

with local_ray(num_cpus=4):
    engine = ray.remote(Engine).remote()
    ray.get(engine.ready.remote())
    print("up", flush=True)
    wait()
"""


@pytest.mark.parametrize(
    "error", [Exception("The node timed out\nmore"), RuntimeError("The node timed out")], ids=repr
)
def test_a_ray_that_does_not_start_is_one_line(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever class of error it ends with."""

    def init(**_: object) -> None:
        raise error

    monkeypatch.setattr("ray.init", init)
    for name in ("RAY_AUTH_TOKEN", *RAY_ENVIRONMENT):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    with pytest.raises(SetupError, match=r"^Ray did not start \(The node timed out\)\. ."):
        _start_ray("mark", Path(), 1, 1)


@pytest.mark.ray
def test_a_finished_ray_leaves_no_process(tag: str, start: Start) -> None:
    """All is gone, also what an actor started in a session of its own."""
    child = start(RAY.replace("wait()", "pass"))
    assert first_line(child) == "up"
    assert child.wait(60) == 0
    assert tagged(tag) == []


@pytest.mark.ray
@pytest.mark.parametrize("moment", ["gcs_server", "raylet"])
def test_ctrl_c_during_start_leaves_no_process(tag: str, start: Start, moment: str) -> None:
    """Interrupted in the middle of starting, it takes down what it had started."""
    child = start(RAY.replace("wait()", "pass"))
    until(lambda: tagged(tag, f"/{moment} "), f"{moment} is started")
    child.send_signal(signal.SIGINT)
    assert child.wait(60) != 0
    assert tagged(tag) == []


@pytest.mark.ray
def test_ray_does_not_outlive_a_killed_driver(tag: str, start: Start) -> None:
    """Kill -9 of the driver: the kernel ends the daemons, they end their workers."""
    child = start(RAY.replace("wait()", "input()"))
    assert first_line(child) == "up"
    child.kill()
    child.wait()
    until(lambda: not [p for p in tagged(tag) if p.name() != "sleep"], "all of Ray is gone", 60)


@pytest.mark.ray
def test_a_stranger_cannot_attach_to_our_ray(start: Start) -> None:
    """Ray listens on all addresses, so it lets in only those who know its token."""
    ours = start(
        RAY.replace('"up"', "ray.get_runtime_context().gcs_address").replace("wait", "input")
    )
    stranger = start(
        "import os; os.environ.update(RAY_AUTH_MODE='token', RAY_AUTH_TOKEN='wrong' * 8)\n"
        "from ray._raylet import GcsClient\n"
        "try:\n"
        f"    GcsClient(address={first_line(ours)!r})\n"
        "except Exception as error:\n"
        "    print(type(error).__name__)\n"
    )
    assert first_line(stranger) == "AuthenticationError"


@pytest.mark.model
def test_the_small_model_is_whole(small_model: Path) -> None:
    """Its configuration, tokenizer with chat template, and weights load from the folder."""
    from transformers import AutoConfig, AutoTokenizer

    assert AutoConfig.from_pretrained(small_model).num_hidden_layers == 30
    tokenizer = AutoTokenizer.from_pretrained(small_model)
    ids = tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}])["input_ids"]
    assert "<|im_start|>user\nHi<|im_end|>" in tokenizer.decode(ids)
    assert (small_model / "model.safetensors").stat().st_size > 250_000_000
