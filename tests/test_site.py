"""Claims about bringing the engine up: what is read, which ports it takes, what is said first."""

import shlex
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from actors.nats_server import NatsServer, free_port
from cli import main
from commands.cluster import check_fit, joined, unjoined
from commands.config_file import read_config
from commands.serve import addresses, examples
from commands.site import Site, Wanted, _planned
from engine.config import Config, GrpcConfig, HttpConfig, PoolConfig
from engine.errors import SetupError

Capture = pytest.CaptureFixture[str]

GPU = Path(__file__).resolve().parent.parent / "examples" / "gpu.yaml"
SMALL = {"pools": {"small": {"model": "/models/small"}}}


@contextmanager
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def written(folder: Path, arguments: object = None, **fields: object) -> Path:
    """A Serve config with one application of ours."""
    ours = {"import_path": "serve_app:build", "args": SMALL if arguments is None else arguments}
    file = folder / "serve.yaml"
    file.write_text(yaml.safe_dump({"applications": [ours], **fields}))
    return file


def test_the_example_for_a_gpu_is_read() -> None:
    """Its pools, its bus and the ports of Serve's own options."""
    config = read_config(GPU)
    assert config.pools["qwen"].gpus == 1
    assert config.http.port == 8000
    assert config.bus.url == "nats://127.0.0.1:4222"


def test_a_port_in_the_file_that_is_none(tmp_path: Path) -> None:
    """Its place is that of our configuration."""
    with pytest.raises(SetupError, match=r"args\.http\.port: Input should be a valid integer"):
        read_config(written(tmp_path, http_options={"port": "x"}))


def test_serves_options_are_where_it_listens(tmp_path: Path) -> None:
    """As `serve deploy` would have it; gRPC has a port and no host."""
    doors = {"http_options": {"host": "0.0.0.0", "port": 81, "root_path": "/x"}}
    doors["grpc_options"] = {"port": 91, "grpc_servicer_functions": []}
    config = read_config(written(tmp_path, **doors))
    assert (config.http, config.grpc) == (HttpConfig(host="0.0.0.0", port=81), GrpcConfig(port=91))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "cannot be read (No such file or directory)"),
        ("a: [", "is no YAML (while parsing"),
        ("\x00", "is no YAML (unacceptable character"),
        ("", "has no list of `applications`"),
        ("- 1", "has no list of `applications`"),
        ("applications: {}", "has no list of `applications`"),
        ("applications: [1, {import_path: other}]", "has 0 applications with"),
        ("applications: [{import_path: 'serve_app:build', args: [1]}]", "has `args` that are no"),
        ("applications: [{import_path: 'serve_app:build'}]", "args.pools: Field required"),
        ("http_options: 1\napplications: [{import_path: 'serve_app:build'}]", "`http_options`"),
    ],
)
def test_a_config_that_is_none(text: str | None, says: str, tmp_path: Path) -> None:
    """What is wrong and where, in one line with an example of a right one."""
    file = tmp_path / "serve.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SetupError) as error:
        read_config(file)
    assert says in str(error.value)
    assert "see examples/gpu.yaml" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("option", "who"), [("--port", "HTTP"), ("--grpc-port", "gRPC"), ("--nats-port", "nats-server")]
)
def test_a_taken_port_is_said_before_anything_starts(
    option: str, who: str, tmp_path: Path, capsys: Capture
) -> None:
    """Who needs it, how to find who has it, and the option that names another."""
    ports = {"--port": "0", "--grpc-port": "0", "--nats-port": "0"}
    with taken() as port:
        ports[option] = str(port)
        words = [word for pair in ports.items() for word in pair]
        assert main(["serve", *words, "--store", str(tmp_path / "store")]) == 1
    error = capsys.readouterr().err
    assert f"Port {port} on 127.0.0.1 is taken, {who} needs it" in error
    assert error.endswith(f"choose another port: {option} N\n")
    assert error.count("\n") == 1
    assert not (tmp_path / "store").exists()


def test_ports_come_from_options_then_the_file_then_defaults(tmp_path: Path) -> None:
    """Zero is a free one, wherever it is said."""
    one, two, three = free_port(), free_port(), free_port()
    arguments = {**SMALL, "bus": {"url": f"nats://localhost:{three}"}}
    file = written(tmp_path, arguments, http_options={"port": one}, grpc_options={"port": 0})
    plan = _planned(Wanted(tmp_path, None, None, None, file=file))
    assert (plan.http.port, plan.nats_port, plan.bus) == (one, three, "")
    assert plan.grpc.port > 0
    plan = _planned(Wanted(tmp_path, two, None, 0, file=file))
    assert (plan.http.port, plan.nats_port) == (two, 0)


def test_ports_must_differ(tmp_path: Path, capsys: Capture) -> None:
    """The second of two doors at one port would fail much later."""
    port = str(free_port())
    words = ["--port", port, "--grpc-port", port, "--nats-port", "0", "--store", str(tmp_path)]
    assert main(["serve", *words]) == 1
    assert "cannot share a port" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nats://127.0.0.1:1", "no NATS server answers at 127.0.0.1:1"),
        ("nats://user:secret@127.0.0.1:1", "bus.url: holds credentials, which others can see"),
    ],
)
def test_a_bus_that_cannot_be_used(
    url: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """It is said why, without a password, before anything starts."""
    monkeypatch.setattr("commands.reach.REACH_WITHIN_S", 0.1)
    words = ["--port", "0", "--grpc-port", "0", "--store", str(tmp_path), "--bus", url]
    assert main(["serve", *words]) == 1
    error = capsys.readouterr().err
    assert says in error
    assert "secret" not in error
    assert error.count("\n") == 1


@pytest.mark.nats
def test_a_bus_that_runs_is_used_as_it_is(nats: NatsServer, tmp_path: Path) -> None:
    """Named by the option, no nats-server of our own is planned."""
    plan = _planned(Wanted(tmp_path, bus=nats.url))
    assert plan.bus == nats.url
    config = plan.completed(Config.model_validate(SMALL), plan.bus)
    assert config.bus.url == nats.url
    assert config.http == plan.http


@pytest.mark.parametrize("option", ["--port", "--grpc-port", "--nats-port"])
@pytest.mark.parametrize("port", ["x", "-1", "65536", "1.5"])
def test_a_port_that_is_none(option: str, port: str, capsys: Capture) -> None:
    """It is a wrong call."""
    with pytest.raises(SystemExit) as left:
        main(["serve", f"{option}={port}"])
    assert left.value.code == 2
    assert f"{port!r} is no port" in capsys.readouterr().err


def test_every_printed_example_names_this_server_and_can_be_parsed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever its port is; the commands are ones that the command line knows."""
    monkeypatch.delenv("CONCLAVE_URL", raising=False)
    config = Config.model_validate({**SMALL, "http": {"port": 8123}})
    here = Site(config, "http://127.0.0.1:8123", "127.0.0.1:1", None)
    ask, curl, plan = (shlex.split(line.replace("\\\n", " ")) for _about, line in examples(here))
    assert ask[:4] == ["conclave", "deliberate", "--url", "http://127.0.0.1:8123"]
    assert curl[:3] == ["curl", "-N", "http://127.0.0.1:8123/v1/deliberations"]
    assert curl[-2:] == ["-d", '{"role": "DEV", "text": "Name two ways to test a clock"}']
    assert Path(plan[-1]).exists()
    assert addresses(here).row_count == 3


def test_a_cluster_that_can_never_run_it() -> None:
    """Too few processors, another machine that reaches neither our bus nor our model."""
    config = Config(pools={"small": PoolConfig(model="m", cpus=2, replicas=3, gpus=0.5)})
    enough = {"CPU": 6.0, "GPU": 1.5}
    check_fit(config, [enough], 1, own_bus=True, own_model=True)
    check_fit(config, [enough], 3, own_bus=False, own_model=False)
    for resources, machines, bus, model, says in (
        ({"CPU": 5.0, "GPU": 2.0}, 1, True, True, "need 6 CPU, Ray has 5"),
        ({"CPU": 6.0}, 1, True, True, "need 1.5 GPU, Ray has 0"),
        (enough, 2, True, False, "--bus nats://HOST:4222"),
        (enough, 2, False, True, "--config FILE"),
    ):
        with pytest.raises(SetupError) as error:
            check_fit(config, [resources], machines, own_bus=bus, own_model=model)
        assert says in str(error.value)


def test_a_cluster_whose_nodes_are_each_too_small() -> None:
    """Enough in all is not enough: an engine is on one node."""
    pair = PoolConfig(model="m", cpus=1, gpus=2, tensor_parallel=2)
    config = Config(pools={"pair": pair})
    node = {"CPU": 4.0, "GPU": 1.0}
    check_fit(config, [node, {"CPU": 4.0, "GPU": 2.0}], 2, own_bus=False, own_model=False)
    says = "An engine of pool pair needs 2 GPUs together on one node; the cluster's largest node"
    with pytest.raises(SetupError, match=says) as error:
        check_fit(config, [node, node], 2, own_bus=False, own_model=False)
    assert error.value.remedy.startswith("Add such a node, or lower the pool's")


@pytest.mark.parametrize("address", ["", "foo", "127.0.0.1", "ray://a:1", "http://a:1", ":1"])
def test_an_address_that_is_none(address: str) -> None:
    """It is said what one looks like."""
    with pytest.raises(SetupError, match="is no address of a Ray cluster"), joined(address):
        pass


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:99999", "[::1]:1"])
def test_a_cluster_that_does_not_answer(address: str) -> None:
    """It is said at once, Ray would try on."""
    with pytest.raises(SetupError, match="No Ray cluster answers"), joined(address):
        pass


@pytest.mark.parametrize(
    ("complaints", "says"),
    [
        ("Failed\nInvalidAuthToken: missing", "RAY_AUTH_TOKEN to the token of the cluster"),
        ("Version mismatch: 2.60 and 2.61", "the same versions of Ray"),
        ("Could not find any running Ray instance", "Start one with `ray start --head`"),
        ("", "Ray does not say why"),
    ],
)
def test_why_a_cluster_cannot_be_joined(complaints: str, says: str) -> None:
    """One line with the remedy that fits."""
    error = str(unjoined("auto", complaints))
    assert says in error
    assert "\n" not in error
