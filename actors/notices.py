"""What the world is told besides the ends, in words; knows nothing of how it is told."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from pydantic import JsonValue

from actors.messages import PRODUCER, envelope, key_of
from actors.telling import Notice
from engine.events import Asked, Record, Resumed
from engine.packet import Verdict
from engine.planning import PlanApproved, said
from engine.transcript import Transcript, fold
from engine.transitions import Transitioned

ROOT = "deliberation.notice"


def plan_subject(event: PlanApproved) -> str:
    """Where it is told that a plan's roles have all ended."""
    return f"{ROOT}.plan.{key_of(_identity(event))}"


def plan_taken(event: PlanApproved) -> Notice:
    """An identity belongs to the plan that came first. Nobody is told; it is there to be found."""
    subject = f"{ROOT}.taken.{key_of(_identity(event))}"
    return Notice(subject, subject, b"", key_of(said(event)))


def plan_approved(event: PlanApproved, outcomes: dict[str, JsonValue], digest: str) -> Notice:
    """A plan's roles have all ended; `outcomes` are by role, `digest` is that of their tasks."""
    plan = event.plan
    payload: dict[str, JsonValue] = {
        "story_id": plan.story_id,
        "plan_id": plan.plan_id,
        "approved_by": plan.approved_by,
        "roles": list(outcomes),
        "outcomes": outcomes,
    }
    subject = plan_subject(event)
    return _notice(subject, "plan.approved", payload, event)._replace(digest=digest)


def phase_changed(event: Transitioned) -> Notice:
    """A story's transition was accepted; the time is that of the transition.

    The digest tells it from another one of the same identity, and not from a copy of it.
    """
    story = event.transition
    says = (story.story_id, story.from_phase, story.to_phase)
    digest = key_of("\0".join((*says, story.timestamp.isoformat() if event.timed else "")))
    payload: dict[str, JsonValue] = {
        "story_id": story.story_id,
        "from_phase": story.from_phase,
        "to_phase": story.to_phase,
        "timestamp": story.timestamp.isoformat(),
    }
    subject = f"{ROOT}.phase.{key_of(_identity(event))}"
    return _notice(subject, "phase.changed", payload, event)._replace(digest=digest)


def _identity(event: PlanApproved | Transitioned) -> str:
    return f"{event.source}\0{event.key}"


def _notice(
    subject: str,
    told: str,
    payload: dict[str, JsonValue],
    event: PlanApproved | Transitioned,
) -> Notice:
    at = time.time()
    warnings: list[JsonValue] = [f"{warned.kind} at {warned.where}" for warned in event.warnings]
    message = envelope(
        f"orchestration.{told}",
        {"timestamp": _iso(at), **payload},
        key=subject.removeprefix(f"{ROOT}."),
        correlation_id=event.correlation_id,
        producer=PRODUCER,
        at=at,
        metadata={"source": event.source, "key": event.key, "warnings": warnings},
    )
    return Notice(subject, subject, message)


def dispatched(records: Sequence[Record]) -> Iterator[Notice]:
    """Of the agents who write, the one who just got its first turn; all who had, on resuming."""
    event = records[-1].event
    if isinstance(event, Asked) and _was_asked(event.agent, records[:-1]):
        return
    if not isinstance(event, Asked | Resumed):
        return
    state = fold(records[:1])
    for agent, at in _first_turns(state, records).items():
        if isinstance(event, Resumed) or event.agent == agent:
            subject = f"{ROOT}.dispatched.{_place(state, agent)}"
            payload = _of_agent(state, agent, at)
            yield _task_notice(state, subject, subject, "dispatched", payload, at)


def _was_asked(agent: str, records: Sequence[Record]) -> bool:
    return any(isinstance(r.event, Asked) and r.event.agent == agent for r in records)


def concluded(records: Sequence[Record]) -> Iterator[Notice]:
    """What became of each agent who got a turn: it was lost, its text stands, or it has none."""
    state, at = fold(records), records[-1].at
    for agent, first in _first_turns(state, records).items():
        only = f"{ROOT}.task.{_place(state, agent)}"
        error = _error(state, agent)
        kind = "failed" if error else "completed"
        payload = _of_agent(state, agent, at) | (error or _work(state, agent, first, records))
        yield _task_notice(state, f"{only}.{kind}", f"{only}.*", kind, payload, at)


def _first_turns(state: Transcript, records: Sequence[Record]) -> dict[str, float]:
    """When each agent who writes was first asked; those never asked are left out."""
    writers = {agent.id for agent in state.seated}
    found: dict[str, float] = {}
    for record in records:
        if isinstance(record.event, Asked) and record.event.agent in writers:
            found.setdefault(record.event.agent, record.at)
    return found


def _error(state: Transcript, agent: str) -> dict[str, JsonValue]:
    """Why an agent's task failed, empty if it did not."""
    if agent in state.lost:
        kind, named, what = state.lost[agent].partition(": ")
        if named and kind.isidentifier():
            return {"error": what, "error_type": kind}
        return {"error": state.lost[agent], "error_type": "Dropped"}
    if agent not in state.proposals:
        end = state.end
        kind = getattr(end, "error_type", "") or "NoText"
        return {"error": "it had no text when the deliberation ended", "error_type": kind}
    return {}


def _work(
    state: Transcript, agent: str, first: float, records: Sequence[Record]
) -> dict[str, JsonValue]:
    """How long an agent was at it, and what checks say of its text where any came."""
    own = (r.at for r in records if getattr(r.event, "agent", "") == agent)
    work: dict[str, JsonValue] = {"duration_ms": round((max(own) - first) * 1000)}
    verdicts = {result.verdict for result in state.checked(agent)} - {Verdict.NOT_APPLICABLE}
    return work | ({"checks_passed": verdicts == {Verdict.PASSED}} if verdicts else {})


def _of_agent(state: Transcript, agent: str, at: float) -> dict[str, JsonValue]:
    assert state.task is not None
    return {
        "task_id": state.task.id,
        "story_id": state.task.story_id,
        "agent_id": agent,
        "role": state.task.role,
        "timestamp": _iso(at),
    }


def _place(state: Transcript, agent: str) -> str:
    assert state.task is not None
    return f"{key_of(state.task.id)}.{key_of(agent)}"


def _task_notice(
    state: Transcript,
    subject: str,
    only: str,
    kind: str,
    payload: dict[str, JsonValue],
    at: float,
) -> Notice:
    assert state.task is not None
    message = envelope(
        f"orchestration.task.{kind}",
        payload,
        key=subject.removeprefix(f"{ROOT}."),
        correlation_id=state.task.story_id or state.task.id,
        producer=PRODUCER,
        at=at,
        metadata={},
    )
    return Notice(subject, only, message)


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
