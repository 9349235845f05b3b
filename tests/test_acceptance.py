"""A client of the contract alone at the whole engine: a real bus, scripted models and no Ray."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from contract import CONTRACT, RPCS, ContractClient, table
from whole import whole_engine

from deploy import acceptance

pytestmark = [pytest.mark.nats, pytest.mark.timeout(60)]


async def test_a_client_of_the_contract_alone_accepts_the_engine(tmp_path: Path) -> None:
    """Its messages are made of the contract's table; nothing of ours is imported to make them.

    Nobody else is there, so all that is counted came of its steps.
    """
    with whole_engine(tmp_path) as whole:
        async with grpc.aio.insecure_channel(whole.target) as channel:
            client = ContractClient(channel)
            before = await acceptance.is_healthy(client)
            await acceptance.accepted(client, "alone", within_s=20)
            after = await acceptance.is_healthy(client)
        assert whole.deaths == []
    assert after.total_deliberations == before.total_deliberations + 7
    assert dict(after.role_counts) == {"DEV": 2, "QA": 2, "ARCHITECT": 1, "DEVOPS": 1, "DATA": 1}


async def test_the_installed_client_tells_each_step_that_it_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in a cluster: by the generated messages, a line a step, twice with plans of its own."""
    with whole_engine(tmp_path) as whole:
        for _ in range(2):
            assert await acceptance.main(whole.target, within_s=20) == 0
            told = [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()]
            assert told == ["status", "councils", "a deliberation", "a plan", "read again"]


async def test_a_step_that_fails_is_told_and_ends_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A council more than there should be: the exit code is 1 and no further step is taken."""
    with whole_engine(tmp_path) as whole:
        async with grpc.aio.insecure_channel(whole.target) as channel:
            await ContractClient(channel).call("CreateCouncil", role="security", num_agents=2)
        assert await acceptance.main(whole.target, within_s=20) == 1
    assert capsys.readouterr().out == "FAILED  active councils: 6, not 5\n"


NEVER = {
    "CheckSuite": {"policy", "lint", "dryrun", "all_passed"},
    "CheckResult": {"score"},
    "ContextBlocks": {"tools"},
}
"""What is documented in the proto as not applicable."""
ELSEWHERE = {
    "GetDeliberationResultResponse": {"error_message"},
    "CheckResult": {"message"},
    "CouncilHealth": {"busy_agents"},
    "TaskConstraints": {"rubric", "max_iterations", "timeout_seconds"},
}
"""What is set only where something fails, is under way or came over the bus, and what is no part
of a plan's task."""


async def test_every_field_of_every_answer_is_filled(tmp_path: Path) -> None:
    """With something that is not its default, in one answer at least; else it is documented."""
    found = dict[str, set[str]]()
    with whole_engine(tmp_path) as whole:
        async with grpc.aio.insecure_channel(whole.target) as channel:
            async for answer in answers(ContractClient(channel)):
                collect(answer, found)
        assert whole.deaths == []
    missing = dict[str, set[str]]()
    for message in answered():
        fields = {field.split(" ")[1] for field in table(CONTRACT)[message].split(", ")}
        known = NEVER.get(message, set()) | ELSEWHERE.get(message, set())
        assert not found.get(message, set()) & NEVER.get(message, set()), message
        missing[message] = fields - found.get(message, set()) - known
    assert {message: fields for message, fields in missing.items() if fields} == {}


def answered() -> set[str]:
    """Each message of the contract to which an answer leads, but for those that never are set."""
    left = [rpc.split(" -> ")[1].removeprefix("stream ") for rpc in table(RPCS).values()]
    reached = set[str]()
    while left:
        message = left.pop()
        if message in reached:
            continue
        reached.add(message)
        for field in table(CONTRACT)[message].split(", "):
            _, name, kind = field.split(" ")
            kind = kind.removeprefix("*").removeprefix("map<string,").removesuffix(">")
            if kind in table(CONTRACT) and name not in NEVER.get(message, set()):
                left.append(kind)
    return reached


def collect(message: Any, found: dict[str, set[str]]) -> None:
    """Which fields of a message, and of those in it, are not their defaults."""
    for field, value in message.ListFields():
        found.setdefault(message.DESCRIPTOR.name, set()).add(field.name)
        if field.message_type is None:
            continue
        values = field.message_type.fields_by_name.get("value")
        if not field.message_type.GetOptions().map_entry:
            inner = value if field.is_repeated else (value,)
        else:
            inner = value.values() if values.message_type else ()
        for each in inner:
            collect(each, found)


async def answers(client: ContractClient) -> AsyncIterator[Any]:
    """One answer of each rpc at least, after a council and an agent have come."""
    yield await client.call("CreateCouncil", role="security", num_agents=2)
    capable = {
        "supported_tasks": ["review"],
        "model_profile": "small",
        "max_concurrent_tasks": 2,
        "languages": ["en"],
    }
    seat = {"role": "security", "agent_id": "guest"}
    yield await client.call("RegisterAgent", **seat, capabilities=capable)
    yield await client.call("ListCouncils", include_agents=True)
    asked = {"role": "dev", "task_description": "Build a clock"}
    yield await client.call("Deliberate", task_id="t-1", **asked)
    yield await client.call("GetDeliberationResult", task_id="t-1")
    yield await client.call("DeliberateForBacklogReview", **asked)
    async for update in client.call("StreamDeliberation", **asked):
        yield update
    yield await client.call("Orchestrate", story_id="s-1", **asked)
    plan = {"constraints": "No springs", "acceptance_criteria": "It ticks"}
    event = {"event_type": "plan.approved", "case_id": "s-1", "plan_id": "p-1"}
    yield await client.call("ProcessPlanningEvent", **event, metadata=plan | {"roles": "dev"})
    derived = await client.call("DeriveSubtasks", plan_id="p-1", roles=["dev", "qa"])
    yield derived
    yield await client.call("GetDeliberationResult", task_id=derived.derivation_id)
    yield await client.call("GetTaskContext", task_id="t-1", phase="vote")
    yield await client.call("GetStatus", include_stats=True)
    yield await client.call("GetMetrics")
    yield await client.call("UnregisterAgent", **seat)
    yield await client.call("DeleteCouncil", role="security")
