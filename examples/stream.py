"""Follow a deliberation over gRPC: python examples/stream.py ROLE TASK [HOST:PORT]."""

import sys

import grpc

from actors.pb import orchestrator_pb2 as pb
from actors.pb.orchestrator_pb2_grpc import OrchestratorServiceStub

role, task, *rest = sys.argv[1:]
with grpc.insecure_channel(rest[0] if rest else "127.0.0.1:9000") as channel:
    service = OrchestratorServiceStub(channel)
    request = pb.DeliberateRequest(role=role, task_description=task)
    for update in service.StreamDeliberation(request):
        print(f"{update.progress_percent:3} %  {update.status:10}  {update.current_step}")
    print("winner:", update.result.winner_id, "of", len(update.result.results))
