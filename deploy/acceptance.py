"""The five steps by which an engine is accepted over gRPC; knows nothing of how it is deployed.

python deploy/acceptance.py HOST:PORT    a line for each step; exit 1 at the first fault

Whoever makes the messages is handed in, so that a client which never saw our code can take the
same steps.
"""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import grpc

ROLES = ("DEV", "QA", "ARCHITECT", "DEVOPS", "DATA")
SEATS = 3
READY_WITHIN_S = 900.0
DECIDED_WITHIN_S = 600.0
PAUSE_S = 0.2
AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
PREFIX = "DELIBERATION_STATUS_"


class Client(Protocol):
    """Makes and sends the contract's messages."""

    def message(self, name: str, **fields: Any) -> Any:
        """A message by its name."""

    def call(self, rpc: str, **fields: Any) -> Any:
        """Call an rpc: what the channel gives for that, an answer to await or a stream."""


class Failed(Exception):
    """A step did not end as it should have; the message says how it did."""


def require(what: str, found: object, wanted: object) -> None:
    """Go on only where the two are equal."""
    if found != wanted:
        raise Failed(f"{what}: {found!r}, not {wanted!r}")


async def accepted(
    client: Client,
    mark: str,
    within_s: float = DECIDED_WITHIN_S,
    say: Callable[[str], None] = lambda _step: None,
) -> None:
    """Status, councils, a plan for all of them, a deliberation, and what became of each.

    While the plan is worked on, a client deliberates and another one follows a stream. `mark` is
    in the plan's ids: the same plan would be the same deliberations. `say` hears of each step.
    """
    before = await is_healthy(client)
    say("status: healthy")
    await lists_its_councils(client)
    say(f"councils: {', '.join(ROLES)}, of {SEATS} agents each")
    tasks, task_id, _ = await asyncio.gather(
        takes_a_plan(client, mark), deliberates(client, within_s), tells_each_stage(client)
    )
    say("a deliberation: asked, followed and decided")
    await decides(client, tasks, within_s)
    say(f"a plan: {len(tasks)} decisions")
    await remembers(client, task_id)
    await counts(client, before)
    say("read again: each is in the journal, and counted")


async def is_healthy(client: Client) -> Any:
    """It says that it is, with its figures where they are asked for; returns those."""
    bare = await client.call("GetStatus")
    require("status", (bare.status, bare.HasField("stats")), ("healthy", False))
    found = await client.call("GetStatus", include_stats=True)
    require("status with figures", (found.status, found.HasField("stats")), ("healthy", True))
    require("its uptime went on", found.uptime_seconds >= bare.uptime_seconds, True)
    require("active councils", found.stats.active_councils, len(ROLES))
    return found.stats


async def lists_its_councils(client: Client) -> None:
    """The fleet's five, each with its agents, of which none is offline."""
    found = (await client.call("ListCouncils", include_agents=True)).councils
    require("councils", [each.role for each in found], list(ROLES))
    for each in found:
        name = each.role.lower()
        require("the council's id", each.council_id, f"council-{name}")
        ids = [f"agent-{name}-{number:03}" for number in range(1, SEATS + 1)]
        require(f"agents of {each.role}", [agent.agent_id for agent in each.agents], ids)
        offline = [agent.agent_id for agent in each.agents if agent.status == "offline"]
        require("agents offline", offline, [])


async def takes_a_plan(client: Client, mark: str) -> Sequence[str]:
    """An approved plan is taken; returns the ids of what follows from it, one for each council."""
    plan = {
        "title": "A clock that never stops",
        "description": "It shows the time after a power cut.",
        "approved_by": "the product owner",
    }
    event = {"event_type": "plan.approved", "case_id": f"s-{mark}", "plan_id": f"p-{mark}"}
    answer = await client.call("ProcessPlanningEvent", **event, metadata=plan)
    require(f"the plan is taken ({answer.message})", answer.processed, True)
    require("tasks of the plan", len(set(answer.derived_task_ids)), len(ROLES))
    tasks: Sequence[str] = answer.derived_task_ids
    return tasks


async def deliberates(client: Client, within_s: float) -> str:
    """A request is answered with its decision; returns its id."""
    constraints = client.message(
        "TaskConstraints", rubric="Be short", timeout_seconds=round(within_s)
    )
    asked = {"role": "dev", "task_description": "Test a clock", "constraints": constraints}
    answer = await client.call("Deliberate", num_agents=2, rounds=1, **asked)
    is_decided(answer, agents=2)
    found = await client.call("GetDeliberationResult", task_id=answer.task_id)
    require("the same results", list(found.results), list(answer.results))
    require("the same winner", found.winner_id, answer.winner_id)
    require("the same time", found.duration_ms, answer.duration_ms)
    require("a time above 0", found.duration_ms > 0, True)
    task_id: str = answer.task_id
    return task_id


async def tells_each_stage(client: Client) -> None:
    """A stream goes through all stages, to the end."""
    asked = {"role": "qa", "task_description": "Test a clock", "rounds": 1, "num_agents": 2}
    updates = [update async for update in client.call("StreamDeliberation", **asked)]
    stages = list(dict.fromkeys(update.status for update in updates))
    require("stages", stages, ["generating", "reviewing", "scoring", "complete"])
    require("progress at the end", updates[-1].progress_percent, 100)


async def decides(client: Client, task_ids: Sequence[str], within_s: float) -> None:
    """Each of these comes to a decision, one by each council."""
    await until(lambda: all_completed(client, task_ids), "all of the plan is decided", within_s)
    councils = set()
    for task_id in task_ids:
        found = await client.call("GetDeliberationResult", task_id=task_id)
        is_decided(found, SEATS)
        councils.add(found.results[0].proposal.author_role)
    require("councils that decided", councils, set(ROLES))


async def all_completed(client: Client, task_ids: Sequence[str]) -> bool:
    """Whether all are. One that the bridge has not begun is not found; none may have failed."""
    found = [await status_of(client, task_id) for task_id in task_ids]
    require("tasks that failed", [each for each in found if each in ("FAILED", "TIMEOUT")], [])
    return set(found) == {"COMPLETED"}


async def status_of(client: Client, task_id: str) -> str:
    """The status of a deliberation by its last part, or of the call where that is refused."""
    try:
        found = await client.call("GetDeliberationResult", task_id=task_id)
    except grpc.aio.AioRpcError as error:
        return str(error.code().name)
    enum = found.DESCRIPTOR.fields_by_name["status"].enum_type
    return str(enum.values_by_number[found.status].name.removeprefix(PREFIX))


async def remembers(client: Client, task_id: str) -> None:
    """What was decided is there; what never was is not."""
    require(f"the status of {task_id}", await status_of(client, task_id), "COMPLETED")
    require("the status of what never was", await status_of(client, "never"), "NOT_FOUND")


async def counts(client: Client, before: Any) -> None:
    """What came of these steps is in the figures; others may have asked meanwhile."""
    after = await is_healthy(client)
    more = after.total_deliberations - before.total_deliberations
    require("deliberations counted", more >= len(ROLES) + 2, True)
    for role in ROLES:
        least = {"DEV": 2, "QA": 2}.get(role, 1)
        grown = after.role_counts[role] - before.role_counts[role]
        require(f"deliberations counted of {role}", grown >= least, True)
    require("a mean time above 0", after.avg_deliberation_time_ms > 0, True)


def is_decided(answer: Any, agents: int) -> None:
    """Its texts are ranked, the winner is the first of them, and no check claims to have passed."""
    require("ranks", [each.rank for each in answer.results], list(range(1, agents + 1)))
    require("authors", len({each.proposal.author_id for each in answer.results}), agents)
    require("the winner", answer.winner_id, answer.results[0].proposal.author_id)
    for each in answer.results:
        require("a text", bool(each.proposal.content), True)
        require("when it was written", each.proposal.created_at_ms > 0, True)
        require("checks passed", each.checks.all_passed, False)
    require("the execution", answer.metadata.execution_id, answer.task_id)
    require("a version", bool(answer.metadata.orchestrator_version), True)


async def until(look: Callable[[], Awaitable[bool]], what: str, within_s: float) -> None:
    """Go on as soon as a look says so; Failed after so many seconds."""
    deadline = time.monotonic() + within_s
    while not await look():
        if time.monotonic() > deadline:
            raise Failed(f"not within {within_s:.0f} s: {what}")
        await asyncio.sleep(PAUSE_S)


class GeneratedClient:
    """Calls the service with the messages that Conclave is installed with."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        from actors.pb import orchestrator_pb2 as pb
        from actors.pb.orchestrator_pb2_grpc import OrchestratorServiceStub

        self._pb = pb
        self._stub: Any = OrchestratorServiceStub(channel)  # type: ignore[no-untyped-call]  # generated
        self._rpcs = pb.DESCRIPTOR.services_by_name["OrchestratorService"].methods_by_name

    def message(self, name: str, **fields: Any) -> Any:
        """A message by its name."""
        return getattr(self._pb, name)(**fields)

    def call(self, rpc: str, **fields: Any) -> Any:
        """An answer to await, or a stream."""
        return getattr(self._stub, rpc)(self.message(self._rpcs[rpc].input_type.name, **fields))


async def is_up(client: Client) -> bool:
    """Whether it answers and is healthy: engines may still load their model."""
    try:
        found = await client.call("GetStatus")
    except grpc.aio.AioRpcError as error:
        if error.code() in AWAY:
            return False
        raise
    return bool(found.status == "healthy")


async def main(address: str, within_s: float = DECIDED_WITHIN_S) -> int:
    """Wait for the engine and take the steps; 0, or 1 after the line of the one that failed."""
    async with grpc.aio.insecure_channel(address) as channel:
        client = GeneratedClient(channel)
        try:
            await until(lambda: is_up(client), "the engine is healthy", READY_WITHIN_S)
            async with asyncio.timeout(3 * within_s):
                await accepted(client, uuid.uuid4().hex, within_s, say=told)
        except (Failed, TimeoutError, grpc.aio.AioRpcError) as error:
            told(f"FAILED  {str(error) or type(error).__name__}")
            return 1
    return 0


def told(step: str) -> None:
    """Print a step at once: it is read while the next one is taken."""
    print(step, flush=True)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1])))
