"""The contract as its clients have it, and a client made of that alone; imports nothing of ours."""

from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

PACKAGE = "fleet.orchestrator.v1"

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
"""

STATUSES = tuple(
    f"DELIBERATION_STATUS_{name}"
    for name in ("UNKNOWN", "PENDING", "IN_PROGRESS", "COMPLETED", "FAILED", "TIMEOUT")
)


def table(text: str) -> dict[str, str]:
    """What is written after each name."""
    return dict(line.split(": ", 1) for line in text.strip().splitlines())


class ContractClient:
    """Calls the service with messages that know the contract and no more.

    They live in a pool of their own, so that they do not meet the generated ones.
    """

    def __init__(self, channel: Any) -> None:
        self._channel, pool = channel, DescriptorPool()
        pool.Add(_file())
        self._pool = pool

    def message(self, name: str, **fields: Any) -> Any:
        """A message of the contract."""
        return self._class(name)(**fields)

    def call(self, rpc: str, **fields: Any) -> Any:
        """Call an rpc: what the channel gives for that, an answer or a stream."""
        request, answer = table(RPCS)[rpc].split(" -> ")
        kind = "unary_stream" if answer.startswith("stream ") else "unary_unary"
        multicallable: Callable[..., Any] = getattr(self._channel, kind)(
            f"/{PACKAGE}.OrchestratorService/{rpc}",
            request_serializer=self._class(request).SerializeToString,
            response_deserializer=self._class(answer.removeprefix("stream ")).FromString,
        )
        return multicallable(self.message(request, **fields))

    def _class(self, name: str) -> Any:
        return GetMessageClass(self._pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))


def _file() -> FileDescriptorProto:
    """The contract as a file that a protobuf compiler could have read."""
    file = FileDescriptorProto(name="contract.proto", package=PACKAGE, syntax="proto3")
    status = file.enum_type.add(name="DeliberationStatus")
    for number, name in enumerate(STATUSES):
        status.value.add(name=name, number=number)
    for name, fields in table(CONTRACT).items():
        message = file.message_type.add(name=name)
        for field in fields.split(", "):
            number, called, kind = field.split(" ")
            _add(message, called, int(number), kind)
    return file


def _add(message: DescriptorProto, name: str, number: int, kind: str) -> None:
    label = FieldDescriptorProto.LABEL_OPTIONAL
    if kind.startswith(("*", "map<")):
        label = FieldDescriptorProto.LABEL_REPEATED
    if kind.startswith("map<"):
        key, value = kind.removeprefix("map<").removesuffix(">").split(",")
        entry = message.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
        entry.options.map_entry = True
        _add(entry, "key", 1, key)
        _add(entry, "value", 2, value)
        kind = f"{message.name}.{entry.name}"
    field = message.field.add(name=name, number=number, label=label)
    scalar = f"TYPE_{kind.removeprefix('*').upper()}"
    if scalar in FieldDescriptorProto.Type.keys():  # noqa: SIM118  # no dict, has no `in`
        field.type = FieldDescriptorProto.Type.Value(scalar)
    else:
        field.type_name = f".{PACKAGE}.{kind.removeprefix('*')}"
