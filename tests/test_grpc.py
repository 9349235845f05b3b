"""Claims about the gRPC door, over a real connection, with a scripted desk behind it."""

import logging
from collections.abc import AsyncIterator
from typing import Any, get_args

import grpc
import pytest
import pytest_asyncio
from contract import CONTRACT, RPCS, ContractClient, table
from deadline import until_async
from grpc import StatusCode
from refused import ERRORS
from scripted_desk import DEV, ScriptedDesk, a_task, deliberated, suspended
from serve_twin import serving

from actors.codec import record, to_struct
from actors.pb import orchestrator_pb2 as pb
from actors.pb.orchestrator_pb2_grpc import OrchestratorServiceStub
from edges.grpc import GrpcDoor
from engine.errors import ConclaveError, NotFound
from engine.options import BallotForm, Options, Revise, Rule
from engine.policies import settle
from engine.testing import FlakyModel
from engine.types import Phase

pytestmark = pytest.mark.asyncio(loop_scope="module")

ONE, TWO, THREE = (agent.id for agent in DEV.agents)
DELIBERATE = pb.DeliberateRequest(task_description="Build a clock", role="dev")
REAL = {
    "Deliberate": DELIBERATE,
    "StreamDeliberation": DELIBERATE,
    "WatchDeliberation": pb.WatchDeliberationRequest(task_id="t-1"),
    "CancelDeliberation": pb.CancelDeliberationRequest(task_id="t-1"),
    "GetDeliberationResult": pb.GetDeliberationResultRequest(task_id="t-1"),
    "DeriveSubtasks": pb.DeriveSubtasksRequest(plan_id="p-1"),
    "GetTaskContext": pb.GetTaskContextRequest(role="DEV", task_description="x"),
    "ListCouncils": pb.ListCouncilsRequest(),
    "CreateCouncil": pb.CreateCouncilRequest(role="security"),
    "DeleteCouncil": pb.DeleteCouncilRequest(role="dev"),
    "RegisterAgent": pb.RegisterAgentRequest(role="dev", agent_id="fourth"),
    "UnregisterAgent": pb.UnregisterAgentRequest(role="dev", agent_id=ONE),
    "GetStatus": pb.GetStatusRequest(),
    "GetMetrics": pb.GetMetricsRequest(),
    "Orchestrate": pb.OrchestrateRequest(task_description="Build a clock", role="dev"),
    "DeliberateForBacklogReview": DELIBERATE,
    "ProcessPlanningEvent": pb.PlanningEventRequest(
        event_type="plan.approved", case_id="s", plan_id="p"
    ),
}
"""The rpcs with something behind them, and a request that is in order."""
ELSEWHERE = {"DeriveSubtasks", "GetTaskContext"}
"""Those whose desk is another one; they have tests of their own."""


class House:
    """A door with a scripted desk, and its clients."""

    def __init__(self, desk: ScriptedDesk, channel: Any) -> None:
        self.desk, self.channel = desk, channel
        self.stub: Any = OrchestratorServiceStub(channel)

    async def call(self, rpc: str, request: Any, **options: Any) -> Any:
        """The answer, or all answers of a stream."""
        called = getattr(self.stub, rpc)(request, **options)
        if hasattr(called, "__aiter__"):
            return [answer async for answer in called]
        return await called

    async def deliberate(self, **fields: Any) -> pb.DeliberateResponse:
        """The usual request, with some of its fields set."""
        request = pb.DeliberateRequest(**fields)
        request.MergeFrom(DELIBERATE)
        answer: pb.DeliberateResponse = await self.call("Deliberate", request)
        return answer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened() -> AsyncIterator[House]:
    """One server for all tests here."""

    class Door(GrpcDoor):
        def __init__(self, desk: ScriptedDesk) -> None:
            self._desk = desk

    desk = ScriptedDesk()
    async with serving(Door(desk)) as address, grpc.aio.insecure_channel(address) as channel:
        yield House(desk, channel)


@pytest.fixture
def house(opened: House) -> House:
    """The server, with a desk that knows of nothing."""
    opened.desk.clear()
    return opened


async def refused(awaited: Any, code: StatusCode) -> str:
    """The one line of a call that is refused with this status."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await awaited
    assert caught.value.code() is code, caught.value.details()
    line: str = caught.value.details()
    assert "\n" not in line
    assert "Traceback" not in line
    return line


async def test_a_deliberation_is_answered_with_its_decision(house: House) -> None:
    """The whole result; the council, the text and the id are those that were sent."""
    answer = await house.deliberate(task_id="mine")
    ((task, _),) = house.desk.asked
    assert (task.id, task.role, task.text) == ("mine", "DEV", "Build a clock")
    assert answer.task_id == "mine"
    assert answer.winner_id == answer.results[0].proposal.author_id
    assert answer.stop_reason == "decided"
    assert answer.durable
    house.desk.durable = False
    assert not (await house.deliberate()).durable


async def test_an_id_is_given_where_none_is_sent(house: House) -> None:
    """Another one each time; the answer carries it."""
    ids = {(await house.deliberate()).task_id, (await house.deliberate()).task_id}
    assert ids == {task.id for task, _ in house.desk.asked}
    assert len(ids) == 2


async def test_an_idempotency_key_names_the_deliberation(house: House) -> None:
    """By field or by metadata, the same key is the same id; the field counts first."""
    one = (await house.deliberate(idempotency_key="k")).task_id
    sent = (("idempotency-key", "k"),)
    assert (await house.call("Deliberate", DELIBERATE, metadata=sent)).task_id == one
    other = (("idempotency-key", "other"),)
    request = pb.DeliberateRequest(role="DEV", task_description="x", idempotency_key="k")
    assert (await house.call("Deliberate", request, metadata=other)).task_id == one
    assert (await house.call("Deliberate", DELIBERATE, metadata=other)).task_id != one


async def test_the_least_time_counts(house: House) -> None:
    """Of the server's cap, the request's own and x-timeout-ms."""
    await house.deliberate()
    timed = pb.TaskConstraints(timeout_seconds=60)
    await house.deliberate(constraints=timed)
    request = pb.DeliberateRequest(role="DEV", task_description="x", constraints=timed)
    for sent in ("1500", "90000"):
        await house.call("StreamDeliberation", request, metadata=(("x-timeout-ms", sent),))
    assert [within_s for _, within_s in house.desk.asked] == [900, 60, 1.5, 60]


async def test_every_field_of_a_request_counts(house: House) -> None:
    """Known mistake 4: rounds, agents, the cap on rounds, policy, rubric and the rest arrive."""
    request = pb.DeliberateRequest(
        title="Hands", num_agents=2, constraints=pb.TaskConstraints(max_iterations=1, rubric="r")
    )
    to_struct(request.context, {"deadline": "Friday"})
    request.MergeFrom(DELIBERATE)
    await house.call("Deliberate", request)
    for fields in ({"rounds": 3}, {"policy": "vote"}, {"policy": "single"}):
        await house.deliberate(**fields)
    await house.deliberate(rounds=3, constraints=pb.TaskConstraints(max_iterations=2))
    first, *others = (task for task, _ in house.desk.asked)
    assert (first.title, first.num_agents, first.rubric) == ("Hands", 2, "r")
    assert first.context == {"deadline": "Friday"}
    rules = [settle(task, DEV) for task in (first, *others)]
    assert [each.rounds for each in rules] == [1, 3, 0, 0, 2]
    assert [each.agents for each in rules] == [2, None, None, 1, None]


@pytest.mark.parametrize(
    ("sent", "option", "settled"),
    [
        ({"policy": "best_of_n", "samples": 3}, "copies", 3),
        ({"policy": "moa", "layers": 3}, "rounds", 2),
        ({"topology": "k_regular", "k": 1}, "k", 1),
        ({"topology": "star", "hub": 3}, "hub", 3),
        ({"tally": "schulze"}, "tally", Rule.SCHULZE),
        ({"ballot": "ranking"}, "ballot", BallotForm.RANKING),
        ({"revise": "always"}, "revise", Revise.ALWAYS),
        ({"decide": "architect", "shortlist": 2}, "shortlist", 2),
        ({"early": True}, "early", True),
        ({"early": False}, "early", False),
        ({"until_clean": True, "rounds": 2}, "until_clean", True),
        ({"quorum": 0.5, "stability": 2, "rounds": 2}, "stability", 2),
        ({"quorum": 0.0}, "quorum", 0.0),
        ({"gain": 0.25, "rounds": 2}, "gain", 0.25),
        ({"token_budget": 5000}, "token_budget", 5000),
    ],
)
async def test_an_option_travels(
    house: House, sent: dict[str, Any], option: str, settled: object
) -> None:
    """Counts, shares, switches and names; false and zero too, against a council that has other."""
    await house.deliberate(**sent)
    ((task, _),) = house.desk.asked
    council = DEV.model_copy(update={"early": True, "quorum": 0.75})
    assert getattr(settle(task, council), option) == settled
    answer = await house.deliberate(task_id=task.id)
    assert answer.winner_id


@pytest.mark.parametrize("option", ["topology", "revise", "ballot", "tally", "decide"])
async def test_a_wrong_choice_is_told_the_right_ones(house: House, option: str) -> None:
    """INVALID_ARGUMENT with the field's name and every value that it may have."""
    called = house.deliberate(**{option: "dice"})
    line = await refused(called, StatusCode.INVALID_ARGUMENT)
    assert line.startswith(f"{option}: ")
    (choices, _) = get_args(Options.model_fields[option].annotation)
    assert all(f"'{choice}'" in line for choice in choices)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"role": "chef"}, "role: no council 'CHEF'; known roles: DEV, QA"),
        ({"role": ""}, "role: "),
        ({"task_description": ""}, "task_description: "),
        ({"task_description": " \n"}, "task_description: is empty"),
        ({"rounds": -1}, "rounds: "),
        ({"rounds": 5}, "rounds: 5 is over this server's cap of 4"),
        ({"num_agents": -1}, "num_agents: "),
        ({"num_agents": 4}, "num_agents: 4 is over this server's cap of 3"),
        ({"constraints": {"timeout_seconds": -5}}, "constraints.timeout_seconds: "),
        ({"constraints": {"max_iterations": -1}}, "constraints.max_iterations: "),
        ({"task_id": "x" * 201}, "task_id: "),
        ({"policy": "duel"}, "policy: no policy 'duel'; known policies: council"),
        ({"policy": "vote", "rounds": 2}, "rounds: 2 contradicts policy 'vote'"),
        ({"samples": 3}, "samples: means nothing under policy 'council'"),
        ({"policy": "best_of_n", "samples": 10}, "samples: 10 is over this server's cap of 9"),
        ({"k": 2}, "k: has a meaning only with topology 'k_regular'"),
        ({"topology": "star", "hub": 4}, "hub: 4 is too many for 3 agents"),
        ({"quorum": 1.5}, "quorum: "),
        ({"token_budget": 100_001}, "token_budget: 100001 is over this server's cap of 100000"),
        ({"task_id": "a", "idempotency_key": "b"}, "task_id: "),
        ({"context": {"a": {"b": float("nan")}}}, "context.a.b: "),
    ],
)
@pytest.mark.parametrize("rpc", ["Deliberate", "StreamDeliberation"])
async def test_a_wrong_field_is_named_as_the_client_knows_it(
    house: House, rpc: str, fields: dict[str, Any], words: str
) -> None:
    """INVALID_ARGUMENT with the field, what is wrong with it and what would be right."""
    usual = {"role": "dev", "task_description": "Build a clock"}
    request = pb.DeliberateRequest(**(usual | fields))
    line = await refused(house.call(rpc, request), StatusCode.INVALID_ARGUMENT)
    assert line.startswith(words)
    assert house.desk.asked == []


@pytest.mark.parametrize("rpc", ["Deliberate", "StreamDeliberation"])
async def test_a_request_that_is_too_long_is_refused(house: House, rpc: str) -> None:
    """RESOURCE_EXHAUSTED, with the cap."""
    request = pb.DeliberateRequest(role="dev", task_description="x" * 300_000)
    line = await refused(house.call(rpc, request), StatusCode.RESOURCE_EXHAUSTED)
    assert "262144" in line


@pytest.mark.parametrize("sent", ["soon", "-5", "0"])
async def test_a_wrong_timeout_is_refused(house: House, sent: str) -> None:
    """It is named by its key in the metadata."""
    called = house.call("Deliberate", DELIBERATE, metadata=(("x-timeout-ms", sent),))
    assert "x-timeout-ms: " in await refused(called, StatusCode.INVALID_ARGUMENT)


@pytest.mark.parametrize(("error", "_http", "code"), ERRORS, ids=lambda it: type(it).__name__)
@pytest.mark.parametrize("rpc", REAL)
async def test_each_error_is_its_status_on_each_rpc(
    house: House, rpc: str, error: ConclaveError, _http: int, code: StatusCode
) -> None:
    """Known mistake 15: the code says what it is, in one line, on streams as on single answers."""
    house.desk.trouble = error
    line = await refused(house.call(rpc, REAL[rpc]), code)
    assert line == " ".join(str(error).split())


@pytest.mark.parametrize("rpc", REAL)
async def test_a_bug_is_ours_and_stays_with_us(
    house: House, rpc: str, caplog: pytest.LogCaptureFixture
) -> None:
    """INTERNAL with one line for the client; the trace is in the log and only there."""
    house.desk.trouble = ZeroDivisionError("secret of the house")
    with caplog.at_level(logging.ERROR, "conclave.grpc"):
        line = await refused(house.call(rpc, REAL[rpc]), StatusCode.INTERNAL)
    assert line == "a bug of ours (ZeroDivisionError); the server's log has more"
    assert f"{rpc} broke off" in caplog.text
    assert "secret of the house" in caplog.text


async def test_a_refusal_is_short_whatever_was_sent(house: House) -> None:
    """A status has to fit into a header, also when each letter of it is encoded as twelve."""
    house.desk.trouble = NotFound("no deliberation " + "𝄞" * 100_000)
    line = await refused(house.call("GetStatus", pb.GetStatusRequest()), StatusCode.NOT_FOUND)
    assert line.startswith("no deliberation 𝄞")
    assert line.endswith(" ...")


@pytest.mark.parametrize(
    "rpc", ["WatchDeliberation", "CancelDeliberation", "GetDeliberationResult"]
)
async def test_an_empty_id_is_refused(house: House, rpc: str) -> None:
    """These make no deliberation, so they give no id."""
    request = type(REAL[rpc])()
    line = await refused(house.call(rpc, request), StatusCode.INVALID_ARGUMENT)
    assert line.startswith("task_id: is empty")


@pytest.mark.parametrize("rpc", ["Deliberate", "StreamDeliberation"])
@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("Cancelled", StatusCode.CANCELLED),
        ("DeadlineExceeded", StatusCode.DEADLINE_EXCEEDED),
        ("QuorumLost", StatusCode.FAILED_PRECONDITION),
        ("NoBallots", StatusCode.FAILED_PRECONDITION),
    ],
)
async def test_an_end_without_a_decision_is_a_status(
    house: House, rpc: str, end: Any, code: StatusCode
) -> None:
    """It says why, and where to read what had been written."""
    house.desk.end = end
    request = pb.DeliberateRequest(task_id="mine", role="dev", task_description="x")
    line = await refused(house.call(rpc, request), code)
    assert line == f"{end}: so it was; GetDeliberationResult of 'mine' has what was written"


async def test_a_stream_that_fails_tells_all_before_it_says_so(house: House) -> None:
    """Each record, the last one with the result so far; then the status."""
    house.desk.end = "QuorumLost"
    stream = house.stub.StreamDeliberation(DELIBERATE)
    updates = [await stream.read() for _ in range(9)]
    await refused(stream.read(), StatusCode.FAILED_PRECONDITION)
    assert (updates[-1].status, updates[-1].progress_percent) == ("complete", 100)
    assert updates[-1].result.stop_reason == "degraded"
    assert not updates[-1].result.HasField("decision")
    assert updates[-1].record.event.failed.error_type == "QuorumLost"


async def test_a_stream_tells_of_each_record_and_ends_with_the_result(house: House) -> None:
    """One update a record, in order; the result is what Deliberate would have answered."""
    request = pb.DeliberateRequest(task_id="mine", role="dev", task_description="x")
    updates = await house.call("StreamDeliberation", request)
    assert [record(update.record) for update in updates] == house.desk.known["mine"]
    assert [update.HasField("result") for update in updates] == [False] * (len(updates) - 1) + [
        True
    ]
    assert updates[-1].result == await house.call("Deliberate", request)
    assert house.desk.left == []


async def test_updates_come_as_things_happen(house: House) -> None:
    """The first ones are there while every turn is still held."""
    model = house.desk.hold()
    stream = house.stub.StreamDeliberation(DELIBERATE)
    steps = [(await stream.read()).current_step for _ in range(5)]
    assert steps[2:] == [f"{agent} is asked to draft" for agent in (ONE, TWO, THREE)]
    await until_async(lambda: len(model.held) == 3)
    model.release(lambda turn: turn.agent == TWO)
    assert (await stream.read()).current_step == f"{TWO} has drafted"
    stream.cancel()
    await until_async(lambda: house.desk.left)


@pytest.mark.parametrize("rpc", ["Deliberate", "StreamDeliberation"])
async def test_a_client_that_goes_away_ends_the_work(house: House, rpc: str) -> None:
    """The desk's call is cancelled, and with it every turn under way."""
    model = house.desk.hold()
    request = pb.DeliberateRequest(task_id="mine", role="dev", task_description="x")
    called = getattr(house.stub, rpc)(request)
    if rpc == "StreamDeliberation":
        await called.read()
    await until_async(lambda: len(model.held) == 3)
    called.cancel()
    await until_async(lambda: house.desk.left == ["mine"])
    await until_async(lambda: len(model.cancelled) == 3)


async def test_a_watcher_that_goes_away_is_let_go(house: House) -> None:
    """Its stream is closed at once."""
    house.desk.known["t-1"] = await suspended(a_task(), 9)
    called = house.stub.WatchDeliberation(REAL["WatchDeliberation"])
    assert [(await called.read()).seq for _ in range(10)] == list(range(1, 11))
    called.cancel()
    await until_async(lambda: house.desk.left == ["t-1"])


async def test_a_watcher_gets_the_records_behind_the_one_it_has(house: House) -> None:
    """All from the beginning, or from where it was."""
    house.desk.known["t-1"] = known = await deliberated(a_task())
    for after in (0, 7, len(known)):
        request = pb.WatchDeliberationRequest(task_id="t-1", after_seq=after)
        found = await house.call("WatchDeliberation", request)
        assert [record(each) for each in found] == known[after:]
    request = pb.WatchDeliberationRequest(task_id="t-1", after_seq=-1)
    line = await refused(house.call("WatchDeliberation", request), StatusCode.INVALID_ARGUMENT)
    assert line == "after_seq: -1 is negative; 0 is for all"


async def test_a_result_is_read_at_any_time(house: House) -> None:
    """Suspended, decided, and durable or not yet."""
    request = REAL["GetDeliberationResult"]
    house.desk.known["t-1"] = await suspended(a_task(), 9)
    found = await house.call("GetDeliberationResult", request)
    assert (found.status, found.suspended) == (pb.DELIBERATION_STATUS_PENDING, True)
    house.desk.known["t-1"], house.desk.durable = await deliberated(a_task()), False
    found = await house.call("GetDeliberationResult", request)
    assert (found.status, found.durable) == (pb.DELIBERATION_STATUS_COMPLETED, False)
    assert found.results[0].rank == 1


async def test_a_cancelled_deliberation_is_answered_with_what_it_has(house: House) -> None:
    """Failed, by the one who asked, with the texts written so far."""
    house.desk.known["t-1"] = (await deliberated(a_task()))[:9]
    found = await house.call("CancelDeliberation", REAL["CancelDeliberation"])
    assert (found.status, found.error_type) == (pb.DELIBERATION_STATUS_FAILED, "Cancelled")
    assert found.stop_reason == "cancelled"
    assert found.results


async def test_a_lost_agent_is_told(house: House) -> None:
    """The decision says that it is degraded, who was lost and why."""
    house.desk.model = FlakyModel({(TWO, Phase.DRAFT)})
    answer = await house.deliberate()
    assert answer.degraded
    assert dict(answer.lost) == {TWO: f"EngineLost: no engine for {TWO}"}


async def test_councils_are_listed(house: House) -> None:
    """Each as it stands, its agents only where they are asked for."""
    found = (await house.call("ListCouncils", pb.ListCouncilsRequest())).councils
    assert [(c.council_id, c.role, c.num_agents, c.status) for c in found] == [
        ("council-dev", "DEV", 3, "idle"),
        ("council-qa", "QA", 3, "degraded"),
    ]
    assert found[0].model == "/models/small, /models/large"
    assert not found[0].agents
    asked = pb.ListCouncilsRequest(include_agents=True)
    found = (await house.call("ListCouncils", asked)).councils
    agents = [(agent.agent_id, agent.role, agent.status) for c in found for agent in c.agents]
    assert agents[2:4] == [(THREE, "DEV", "ready"), ("agent-qa-001", "QA", "offline")]
    assert found[0].agents[0].capabilities == pb.AgentCapabilities(languages=["en"])


@pytest.mark.parametrize(("role", "found"), [("qa", ["QA"]), ("DEV", ["DEV"]), ("chef", [])])
async def test_the_role_filter_is_honoured(house: House, role: str, found: list[str]) -> None:
    """In any case; a role without a council is an empty list. Its agents are offline with it."""
    request = pb.ListCouncilsRequest(role_filter=role, include_agents=True)
    councils = (await house.call("ListCouncils", request)).councils
    assert [council.role for council in councils] == found
    states = {"QA": "offline", "DEV": "ready"}
    assert all(agent.status == states[c.role] for c in councils for agent in c.agents)


async def test_the_status_is_true(house: House) -> None:
    """Known mistake 17: what the desk knows, with its troubles; figures only where asked for."""
    found = await house.call("GetStatus", pb.GetStatusRequest())
    assert (found.status, found.uptime_seconds) == ("degraded", 61)
    assert list(found.troubles) == ["council QA is away"]
    assert not found.HasField("stats")
    stats = (await house.call("GetStatus", pb.GetStatusRequest(include_stats=True))).stats
    assert (stats.total_deliberations, stats.avg_deliberation_time_ms) == (7, 1.5)
    assert dict(stats.role_counts) == {"DEV": 4, "QA": 3}
    house.desk.stats = None
    found = await house.call("GetStatus", pb.GetStatusRequest(include_stats=True))
    assert not found.HasField("stats")


async def test_councils_and_agents_come_and_go(house: House) -> None:
    """Each answer of the contract has its fields; what is not there or is there already is told."""
    made = pb.CouncilConfig(
        deliberation_rounds=2,
        enable_peer_review=True,
        model_profile="small",
        custom_params={"temperature": "0.3"},
        agent_type="vllm",
    )
    asked = pb.CreateCouncilRequest(role="Security", num_agents=2, config=made)
    answer = await house.call("CreateCouncil", asked)
    assert (answer.council_id, answer.agents_created) == ("council-security", 2)
    assert list(answer.agent_ids) == ["agent-security-001", "agent-security-002"]
    council = house.desk.chamber.charters.fleet.config.council("SECURITY")
    assert council is not None
    assert (council.rounds, council.agents[0].sampling.temperature) == (2, 0.3)
    await refused(house.call("CreateCouncil", asked), StatusCode.ALREADY_EXISTS)
    line = await refused(
        house.call("CreateCouncil", pb.CreateCouncilRequest(role="x", num_agents=-1)),
        StatusCode.INVALID_ARGUMENT,
    )
    assert line.startswith("num_agents: ")
    told = pb.AgentCapabilities(supported_tasks=["review"], languages=["en"])
    seat = pb.RegisterAgentRequest(agent_id="guest", role="security", capabilities=told)
    joined = await house.call("RegisterAgent", seat)
    assert (joined.success, joined.council_id) == (True, "council-security")
    assert "from the next deliberation on" in joined.message
    await refused(house.call("RegisterAgent", seat), StatusCode.ALREADY_EXISTS)
    gone = pb.UnregisterAgentRequest(agent_id="guest", role="SECURITY")
    assert (await house.call("UnregisterAgent", gone)).success
    await refused(house.call("UnregisterAgent", gone), StatusCode.NOT_FOUND)
    one = pb.UnregisterAgentRequest(agent_id="agent-security-001", role="SECURITY")
    await house.call("UnregisterAgent", one)
    last = pb.UnregisterAgentRequest(agent_id="agent-security-002", role="SECURITY")
    await refused(house.call("UnregisterAgent", last), StatusCode.FAILED_PRECONDITION)
    gone = pb.DeleteCouncilRequest(role="security")
    deleted = await house.call("DeleteCouncil", gone)
    assert (deleted.success, deleted.agents_removed) == (True, 1)
    await refused(house.call("DeleteCouncil", gone), StatusCode.NOT_FOUND)


async def test_a_client_that_knows_the_contract_alone_is_served(house: House) -> None:
    """Its messages are made of the contract's table; what we add does not disturb it."""
    client = ContractClient(house.channel)
    assert set(table(RPCS)) <= {name for name in dir(GrpcDoor) if name[0].isupper()}
    asked = {"role": "Dev", "task_description": "Clock", "rounds": 1, "num_agents": 2}
    constraints = {"requirements": ["two hands"], "metadata": {"a": "b"}}
    answer = await client.call("Deliberate", task_id="old", **asked, constraints=constraints)
    assert [result.rank for result in answer.results] == [1, 2]
    assert answer.winner_id == answer.results[0].proposal.author_id
    assert house.desk.asked[0][0].context == {"a": "b"}
    updates = [update async for update in client.call("StreamDeliberation", **asked)]
    assert (updates[0].status, updates[-1].progress_percent) == ("generating", 100)
    found = await client.call("GetDeliberationResult", task_id="old")
    assert (found.status, found.winner_id) == (3, answer.winner_id)
    assert len(table(CONTRACT)) > len(table(RPCS))


async def test_a_task_that_is_too_long_to_be_looked_at_is_refused_by_its_field(
    house: House,
) -> None:
    """As one that is to be deliberated on, under the contract's name of what is empty."""
    request = pb.GetTaskContextRequest(role="DEV", task_description="x" * 300_000)
    called = house.call("GetTaskContext", request)
    assert "262144" in await refused(called, StatusCode.RESOURCE_EXHAUSTED)
    request = pb.GetTaskContextRequest(role="DEV", task_description=" ")
    line = await refused(house.call("GetTaskContext", request), StatusCode.INVALID_ARGUMENT)
    assert line.startswith("task_description: is empty")
