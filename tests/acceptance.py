"""The five steps by which a client of the contract alone accepts an engine; knows no engine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
from contract import STATUSES, ContractClient
from deadline import reaches

ROLES = ("DEV", "QA", "ARCHITECT", "DEVOPS", "DATA")
AGENTS = tuple(f"agent-dev-00{number}" for number in (1, 2, 3))


def named(status: int) -> str:
    """The status of a deliberation by the last part of its name."""
    return STATUSES[status].removeprefix("DELIBERATION_STATUS_")


async def accepted(client: ContractClient, within_s: float = 20) -> None:
    """Status, councils, a plan for all of them, a deliberation, and what became of each.

    While the plan is worked on, a client deliberates and another one follows a stream.
    """
    before = await is_healthy(client)
    await lists_its_councils(client)
    await asyncio.gather(
        decides_a_plan(client, within_s),
        deliberates_and_remembers(client),
        tells_each_stage(client),
    )
    after = await is_healthy(client)
    assert after.total_deliberations == before.total_deliberations + len(ROLES) + 2
    for role in ROLES:
        more = {"DEV": 2, "QA": 2}.get(role, 1)
        assert after.role_counts[role] == before.role_counts[role] + more
    assert after.avg_deliberation_time_ms > 0


async def is_healthy(client: ContractClient) -> Any:
    """It says that it is, with its figures where they are asked for."""
    bare = await client.call("GetStatus")
    assert (bare.status, bare.HasField("stats")) == ("healthy", False)
    found = await client.call("GetStatus", include_stats=True)
    assert found.status == "healthy"
    assert found.uptime_seconds >= bare.uptime_seconds
    assert found.HasField("stats")
    assert found.stats.active_councils == len(ROLES)
    return found.stats


async def lists_its_councils(client: ContractClient) -> None:
    """The fleet's five, each with three agents that are ready."""
    found = (await client.call("ListCouncils", include_agents=True)).councils
    assert [each.role for each in found] == list(ROLES)
    assert [each.council_id for each in found] == [f"council-{role.lower()}" for role in ROLES]
    assert {each.num_agents for each in found} == {3}
    assert [agent.agent_id for agent in found[0].agents] == list(AGENTS)
    assert {agent.status for each in found for agent in each.agents} == {"ready"}


async def decides_a_plan(client: ContractClient, within_s: float) -> None:
    """An approved plan is taken, and each of its five deliberations comes to a decision."""
    plan = {
        "title": "A clock that never stops",
        "description": "It shows the time after a power cut.",
        "approved_by": "the product owner",
    }
    event = {"event_type": "plan.approved", "case_id": "s-acceptance", "plan_id": "p-acceptance"}
    answer = await client.call("ProcessPlanningEvent", **event, metadata=plan)
    assert answer.processed, answer.message
    assert len(set(answer.derived_task_ids)) == len(ROLES)
    await reaches(lambda: _all_completed(client, answer.derived_task_ids), "decided", within_s)
    councils = set[str]()
    for task_id in answer.derived_task_ids:
        found = await client.call("GetDeliberationResult", task_id=task_id)
        is_decided(found)
        councils.add(found.results[0].proposal.author_role)
    assert councils == set(ROLES)


async def _all_completed(client: ContractClient, task_ids: Sequence[str]) -> bool:
    """Whether all are. One that the bridge has not begun is not found; none may have failed."""
    found = [await status_of(client, task_id) for task_id in task_ids]
    assert {"FAILED", "TIMEOUT"}.isdisjoint(found), found
    return set(found) == {"COMPLETED"}


async def status_of(client: ContractClient, task_id: str) -> str:
    """The status of a deliberation, or of the call where that is refused."""
    try:
        found = await client.call("GetDeliberationResult", task_id=task_id)
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return named(found.status)


async def deliberates_and_remembers(client: ContractClient) -> None:
    """A request is answered with its decision, which is found again; what never was is not."""
    constraints = client.message("TaskConstraints", rubric="Be short", timeout_seconds=120)
    asked = {"role": "dev", "task_description": "Test a clock", "constraints": constraints}
    answer = await client.call("Deliberate", num_agents=2, rounds=1, **asked)
    is_decided(answer, agents=2)
    found = await client.call("GetDeliberationResult", task_id=answer.task_id)
    assert named(found.status) == "COMPLETED"
    assert list(found.results) == list(answer.results)
    assert found.winner_id == answer.winner_id
    assert found.duration_ms == answer.duration_ms > 0
    assert await status_of(client, "never") == "NOT_FOUND"


async def tells_each_stage(client: ContractClient) -> None:
    """A stream goes through all stages, to the end."""
    asked = {"role": "qa", "task_description": "Test a clock", "rounds": 1, "num_agents": 2}
    updates = [update async for update in client.call("StreamDeliberation", **asked)]
    assert list(dict.fromkeys(update.status for update in updates)) == [
        "generating",
        "reviewing",
        "scoring",
        "complete",
    ]
    assert updates[-1].progress_percent == 100


def is_decided(answer: Any, agents: int = 3) -> None:
    """Its texts are ranked, the winner is the first of them, and no check claims to have passed."""
    assert [each.rank for each in answer.results] == list(range(1, agents + 1))
    assert len({each.proposal.author_id for each in answer.results}) == agents
    assert answer.winner_id == answer.results[0].proposal.author_id
    for each in answer.results:
        assert each.proposal.content
        assert each.proposal.created_at_ms > 0
        assert not each.checks.all_passed
    assert answer.metadata.execution_id == answer.task_id
    assert answer.metadata.orchestrator_version
