"""Claims about the proto: it is the contract, it covers the domain, and actors/pb is made of it."""

import subprocess
import sys
import tomllib
from importlib.machinery import PathFinder
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from pydantic import BaseModel, JsonValue

from actors.pb import orchestrator_pb2 as pb
from engine.events import Event, Record

ROOT = Path(__file__).resolve().parent.parent
PB = ROOT / "actors" / "pb"

CONTRACT = """
DeliberateRequest: 1 task_id string, 2 task_description string, 3 role string, 4 constraints TaskConstraints, 5 rounds int32, 6 num_agents int32
DeliberateResponse: 1 task_id string, 2 results *DeliberationResult, 3 winner_id string, 4 duration_ms int64, 5 metadata OrchestratorMetadata
GetDeliberationResultRequest: 1 task_id string
GetDeliberationResultResponse: 1 task_id string, 2 status DeliberationStatus, 3 results *DeliberationResult, 4 winner_id string, 5 duration_ms int64, 6 error_message string, 7 metadata OrchestratorMetadata
OrchestrateRequest: 1 task_id string, 2 task_description string, 3 role string, 4 constraints TaskConstraints, 5 options OrchestratorOptions, 6 case_id string, 7 story_id string, 8 plan_id string, 9 context_options ContextOptions
OrchestrateResponse: 1 winner DeliberationResult, 2 candidates *DeliberationResult, 3 execution_id string, 4 duration_ms int64, 5 metadata OrchestratorMetadata
TaskConstraints: 1 rubric string, 2 requirements *string, 3 metadata map<string,string>, 4 max_iterations int32, 5 timeout_seconds int32
OrchestratorOptions: 1 enable_peer_review bool, 2 deliberation_rounds int32, 3 enable_architect_selection bool, 4 custom_params map<string,string>
DeliberationResult: 1 proposal Proposal, 2 checks CheckSuite, 3 score double, 4 rank int32
Proposal: 1 author_id string, 2 author_role string, 3 content string, 4 created_at_ms int64, 5 revisions *string
CheckSuite: 1 policy PolicyResult, 2 lint LintResult, 3 dryrun DryRunResult, 4 additional_checks *CheckResult, 5 all_passed bool
PolicyResult: 1 passed bool, 2 violations *string, 3 message string
LintResult: 1 passed bool, 2 error_count int32, 3 warning_count int32, 4 errors *string
DryRunResult: 1 passed bool, 2 output string, 3 exit_code int32, 4 message string
CheckResult: 1 check_type string, 2 passed bool, 3 score double, 4 message string, 5 details map<string,string>
OrchestratorMetadata: 1 orchestrator_version string, 2 timestamp_ms int64, 3 execution_id string, 4 tags map<string,string>
DeliberationUpdate: 1 status string, 2 progress_percent int32, 3 current_step string, 4 current_agent string, 5 partial_result DeliberationResult
RegisterAgentRequest: 1 agent_id string, 2 role string, 3 capabilities AgentCapabilities, 4 endpoint string, 5 metadata map<string,string>
RegisterAgentResponse: 1 success bool, 2 message string, 3 council_id string
UnregisterAgentRequest: 1 agent_id string, 2 role string
UnregisterAgentResponse: 1 success bool, 2 message string
AgentCapabilities: 1 supported_tasks *string, 2 model_profile string, 3 max_concurrent_tasks int32, 4 languages *string
CreateCouncilRequest: 1 role string, 2 num_agents int32, 3 config CouncilConfig
CreateCouncilResponse: 1 council_id string, 2 agents_created int32, 3 agent_ids *string
CouncilConfig: 1 deliberation_rounds int32, 2 enable_peer_review bool, 3 model_profile string, 4 custom_params map<string,string>, 5 agent_type string
ListCouncilsRequest: 1 role_filter string, 2 include_agents bool
ListCouncilsResponse: 1 councils *CouncilInfo
CouncilInfo: 1 council_id string, 2 role string, 3 num_agents int32, 4 agents *AgentInfo, 5 status string, 6 model string
AgentInfo: 1 agent_id string, 2 role string, 3 status string, 4 capabilities AgentCapabilities
DeleteCouncilRequest: 1 role string
DeleteCouncilResponse: 1 success bool, 2 message string, 3 agents_removed int32
GetStatusRequest: 1 include_stats bool
GetStatusResponse: 1 status string, 2 uptime_seconds int64, 3 stats OrchestratorStats
OrchestratorStats: 1 total_deliberations int64, 2 total_orchestrations int64, 3 avg_deliberation_time_ms double, 4 active_councils int64, 5 role_counts map<string,int64>
ContextOptions: 1 include_timeline bool, 2 include_decisions bool, 3 include_summaries bool, 4 max_events int32, 5 scopes *string
PlanningEventRequest: 1 event_type string, 2 case_id string, 3 plan_id string, 4 from_state string, 5 to_state string, 6 timestamp_ms int64, 7 metadata map<string,string>
PlanningEventResponse: 1 processed bool, 2 message string, 3 derived_task_ids *string
DeriveSubtasksRequest: 1 case_id string, 2 plan_id string, 3 roles *string, 4 strategy DerivationStrategy
DeriveSubtasksResponse: 1 tasks *AtomicTask, 2 derivation_id string, 3 total_tasks int32
DerivationStrategy: 1 parallel_execution bool, 2 dependency_order *string, 3 max_tasks_per_role int32, 4 auto_publish_to_nats bool
AtomicTask: 1 task_id string, 2 role string, 3 description string, 4 dependencies *string, 5 constraints TaskConstraints, 6 case_id string, 7 plan_id string, 8 priority int32
GetTaskContextRequest: 1 task_id string, 2 case_id string, 3 story_id string, 4 role string, 5 phase string, 6 options ContextOptions
GetTaskContextResponse: 1 context_text string, 2 blocks ContextBlocks, 3 token_count int32, 4 version_hash string
ContextBlocks: 1 system string, 2 context string, 3 tools string, 4 history string
GetMetricsRequest: 1 metric_type string, 2 time_range_ms int64
GetMetricsResponse: 1 performance PerformanceMetrics, 2 agents AgentMetrics, 3 councils CouncilMetrics
PerformanceMetrics: 1 avg_deliberation_ms double, 2 avg_orchestration_ms double, 3 p50_latency_ms double, 4 p95_latency_ms double, 5 p99_latency_ms double
AgentMetrics: 1 total_agents int64, 2 active_agents int64, 3 agents_per_role map<string,int64>, 4 avg_agent_response_time_ms double
CouncilMetrics: 1 total_councils int64, 2 active_councils int64, 3 health_per_council map<string,CouncilHealth>
CouncilHealth: 1 status string, 2 available_agents int64, 3 busy_agents int64, 4 success_rate double
"""  # noqa: E501  # a line a message, as in the contract
"""The contract's messages, field by field: number, name, type; `*` is repeated."""

ADDED = """
DeliberateRequest: 100 policy string, 101 title string, 102 context Struct, 103 idempotency_key string
DeliberateResponse: 100 decision Decision, 101 critiques *Critiqued, 102 ballots *Ballot, 103 tokens map<string,Usage>, 104 stop_reason string, 105 degraded bool, 106 lost map<string,string>, 107 durable bool
GetDeliberationResultResponse: 100 decision Decision, 101 critiques *Critiqued, 102 ballots *Ballot, 103 tokens map<string,Usage>, 104 stop_reason string, 105 degraded bool, 106 lost map<string,string>, 107 durable bool, 108 suspended bool, 109 error_type string
DeliberationUpdate: 100 record Record, 101 result DeliberateResponse
GetStatusResponse: 100 troubles *string
"""  # noqa: E501
"""What we added to them so far; a number stays what it is."""

RPCS = """
Deliberate: DeliberateRequest -> DeliberateResponse
StreamDeliberation: DeliberateRequest -> stream DeliberationUpdate
Orchestrate: OrchestrateRequest -> OrchestrateResponse
DeliberateForBacklogReview: DeliberateRequest -> DeliberateResponse
GetDeliberationResult: GetDeliberationResultRequest -> GetDeliberationResultResponse
CreateCouncil: CreateCouncilRequest -> CreateCouncilResponse
ListCouncils: ListCouncilsRequest -> ListCouncilsResponse
DeleteCouncil: DeleteCouncilRequest -> DeleteCouncilResponse
RegisterAgent: RegisterAgentRequest -> RegisterAgentResponse
UnregisterAgent: UnregisterAgentRequest -> UnregisterAgentResponse
ProcessPlanningEvent: PlanningEventRequest -> PlanningEventResponse
DeriveSubtasks: DeriveSubtasksRequest -> DeriveSubtasksResponse
GetTaskContext: GetTaskContextRequest -> GetTaskContextResponse
GetStatus: GetStatusRequest -> GetStatusResponse
GetMetrics: GetMetricsRequest -> GetMetricsResponse
WatchDeliberation: WatchDeliberationRequest -> stream Record
CancelDeliberation: CancelDeliberationRequest -> GetDeliberationResultResponse
"""

SCALARS = {
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_DOUBLE: "double",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
}
PLAIN = {str: "string", bool: "bool", float: "double", int: "int64"}


def table(text: str) -> dict[str, str]:
    """What is written after each name."""
    return dict(line.split(": ", 1) for line in text.strip().splitlines())


def written(message: Descriptor, numbers: range) -> str:
    """A message's fields with these numbers, as the tables above write them."""
    fields = sorted((f for f in message.fields if f.number in numbers), key=lambda f: f.number)
    return ", ".join(f"{f.number} {f.name} {shape(f)}" for f in fields)


def shape(field: FieldDescriptor) -> str:
    """`string`, `*string`, `map<string,string>`, `?string` where it tells unset from zero."""
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        key, value = (shape(message.fields_by_name[name]) for name in ("key", "value"))
        return f"map<{key},{value}>"
    named = message or field.enum_type
    name = named.name if named is not None else SCALARS[field.type]
    if field.is_repeated:
        return f"*{name}"
    return f"?{name}" if field.has_presence and message is None else name


@pytest.mark.parametrize("message", table(CONTRACT))
def test_a_message_is_as_the_contract_says(message: str) -> None:
    """Every number, name, type and label below 100, and none besides."""
    found = pb.DESCRIPTOR.message_types_by_name[message]
    assert written(found, range(1, 100)) == table(CONTRACT)[message]


def test_what_we_added_to_the_contract_keeps_its_numbers() -> None:
    """From 100 on, in the contract's messages; nothing else is there."""
    contract = [pb.DESCRIPTOR.message_types_by_name[name] for name in table(CONTRACT)]
    added = {message.name: written(message, range(100, 1 << 29)) for message in contract}
    assert {name: fields for name, fields in added.items() if fields} == table(ADDED)


def test_the_rpcs_are_the_contracts_and_two_of_ours() -> None:
    """Names, requests, responses, which stream; the package and the service are named right."""
    service = pb.DESCRIPTOR.services_by_name["OrchestratorService"]
    assert service.full_name == "fleet.orchestrator.v1.OrchestratorService"
    assert not any(method.client_streaming for method in service.methods)
    assert table(RPCS) == {
        m.name: f"{m.input_type.name} -> {'stream ' * m.server_streaming}{m.output_type.name}"
        for m in service.methods
    }


def test_the_status_of_a_deliberation_is_the_contracts() -> None:
    """Six values under one prefix."""
    names = ("UNKNOWN", "PENDING", "IN_PROGRESS", "COMPLETED", "FAILED", "TIMEOUT")
    values = {f"DELIBERATION_STATUS_{name}": number for number, name in enumerate(names)}
    assert dict(pb.DeliberationStatus.items()) == values


def reached(model: type[BaseModel], found: dict[str, type[BaseModel]]) -> None:
    """Collect every class that the fields of a class lead to."""
    if model.__name__ in found:
        return
    found[model.__name__] = model
    for field in model.model_fields.values():
        for cls in classes(field.annotation):
            reached(cls, found)


def classes(annotation: Any) -> list[type[BaseModel]]:
    """The models that an annotation names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [cls for part in get_args(annotation) for cls in classes(part)]


DOMAIN: dict[str, type[BaseModel]] = {}
reached(Record, DOMAIN)
KINDS = {cls.model_fields["kind"].default: cls for cls in classes(get_args(Event)[0])}


SPECIAL = {dict[str, JsonValue]: "Struct", Record.model_fields["event"].annotation: "Event"}


def wanted(annotation: Any) -> str:
    """The shape that a pydantic field asks of its proto field."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if annotation in SPECIAL:
        return SPECIAL[annotation]
    if origin is None:
        return named(annotation)
    if origin is Literal:
        return "string"
    if origin is tuple:
        return f"*{wanted(parts[0])}"
    if origin is dict:
        return f"map<{wanted(parts[0])},{wanted(parts[1])}>"
    (only,) = (part for part in parts if part is not NoneType)
    return f"?{wanted(only)}"


def named(cls: type) -> str:
    """The name of a message or of a scalar; an enum of texts is a text."""
    if issubclass(cls, BaseModel):
        return cls.__name__
    return next(name for plain, name in PLAIN.items() if issubclass(cls, plain))


@pytest.mark.parametrize("name", DOMAIN)
def test_every_field_of_the_domain_has_its_proto_field(name: str) -> None:
    """The same names with fitting types, nothing more, for all that a Record leads to."""
    message = pb.DESCRIPTOR.message_types_by_name[name]
    fields = {n: wanted(f.annotation) for n, f in DOMAIN[name].model_fields.items() if n != "kind"}
    assert {field.name: shape(field) for field in message.fields} == fields


def test_every_kind_of_event_is_a_member_of_the_oneof() -> None:
    """Named like the kind, of the class's message."""
    (oneof,) = pb.Event.DESCRIPTOR.oneofs
    members = {field.name: field.message_type.name for field in oneof.fields}
    assert members == {kind: cls.__name__ for kind, cls in KINDS.items()}


def test_the_generated_code_is_what_the_proto_yields(tmp_path: Path) -> None:
    """Made again it is the same to the last byte; `make proto` was not forgotten."""
    tool = [sys.executable, str(ROOT / "tools" / "generate.py"), str(tmp_path)]
    subprocess.run(tool, check=True)
    made = {path.name: path.read_bytes() for path in (tmp_path / "actors" / "pb").iterdir()}
    committed = {path.name: path.read_bytes() for path in PB.glob("*_pb2*.py*")}
    assert made.keys() == {
        "orchestrator_pb2.py",
        "orchestrator_pb2.pyi",
        "orchestrator_pb2_grpc.py",
    }
    assert made == committed


def test_our_proto_folder_does_not_hide_proto_plus() -> None:
    """Ray imports a package `proto`; a folder of that name in front must not be one."""
    assert not list((ROOT / "proto").rglob("*.py"))
    spec = PathFinder.find_spec("proto", [str(ROOT), *sys.path])
    assert spec is not None
    assert spec.origin is not None
    assert "site-packages" in spec.origin


def test_every_package_is_installed() -> None:
    """A folder with an __init__.py that pyproject.toml forgets is missing from the wheel."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    tops = ("engine", "actors", "edges", "commands")
    found = [init.parent for top in tops for init in (ROOT / top).rglob("__init__.py")]
    assert {".".join(folder.relative_to(ROOT).parts) for folder in found} == set(listed)
