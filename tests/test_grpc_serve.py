"""What tests/serve_twin.py takes for granted of Ray Serve, asked of the real one."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from deadline import until
from google.protobuf.descriptor_pool import DescriptorPool
from grpc import StatusCode
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from ray import serve
from ray_twins import ray_for_tests
from scripted_desk import ScriptedDesk

from actors.nats_server import free_port
from actors.pb import orchestrator_pb2 as pb
from actors.pb.orchestrator_pb2_grpc import OrchestratorServiceStub
from edges.asked import DeliberationRequest
from edges.desk import CouncilInfo
from edges.grpc import GrpcDoor
from engine.config import Config, GrpcConfig, HttpConfig, PoolConfig
from engine.types import Task
from serve_app import REPLICA, start_serve

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180)]


class TitledDesk(ScriptedDesk):
    """A scripted desk that does what the title says; tells as councils who asked and left."""

    def admit(self, request: DeliberationRequest, key: str = "") -> Task:
        """Hold all turns, or fail in the end, or neither."""
        task = super().admit(request, key)
        self.end = "QuorumLost" if task.title == "fail" else None
        if task.title == "hold":
            self.hold()
        return task

    async def councils(self) -> list[CouncilInfo]:
        """One for each caller: busy, or away when it has left."""
        return [
            self.infos[0].model_copy(update={"council_id": task.id, "status": status})
            for task, _ in self.asked
            for status in ["away" if task.id in self.left else "busy"]
        ]


class Door(GrpcDoor):
    """The gRPC door with such a desk."""

    def __init__(self) -> None:
        self._desk = TitledDesk()


@pytest.fixture(scope="module")
def channel() -> Iterator[grpc.Channel]:
    """A connection to the door in a real Serve."""
    config = Config(
        pools={"small": PoolConfig(model="/models/small")},
        http=HttpConfig(port=free_port()),
        grpc=GrpcConfig(port=free_port()),
    )
    with ray_for_tests():
        start_serve(config)
        door = serve.deployment(name="Door", **{**REPLICA, "max_ongoing_requests": 100})(Door)
        serve.run(door.bind())
        with grpc.insecure_channel(f"127.0.0.1:{config.grpc.port}") as channel:
            yield channel
        serve.shutdown()


@pytest.fixture
def stub(channel: grpc.Channel) -> Any:
    """The generated client."""
    return OrchestratorServiceStub(channel)


def asked(**fields: str) -> pb.DeliberateRequest:
    """A request to the DEV council."""
    return pb.DeliberateRequest(**{"role": "dev", "task_description": "Clock"} | fields)


def test_answers_and_streams_arrive(stub: Any) -> None:
    """A decision, and an update for each record with the result on the last."""
    assert stub.Deliberate(asked()).winner_id
    updates = list(stub.StreamDeliberation(asked()))
    assert updates[-1].result.winner_id


def test_a_refusal_is_its_status_also_before_the_first_message_of_a_stream(stub: Any) -> None:
    """In one line, whether there is one answer or a stream; so is a bug of ours."""
    for call in (stub.Deliberate, lambda request: list(stub.StreamDeliberation(request))):
        with pytest.raises(grpc.RpcError) as caught:
            call(asked(role="chef"))
        assert caught.value.code() is StatusCode.INVALID_ARGUMENT
        assert caught.value.details() == "role: no council 'CHEF'; known roles: DEV, QA"
    with pytest.raises(grpc.RpcError) as caught:
        list(stub.WatchDeliberation(pb.WatchDeliberationRequest(task_id="unknown to the twin")))
    assert caught.value.code() is StatusCode.INTERNAL
    assert caught.value.details().startswith("a bug of ours (KeyError)")
    with pytest.raises(grpc.RpcError) as caught:
        stub.Orchestrate(pb.OrchestrateRequest())
    assert caught.value.code() is StatusCode.UNIMPLEMENTED


def test_a_stream_that_fails_tells_all_and_then_its_status(stub: Any) -> None:
    """No update is lost before it."""
    stream = stub.StreamDeliberation(asked(title="fail"))
    updates = [next(stream) for _ in range(9)]
    assert updates[-1].status == "complete"
    with pytest.raises(grpc.RpcError) as caught:
        next(stream)
    assert caught.value.code() is StatusCode.FAILED_PRECONDITION


def test_a_client_that_goes_away_is_noticed(stub: Any) -> None:
    """A single answer or a stream: the desk's call is cancelled."""

    def stands(id: str, status: str) -> bool:
        councils = stub.ListCouncils(pb.ListCouncilsRequest()).councils
        return (id, status) in {(council.council_id, council.status) for council in councils}

    stream = stub.StreamDeliberation(asked(title="hold", task_id="stream"))
    single = stub.Deliberate.future(asked(title="hold", task_id="single"))
    for call, id in ((stream, "stream"), (single, "single")):
        until(lambda id=id: stands(id, "busy"), f"{id} is under way")
        call.cancel()
        until(lambda id=id: stands(id, "away"), f"{id} is cancelled")


def test_the_service_describes_itself(channel: grpc.Channel) -> None:
    """Reflection is on, so that grpcurl needs no file of ours."""
    database = ProtoReflectionDescriptorDatabase(channel)
    service = DescriptorPool(database).FindServiceByName(
        "fleet.orchestrator.v1.OrchestratorService"
    )
    assert "WatchDeliberation" in service.methods_by_name
