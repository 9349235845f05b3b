"""Five steps that show a running engine to be one, over gRPC; knows nothing of how it is deployed.

python deploy/acceptance.py conclave-serve-svc:9000    a line for each step; exit 1 at the first fault
"""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Callable, Iterator
from typing import TypeVar

import grpc

from actors.pb import orchestrator_pb2 as pb
from actors.pb.orchestrator_pb2_grpc import OrchestratorServiceStub

Found = TypeVar("Found")
CALL_S = 30.0
DECIDED_WITHIN_S = 900.0
READY_WITHIN_S = 900.0
PAUSE_S = 2.0
ROLES = ("ARCHITECT", "DATA", "DEV", "DEVOPS", "QA")
UNDECIDED = (pb.DELIBERATION_STATUS_PENDING, pb.DELIBERATION_STATUS_IN_PROGRESS)


class Failed(Exception):
    """A step did not end as it should have; the message says how it did."""


def main(address: str) -> int:
    """Take every step in turn; the exit code is 0, or 1 after the line of the one that failed."""
    with grpc.insecure_channel(address) as channel:
        try:
            for done in steps(OrchestratorServiceStub(channel), uuid.uuid4().hex):
                print(f"ok      {done}", flush=True)
        except (Failed, grpc.RpcError) as error:
            print(f"FAILED  {error}", flush=True)
            return 1
    return 0


def steps(engine: OrchestratorServiceStub, mark: str) -> Iterator[str]:
    """Each step as it is done, in words; `mark` makes this run's ids its own."""
    yield status(engine)
    yield councils(engine)
    yield plan(engine, mark)
    yield deliberate(engine, f"acceptance-{mark}")
    yield results(engine, f"acceptance-{mark}", f"never-{mark}")


def status(engine: OrchestratorServiceStub) -> str:
    """It is well, with figures; engines that still load their model are waited for."""
    found = until(lambda: _well(engine), READY_WITHIN_S, "the engine is healthy")
    return f"status {found.status}, {found.stats.total_deliberations} deliberations so far"


def _well(engine: OrchestratorServiceStub) -> pb.GetStatusResponse | None:
    try:
        found = engine.GetStatus(pb.GetStatusRequest(include_stats=True), timeout=CALL_S)
    except grpc.RpcError as error:
        if error.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
            return None
        raise
    return found if found.status == "healthy" and found.HasField("stats") else None


def councils(engine: OrchestratorServiceStub) -> str:
    """The five of a software-delivery fleet are there, with their agents."""
    request = pb.ListCouncilsRequest(include_agents=True)
    found = {one.role: one for one in engine.ListCouncils(request, timeout=CALL_S).councils}
    if missing := [role for role in ROLES if role not in found or not found[role].agents]:
        raise Failed(f"no council, or no agent of it: {', '.join(missing)}")
    return f"councils {', '.join(f'{role} ({found[role].num_agents})' for role in ROLES)}"


def plan(engine: OrchestratorServiceStub, mark: str) -> str:
    """An approved plan is taken, and five decisions follow from it."""
    event = pb.PlanningEventRequest(
        event_type="plan.approved",
        case_id=f"acceptance-{mark}",
        plan_id=f"acceptance-{mark}",
        metadata={"title": "Charge a customer once", "description": "However often it is retried."},
    )
    taken = engine.ProcessPlanningEvent(event, timeout=CALL_S)
    if not taken.processed or len(taken.derived_task_ids) != len(ROLES):
        raise Failed(f"of the plan came {len(taken.derived_task_ids)} tasks: {taken.message}")
    for id in taken.derived_task_ids:
        until(lambda id=id: _decided(engine, id), DECIDED_WITHIN_S, f"{id} is decided")
    return f"plan taken, {len(ROLES)} decisions"


def _decided(
    engine: OrchestratorServiceStub, id: str
) -> pb.GetDeliberationResultResponse | None:
    """Its result once it has ended; Failed where it ended without a decision."""
    try:
        found = engine.GetDeliberationResult(
            pb.GetDeliberationResultRequest(task_id=id), timeout=CALL_S
        )
    except grpc.RpcError as error:
        # Until the bridge takes the event there is no such deliberation.
        if error.code() in {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNAVAILABLE}:
            return None
        raise
    if found.status in UNDECIDED:
        return None
    if found.status != pb.DELIBERATION_STATUS_COMPLETED or not found.winner_id:
        raise Failed(f"{id} ended without a decision: {found.error_message}")
    return found


def deliberate(engine: OrchestratorServiceStub, id: str) -> str:
    """A task is answered with ranked texts and a winner."""
    request = pb.DeliberateRequest(
        task_id=id,
        task_description="Name two ways to test a clock",
        role="DEV",
        constraints=pb.TaskConstraints(timeout_seconds=int(DECIDED_WITHIN_S)),
    )
    answer = engine.Deliberate(request, timeout=DECIDED_WITHIN_S + CALL_S)
    if answer.task_id != id or not answer.winner_id:
        raise Failed(f"{id} was answered as {answer.task_id!r}, winner {answer.winner_id!r}")
    if [one.rank for one in answer.results] != [*range(1, len(answer.results) + 1)]:
        raise Failed(f"{id} has ranks {[one.rank for one in answer.results]}")
    return f"deliberated, {answer.winner_id} of {len(answer.results)} wins"


def results(engine: OrchestratorServiceStub, id: str, unknown: str) -> str:
    """What was decided can be read again; what never was is NOT_FOUND."""
    if _decided(engine, id) is None:
        raise Failed(f"{id} was answered and is not in the journal")
    try:
        engine.GetDeliberationResult(
            pb.GetDeliberationResultRequest(task_id=unknown), timeout=CALL_S
        )
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.NOT_FOUND:
            return "read again; an unknown id is NOT_FOUND"
        raise
    raise Failed(f"{unknown} was found, which never was")


def until(look: Callable[[], Found | None], within_s: float, what: str) -> Found:
    """What a look finds, repeated until it finds something; Failed after so many seconds."""
    deadline = time.monotonic() + within_s
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise Failed(f"not within {within_s:.0f} s: {what}")
        time.sleep(PAUSE_S)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
