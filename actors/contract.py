"""The contract's messages made of our nouns, and a request read; knows nothing of who calls."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from actors.codec import from_struct, write
from actors.pb import orchestrator_pb2 as pb
from engine.options import Options
from engine.packet import CheckResult, Verdict
from engine.results import STOP_REASONS, RankedProposal, Result, result
from engine.transcript import Transcript

VERSION = version("conclave")
STATUSES = {
    "in_progress": pb.DELIBERATION_STATUS_IN_PROGRESS,
    "suspended": pb.DELIBERATION_STATUS_PENDING,
    "completed": pb.DELIBERATION_STATUS_COMPLETED,
    "failed": pb.DELIBERATION_STATUS_FAILED,
}


def response(state: Transcript, durable: bool) -> pb.DeliberateResponse:
    """What Deliberate answers, of a transcript at any time after it was convened."""
    return pb.DeliberateResponse(**_outcome(state, result(state, durable)))


def result_response(state: Transcript, durable: bool) -> pb.GetDeliberationResultResponse:
    """What GetDeliberationResult answers, of a transcript at any time after it was convened."""
    view = result(state, durable)
    return pb.GetDeliberationResultResponse(
        **_outcome(state, view),
        status=_status(view),
        error_message=view.error,
        error_type=view.error_type,
        suspended=view.status == "suspended",
    )


def proposal(state: Transcript, ranked: RankedProposal) -> pb.DeliberationResult:
    """One text with its place, and what the checks that ran say of it."""
    written = ranked.proposal
    return pb.DeliberationResult(
        proposal=pb.Proposal(
            author_id=written.author_id,
            author_role=written.author_role,
            content=written.content,
            created_at_ms=written.created_at_ms,
            revisions=written.revisions,
        ),
        checks=pb.CheckSuite(
            additional_checks=[_check(each) for each in state.checked(written.author_id)]
        ),
        score=ranked.score or 0.0,
        rank=ranked.rank or 0,
    )


def _check(found: CheckResult) -> pb.CheckResult:
    """What one check says; one that does not apply has not passed."""
    return pb.CheckResult(
        check_type=found.check,
        passed=found.verdict is Verdict.PASSED,
        message=found.message,
        details={"verdict": found.verdict.value, "blocking": str(found.blocking).lower()},
    )


def asked(request: pb.DeliberateRequest) -> dict[str, Any]:
    """The fields of the request that every door takes; what proto3 leaves at zero is not set."""
    constraints = request.constraints
    return {
        "task_id": request.task_id,
        "role": request.role,
        "text": request.task_description,
        "title": request.title,
        "rubric": constraints.rubric,
        "requirements": tuple(constraints.requirements),
        "context": {**constraints.metadata, **from_struct(request.context)},
        "story_id": request.story_id,
        "max_iterations": constraints.max_iterations or None,
        "timeout_seconds": constraints.timeout_seconds or None,
        **{name: getattr(request, name) for name in Options.model_fields if _set(request, name)},
    }


def _set(request: pb.DeliberateRequest, name: str) -> bool:
    """Whether a field was sent: any value of one that tells unset from zero, else no zero."""
    field = request.DESCRIPTOR.fields_by_name[name]
    return request.HasField(name) if field.has_presence else bool(getattr(request, name))


def _outcome(state: Transcript, view: Result) -> dict[str, Any]:
    """The fields that both answers have in common."""
    decision, critiques = view.decision, state.critiques.values()
    return {
        "task_id": view.task_id,
        "results": [proposal(state, ranked) for ranked in view.results],
        "winner_id": view.winner_id,
        "duration_ms": view.duration_ms,
        "metadata": pb.OrchestratorMetadata(
            orchestrator_version=VERSION,
            timestamp_ms=round((state.ended or state.began) * 1000),
            execution_id=view.task_id,
            tags=_tags(view),
        ),
        "decision": write(pb.Decision(), decision) if decision else None,
        "critiques": [write(pb.Critiqued(), each) for some in critiques for each in some],
        "ballots": [write(pb.Ballot(), ballot) for ballot in state.ballots.values()],
        "tokens": {phase: write(pb.Usage(), usage) for phase, usage in state.tokens.items()},
        "stop_reason": _stop_reason(view),
        "degraded": decision.degraded if decision else bool(state.lost),
        "lost": state.lost,
        "durable": view.durable,
    }


def _tags(view: Result) -> dict[str, str]:
    """Which state of its story a deliberation has seen."""
    seen = {} if view.story is None else view.story.model_dump()
    return {f"story_{name}": str(value) for name, value in seen.items() if value}


def _stop_reason(view: Result) -> str:
    return view.decision.stop_reason if view.decision else STOP_REASONS.get(view.error_type, "")


def _status(view: Result) -> pb.DeliberationStatus:
    deadline = _stop_reason(view) == "deadline"
    return pb.DELIBERATION_STATUS_TIMEOUT if deadline else STATUSES[view.status]
