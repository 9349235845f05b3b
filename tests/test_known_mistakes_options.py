"""Known mistake 4, options accepted and ignored: each field of each request changes something."""

import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from asking import called
from chamber_twin import ChamberTwin
from grpc import StatusCode
from local_desk import Doors, doors
from scripted_desk import CONFIG, DEV, ScriptedDesk
from test_tasks_bus import approve, told

from actors.bus import Connection
from actors.nats_server import NatsServer
from actors.pb import orchestrator_pb2 as pb
from actors.streams import REQUESTS
from engine.config import BusConfig, Config, CouncilConfig, PoolConfig
from engine.deliberation import deliberate
from engine.policies import settle
from engine.testing import ScriptedModel, a_council, a_task, words
from engine.types import Phase, Task

METRICS = ("performance", "agents", "councils")


@pytest.mark.parametrize(
    ("fields", "reviews", "texts"),
    [
        ({"rounds": 0}, 0, 3),
        ({"rounds": 2}, 6, 9),
        ({"num_agents": 2}, 2, 4),
        ({"topology": "k_regular", "k": 2}, 6, 6),
    ],
)
async def test_04_options_change_what_is_done(
    fields: dict[str, object], reviews: int, texts: int
) -> None:
    """Rounds, agents and peers are counted in the turns that were taken."""
    model = ScriptedModel()
    task = Task.model_validate({**a_task().model_dump(), **fields})
    async with aclosing(deliberate(task, a_council(), model, words)) as events:
        assert [event async for event in events][-1].kind == "decided"
    asked = [turn.phase for turn in model.turns]
    assert asked.count(Phase.CRITIQUE) == reviews
    assert asked.count(Phase.DRAFT) + asked.count(Phase.REVISE) == texts


@pytest.mark.parametrize(
    ("fields", "rounds", "agents", "within_s"),
    [
        ({}, 1, 3, 900),
        ({"rounds": 2}, 2, 3, 900),
        ({"num_agents": 2}, 1, 2, 900),
        ({"rounds": 3, "constraints": {"max_iterations": 2}}, 2, 3, 900),
        ({"constraints": {"timeout_seconds": 7}}, 1, 3, 7),
    ],
)
async def test_04_a_deliberation_is_done_as_it_was_asked_for(
    fields: dict[str, Any], rounds: int, agents: int, within_s: float
) -> None:
    """Rounds and agents, the cap of the rounds, and the time."""
    desk = ScriptedDesk()
    asked = pb.DeliberateRequest(task_description="x", role="dev", **fields)
    answer = await called(desk, "Deliberate", asked)
    drafts, revisions = (phases_of(desk)[phase] for phase in (Phase.DRAFT, Phase.REVISE))
    assert (drafts, revisions, len(answer.results)) == (agents, agents * rounds, agents)
    assert desk.asked[0][1] == within_s


def phases_of(desk: ScriptedDesk) -> Counter[Phase]:
    """How many turns of each kind were taken."""
    return Counter(turn.phase for turn in desk.model.turns)


USUAL = {"enable_peer_review": True, "enable_architect_selection": True}
ORCHESTRATIONS: dict[str, dict[str, Any]] = {
    "options.enable_peer_review": {"options": {**USUAL, "enable_peer_review": False}},
    "options.deliberation_rounds": {"options": {**USUAL, "deliberation_rounds": 2}},
    "options.enable_architect_selection": {
        "options": {**USUAL, "enable_architect_selection": False}
    },
    "options.custom_params.k": {"options": {**USUAL, "custom_params": {"k": "2"}}},
    "options.custom_params.num_agents": {
        "options": {**USUAL, "custom_params": {"num_agents": "2"}}
    },
    "options.custom_params.tally": {"options": {**USUAL, "custom_params": {"tally": "schulze"}}},
    "constraints.timeout_seconds": {"constraints": {"timeout_seconds": 7}},
    "context_options.include_timeline": {"context_options": {"include_timeline": True}},
    "context_options.include_decisions": {"context_options": {"include_decisions": True}},
    "context_options.include_summaries": {"context_options": {"include_summaries": True}},
    "context_options.max_events": {"context_options": {"max_events": 2}},
}


async def test_04_each_option_of_an_orchestration_changes_what_is_done() -> None:
    """No two of them do the same, and none does what is done without it."""
    usual = await orchestrated()
    found = {name: await orchestrated(**fields) for name, fields in ORCHESTRATIONS.items()}
    assert [name for name, done in found.items() if done == usual] == []
    assert len(set(found.values())) == len(found)
    three = {**USUAL, "deliberation_rounds": 3}
    capped = await orchestrated(options=three, constraints={"max_iterations": 2})
    assert capped == found["options.deliberation_rounds"]


async def orchestrated(**fields: Any) -> tuple[object, ...]:
    """What an orchestration came to: its turns, its rules, what is shown, and in which time."""
    desk = ScriptedDesk()
    usual = {"task_id": "t-1", "role": "dev", "task_description": "x", "story_id": "s-1"}
    asked = {**usual, "options": USUAL, **fields}
    assert (await called(desk, "Orchestrate", pb.OrchestrateRequest(**asked))).HasField("winner")
    ((task, within_s),) = desk.asked
    judged = [turn.form for turn in desk.model.turns if turn.phase is Phase.JUDGE]
    turns = sorted(phases_of(desk).items())
    rules = settle(task, DEV).model_dump_json()
    return str(turns), str(judged), rules, str(task.shown), within_s


async def test_04_an_option_that_means_nothing_is_refused() -> None:
    """By its name: it is not accepted and then ignored."""
    options = {**USUAL, "custom_params": {"colour": "red"}}
    asked = pb.OrchestrateRequest(role="dev", task_description="x", options=options)
    assert await called(ScriptedDesk(), "Orchestrate", asked) is StatusCode.INVALID_ARGUMENT
    scoped = pb.OrchestrateRequest(
        role="dev", task_description="x", story_id="s", context_options={"scopes": ["rubric"]}
    )
    assert await called(ScriptedDesk(), "Orchestrate", scoped) is StatusCode.INVALID_ARGUMENT


POOLS = {name: PoolConfig(model=f"/models/{name}") for name in ("small", "large")}
COUNCILS: dict[str, dict[str, Any]] = {
    "num_agents": {"num_agents": 2},
    "deliberation_rounds": {"config": {"deliberation_rounds": 3}},
    "enable_peer_review": {"config": {"enable_peer_review": True}},
    "model_profile": {"config": {"model_profile": "large"}},
    "custom_params, of sampling": {"config": {"custom_params": {"temperature": "0.3"}}},
    "custom_params, of the council": {"config": {"custom_params": {"rubric": "Be short"}}},
    "custom_params, of deliberation": {"config": {"custom_params": {"tally": "schulze"}}},
    "custom_params, of a pool": {"config": {"custom_params": {"window": "4096"}}},
}


async def test_04_each_setting_of_a_council_changes_it() -> None:
    """No two do the same; a kind of agent that is not offered is refused."""
    usual = await created()
    found = {name: await created(**fields) for name, fields in COUNCILS.items()}
    assert [name for name, council in found.items() if council == usual] == []
    assert len(set(map(str, found.values()))) == len(found)
    assert await created(config={"agent_type": "vllm"}) == usual
    assert await created(config={"agent_type": "mock"}) is StatusCode.INVALID_ARGUMENT
    assert await created(config={"model_profile": "none"}) is StatusCode.INVALID_ARGUMENT


async def created(**fields: Any) -> Any:
    """A council as it is created so, and the pools that there are then; or the refusal."""
    desk = ScriptedDesk()
    desk.chamber = ChamberTwin(CONFIG.model_copy(update={"pools": POOLS}))
    answer = await called(desk, "CreateCouncil", pb.CreateCouncilRequest(role="sec", **fields))
    if isinstance(answer, StatusCode):
        return answer
    config = desk.chamber.charters.fleet.config
    council: CouncilConfig | None = config.council("SEC")  # type: ignore[assignment]
    assert council is not None
    assert answer.agents_created == len(answer.agent_ids) == len(council.agents)
    return council, sorted(config.pools)


SEATS: dict[str, dict[str, Any]] = {
    "capabilities.supported_tasks": {"capabilities": {"supported_tasks": ["review"]}},
    "capabilities.languages": {"capabilities": {"languages": ["en"]}},
    "capabilities.model_profile": {"capabilities": {"model_profile": "other"}},
    "capabilities.max_concurrent_tasks": {"capabilities": {"max_concurrent_tasks": 2}},
    "endpoint": {"endpoint": "http://127.0.0.1:8/v1"},
    "metadata.persona": {"metadata": {"model": "m", "persona": "You doubt."}},
    "metadata, a label": {"metadata": {"model": "m", "team": "blue"}},
}


async def test_04_all_that_is_said_of_an_agent_is_kept() -> None:
    """Each field makes another seat of it."""
    usual = await registered()
    found = {name: await registered(**fields) for name, fields in SEATS.items()}
    assert [name for name, seat in found.items() if seat == usual] == []
    assert len(set(found.values())) == len(found)


async def registered(**fields: Any) -> str:
    """The seat of an agent that was registered so."""
    desk = ScriptedDesk()
    usual = {"endpoint": "http://127.0.0.1:9/v1", "metadata": {"model": "m"}, **fields}
    asked = pb.RegisterAgentRequest(agent_id="guest", role="dev", **usual)
    assert (await called(desk, "RegisterAgent", asked)).success
    (joined,) = desk.chamber.charters.fleet.charter("DEV").joined
    return joined.model_dump_json()


async def test_04_what_is_listed_and_told_is_what_was_asked_for() -> None:
    """`role_filter` and `include_agents`, `include_stats`, `metric_type` and `time_range_ms`."""
    desk = ScriptedDesk()
    every = (await called(desk, "ListCouncils", pb.ListCouncilsRequest())).councils
    assert [(each.role, len(each.agents)) for each in every] == [("DEV", 0), ("QA", 0)]
    asked = pb.ListCouncilsRequest(role_filter="qa", include_agents=True)
    (only,) = (await called(desk, "ListCouncils", asked)).councils
    assert (only.role, len(only.agents)) == ("QA", 3)
    for included in (False, True):
        status = await called(desk, "GetStatus", pb.GetStatusRequest(include_stats=included))
        assert status.HasField("stats") == included
    for wanted in METRICS:
        found = await called(desk, "GetMetrics", pb.GetMetricsRequest(metric_type=wanted))
        assert [part for part in METRICS if found.HasField(part)] == [wanted]
    assert desk.since == 0
    before = time.time() - 60
    await called(desk, "GetMetrics", pb.GetMetricsRequest(time_range_ms=60_000))
    assert before <= desk.since <= time.time() - 60


@pytest.fixture
def config(nats: NatsServer, client: Connection) -> Config:
    """The five councils, and the bus."""
    return Config(pools={"small": PoolConfig(model="m")}, bus=BusConfig(url=nats.url))


@pytest.fixture
async def house(config: Config) -> AsyncIterator[Doors]:
    """Both doors."""
    async with doors(config, ScriptedModel()) as opened:
        yield opened


@pytest.mark.nats
async def test_04_a_plan_is_split_as_it_was_asked_for(house: Doors, client: Connection) -> None:
    """Each part of a strategy is a rule that the architects are given; only one part publishes."""
    await approve(client)
    usual = await rules_of(house)
    assert await rules_of(house, parallel_execution=True) == usual | {"parallel": True}
    ordered = await rules_of(house, dependency_order=["DEV", "QA"])
    assert ordered == usual | {"order": ("DEV", "QA")}
    assert (await rules_of(house, max_tasks_per_role=1))["most_per_role"] == 1
    assert usual["most_per_role"] > 1
    assert (await client.streams().stream_info(REQUESTS)).state.messages == 0
    assert await rules_of(house, auto_publish_to_nats=True) == usual
    assert (await client.streams().stream_info(REQUESTS)).state.messages == 2


async def rules_of(house: Doors, **strategy: Any) -> dict[str, Any]:
    """What the graph of a derivation had to keep to, in which everybody has one task."""
    asked = pb.DeriveSubtasksRequest(plan_id="p-1", roles=["dev", "qa"], strategy=strategy)
    derived = await house.rpc.DeriveSubtasks(asked)
    assert [task.role for task in derived.tasks] == ["DEV", "QA"]
    task = (await house.desk.known(derived.derivation_id)).state.task
    assert task is not None
    assert task.graph is not None
    return task.graph.model_dump()


@pytest.mark.nats
async def test_04_a_context_is_what_was_asked_for(house: Doors, client: Connection) -> None:
    """Every field of the request makes another context of the same task."""
    await told(client)
    asked = {"task_description": "Build a clock", "role": "dev", "story_id": "s-1"}
    changes: list[dict[str, Any]] = [
        {},
        {"story_id": "", "case_id": "s-2"},
        {"role": "qa"},
        {"agent_id": "agent-dev-002"},
        {"options": {"include_timeline": True}},
        {"options": {"include_decisions": True}},
        {"options": {"include_summaries": True}},
        {"options": {"max_events": 2}},
        {"options": {"scopes": ["story"]}},
    ]
    hashes = set()
    for change in changes:
        request = pb.GetTaskContextRequest(**{**asked, **change})
        hashes.add((await house.rpc.GetTaskContext(request)).version_hash)
    assert len(hashes) == len(changes)
