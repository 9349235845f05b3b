"""Claims about all doors alike: what is refused, and what becomes of work whose caller is gone."""

import asyncio
import pickle
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import httpx
import pytest
from callers import CLIENTS, GOOD, Client, asked_over_grpc, waiting_over_http
from deadline import until, until_async
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from house import ALL, House

from actors.pb import orchestrator_pb2 as pb
from cli import main
from edges.refusals import BUG, REFUSALS, refusal
from engine import errors
from engine.errors import (
    Broken,
    ConclaveError,
    Conflict,
    Ended,
    InvalidRequest,
    NotFound,
    TooLarge,
)
from engine.events import Record
from engine.transcript import fold

pytestmark = [pytest.mark.ray, pytest.mark.nats, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def house(opened: House) -> House:
    """The doors, all turns let go."""
    opened.stage.open(*ALL)
    opened.post(task_id="taken", rounds=0)
    return opened


class Refused(NamedTuple):
    """How a door refused: its own status, and the line."""

    status: object
    line: str


def over_http(house: House, fields: dict[str, Any], **headers: str) -> Refused:
    """Ask over HTTP, to be refused."""
    answer = house.http.post("/v1/deliberations", json=fields, headers=headers)
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return Refused(answer.status_code, answer.json()["detail"])


def over_sse(house: House, fields: dict[str, Any]) -> Refused:
    """Ask for events over HTTP, to be refused before any comes."""
    return over_http(house, fields, Accept="text/event-stream")


def without_waiting(house: House, fields: dict[str, Any]) -> Refused:
    """Ask over HTTP without waiting, to be refused at once."""
    return over_http(house, fields, Prefer="respond-async")


def over_grpc(house: House, fields: dict[str, Any]) -> Refused:
    """Ask over gRPC, to be refused."""
    with pytest.raises(grpc.RpcError) as raised:
        house.rpc.Deliberate(asked_over_grpc(fields))
    return Refused(raised.value.code(), raised.value.details())


def over_grpc_stream(house: House, fields: dict[str, Any]) -> Refused:
    """Ask for updates over gRPC, to be refused before any comes."""
    with pytest.raises(grpc.RpcError) as raised:
        list(house.rpc.StreamDeliberation(asked_over_grpc(fields)))
    return Refused(raised.value.code(), raised.value.details())


OPTIONS = {
    "role": "--role",
    "rounds": "--rounds",
    "num_agents": "--agents",
    "policy": "--policy",
    "tally": "--tally",
    "quorum": "--quorum",
    "samples": "--samples",
    "token_budget": "--token-budget",
    "timeout_seconds": "--timeout",
    "task_id": "--id",
}
"""What a field is on the command line; one that is not here cannot be said there."""


def on_the_command_line(house: House, fields: dict[str, Any]) -> Refused:
    """Ask with `conclave deliberate`, to be refused in one line."""
    said = [word for k, v in fields.items() if k in OPTIONS for word in (OPTIONS[k], str(v))]
    if {"max_iterations", "tally"} & fields.keys():
        pytest.skip("the command has no such option, or knows its choices itself")
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(["deliberate", "--url", house.url, *said, "--", fields["text"]])
    assert err.getvalue().startswith("conclave: ")
    assert out.getvalue() == ""
    return Refused(code, err.getvalue().rstrip("\n"))


GRPC = (over_grpc, over_grpc_stream)
DOORS = (over_http, over_sse, without_waiting, *GRPC, on_the_command_line)
BAD: list[tuple[dict[str, Any], type[ConclaveError], str]] = [
    ({"role": "chef"}, InvalidRequest, "no council 'CHEF'; known roles: DEV, QA"),
    ({"text": ""}, InvalidRequest, "should have at least 1 character"),
    ({"text": " \n"}, InvalidRequest, "is empty; say what"),
    ({"text": "word " * 5000}, InvalidRequest, "has 5000 tokens and"),
    ({"text": "x" * 300_000}, TooLarge, "over this server's cap of 262144"),
    ({"rounds": 5}, InvalidRequest, "rounds: 5 is over this server's cap of 4"),
    ({"rounds": -1}, InvalidRequest, "rounds: "),
    ({"num_agents": 4}, InvalidRequest, "num_agents: 4 is over this server's cap of 3"),
    ({"num_agents": -1}, InvalidRequest, "num_agents: "),
    ({"policy": "chaos"}, InvalidRequest, "known policies: council, vote, single"),
    ({"tally": "dice"}, InvalidRequest, "tally: Input should be 'plurality', 'majority', "),
    ({"quorum": 1.5}, InvalidRequest, "quorum: "),
    ({"samples": 2}, InvalidRequest, "samples: means nothing under policy 'council'"),
    ({"token_budget": 100_001}, InvalidRequest, "token_budget: 100001 is over this server's cap"),
    ({"timeout_seconds": -3}, InvalidRequest, "timeout_seconds: "),
    ({"max_iterations": -3}, InvalidRequest, "max_iterations: "),
    ({"task_id": "x" * 201}, InvalidRequest, "task_id: "),
    ({"task_id": "taken"}, Conflict, "'taken' belongs to another request"),
]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
@pytest.mark.parametrize(("fields", "error", "words"), BAD, ids=lambda v: str(v)[:30])
def test_what_cannot_be_done_is_refused_alike_at_every_door(
    house: House,
    door: Callable[[House, dict[str, Any]], Refused],
    fields: dict[str, Any],
    error: type[ConclaveError],
    words: str,
) -> None:
    """The status of the error's class in the door's own terms, one line that names the field."""
    refused = door(house, GOOD | fields)
    expected: object = REFUSALS[error].grpc if door in GRPC else REFUSALS[error].http
    assert refused.status == (1 if door is on_the_command_line else expected)
    assert words in refused.line
    assert "\n" not in refused.line


@pytest.mark.parametrize(
    ("id", "error"), [("never", NotFound), ("taken", Ended)], ids=["unknown", "ended"]
)
def test_what_is_not_there_is_refused_alike_at_every_door(
    house: House, id: str, error: type[ConclaveError]
) -> None:
    """Reading, watching and cancelling an unknown id; cancelling one that has ended."""
    expected, path = REFUSALS[error], f"/v1/deliberations/{id}"
    calls: list[Callable[[], httpx.Response]] = [lambda: house.http.delete(path)]
    rpcs: list[Callable[[], object]] = [
        lambda: house.rpc.CancelDeliberation(pb.CancelDeliberationRequest(task_id=id))
    ]
    if error is NotFound:
        calls += [lambda: house.http.get(path), lambda: house.http.get(f"{path}/events")]
        rpcs += [
            lambda: house.rpc.GetDeliberationResult(pb.GetDeliberationResultRequest(task_id=id)),
            lambda: list(house.rpc.WatchDeliberation(pb.WatchDeliberationRequest(task_id=id))),
        ]
    for call in calls:
        assert call().status_code == expected.http
    for rpc in rpcs:
        with pytest.raises(grpc.RpcError) as raised:
            rpc()
        assert raised.value.code() == expected.grpc
        assert id in raised.value.details()


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
async def test_work_whose_last_caller_has_left_is_suspended(house: House, client: Client) -> None:
    """Nothing runs any more soon after; sent again it goes on and asks no finished turn again."""
    id = client.__name__
    house.close("critique")
    asked = house.stage.asked("critique")
    caller = asyncio.create_task(client(house, id))
    await until_async(lambda: house.stage.asked("critique") == asked + 3, "reviews are under way")
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    until(lambda: not house.council("DEV")["running"], "nothing runs", 6)
    assert house.get(id).json()["status"] == "suspended"
    state = house.rpc.GetDeliberationResult(pb.GetDeliberationResultRequest(task_id=id))
    assert (state.status, state.suspended) == (pb.DELIBERATION_STATUS_PENDING, True)
    drafts = house.stage.asked("draft")
    house.stage.open(*ALL)
    assert house.post(task_id=id).json()["status"] == "completed"
    assert house.stage.asked("draft") == drafts
    events = house.http.get(f"/v1/deliberations/{id}/events").text.split("\n")
    records = [Record.model_validate_json(e[6:]) for e in events if e.startswith("data: ")]
    kinds = [record.event.kind for record in records]
    assert [kinds.count(kind) for kind in ("suspended", "resumed", "drafted")] == [1, 1, 3]
    assert fold(records).end is not None


async def test_whoever_watches_is_a_caller_too(house: House) -> None:
    """The first caller leaves and the watcher stays: it goes on; the watcher leaves: it stops."""
    house.close("critique")
    first = asyncio.create_task(waiting_over_http(house, "watched"))
    until_known = lambda: house.get("watched").status_code == 200  # noqa: E731
    await until_async(until_known, "it has begun")
    async with (
        httpx.AsyncClient(base_url=house.url, timeout=60) as http,
        http.stream("GET", "/v1/deliberations/watched/events") as stream,
    ):
        lines = stream.aiter_lines()
        await until_line(lines, ": keep-alive")
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await until_line(lines, ": keep-alive")
        await until_line(lines, ": keep-alive")
        assert house.council("DEV")["running"] == ["watched"]
    until(lambda: not house.council("DEV")["running"], "nothing runs", 6)
    assert house.get("watched").json()["status"] == "suspended"
    house.stage.open(*ALL)


async def until_line(lines: AsyncIterator[str], wanted: str) -> None:
    """Read on until that line has come."""
    async for line in lines:
        if line == wanted:
            return
    pytest.fail(f"the stream ended without {wanted!r}")


def test_a_stream_that_ends_without_a_decision_tells_all_and_then_its_status(
    house: House,
) -> None:
    """No update is lost before it."""
    house.close("draft")
    stream = house.rpc.StreamDeliberation(asked_over_grpc(GOOD | {"task_id": "undecided"}))
    first = next(stream)
    house.rpc.CancelDeliberation(pb.CancelDeliberationRequest(task_id="undecided"))
    updates = [first]
    with pytest.raises(grpc.RpcError) as raised:
        updates += iter(stream)
    house.stage.open(*ALL)
    assert raised.value.code() == grpc.StatusCode.CANCELLED
    assert (first.status, updates[-1].status) == ("generating", "complete")


def test_every_door_decides_without_the_bus(house: House) -> None:
    """Soon, and says that it is not durable; what would be kept is refused; then all is durable."""
    ids = [f"busless-{n}" for n in range(4)]
    asked = [asked_over_grpc(GOOD | {"task_id": id}) for id in ids]
    house.nats.kill()
    try:
        began = time.monotonic()
        answer = house.post(task_id=ids[0]).json()
        assert (answer["status"], answer["durable"]) == ("completed", False)
        assert not house.rpc.Deliberate(asked[1]).durable
        events = house.post({"Accept": "text/event-stream"}, task_id=ids[2]).text
        assert "event: decided" in events
        *_, last = house.rpc.StreamDeliberation(asked[3])
        assert (last.status, last.result.durable) == ("complete", False)
        assert time.monotonic() - began < 12
        assert house.get(ids[0]).json() == answer
        refused = without_waiting(house, GOOD)
        assert refused.status == 503
        assert "nothing can be accepted" in refused.line
        ready = house.http.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert house.rpc.GetStatus(pb.GetStatusRequest()).status == "degraded"
    finally:
        house.nats.start()
    until(lambda: house.http.get("/readyz").json()["ready"], "ready again", 15)
    until(lambda: all(house.get(id).json()["durable"] for id in ids), "all is durable", 15)
    listed = house.http.get("/v1/deliberations?limit=4").json()["deliberations"]
    assert {one["id"] for one in listed} == set(ids)
    told, found = house.http.get("/v1/metrics").json(), house.rpc.GetMetrics(pb.GetMetricsRequest())
    assert told["performance"]["p99_latency_ms"] == found.performance.p99_latency_ms > 0
    assert set(told["councils"]["health_per_council"]) == set(found.councils.health_per_council)
    assert house.http.get("/v1/deliberations?limit=0").status_code == 400


def test_the_service_describes_itself_and_refuses_what_is_empty(house: House) -> None:
    """Reflection knows the contract; an empty request of its is INVALID_ARGUMENT."""
    known = DescriptorPool(ProtoReflectionDescriptorDatabase(house.channel))
    service = known.FindServiceByName("fleet.orchestrator.v1.OrchestratorService")
    assert "Orchestrate" in service.methods_by_name
    with pytest.raises(grpc.RpcError) as raised:
        house.rpc.Orchestrate(pb.OrchestrateRequest())
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_the_example_of_a_client_runs_as_it_stands(house: House) -> None:
    """It prints the progress and names the winner."""
    script = Path(__file__).resolve().parent.parent / "examples" / "stream.py"
    command = [sys.executable, script, "DEV", "Clock", house.target]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    lines = done.stdout.splitlines()
    assert lines[0] == "  0 %  generating  the DEV council has convened"
    assert lines[-2].startswith("100 %  complete")
    assert lines[-1].startswith("winner: agent-dev-")


def subclasses(of: type) -> list[type]:
    """All classes of a tree in the engine, the root left out."""
    ours = (child for child in of.__subclasses__() if child.__module__ == errors.__name__)
    return [each for child in ours for each in (child, *subclasses(child))]


@pytest.mark.parametrize("kind", subclasses(ConclaveError), ids=lambda kind: kind.__name__)
def test_every_error_of_the_tree_says_whose_turn_it_is(kind: type[ConclaveError]) -> None:
    """The asker's or a later try's; only what is broken by ourselves is an internal error."""
    arity = {"SetupError": 2, "Unmet": 2, "InvalidRequest": 2, "TooLarge": 2, "InvalidEvent": 3}
    error = kind(*"abc"[: arity.get(kind.__name__, 1)])
    assert 400 <= refusal(error).http < 600
    assert (refusal(error) == BUG) == (kind is Broken)
    assert refusal(pickle.loads(pickle.dumps(error))) == refusal(error)


def test_the_table_names_only_errors_of_the_tree() -> None:
    """And what is in no table is our own bug."""
    assert set(REFUSALS) <= {cls for cls in vars(errors).values() if isinstance(cls, type)}
    assert refusal(ConclaveError("new")) == BUG
    assert refusal(ZeroDivisionError()) == BUG
