"""Claims about `conclave doctor`: what each measurement means, and that no machine ends it."""

import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path

import grpc
import pytest
from http_twin import Twin
from rich.console import Console

from actors.nats_server import free_port
from cli import main
from commands import checks, doctor
from commands.checks import GIB, MIB, Check, Holder, Verdict
from conclave import Client

OK, WARN, FAIL = Verdict.OK, Verdict.WARN, Verdict.FAIL
FOLDER = Path("/models/Small")


@pytest.mark.parametrize(
    ("check", "verdict", "says"),
    [
        (checks.python((3, 11, 7), "linux"), OK, "3.11.7 on linux"),
        (checks.python((3, 10, 1), "linux"), FAIL, "too old"),
        (checks.python((3, 14, 0), "darwin"), FAIL, "needs Linux"),
        (checks.memory(8 * GIB), OK, "8.0 GB free"),
        (checks.memory(6 * GIB), OK, "6.0 GB free"),
        (checks.memory(5 * GIB), WARN, "an engine takes 6.0 GB"),
        (checks.memory(500 * MIB), FAIL, "500 MB free"),
        (checks.memory(500 * MIB, running=True), OK, "beside the running engine"),
        (checks.memory(None), WARN, "cannot be measured"),
        (checks.model(FOLDER, True, True, None), OK, "Small in /models"),
        (checks.model(FOLDER, True, False, GIB), FAIL, "lacks files"),
        (checks.model(FOLDER, False, False, None), FAIL, "/models cannot be used"),
        (checks.model(FOLDER, False, False, 200 * MIB), FAIL, "only 200 MB free"),
        (checks.model(FOLDER, False, False, 2 * GIB), WARN, "not made yet"),
        (checks.port("HTTP", 1, Holder.NOBODY, "--port"), OK, "is free"),
        (checks.port("HTTP", 1, Holder.CONCLAVE, "--port"), OK, "the running Conclave"),
        (checks.port("HTTP", 1, Holder.OTHER, "--port"), FAIL, "another program"),
        (checks.nats("/bin/nats-server", "v2"), OK, "v2"),
        (checks.nats("/bin/nats-server", ""), FAIL, "does not run"),
        (checks.nats(None, ""), FAIL, "not found"),
        (checks.ray("2.60.0", "2.60.0", ""), OK, "2.60.0"),
        (checks.ray("2.60.0", "", ""), OK, "2.60.0"),
        (checks.ray("2.61.0", "2.60.0", ""), WARN, "tested with 2.60.0"),
        (checks.ray("2.60.0", "2.60.0", "no libssl"), FAIL, "no libssl"),
        (checks.ray(None, "2.60.0", "gone"), FAIL, "not installed"),
        (checks.vllm("1", None, []), OK, "1 for CPUs; no GPU"),
        (checks.vllm("1", None, ["H200"]), WARN, "though H200 is seen"),
        (checks.vllm(None, "1", ["H200", "H200"]), OK, "1 for GPUs; H200, H200"),
        (checks.vllm(None, "1", []), FAIL, "none is seen"),
        (checks.vllm("1", "1", []), FAIL, "both builds"),
        (checks.vllm(None, None, ["H200"]), FAIL, "not installed; H200 is seen"),
        (checks.shared_memory(GIB), OK, "1.0 GB"),
        (checks.shared_memory(64 * MIB), WARN, "64 MB"),
        (checks.shared_memory(None), WARN, "is not there"),
        (checks.engine("URL", False, "healthy", [], ""), OK, "healthy at URL"),
        (
            checks.engine("URL", False, "degraded", ["bus: x", "y"], ""),
            WARN,
            "degraded at URL: bus",
        ),
        (checks.engine("URL", False, "unhealthy", [], ""), FAIL, "does not say why"),
        (checks.engine("URL", False, "", [], "nobody"), OK, "none runs at URL yet"),
        (checks.engine("URL", True, "", [], "nobody"), WARN, "none that can be asked at URL"),
    ],
)
def test_a_measurement_has_a_verdict_and_a_remedy(
    check: Check, verdict: Verdict, says: str
) -> None:
    """Whatever is not ok says what to do; what is ok asks for nothing."""
    assert check.verdict is verdict
    assert says in check.what
    assert bool(check.remedy) == (verdict is not OK)


def run(client: Client, ports: doctor.Ports) -> str:
    """What the doctor tells, whether it is content or not."""
    console = Console(file=StringIO(), width=100)
    try:
        doctor.doctor(client, ports, console)
    except doctor.Unfit as unfit:
        console.print(str(unfit))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_every_line_is_there_in_seconds(twin: Twin) -> None:
    """The real machine, with a running engine that says it is degraded."""
    began = time.monotonic()
    with Client(twin.url) as client:
        shown = run(
            client, doctor.Ports(int(twin.url.rpartition(":")[2]), free_port(), free_port())
        )
    assert time.monotonic() - began < 10.0
    for name in ("python", "ray", "vllm", "nats-server", "model", "memory", "/dev/shm", "engine"):
        assert name in shown
    assert "is held by the running Conclave" in shown
    assert shown.count("is free") == 2
    assert "conclave:agent:small:0: failed out of memory" in shown


def test_an_odd_machine_is_told_of_and_ends_nothing(
    twin: Twin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No packages, no programs, no Python, no /proc, no disk: each is a line with a remedy."""

    def gone(*_arguments: object, **_options: object) -> None:
        raise OSError("odd")

    def missing(name: str) -> None:
        raise doctor.PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "version", missing)
    monkeypatch.setattr(doctor, "requires", missing)
    monkeypatch.setattr(doctor.subprocess, "run", gone)
    monkeypatch.setattr(doctor.shutil, "disk_usage", gone)
    monkeypatch.setattr(doctor.Path, "read_text", gone)
    monkeypatch.setattr(doctor.Path, "iterdir", gone)
    monkeypatch.setenv("CONCLAVE_CACHE", str(tmp_path))
    with Client("http://127.0.0.1:1", retries_s=()) as client:
        shown = run(client, doctor.Ports(free_port(), free_port(), free_port()))
    for part in ("not installed", "cannot be measured", "cannot be used", "is not there"):
        assert part in " ".join(shown.split())
    assert "not ready: ray, vllm, " in shown


def test_a_package_that_cannot_be_imported() -> None:
    """Its own last line says why."""
    assert doctor._import_trouble("json") == ""
    assert "No module named 'no_such_package'" in doctor._import_trouble("no_such_package")


def test_who_holds_a_port(twin: Twin) -> None:
    """Ours is known by its answer, on any address; all others are others."""
    here = int(twin.url.rpartition(":")[2])
    with (
        socket.socket() as other,
        Client(twin.url) as ours,
        Client("http://127.0.0.1:1", retries_s=()) as away,
    ):
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        assert doctor._http_holder(ours, here, "") is Holder.CONCLAVE
        assert doctor._http_holder(away, here, "nobody") is Holder.CONCLAVE
        assert doctor._http_holder(ours, free_port(), "") is Holder.NOBODY
        assert doctor._nats_holder(taken, {"bus": {"url": f"nats://a:{taken}"}}) is Holder.CONCLAVE
        assert doctor._nats_holder(taken, {"bus": {"url": "nats://a:b"}}) is Holder.OTHER
        assert doctor._nats_holder(taken, {"bus": None}) is Holder.OTHER


def test_who_holds_the_port_of_grpc() -> None:
    """Who knows our service; a server of other services is another one."""

    def answers(names: tuple[str, ...]) -> grpc.Server:
        handlers = {"GetStatus": grpc.unary_unary_rpc_method_handler(lambda _bytes, _call: b"")}
        server = grpc.server(ThreadPoolExecutor(1))
        for name in names:
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
        return server

    for names, holder in (((doctor.SERVICE,), Holder.CONCLAVE), (("other",), Holder.OTHER)):
        server = answers(names)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        assert doctor._grpc_holder(port) is holder
        server.stop(0).wait()
    assert doctor._grpc_holder(free_port()) is Holder.NOBODY


@pytest.mark.parametrize(
    ("limit", "used", "expected"),
    [
        ("max", "5", 4096 * 1024),
        ("3000000", "1000000", 2_000_000),
        ("10", "11", 0),
        ("", "", 4096 * 1024),
    ],
)
def test_memory_is_what_the_container_leaves(
    limit: str, used: str, expected: int, tmp_path: Path
) -> None:
    """The smaller of what the machine has and what the limit allows."""
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    4096 kB\n")
    (tmp_path / "memory.max").write_text(limit)
    (tmp_path / "memory.current").write_text(used)
    assert doctor.available_memory(tmp_path, tmp_path) == expected
    assert doctor.available_memory(tmp_path / "no", tmp_path / "no") is None


def test_gpus_are_seen_without_their_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the driver's own files where nvidia-smi is missing."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor.gpus(tmp_path / "none") == []
    (tmp_path / "gpus" / "0000").mkdir(parents=True)
    (tmp_path / "gpus" / "0001").mkdir()
    (tmp_path / "gpus" / "0000" / "information").write_text("Model: \t NVIDIA H200\nIRQ: 1\n")
    assert doctor.gpus(tmp_path / "gpus") == ["NVIDIA H200", "a GPU"]


def test_the_command_ends_with_1_where_something_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line names what failed; how to mend it stands in the table."""
    failing = Check("disk", Verdict.FAIL, "none", "buy one")
    monkeypatch.setattr(doctor, "examined", lambda _client, _ports: iter([failing]))
    assert main(["doctor"]) == 1
    captured = capsys.readouterr()
    assert captured.out.split() == ["fail", "disk", "none", "buy", "one"]
    assert captured.err == "conclave: not ready: disk; what to do stands beside each\n"
    assert sys.version_info >= checks.PYTHON
