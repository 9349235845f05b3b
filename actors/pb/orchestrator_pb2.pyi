from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DeliberationStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DELIBERATION_STATUS_UNKNOWN: _ClassVar[DeliberationStatus]
    DELIBERATION_STATUS_PENDING: _ClassVar[DeliberationStatus]
    DELIBERATION_STATUS_IN_PROGRESS: _ClassVar[DeliberationStatus]
    DELIBERATION_STATUS_COMPLETED: _ClassVar[DeliberationStatus]
    DELIBERATION_STATUS_FAILED: _ClassVar[DeliberationStatus]
    DELIBERATION_STATUS_TIMEOUT: _ClassVar[DeliberationStatus]
DELIBERATION_STATUS_UNKNOWN: DeliberationStatus
DELIBERATION_STATUS_PENDING: DeliberationStatus
DELIBERATION_STATUS_IN_PROGRESS: DeliberationStatus
DELIBERATION_STATUS_COMPLETED: DeliberationStatus
DELIBERATION_STATUS_FAILED: DeliberationStatus
DELIBERATION_STATUS_TIMEOUT: DeliberationStatus

class DeliberateRequest(_message.Message):
    __slots__ = ("task_id", "task_description", "role", "constraints", "rounds", "num_agents", "policy", "title", "context", "idempotency_key", "samples", "layers", "topology", "k", "hub", "groups", "exchange_every", "revise", "ballot", "tally", "early", "decide", "shortlist", "quorum", "stability", "gain", "until_clean", "token_budget", "story_id")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    CONSTRAINTS_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    NUM_AGENTS_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    TOPOLOGY_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    HUB_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    EXCHANGE_EVERY_FIELD_NUMBER: _ClassVar[int]
    REVISE_FIELD_NUMBER: _ClassVar[int]
    BALLOT_FIELD_NUMBER: _ClassVar[int]
    TALLY_FIELD_NUMBER: _ClassVar[int]
    EARLY_FIELD_NUMBER: _ClassVar[int]
    DECIDE_FIELD_NUMBER: _ClassVar[int]
    SHORTLIST_FIELD_NUMBER: _ClassVar[int]
    QUORUM_FIELD_NUMBER: _ClassVar[int]
    STABILITY_FIELD_NUMBER: _ClassVar[int]
    GAIN_FIELD_NUMBER: _ClassVar[int]
    UNTIL_CLEAN_FIELD_NUMBER: _ClassVar[int]
    TOKEN_BUDGET_FIELD_NUMBER: _ClassVar[int]
    STORY_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    task_description: str
    role: str
    constraints: TaskConstraints
    rounds: int
    num_agents: int
    policy: str
    title: str
    context: _struct_pb2.Struct
    idempotency_key: str
    samples: int
    layers: int
    topology: str
    k: int
    hub: int
    groups: int
    exchange_every: int
    revise: str
    ballot: str
    tally: str
    early: bool
    decide: str
    shortlist: int
    quorum: float
    stability: int
    gain: float
    until_clean: bool
    token_budget: int
    story_id: str
    def __init__(self, task_id: _Optional[str] = ..., task_description: _Optional[str] = ..., role: _Optional[str] = ..., constraints: _Optional[_Union[TaskConstraints, _Mapping]] = ..., rounds: _Optional[int] = ..., num_agents: _Optional[int] = ..., policy: _Optional[str] = ..., title: _Optional[str] = ..., context: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., idempotency_key: _Optional[str] = ..., samples: _Optional[int] = ..., layers: _Optional[int] = ..., topology: _Optional[str] = ..., k: _Optional[int] = ..., hub: _Optional[int] = ..., groups: _Optional[int] = ..., exchange_every: _Optional[int] = ..., revise: _Optional[str] = ..., ballot: _Optional[str] = ..., tally: _Optional[str] = ..., early: bool = ..., decide: _Optional[str] = ..., shortlist: _Optional[int] = ..., quorum: _Optional[float] = ..., stability: _Optional[int] = ..., gain: _Optional[float] = ..., until_clean: bool = ..., token_budget: _Optional[int] = ..., story_id: _Optional[str] = ...) -> None: ...

class TaskConstraints(_message.Message):
    __slots__ = ("rubric", "requirements", "metadata", "max_iterations", "timeout_seconds")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    RUBRIC_FIELD_NUMBER: _ClassVar[int]
    REQUIREMENTS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    MAX_ITERATIONS_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    rubric: str
    requirements: _containers.RepeatedScalarFieldContainer[str]
    metadata: _containers.ScalarMap[str, str]
    max_iterations: int
    timeout_seconds: int
    def __init__(self, rubric: _Optional[str] = ..., requirements: _Optional[_Iterable[str]] = ..., metadata: _Optional[_Mapping[str, str]] = ..., max_iterations: _Optional[int] = ..., timeout_seconds: _Optional[int] = ...) -> None: ...

class DeliberateResponse(_message.Message):
    __slots__ = ("task_id", "results", "winner_id", "duration_ms", "metadata", "decision", "critiques", "ballots", "tokens", "stop_reason", "degraded", "lost", "durable")
    class TokensEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Usage
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Usage, _Mapping]] = ...) -> None: ...
    class LostEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    WINNER_ID_FIELD_NUMBER: _ClassVar[int]
    DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    CRITIQUES_FIELD_NUMBER: _ClassVar[int]
    BALLOTS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    STOP_REASON_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    DURABLE_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    results: _containers.RepeatedCompositeFieldContainer[DeliberationResult]
    winner_id: str
    duration_ms: int
    metadata: OrchestratorMetadata
    decision: Decision
    critiques: _containers.RepeatedCompositeFieldContainer[Critiqued]
    ballots: _containers.RepeatedCompositeFieldContainer[Ballot]
    tokens: _containers.MessageMap[str, Usage]
    stop_reason: str
    degraded: bool
    lost: _containers.ScalarMap[str, str]
    durable: bool
    def __init__(self, task_id: _Optional[str] = ..., results: _Optional[_Iterable[_Union[DeliberationResult, _Mapping]]] = ..., winner_id: _Optional[str] = ..., duration_ms: _Optional[int] = ..., metadata: _Optional[_Union[OrchestratorMetadata, _Mapping]] = ..., decision: _Optional[_Union[Decision, _Mapping]] = ..., critiques: _Optional[_Iterable[_Union[Critiqued, _Mapping]]] = ..., ballots: _Optional[_Iterable[_Union[Ballot, _Mapping]]] = ..., tokens: _Optional[_Mapping[str, Usage]] = ..., stop_reason: _Optional[str] = ..., degraded: bool = ..., lost: _Optional[_Mapping[str, str]] = ..., durable: bool = ...) -> None: ...

class GetDeliberationResultRequest(_message.Message):
    __slots__ = ("task_id",)
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    def __init__(self, task_id: _Optional[str] = ...) -> None: ...

class GetDeliberationResultResponse(_message.Message):
    __slots__ = ("task_id", "status", "results", "winner_id", "duration_ms", "error_message", "metadata", "decision", "critiques", "ballots", "tokens", "stop_reason", "degraded", "lost", "durable", "suspended", "error_type")
    class TokensEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Usage
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Usage, _Mapping]] = ...) -> None: ...
    class LostEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    WINNER_ID_FIELD_NUMBER: _ClassVar[int]
    DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    CRITIQUES_FIELD_NUMBER: _ClassVar[int]
    BALLOTS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    STOP_REASON_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    DURABLE_FIELD_NUMBER: _ClassVar[int]
    SUSPENDED_FIELD_NUMBER: _ClassVar[int]
    ERROR_TYPE_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    status: DeliberationStatus
    results: _containers.RepeatedCompositeFieldContainer[DeliberationResult]
    winner_id: str
    duration_ms: int
    error_message: str
    metadata: OrchestratorMetadata
    decision: Decision
    critiques: _containers.RepeatedCompositeFieldContainer[Critiqued]
    ballots: _containers.RepeatedCompositeFieldContainer[Ballot]
    tokens: _containers.MessageMap[str, Usage]
    stop_reason: str
    degraded: bool
    lost: _containers.ScalarMap[str, str]
    durable: bool
    suspended: bool
    error_type: str
    def __init__(self, task_id: _Optional[str] = ..., status: _Optional[_Union[DeliberationStatus, str]] = ..., results: _Optional[_Iterable[_Union[DeliberationResult, _Mapping]]] = ..., winner_id: _Optional[str] = ..., duration_ms: _Optional[int] = ..., error_message: _Optional[str] = ..., metadata: _Optional[_Union[OrchestratorMetadata, _Mapping]] = ..., decision: _Optional[_Union[Decision, _Mapping]] = ..., critiques: _Optional[_Iterable[_Union[Critiqued, _Mapping]]] = ..., ballots: _Optional[_Iterable[_Union[Ballot, _Mapping]]] = ..., tokens: _Optional[_Mapping[str, Usage]] = ..., stop_reason: _Optional[str] = ..., degraded: bool = ..., lost: _Optional[_Mapping[str, str]] = ..., durable: bool = ..., suspended: bool = ..., error_type: _Optional[str] = ...) -> None: ...

class DeliberationResult(_message.Message):
    __slots__ = ("proposal", "checks", "score", "rank")
    PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    proposal: Proposal
    checks: CheckSuite
    score: float
    rank: int
    def __init__(self, proposal: _Optional[_Union[Proposal, _Mapping]] = ..., checks: _Optional[_Union[CheckSuite, _Mapping]] = ..., score: _Optional[float] = ..., rank: _Optional[int] = ...) -> None: ...

class Proposal(_message.Message):
    __slots__ = ("author_id", "author_role", "content", "created_at_ms", "revisions")
    AUTHOR_ID_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_ROLE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    REVISIONS_FIELD_NUMBER: _ClassVar[int]
    author_id: str
    author_role: str
    content: str
    created_at_ms: int
    revisions: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, author_id: _Optional[str] = ..., author_role: _Optional[str] = ..., content: _Optional[str] = ..., created_at_ms: _Optional[int] = ..., revisions: _Optional[_Iterable[str]] = ...) -> None: ...

class CheckSuite(_message.Message):
    __slots__ = ("policy", "lint", "dryrun", "additional_checks", "all_passed")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    LINT_FIELD_NUMBER: _ClassVar[int]
    DRYRUN_FIELD_NUMBER: _ClassVar[int]
    ADDITIONAL_CHECKS_FIELD_NUMBER: _ClassVar[int]
    ALL_PASSED_FIELD_NUMBER: _ClassVar[int]
    policy: PolicyResult
    lint: LintResult
    dryrun: DryRunResult
    additional_checks: _containers.RepeatedCompositeFieldContainer[CheckResult]
    all_passed: bool
    def __init__(self, policy: _Optional[_Union[PolicyResult, _Mapping]] = ..., lint: _Optional[_Union[LintResult, _Mapping]] = ..., dryrun: _Optional[_Union[DryRunResult, _Mapping]] = ..., additional_checks: _Optional[_Iterable[_Union[CheckResult, _Mapping]]] = ..., all_passed: bool = ...) -> None: ...

class PolicyResult(_message.Message):
    __slots__ = ("passed", "violations", "message")
    PASSED_FIELD_NUMBER: _ClassVar[int]
    VIOLATIONS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    passed: bool
    violations: _containers.RepeatedScalarFieldContainer[str]
    message: str
    def __init__(self, passed: bool = ..., violations: _Optional[_Iterable[str]] = ..., message: _Optional[str] = ...) -> None: ...

class LintResult(_message.Message):
    __slots__ = ("passed", "error_count", "warning_count", "errors")
    PASSED_FIELD_NUMBER: _ClassVar[int]
    ERROR_COUNT_FIELD_NUMBER: _ClassVar[int]
    WARNING_COUNT_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    passed: bool
    error_count: int
    warning_count: int
    errors: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, passed: bool = ..., error_count: _Optional[int] = ..., warning_count: _Optional[int] = ..., errors: _Optional[_Iterable[str]] = ...) -> None: ...

class DryRunResult(_message.Message):
    __slots__ = ("passed", "output", "exit_code", "message")
    PASSED_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    passed: bool
    output: str
    exit_code: int
    message: str
    def __init__(self, passed: bool = ..., output: _Optional[str] = ..., exit_code: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

class CheckResult(_message.Message):
    __slots__ = ("check_type", "passed", "score", "message", "details")
    class DetailsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CHECK_TYPE_FIELD_NUMBER: _ClassVar[int]
    PASSED_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    check_type: str
    passed: bool
    score: float
    message: str
    details: _containers.ScalarMap[str, str]
    def __init__(self, check_type: _Optional[str] = ..., passed: bool = ..., score: _Optional[float] = ..., message: _Optional[str] = ..., details: _Optional[_Mapping[str, str]] = ...) -> None: ...

class OrchestratorMetadata(_message.Message):
    __slots__ = ("orchestrator_version", "timestamp_ms", "execution_id", "tags")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ORCHESTRATOR_VERSION_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_MS_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    orchestrator_version: str
    timestamp_ms: int
    execution_id: str
    tags: _containers.ScalarMap[str, str]
    def __init__(self, orchestrator_version: _Optional[str] = ..., timestamp_ms: _Optional[int] = ..., execution_id: _Optional[str] = ..., tags: _Optional[_Mapping[str, str]] = ...) -> None: ...

class DeliberationUpdate(_message.Message):
    __slots__ = ("status", "progress_percent", "current_step", "current_agent", "partial_result", "record", "result")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_PERCENT_FIELD_NUMBER: _ClassVar[int]
    CURRENT_STEP_FIELD_NUMBER: _ClassVar[int]
    CURRENT_AGENT_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_RESULT_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    status: str
    progress_percent: int
    current_step: str
    current_agent: str
    partial_result: DeliberationResult
    record: Record
    result: DeliberateResponse
    def __init__(self, status: _Optional[str] = ..., progress_percent: _Optional[int] = ..., current_step: _Optional[str] = ..., current_agent: _Optional[str] = ..., partial_result: _Optional[_Union[DeliberationResult, _Mapping]] = ..., record: _Optional[_Union[Record, _Mapping]] = ..., result: _Optional[_Union[DeliberateResponse, _Mapping]] = ...) -> None: ...

class WatchDeliberationRequest(_message.Message):
    __slots__ = ("task_id", "after_seq")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQ_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    after_seq: int
    def __init__(self, task_id: _Optional[str] = ..., after_seq: _Optional[int] = ...) -> None: ...

class CancelDeliberationRequest(_message.Message):
    __slots__ = ("task_id",)
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    def __init__(self, task_id: _Optional[str] = ...) -> None: ...

class OrchestrateRequest(_message.Message):
    __slots__ = ("task_id", "task_description", "role", "constraints", "options", "case_id", "story_id", "plan_id", "context_options", "idempotency_key", "context")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    CONSTRAINTS_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    STORY_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    task_description: str
    role: str
    constraints: TaskConstraints
    options: OrchestratorOptions
    case_id: str
    story_id: str
    plan_id: str
    context_options: ContextOptions
    idempotency_key: str
    context: _struct_pb2.Struct
    def __init__(self, task_id: _Optional[str] = ..., task_description: _Optional[str] = ..., role: _Optional[str] = ..., constraints: _Optional[_Union[TaskConstraints, _Mapping]] = ..., options: _Optional[_Union[OrchestratorOptions, _Mapping]] = ..., case_id: _Optional[str] = ..., story_id: _Optional[str] = ..., plan_id: _Optional[str] = ..., context_options: _Optional[_Union[ContextOptions, _Mapping]] = ..., idempotency_key: _Optional[str] = ..., context: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class OrchestratorOptions(_message.Message):
    __slots__ = ("enable_peer_review", "deliberation_rounds", "enable_architect_selection", "custom_params")
    class CustomParamsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ENABLE_PEER_REVIEW_FIELD_NUMBER: _ClassVar[int]
    DELIBERATION_ROUNDS_FIELD_NUMBER: _ClassVar[int]
    ENABLE_ARCHITECT_SELECTION_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_PARAMS_FIELD_NUMBER: _ClassVar[int]
    enable_peer_review: bool
    deliberation_rounds: int
    enable_architect_selection: bool
    custom_params: _containers.ScalarMap[str, str]
    def __init__(self, enable_peer_review: bool = ..., deliberation_rounds: _Optional[int] = ..., enable_architect_selection: bool = ..., custom_params: _Optional[_Mapping[str, str]] = ...) -> None: ...

class OrchestrateResponse(_message.Message):
    __slots__ = ("winner", "candidates", "execution_id", "duration_ms", "metadata", "task_id", "selected_by", "reason", "decision", "tokens", "stop_reason", "degraded", "lost", "durable")
    class TokensEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Usage
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Usage, _Mapping]] = ...) -> None: ...
    class LostEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    WINNER_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    SELECTED_BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    STOP_REASON_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    DURABLE_FIELD_NUMBER: _ClassVar[int]
    winner: DeliberationResult
    candidates: _containers.RepeatedCompositeFieldContainer[DeliberationResult]
    execution_id: str
    duration_ms: int
    metadata: OrchestratorMetadata
    task_id: str
    selected_by: str
    reason: str
    decision: Decision
    tokens: _containers.MessageMap[str, Usage]
    stop_reason: str
    degraded: bool
    lost: _containers.ScalarMap[str, str]
    durable: bool
    def __init__(self, winner: _Optional[_Union[DeliberationResult, _Mapping]] = ..., candidates: _Optional[_Iterable[_Union[DeliberationResult, _Mapping]]] = ..., execution_id: _Optional[str] = ..., duration_ms: _Optional[int] = ..., metadata: _Optional[_Union[OrchestratorMetadata, _Mapping]] = ..., task_id: _Optional[str] = ..., selected_by: _Optional[str] = ..., reason: _Optional[str] = ..., decision: _Optional[_Union[Decision, _Mapping]] = ..., tokens: _Optional[_Mapping[str, Usage]] = ..., stop_reason: _Optional[str] = ..., degraded: bool = ..., lost: _Optional[_Mapping[str, str]] = ..., durable: bool = ...) -> None: ...

class ContextOptions(_message.Message):
    __slots__ = ("include_timeline", "include_decisions", "include_summaries", "max_events", "scopes")
    INCLUDE_TIMELINE_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_DECISIONS_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_SUMMARIES_FIELD_NUMBER: _ClassVar[int]
    MAX_EVENTS_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    include_timeline: bool
    include_decisions: bool
    include_summaries: bool
    max_events: int
    scopes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, include_timeline: bool = ..., include_decisions: bool = ..., include_summaries: bool = ..., max_events: _Optional[int] = ..., scopes: _Optional[_Iterable[str]] = ...) -> None: ...

class RegisterAgentRequest(_message.Message):
    __slots__ = ("agent_id", "role", "capabilities", "endpoint", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    role: str
    capabilities: AgentCapabilities
    endpoint: str
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, agent_id: _Optional[str] = ..., role: _Optional[str] = ..., capabilities: _Optional[_Union[AgentCapabilities, _Mapping]] = ..., endpoint: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class RegisterAgentResponse(_message.Message):
    __slots__ = ("success", "message", "council_id")
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    COUNCIL_ID_FIELD_NUMBER: _ClassVar[int]
    success: bool
    message: str
    council_id: str
    def __init__(self, success: bool = ..., message: _Optional[str] = ..., council_id: _Optional[str] = ...) -> None: ...

class UnregisterAgentRequest(_message.Message):
    __slots__ = ("agent_id", "role")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    role: str
    def __init__(self, agent_id: _Optional[str] = ..., role: _Optional[str] = ...) -> None: ...

class UnregisterAgentResponse(_message.Message):
    __slots__ = ("success", "message")
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    success: bool
    message: str
    def __init__(self, success: bool = ..., message: _Optional[str] = ...) -> None: ...

class AgentCapabilities(_message.Message):
    __slots__ = ("supported_tasks", "model_profile", "max_concurrent_tasks", "languages")
    SUPPORTED_TASKS_FIELD_NUMBER: _ClassVar[int]
    MODEL_PROFILE_FIELD_NUMBER: _ClassVar[int]
    MAX_CONCURRENT_TASKS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    supported_tasks: _containers.RepeatedScalarFieldContainer[str]
    model_profile: str
    max_concurrent_tasks: int
    languages: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, supported_tasks: _Optional[_Iterable[str]] = ..., model_profile: _Optional[str] = ..., max_concurrent_tasks: _Optional[int] = ..., languages: _Optional[_Iterable[str]] = ...) -> None: ...

class CreateCouncilRequest(_message.Message):
    __slots__ = ("role", "num_agents", "config")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    NUM_AGENTS_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    role: str
    num_agents: int
    config: CouncilConfig
    def __init__(self, role: _Optional[str] = ..., num_agents: _Optional[int] = ..., config: _Optional[_Union[CouncilConfig, _Mapping]] = ...) -> None: ...

class CouncilConfig(_message.Message):
    __slots__ = ("deliberation_rounds", "enable_peer_review", "model_profile", "custom_params", "agent_type")
    class CustomParamsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DELIBERATION_ROUNDS_FIELD_NUMBER: _ClassVar[int]
    ENABLE_PEER_REVIEW_FIELD_NUMBER: _ClassVar[int]
    MODEL_PROFILE_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_PARAMS_FIELD_NUMBER: _ClassVar[int]
    AGENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    deliberation_rounds: int
    enable_peer_review: bool
    model_profile: str
    custom_params: _containers.ScalarMap[str, str]
    agent_type: str
    def __init__(self, deliberation_rounds: _Optional[int] = ..., enable_peer_review: bool = ..., model_profile: _Optional[str] = ..., custom_params: _Optional[_Mapping[str, str]] = ..., agent_type: _Optional[str] = ...) -> None: ...

class CreateCouncilResponse(_message.Message):
    __slots__ = ("council_id", "agents_created", "agent_ids")
    COUNCIL_ID_FIELD_NUMBER: _ClassVar[int]
    AGENTS_CREATED_FIELD_NUMBER: _ClassVar[int]
    AGENT_IDS_FIELD_NUMBER: _ClassVar[int]
    council_id: str
    agents_created: int
    agent_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, council_id: _Optional[str] = ..., agents_created: _Optional[int] = ..., agent_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class ListCouncilsRequest(_message.Message):
    __slots__ = ("role_filter", "include_agents")
    ROLE_FILTER_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_AGENTS_FIELD_NUMBER: _ClassVar[int]
    role_filter: str
    include_agents: bool
    def __init__(self, role_filter: _Optional[str] = ..., include_agents: bool = ...) -> None: ...

class ListCouncilsResponse(_message.Message):
    __slots__ = ("councils",)
    COUNCILS_FIELD_NUMBER: _ClassVar[int]
    councils: _containers.RepeatedCompositeFieldContainer[CouncilInfo]
    def __init__(self, councils: _Optional[_Iterable[_Union[CouncilInfo, _Mapping]]] = ...) -> None: ...

class CouncilInfo(_message.Message):
    __slots__ = ("council_id", "role", "num_agents", "agents", "status", "model")
    COUNCIL_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    NUM_AGENTS_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    council_id: str
    role: str
    num_agents: int
    agents: _containers.RepeatedCompositeFieldContainer[AgentInfo]
    status: str
    model: str
    def __init__(self, council_id: _Optional[str] = ..., role: _Optional[str] = ..., num_agents: _Optional[int] = ..., agents: _Optional[_Iterable[_Union[AgentInfo, _Mapping]]] = ..., status: _Optional[str] = ..., model: _Optional[str] = ...) -> None: ...

class AgentInfo(_message.Message):
    __slots__ = ("agent_id", "role", "status", "capabilities")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    role: str
    status: str
    capabilities: AgentCapabilities
    def __init__(self, agent_id: _Optional[str] = ..., role: _Optional[str] = ..., status: _Optional[str] = ..., capabilities: _Optional[_Union[AgentCapabilities, _Mapping]] = ...) -> None: ...

class DeleteCouncilRequest(_message.Message):
    __slots__ = ("role",)
    ROLE_FIELD_NUMBER: _ClassVar[int]
    role: str
    def __init__(self, role: _Optional[str] = ...) -> None: ...

class DeleteCouncilResponse(_message.Message):
    __slots__ = ("success", "message", "agents_removed")
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    AGENTS_REMOVED_FIELD_NUMBER: _ClassVar[int]
    success: bool
    message: str
    agents_removed: int
    def __init__(self, success: bool = ..., message: _Optional[str] = ..., agents_removed: _Optional[int] = ...) -> None: ...

class PlanningEventRequest(_message.Message):
    __slots__ = ("event_type", "case_id", "plan_id", "from_state", "to_state", "timestamp_ms", "metadata", "idempotency_key")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_STATE_FIELD_NUMBER: _ClassVar[int]
    TO_STATE_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_MS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    event_type: str
    case_id: str
    plan_id: str
    from_state: str
    to_state: str
    timestamp_ms: int
    metadata: _containers.ScalarMap[str, str]
    idempotency_key: str
    def __init__(self, event_type: _Optional[str] = ..., case_id: _Optional[str] = ..., plan_id: _Optional[str] = ..., from_state: _Optional[str] = ..., to_state: _Optional[str] = ..., timestamp_ms: _Optional[int] = ..., metadata: _Optional[_Mapping[str, str]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class PlanningEventResponse(_message.Message):
    __slots__ = ("processed", "message", "derived_task_ids")
    PROCESSED_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DERIVED_TASK_IDS_FIELD_NUMBER: _ClassVar[int]
    processed: bool
    message: str
    derived_task_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, processed: bool = ..., message: _Optional[str] = ..., derived_task_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class DeriveSubtasksRequest(_message.Message):
    __slots__ = ("case_id", "plan_id", "roles", "strategy", "idempotency_key")
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    case_id: str
    plan_id: str
    roles: _containers.RepeatedScalarFieldContainer[str]
    strategy: DerivationStrategy
    idempotency_key: str
    def __init__(self, case_id: _Optional[str] = ..., plan_id: _Optional[str] = ..., roles: _Optional[_Iterable[str]] = ..., strategy: _Optional[_Union[DerivationStrategy, _Mapping]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class DerivationStrategy(_message.Message):
    __slots__ = ("parallel_execution", "dependency_order", "max_tasks_per_role", "auto_publish_to_nats")
    PARALLEL_EXECUTION_FIELD_NUMBER: _ClassVar[int]
    DEPENDENCY_ORDER_FIELD_NUMBER: _ClassVar[int]
    MAX_TASKS_PER_ROLE_FIELD_NUMBER: _ClassVar[int]
    AUTO_PUBLISH_TO_NATS_FIELD_NUMBER: _ClassVar[int]
    parallel_execution: bool
    dependency_order: _containers.RepeatedScalarFieldContainer[str]
    max_tasks_per_role: int
    auto_publish_to_nats: bool
    def __init__(self, parallel_execution: bool = ..., dependency_order: _Optional[_Iterable[str]] = ..., max_tasks_per_role: _Optional[int] = ..., auto_publish_to_nats: bool = ...) -> None: ...

class DeriveSubtasksResponse(_message.Message):
    __slots__ = ("tasks", "derivation_id", "total_tasks", "author_id", "published", "durable")
    TASKS_FIELD_NUMBER: _ClassVar[int]
    DERIVATION_ID_FIELD_NUMBER: _ClassVar[int]
    TOTAL_TASKS_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_ID_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_FIELD_NUMBER: _ClassVar[int]
    DURABLE_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[AtomicTask]
    derivation_id: str
    total_tasks: int
    author_id: str
    published: int
    durable: bool
    def __init__(self, tasks: _Optional[_Iterable[_Union[AtomicTask, _Mapping]]] = ..., derivation_id: _Optional[str] = ..., total_tasks: _Optional[int] = ..., author_id: _Optional[str] = ..., published: _Optional[int] = ..., durable: bool = ...) -> None: ...

class AtomicTask(_message.Message):
    __slots__ = ("task_id", "role", "description", "dependencies", "constraints", "case_id", "plan_id", "priority")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    DEPENDENCIES_FIELD_NUMBER: _ClassVar[int]
    CONSTRAINTS_FIELD_NUMBER: _ClassVar[int]
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    role: str
    description: str
    dependencies: _containers.RepeatedScalarFieldContainer[str]
    constraints: TaskConstraints
    case_id: str
    plan_id: str
    priority: int
    def __init__(self, task_id: _Optional[str] = ..., role: _Optional[str] = ..., description: _Optional[str] = ..., dependencies: _Optional[_Iterable[str]] = ..., constraints: _Optional[_Union[TaskConstraints, _Mapping]] = ..., case_id: _Optional[str] = ..., plan_id: _Optional[str] = ..., priority: _Optional[int] = ...) -> None: ...

class GetTaskContextRequest(_message.Message):
    __slots__ = ("task_id", "case_id", "story_id", "role", "phase", "options", "agent_id", "task_description")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    STORY_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    case_id: str
    story_id: str
    role: str
    phase: str
    options: ContextOptions
    agent_id: str
    task_description: str
    def __init__(self, task_id: _Optional[str] = ..., case_id: _Optional[str] = ..., story_id: _Optional[str] = ..., role: _Optional[str] = ..., phase: _Optional[str] = ..., options: _Optional[_Union[ContextOptions, _Mapping]] = ..., agent_id: _Optional[str] = ..., task_description: _Optional[str] = ...) -> None: ...

class GetTaskContextResponse(_message.Message):
    __slots__ = ("context_text", "blocks", "token_count", "version_hash", "agent_id")
    CONTEXT_TEXT_FIELD_NUMBER: _ClassVar[int]
    BLOCKS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    VERSION_HASH_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    context_text: str
    blocks: ContextBlocks
    token_count: int
    version_hash: str
    agent_id: str
    def __init__(self, context_text: _Optional[str] = ..., blocks: _Optional[_Union[ContextBlocks, _Mapping]] = ..., token_count: _Optional[int] = ..., version_hash: _Optional[str] = ..., agent_id: _Optional[str] = ...) -> None: ...

class ContextBlocks(_message.Message):
    __slots__ = ("system", "context", "tools", "history", "question")
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    system: str
    context: str
    tools: str
    history: str
    question: str
    def __init__(self, system: _Optional[str] = ..., context: _Optional[str] = ..., tools: _Optional[str] = ..., history: _Optional[str] = ..., question: _Optional[str] = ...) -> None: ...

class GetStatusRequest(_message.Message):
    __slots__ = ("include_stats",)
    INCLUDE_STATS_FIELD_NUMBER: _ClassVar[int]
    include_stats: bool
    def __init__(self, include_stats: bool = ...) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("status", "uptime_seconds", "stats", "troubles")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    UPTIME_SECONDS_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    TROUBLES_FIELD_NUMBER: _ClassVar[int]
    status: str
    uptime_seconds: int
    stats: OrchestratorStats
    troubles: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, status: _Optional[str] = ..., uptime_seconds: _Optional[int] = ..., stats: _Optional[_Union[OrchestratorStats, _Mapping]] = ..., troubles: _Optional[_Iterable[str]] = ...) -> None: ...

class OrchestratorStats(_message.Message):
    __slots__ = ("total_deliberations", "total_orchestrations", "avg_deliberation_time_ms", "active_councils", "role_counts")
    class RoleCountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    TOTAL_DELIBERATIONS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_ORCHESTRATIONS_FIELD_NUMBER: _ClassVar[int]
    AVG_DELIBERATION_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_COUNCILS_FIELD_NUMBER: _ClassVar[int]
    ROLE_COUNTS_FIELD_NUMBER: _ClassVar[int]
    total_deliberations: int
    total_orchestrations: int
    avg_deliberation_time_ms: float
    active_councils: int
    role_counts: _containers.ScalarMap[str, int]
    def __init__(self, total_deliberations: _Optional[int] = ..., total_orchestrations: _Optional[int] = ..., avg_deliberation_time_ms: _Optional[float] = ..., active_councils: _Optional[int] = ..., role_counts: _Optional[_Mapping[str, int]] = ...) -> None: ...

class GetMetricsRequest(_message.Message):
    __slots__ = ("metric_type", "time_range_ms")
    METRIC_TYPE_FIELD_NUMBER: _ClassVar[int]
    TIME_RANGE_MS_FIELD_NUMBER: _ClassVar[int]
    metric_type: str
    time_range_ms: int
    def __init__(self, metric_type: _Optional[str] = ..., time_range_ms: _Optional[int] = ...) -> None: ...

class GetMetricsResponse(_message.Message):
    __slots__ = ("performance", "agents", "councils", "behind")
    PERFORMANCE_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    COUNCILS_FIELD_NUMBER: _ClassVar[int]
    BEHIND_FIELD_NUMBER: _ClassVar[int]
    performance: PerformanceMetrics
    agents: AgentMetrics
    councils: CouncilMetrics
    behind: str
    def __init__(self, performance: _Optional[_Union[PerformanceMetrics, _Mapping]] = ..., agents: _Optional[_Union[AgentMetrics, _Mapping]] = ..., councils: _Optional[_Union[CouncilMetrics, _Mapping]] = ..., behind: _Optional[str] = ...) -> None: ...

class PerformanceMetrics(_message.Message):
    __slots__ = ("avg_deliberation_ms", "avg_orchestration_ms", "p50_latency_ms", "p95_latency_ms", "p99_latency_ms")
    AVG_DELIBERATION_MS_FIELD_NUMBER: _ClassVar[int]
    AVG_ORCHESTRATION_MS_FIELD_NUMBER: _ClassVar[int]
    P50_LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    P95_LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    P99_LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    avg_deliberation_ms: float
    avg_orchestration_ms: float
    p50_latency_ms: float
    p95_latency_ms: float
    p99_latency_ms: float
    def __init__(self, avg_deliberation_ms: _Optional[float] = ..., avg_orchestration_ms: _Optional[float] = ..., p50_latency_ms: _Optional[float] = ..., p95_latency_ms: _Optional[float] = ..., p99_latency_ms: _Optional[float] = ...) -> None: ...

class AgentMetrics(_message.Message):
    __slots__ = ("total_agents", "active_agents", "agents_per_role", "avg_agent_response_time_ms")
    class AgentsPerRoleEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    TOTAL_AGENTS_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_AGENTS_FIELD_NUMBER: _ClassVar[int]
    AGENTS_PER_ROLE_FIELD_NUMBER: _ClassVar[int]
    AVG_AGENT_RESPONSE_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    total_agents: int
    active_agents: int
    agents_per_role: _containers.ScalarMap[str, int]
    avg_agent_response_time_ms: float
    def __init__(self, total_agents: _Optional[int] = ..., active_agents: _Optional[int] = ..., agents_per_role: _Optional[_Mapping[str, int]] = ..., avg_agent_response_time_ms: _Optional[float] = ...) -> None: ...

class CouncilMetrics(_message.Message):
    __slots__ = ("total_councils", "active_councils", "health_per_council")
    class HealthPerCouncilEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: CouncilHealth
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[CouncilHealth, _Mapping]] = ...) -> None: ...
    TOTAL_COUNCILS_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_COUNCILS_FIELD_NUMBER: _ClassVar[int]
    HEALTH_PER_COUNCIL_FIELD_NUMBER: _ClassVar[int]
    total_councils: int
    active_councils: int
    health_per_council: _containers.MessageMap[str, CouncilHealth]
    def __init__(self, total_councils: _Optional[int] = ..., active_councils: _Optional[int] = ..., health_per_council: _Optional[_Mapping[str, CouncilHealth]] = ...) -> None: ...

class CouncilHealth(_message.Message):
    __slots__ = ("status", "available_agents", "busy_agents", "success_rate")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_AGENTS_FIELD_NUMBER: _ClassVar[int]
    BUSY_AGENTS_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_RATE_FIELD_NUMBER: _ClassVar[int]
    status: str
    available_agents: int
    busy_agents: int
    success_rate: float
    def __init__(self, status: _Optional[str] = ..., available_agents: _Optional[int] = ..., busy_agents: _Optional[int] = ..., success_rate: _Optional[float] = ...) -> None: ...

class ListDeliberationsRequest(_message.Message):
    __slots__ = ("role", "story", "status", "since", "until", "text", "limit", "cursor")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    STORY_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    role: str
    story: str
    status: str
    since: str
    until: str
    text: str
    limit: int
    cursor: str
    def __init__(self, role: _Optional[str] = ..., story: _Optional[str] = ..., status: _Optional[str] = ..., since: _Optional[str] = ..., until: _Optional[str] = ..., text: _Optional[str] = ..., limit: _Optional[int] = ..., cursor: _Optional[str] = ...) -> None: ...

class ListDeliberationsResponse(_message.Message):
    __slots__ = ("deliberations", "cursor", "behind")
    DELIBERATIONS_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    BEHIND_FIELD_NUMBER: _ClassVar[int]
    deliberations: _containers.RepeatedCompositeFieldContainer[Listed]
    cursor: str
    behind: str
    def __init__(self, deliberations: _Optional[_Iterable[_Union[Listed, _Mapping]]] = ..., cursor: _Optional[str] = ..., behind: _Optional[str] = ...) -> None: ...

class Listed(_message.Message):
    __slots__ = ("id", "role", "story_id", "status", "began", "ended", "took_ms", "error_type", "stop_reason", "policy", "winner_id", "usage")
    ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    STORY_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    BEGAN_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    TOOK_MS_FIELD_NUMBER: _ClassVar[int]
    ERROR_TYPE_FIELD_NUMBER: _ClassVar[int]
    STOP_REASON_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    WINNER_ID_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    id: str
    role: str
    story_id: str
    status: str
    began: float
    ended: float
    took_ms: int
    error_type: str
    stop_reason: str
    policy: str
    winner_id: str
    usage: Usage
    def __init__(self, id: _Optional[str] = ..., role: _Optional[str] = ..., story_id: _Optional[str] = ..., status: _Optional[str] = ..., began: _Optional[float] = ..., ended: _Optional[float] = ..., took_ms: _Optional[int] = ..., error_type: _Optional[str] = ..., stop_reason: _Optional[str] = ..., policy: _Optional[str] = ..., winner_id: _Optional[str] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ...) -> None: ...

class Record(_message.Message):
    __slots__ = ("deliberation", "seq", "at", "event")
    DELIBERATION_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    deliberation: str
    seq: int
    at: float
    event: Event
    def __init__(self, deliberation: _Optional[str] = ..., seq: _Optional[int] = ..., at: _Optional[float] = ..., event: _Optional[_Union[Event, _Mapping]] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("convened", "briefed", "asked", "drafted", "critiqued", "revised", "voted", "rejected", "dropped", "resumed", "suspended", "hastened", "decided", "failed", "checked", "merged", "judged", "aborted", "settled")
    CONVENED_FIELD_NUMBER: _ClassVar[int]
    BRIEFED_FIELD_NUMBER: _ClassVar[int]
    ASKED_FIELD_NUMBER: _ClassVar[int]
    DRAFTED_FIELD_NUMBER: _ClassVar[int]
    CRITIQUED_FIELD_NUMBER: _ClassVar[int]
    REVISED_FIELD_NUMBER: _ClassVar[int]
    VOTED_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    RESUMED_FIELD_NUMBER: _ClassVar[int]
    SUSPENDED_FIELD_NUMBER: _ClassVar[int]
    HASTENED_FIELD_NUMBER: _ClassVar[int]
    DECIDED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    CHECKED_FIELD_NUMBER: _ClassVar[int]
    MERGED_FIELD_NUMBER: _ClassVar[int]
    JUDGED_FIELD_NUMBER: _ClassVar[int]
    ABORTED_FIELD_NUMBER: _ClassVar[int]
    SETTLED_FIELD_NUMBER: _ClassVar[int]
    convened: Convened
    briefed: Briefed
    asked: Asked
    drafted: Drafted
    critiqued: Critiqued
    revised: Revised
    voted: Voted
    rejected: Rejected
    dropped: Dropped
    resumed: Resumed
    suspended: Suspended
    hastened: Hastened
    decided: Decided
    failed: Failed
    checked: Checked
    merged: Merged
    judged: Judged
    aborted: Aborted
    settled: Settled
    def __init__(self, convened: _Optional[_Union[Convened, _Mapping]] = ..., briefed: _Optional[_Union[Briefed, _Mapping]] = ..., asked: _Optional[_Union[Asked, _Mapping]] = ..., drafted: _Optional[_Union[Drafted, _Mapping]] = ..., critiqued: _Optional[_Union[Critiqued, _Mapping]] = ..., revised: _Optional[_Union[Revised, _Mapping]] = ..., voted: _Optional[_Union[Voted, _Mapping]] = ..., rejected: _Optional[_Union[Rejected, _Mapping]] = ..., dropped: _Optional[_Union[Dropped, _Mapping]] = ..., resumed: _Optional[_Union[Resumed, _Mapping]] = ..., suspended: _Optional[_Union[Suspended, _Mapping]] = ..., hastened: _Optional[_Union[Hastened, _Mapping]] = ..., decided: _Optional[_Union[Decided, _Mapping]] = ..., failed: _Optional[_Union[Failed, _Mapping]] = ..., checked: _Optional[_Union[Checked, _Mapping]] = ..., merged: _Optional[_Union[Merged, _Mapping]] = ..., judged: _Optional[_Union[Judged, _Mapping]] = ..., aborted: _Optional[_Union[Aborted, _Mapping]] = ..., settled: _Optional[_Union[Settled, _Mapping]] = ...) -> None: ...

class Convened(_message.Message):
    __slots__ = ("task", "council", "rules", "story")
    TASK_FIELD_NUMBER: _ClassVar[int]
    COUNCIL_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    STORY_FIELD_NUMBER: _ClassVar[int]
    task: Task
    council: Council
    rules: Rules
    story: StoryContext
    def __init__(self, task: _Optional[_Union[Task, _Mapping]] = ..., council: _Optional[_Union[Council, _Mapping]] = ..., rules: _Optional[_Union[Rules, _Mapping]] = ..., story: _Optional[_Union[StoryContext, _Mapping]] = ...) -> None: ...

class StoryContext(_message.Message):
    __slots__ = ("version", "notes", "hash", "text", "missing")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    version: int
    notes: int
    hash: str
    text: str
    missing: str
    def __init__(self, version: _Optional[int] = ..., notes: _Optional[int] = ..., hash: _Optional[str] = ..., text: _Optional[str] = ..., missing: _Optional[str] = ...) -> None: ...

class Briefed(_message.Message):
    __slots__ = ("brief",)
    BRIEF_FIELD_NUMBER: _ClassVar[int]
    brief: Brief
    def __init__(self, brief: _Optional[_Union[Brief, _Mapping]] = ...) -> None: ...

class Asked(_message.Message):
    __slots__ = ("turn", "agent", "phase", "round", "target")
    TURN_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    turn: str
    agent: str
    phase: str
    round: int
    target: str
    def __init__(self, turn: _Optional[str] = ..., agent: _Optional[str] = ..., phase: _Optional[str] = ..., round: _Optional[int] = ..., target: _Optional[str] = ...) -> None: ...

class Drafted(_message.Message):
    __slots__ = ("turn", "agent", "text", "reasoning", "truncated", "usage")
    TURN_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    REASONING_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    turn: str
    agent: str
    text: str
    reasoning: str
    truncated: bool
    usage: Usage
    def __init__(self, turn: _Optional[str] = ..., agent: _Optional[str] = ..., text: _Optional[str] = ..., reasoning: _Optional[str] = ..., truncated: bool = ..., usage: _Optional[_Union[Usage, _Mapping]] = ...) -> None: ...

class Critiqued(_message.Message):
    __slots__ = ("turn", "agent", "target", "round", "findings", "verdict", "usage", "probe")
    TURN_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    PROBE_FIELD_NUMBER: _ClassVar[int]
    turn: str
    agent: str
    target: str
    round: int
    findings: _containers.RepeatedCompositeFieldContainer[Finding]
    verdict: str
    usage: Usage
    probe: bool
    def __init__(self, turn: _Optional[str] = ..., agent: _Optional[str] = ..., target: _Optional[str] = ..., round: _Optional[int] = ..., findings: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ..., verdict: _Optional[str] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., probe: bool = ...) -> None: ...

class Revised(_message.Message):
    __slots__ = ("turn", "agent", "round", "text", "reasoning", "truncated", "usage")
    TURN_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    REASONING_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    turn: str
    agent: str
    round: int
    text: str
    reasoning: str
    truncated: bool
    usage: Usage
    def __init__(self, turn: _Optional[str] = ..., agent: _Optional[str] = ..., round: _Optional[int] = ..., text: _Optional[str] = ..., reasoning: _Optional[str] = ..., truncated: bool = ..., usage: _Optional[_Union[Usage, _Mapping]] = ...) -> None: ...

class Voted(_message.Message):
    __slots__ = ("turn", "agent", "ballot", "usage")
    TURN_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    BALLOT_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    turn: str
    agent: str
    ballot: Ballot
    usage: Usage
    def __init__(self, turn: _Optional[str] = ..., agent: _Optional[str] = ..., ballot: _Optional[_Union[Ballot, _Mapping]] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ...) -> None: ...

class Rejected(_message.Message):
    __slots__ = ("turn", "agent", "phase", "reason", "text", "usage")
    TURN_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    turn: str
    agent: str
    phase: str
    reason: str
    text: str
    usage: Usage
    def __init__(self, turn: _Optional[str] = ..., agent: _Optional[str] = ..., phase: _Optional[str] = ..., reason: _Optional[str] = ..., text: _Optional[str] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ...) -> None: ...

class Dropped(_message.Message):
    __slots__ = ("agent", "phase", "reason", "turn")
    AGENT_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TURN_FIELD_NUMBER: _ClassVar[int]
    agent: str
    phase: str
    reason: str
    turn: str
    def __init__(self, agent: _Optional[str] = ..., phase: _Optional[str] = ..., reason: _Optional[str] = ..., turn: _Optional[str] = ...) -> None: ...

class Resumed(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Suspended(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class Hastened(_message.Message):
    __slots__ = ("reason", "cause")
    REASON_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    reason: str
    cause: str
    def __init__(self, reason: _Optional[str] = ..., cause: _Optional[str] = ...) -> None: ...

class Checked(_message.Message):
    __slots__ = ("agent", "round", "results")
    AGENT_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    agent: str
    round: int
    results: _containers.RepeatedCompositeFieldContainer[CheckOutcome]
    def __init__(self, agent: _Optional[str] = ..., round: _Optional[int] = ..., results: _Optional[_Iterable[_Union[CheckOutcome, _Mapping]]] = ...) -> None: ...

class CheckOutcome(_message.Message):
    __slots__ = ("check", "verdict", "blocking", "message")
    CHECK_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    BLOCKING_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    check: str
    verdict: str
    blocking: bool
    message: str
    def __init__(self, check: _Optional[str] = ..., verdict: _Optional[str] = ..., blocking: bool = ..., message: _Optional[str] = ...) -> None: ...

class Merged(_message.Message):
    __slots__ = ("turn", "agent", "round", "text", "reasoning", "truncated", "usage")
    TURN_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    REASONING_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    turn: str
    agent: str
    round: int
    text: str
    reasoning: str
    truncated: bool
    usage: Usage
    def __init__(self, turn: _Optional[str] = ..., agent: _Optional[str] = ..., round: _Optional[int] = ..., text: _Optional[str] = ..., reasoning: _Optional[str] = ..., truncated: bool = ..., usage: _Optional[_Union[Usage, _Mapping]] = ...) -> None: ...

class Judged(_message.Message):
    __slots__ = ("turn", "agent", "choice", "reason", "usage")
    TURN_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    CHOICE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    turn: str
    agent: str
    choice: str
    reason: str
    usage: Usage
    def __init__(self, turn: _Optional[str] = ..., agent: _Optional[str] = ..., choice: _Optional[str] = ..., reason: _Optional[str] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ...) -> None: ...

class Aborted(_message.Message):
    __slots__ = ("turn", "agent", "phase", "usage")
    TURN_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    turn: str
    agent: str
    phase: str
    usage: Usage
    def __init__(self, turn: _Optional[str] = ..., agent: _Optional[str] = ..., phase: _Optional[str] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ...) -> None: ...

class Settled(_message.Message):
    __slots__ = ("reason", "round")
    REASON_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    reason: str
    round: int
    def __init__(self, reason: _Optional[str] = ..., round: _Optional[int] = ...) -> None: ...

class Decided(_message.Message):
    __slots__ = ("decision",)
    DECISION_FIELD_NUMBER: _ClassVar[int]
    decision: Decision
    def __init__(self, decision: _Optional[_Union[Decision, _Mapping]] = ...) -> None: ...

class Failed(_message.Message):
    __slots__ = ("error_type", "message", "lost", "tokens", "aborted")
    class LostEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class TokensEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Usage
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Usage, _Mapping]] = ...) -> None: ...
    ERROR_TYPE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    ABORTED_FIELD_NUMBER: _ClassVar[int]
    error_type: str
    message: str
    lost: _containers.ScalarMap[str, str]
    tokens: _containers.MessageMap[str, Usage]
    aborted: int
    def __init__(self, error_type: _Optional[str] = ..., message: _Optional[str] = ..., lost: _Optional[_Mapping[str, str]] = ..., tokens: _Optional[_Mapping[str, Usage]] = ..., aborted: _Optional[int] = ...) -> None: ...

class Task(_message.Message):
    __slots__ = ("id", "role", "text", "title", "rubric", "requirements", "context", "rounds", "num_agents", "policy", "timeout_s", "story_id", "plan_id", "samples", "layers", "topology", "k", "hub", "groups", "exchange_every", "revise", "ballot", "tally", "early", "decide", "shortlist", "quorum", "stability", "gain", "until_clean", "token_budget", "seed", "origin", "without", "model", "purpose", "case_id", "shown", "temperature", "top_p", "answer_tokens", "graph")
    ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    RUBRIC_FIELD_NUMBER: _ClassVar[int]
    REQUIREMENTS_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    NUM_AGENTS_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_S_FIELD_NUMBER: _ClassVar[int]
    STORY_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    TOPOLOGY_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    HUB_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    EXCHANGE_EVERY_FIELD_NUMBER: _ClassVar[int]
    REVISE_FIELD_NUMBER: _ClassVar[int]
    BALLOT_FIELD_NUMBER: _ClassVar[int]
    TALLY_FIELD_NUMBER: _ClassVar[int]
    EARLY_FIELD_NUMBER: _ClassVar[int]
    DECIDE_FIELD_NUMBER: _ClassVar[int]
    SHORTLIST_FIELD_NUMBER: _ClassVar[int]
    QUORUM_FIELD_NUMBER: _ClassVar[int]
    STABILITY_FIELD_NUMBER: _ClassVar[int]
    GAIN_FIELD_NUMBER: _ClassVar[int]
    UNTIL_CLEAN_FIELD_NUMBER: _ClassVar[int]
    TOKEN_BUDGET_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    SHOWN_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    ANSWER_TOKENS_FIELD_NUMBER: _ClassVar[int]
    GRAPH_FIELD_NUMBER: _ClassVar[int]
    id: str
    role: str
    text: str
    title: str
    rubric: str
    requirements: _containers.RepeatedScalarFieldContainer[str]
    context: _struct_pb2.Struct
    rounds: int
    num_agents: int
    policy: str
    timeout_s: float
    story_id: str
    plan_id: str
    samples: int
    layers: int
    topology: str
    k: int
    hub: int
    groups: int
    exchange_every: int
    revise: str
    ballot: str
    tally: str
    early: bool
    decide: str
    shortlist: int
    quorum: float
    stability: int
    gain: float
    until_clean: bool
    token_budget: int
    seed: str
    origin: str
    without: _containers.RepeatedScalarFieldContainer[str]
    model: str
    purpose: str
    case_id: str
    shown: Shown
    temperature: float
    top_p: float
    answer_tokens: int
    graph: GraphRules
    def __init__(self, id: _Optional[str] = ..., role: _Optional[str] = ..., text: _Optional[str] = ..., title: _Optional[str] = ..., rubric: _Optional[str] = ..., requirements: _Optional[_Iterable[str]] = ..., context: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., rounds: _Optional[int] = ..., num_agents: _Optional[int] = ..., policy: _Optional[str] = ..., timeout_s: _Optional[float] = ..., story_id: _Optional[str] = ..., plan_id: _Optional[str] = ..., samples: _Optional[int] = ..., layers: _Optional[int] = ..., topology: _Optional[str] = ..., k: _Optional[int] = ..., hub: _Optional[int] = ..., groups: _Optional[int] = ..., exchange_every: _Optional[int] = ..., revise: _Optional[str] = ..., ballot: _Optional[str] = ..., tally: _Optional[str] = ..., early: bool = ..., decide: _Optional[str] = ..., shortlist: _Optional[int] = ..., quorum: _Optional[float] = ..., stability: _Optional[int] = ..., gain: _Optional[float] = ..., until_clean: bool = ..., token_budget: _Optional[int] = ..., seed: _Optional[str] = ..., origin: _Optional[str] = ..., without: _Optional[_Iterable[str]] = ..., model: _Optional[str] = ..., purpose: _Optional[str] = ..., case_id: _Optional[str] = ..., shown: _Optional[_Union[Shown, _Mapping]] = ..., temperature: _Optional[float] = ..., top_p: _Optional[float] = ..., answer_tokens: _Optional[int] = ..., graph: _Optional[_Union[GraphRules, _Mapping]] = ...) -> None: ...

class Shown(_message.Message):
    __slots__ = ("kinds", "most")
    KINDS_FIELD_NUMBER: _ClassVar[int]
    MOST_FIELD_NUMBER: _ClassVar[int]
    kinds: _containers.RepeatedScalarFieldContainer[str]
    most: int
    def __init__(self, kinds: _Optional[_Iterable[str]] = ..., most: _Optional[int] = ...) -> None: ...

class GraphRules(_message.Message):
    __slots__ = ("roles", "most_per_role", "most", "order", "parallel", "tokens")
    ROLES_FIELD_NUMBER: _ClassVar[int]
    MOST_PER_ROLE_FIELD_NUMBER: _ClassVar[int]
    MOST_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    PARALLEL_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    roles: _containers.RepeatedScalarFieldContainer[str]
    most_per_role: int
    most: int
    order: _containers.RepeatedScalarFieldContainer[str]
    parallel: bool
    tokens: int
    def __init__(self, roles: _Optional[_Iterable[str]] = ..., most_per_role: _Optional[int] = ..., most: _Optional[int] = ..., order: _Optional[_Iterable[str]] = ..., parallel: bool = ..., tokens: _Optional[int] = ...) -> None: ...

class Council(_message.Message):
    __slots__ = ("role", "agents", "rubric", "rounds", "budgets", "policy", "num_agents", "samples", "layers", "topology", "k", "hub", "groups", "exchange_every", "revise", "ballot", "tally", "early", "decide", "shortlist", "quorum", "stability", "gain", "until_clean", "token_budget", "architect")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    RUBRIC_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    BUDGETS_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    NUM_AGENTS_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    TOPOLOGY_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    HUB_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    EXCHANGE_EVERY_FIELD_NUMBER: _ClassVar[int]
    REVISE_FIELD_NUMBER: _ClassVar[int]
    BALLOT_FIELD_NUMBER: _ClassVar[int]
    TALLY_FIELD_NUMBER: _ClassVar[int]
    EARLY_FIELD_NUMBER: _ClassVar[int]
    DECIDE_FIELD_NUMBER: _ClassVar[int]
    SHORTLIST_FIELD_NUMBER: _ClassVar[int]
    QUORUM_FIELD_NUMBER: _ClassVar[int]
    STABILITY_FIELD_NUMBER: _ClassVar[int]
    GAIN_FIELD_NUMBER: _ClassVar[int]
    UNTIL_CLEAN_FIELD_NUMBER: _ClassVar[int]
    TOKEN_BUDGET_FIELD_NUMBER: _ClassVar[int]
    ARCHITECT_FIELD_NUMBER: _ClassVar[int]
    role: str
    agents: _containers.RepeatedCompositeFieldContainer[Agent]
    rubric: str
    rounds: int
    budgets: Budgets
    policy: str
    num_agents: int
    samples: int
    layers: int
    topology: str
    k: int
    hub: int
    groups: int
    exchange_every: int
    revise: str
    ballot: str
    tally: str
    early: bool
    decide: str
    shortlist: int
    quorum: float
    stability: int
    gain: float
    until_clean: bool
    token_budget: int
    architect: Agent
    def __init__(self, role: _Optional[str] = ..., agents: _Optional[_Iterable[_Union[Agent, _Mapping]]] = ..., rubric: _Optional[str] = ..., rounds: _Optional[int] = ..., budgets: _Optional[_Union[Budgets, _Mapping]] = ..., policy: _Optional[str] = ..., num_agents: _Optional[int] = ..., samples: _Optional[int] = ..., layers: _Optional[int] = ..., topology: _Optional[str] = ..., k: _Optional[int] = ..., hub: _Optional[int] = ..., groups: _Optional[int] = ..., exchange_every: _Optional[int] = ..., revise: _Optional[str] = ..., ballot: _Optional[str] = ..., tally: _Optional[str] = ..., early: bool = ..., decide: _Optional[str] = ..., shortlist: _Optional[int] = ..., quorum: _Optional[float] = ..., stability: _Optional[int] = ..., gain: _Optional[float] = ..., until_clean: bool = ..., token_budget: _Optional[int] = ..., architect: _Optional[_Union[Agent, _Mapping]] = ...) -> None: ...

class Rules(_message.Message):
    __slots__ = ("policy", "exchange", "choice", "agents", "copies", "scouts", "rounds", "topology", "k", "hub", "groups", "exchange_every", "revise", "ballot", "tally", "early", "decide", "shortlist", "quorum", "stability", "gain", "until_clean", "token_budget")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    EXCHANGE_FIELD_NUMBER: _ClassVar[int]
    CHOICE_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    COPIES_FIELD_NUMBER: _ClassVar[int]
    SCOUTS_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    TOPOLOGY_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    HUB_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    EXCHANGE_EVERY_FIELD_NUMBER: _ClassVar[int]
    REVISE_FIELD_NUMBER: _ClassVar[int]
    BALLOT_FIELD_NUMBER: _ClassVar[int]
    TALLY_FIELD_NUMBER: _ClassVar[int]
    EARLY_FIELD_NUMBER: _ClassVar[int]
    DECIDE_FIELD_NUMBER: _ClassVar[int]
    SHORTLIST_FIELD_NUMBER: _ClassVar[int]
    QUORUM_FIELD_NUMBER: _ClassVar[int]
    STABILITY_FIELD_NUMBER: _ClassVar[int]
    GAIN_FIELD_NUMBER: _ClassVar[int]
    UNTIL_CLEAN_FIELD_NUMBER: _ClassVar[int]
    TOKEN_BUDGET_FIELD_NUMBER: _ClassVar[int]
    policy: str
    exchange: str
    choice: str
    agents: int
    copies: int
    scouts: int
    rounds: int
    topology: str
    k: int
    hub: int
    groups: int
    exchange_every: int
    revise: str
    ballot: str
    tally: str
    early: bool
    decide: str
    shortlist: int
    quorum: float
    stability: int
    gain: float
    until_clean: bool
    token_budget: int
    def __init__(self, policy: _Optional[str] = ..., exchange: _Optional[str] = ..., choice: _Optional[str] = ..., agents: _Optional[int] = ..., copies: _Optional[int] = ..., scouts: _Optional[int] = ..., rounds: _Optional[int] = ..., topology: _Optional[str] = ..., k: _Optional[int] = ..., hub: _Optional[int] = ..., groups: _Optional[int] = ..., exchange_every: _Optional[int] = ..., revise: _Optional[str] = ..., ballot: _Optional[str] = ..., tally: _Optional[str] = ..., early: bool = ..., decide: _Optional[str] = ..., shortlist: _Optional[int] = ..., quorum: _Optional[float] = ..., stability: _Optional[int] = ..., gain: _Optional[float] = ..., until_clean: bool = ..., token_budget: _Optional[int] = ...) -> None: ...

class Agent(_message.Message):
    __slots__ = ("id", "role", "persona", "pool", "sampling")
    ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    PERSONA_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    id: str
    role: str
    persona: str
    pool: str
    sampling: Sampling
    def __init__(self, id: _Optional[str] = ..., role: _Optional[str] = ..., persona: _Optional[str] = ..., pool: _Optional[str] = ..., sampling: _Optional[_Union[Sampling, _Mapping]] = ...) -> None: ...

class Sampling(_message.Message):
    __slots__ = ("temperature", "top_p", "repetition_penalty")
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    REPETITION_PENALTY_FIELD_NUMBER: _ClassVar[int]
    temperature: float
    top_p: float
    repetition_penalty: float
    def __init__(self, temperature: _Optional[float] = ..., top_p: _Optional[float] = ..., repetition_penalty: _Optional[float] = ...) -> None: ...

class Budgets(_message.Message):
    __slots__ = ("task", "draft", "critique")
    TASK_FIELD_NUMBER: _ClassVar[int]
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    CRITIQUE_FIELD_NUMBER: _ClassVar[int]
    task: int
    draft: int
    critique: int
    def __init__(self, task: _Optional[int] = ..., draft: _Optional[int] = ..., critique: _Optional[int] = ...) -> None: ...

class Brief(_message.Message):
    __slots__ = ("text", "title", "fence", "prompts", "clipped")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    PROMPTS_FIELD_NUMBER: _ClassVar[int]
    CLIPPED_FIELD_NUMBER: _ClassVar[int]
    text: str
    title: str
    fence: str
    prompts: str
    clipped: _containers.RepeatedCompositeFieldContainer[Clipped]
    def __init__(self, text: _Optional[str] = ..., title: _Optional[str] = ..., fence: _Optional[str] = ..., prompts: _Optional[str] = ..., clipped: _Optional[_Iterable[_Union[Clipped, _Mapping]]] = ...) -> None: ...

class Clipped(_message.Message):
    __slots__ = ("part", "kept", "tokens")
    PART_FIELD_NUMBER: _ClassVar[int]
    KEPT_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    part: str
    kept: int
    tokens: int
    def __init__(self, part: _Optional[str] = ..., kept: _Optional[int] = ..., tokens: _Optional[int] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("prompt", "cached", "generated", "aborted")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    CACHED_FIELD_NUMBER: _ClassVar[int]
    GENERATED_FIELD_NUMBER: _ClassVar[int]
    ABORTED_FIELD_NUMBER: _ClassVar[int]
    prompt: int
    cached: int
    generated: int
    aborted: int
    def __init__(self, prompt: _Optional[int] = ..., cached: _Optional[int] = ..., generated: _Optional[int] = ..., aborted: _Optional[int] = ...) -> None: ...

class Finding(_message.Message):
    __slots__ = ("severity", "issue")
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    ISSUE_FIELD_NUMBER: _ClassVar[int]
    severity: str
    issue: str
    def __init__(self, severity: _Optional[str] = ..., issue: _Optional[str] = ...) -> None: ...

class Ballot(_message.Message):
    __slots__ = ("voter", "ranking", "scores", "consistency", "mass", "approved")
    class ScoresEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    VOTER_FIELD_NUMBER: _ClassVar[int]
    RANKING_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    MASS_FIELD_NUMBER: _ClassVar[int]
    APPROVED_FIELD_NUMBER: _ClassVar[int]
    voter: str
    ranking: _containers.RepeatedScalarFieldContainer[str]
    scores: _containers.ScalarMap[str, float]
    consistency: float
    mass: float
    approved: int
    def __init__(self, voter: _Optional[str] = ..., ranking: _Optional[_Iterable[str]] = ..., scores: _Optional[_Mapping[str, float]] = ..., consistency: _Optional[float] = ..., mass: _Optional[float] = ..., approved: _Optional[int] = ...) -> None: ...

class Decision(_message.Message):
    __slots__ = ("degraded", "lost", "choice", "rule", "order", "margin", "condorcet", "agreement_tau", "agreement_w", "consistency", "objections", "minority", "tokens", "stop_reason", "policy", "tallies", "dissenting_rules", "tied", "tie_break", "override", "classes", "entropy", "excluded", "spared", "reopen", "aborted", "seed")
    class LostEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class TokensEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Usage
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Usage, _Mapping]] = ...) -> None: ...
    class ClassesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    CHOICE_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    MARGIN_FIELD_NUMBER: _ClassVar[int]
    CONDORCET_FIELD_NUMBER: _ClassVar[int]
    AGREEMENT_TAU_FIELD_NUMBER: _ClassVar[int]
    AGREEMENT_W_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    OBJECTIONS_FIELD_NUMBER: _ClassVar[int]
    MINORITY_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    STOP_REASON_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    TALLIES_FIELD_NUMBER: _ClassVar[int]
    DISSENTING_RULES_FIELD_NUMBER: _ClassVar[int]
    TIED_FIELD_NUMBER: _ClassVar[int]
    TIE_BREAK_FIELD_NUMBER: _ClassVar[int]
    OVERRIDE_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    ENTROPY_FIELD_NUMBER: _ClassVar[int]
    EXCLUDED_FIELD_NUMBER: _ClassVar[int]
    SPARED_FIELD_NUMBER: _ClassVar[int]
    REOPEN_FIELD_NUMBER: _ClassVar[int]
    ABORTED_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    degraded: bool
    lost: _containers.ScalarMap[str, str]
    choice: str
    rule: str
    order: _containers.RepeatedCompositeFieldContainer[Ranked]
    margin: float
    condorcet: Condorcet
    agreement_tau: float
    agreement_w: float
    consistency: float
    objections: _containers.RepeatedCompositeFieldContainer[Objection]
    minority: _containers.RepeatedCompositeFieldContainer[Minority]
    tokens: _containers.MessageMap[str, Usage]
    stop_reason: str
    policy: str
    tallies: _containers.RepeatedCompositeFieldContainer[Tally]
    dissenting_rules: _containers.RepeatedScalarFieldContainer[str]
    tied: _containers.RepeatedScalarFieldContainer[str]
    tie_break: str
    override: Override
    classes: _containers.ScalarMap[str, str]
    entropy: float
    excluded: _containers.RepeatedScalarFieldContainer[str]
    spared: _containers.RepeatedScalarFieldContainer[str]
    reopen: _containers.RepeatedScalarFieldContainer[str]
    aborted: int
    seed: str
    def __init__(self, degraded: bool = ..., lost: _Optional[_Mapping[str, str]] = ..., choice: _Optional[str] = ..., rule: _Optional[str] = ..., order: _Optional[_Iterable[_Union[Ranked, _Mapping]]] = ..., margin: _Optional[float] = ..., condorcet: _Optional[_Union[Condorcet, _Mapping]] = ..., agreement_tau: _Optional[float] = ..., agreement_w: _Optional[float] = ..., consistency: _Optional[float] = ..., objections: _Optional[_Iterable[_Union[Objection, _Mapping]]] = ..., minority: _Optional[_Iterable[_Union[Minority, _Mapping]]] = ..., tokens: _Optional[_Mapping[str, Usage]] = ..., stop_reason: _Optional[str] = ..., policy: _Optional[str] = ..., tallies: _Optional[_Iterable[_Union[Tally, _Mapping]]] = ..., dissenting_rules: _Optional[_Iterable[str]] = ..., tied: _Optional[_Iterable[str]] = ..., tie_break: _Optional[str] = ..., override: _Optional[_Union[Override, _Mapping]] = ..., classes: _Optional[_Mapping[str, str]] = ..., entropy: _Optional[float] = ..., excluded: _Optional[_Iterable[str]] = ..., spared: _Optional[_Iterable[str]] = ..., reopen: _Optional[_Iterable[str]] = ..., aborted: _Optional[int] = ..., seed: _Optional[str] = ...) -> None: ...

class Tally(_message.Message):
    __slots__ = ("rule", "scores", "winners", "low", "high")
    class ScoresEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class LowEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class HighEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    RULE_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    WINNERS_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    rule: str
    scores: _containers.ScalarMap[str, float]
    winners: _containers.RepeatedScalarFieldContainer[str]
    low: _containers.ScalarMap[str, float]
    high: _containers.ScalarMap[str, float]
    def __init__(self, rule: _Optional[str] = ..., scores: _Optional[_Mapping[str, float]] = ..., winners: _Optional[_Iterable[str]] = ..., low: _Optional[_Mapping[str, float]] = ..., high: _Optional[_Mapping[str, float]] = ...) -> None: ...

class Override(_message.Message):
    __slots__ = ("by", "rule", "instead_of", "reason")
    BY_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    INSTEAD_OF_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    by: str
    rule: str
    instead_of: str
    reason: str
    def __init__(self, by: _Optional[str] = ..., rule: _Optional[str] = ..., instead_of: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class Ranked(_message.Message):
    __slots__ = ("author", "rank", "score")
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    author: str
    rank: int
    score: float
    def __init__(self, author: _Optional[str] = ..., rank: _Optional[int] = ..., score: _Optional[float] = ...) -> None: ...

class Condorcet(_message.Message):
    __slots__ = ("status", "winner")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    WINNER_FIELD_NUMBER: _ClassVar[int]
    status: str
    winner: str
    def __init__(self, status: _Optional[str] = ..., winner: _Optional[str] = ...) -> None: ...

class Objection(_message.Message):
    __slots__ = ("reviewer", "issue", "answered")
    REVIEWER_FIELD_NUMBER: _ClassVar[int]
    ISSUE_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_FIELD_NUMBER: _ClassVar[int]
    reviewer: str
    issue: str
    answered: bool
    def __init__(self, reviewer: _Optional[str] = ..., issue: _Optional[str] = ..., answered: bool = ...) -> None: ...

class Minority(_message.Message):
    __slots__ = ("voter", "prefers", "by", "objections")
    VOTER_FIELD_NUMBER: _ClassVar[int]
    PREFERS_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    OBJECTIONS_FIELD_NUMBER: _ClassVar[int]
    voter: str
    prefers: str
    by: float
    objections: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, voter: _Optional[str] = ..., prefers: _Optional[str] = ..., by: _Optional[float] = ..., objections: _Optional[_Iterable[str]] = ...) -> None: ...
