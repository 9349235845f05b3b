"""The streams and durables of the bus as data; knows nothing of connections.

Ages are in seconds, the unit nats-py takes; it sends nanoseconds to the server by itself.
"""

from __future__ import annotations

from typing import NamedTuple

from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    StreamSource,
    SubjectTransform,
)

DAY = 86_400.0
PLANS = "PLANNING_EVENTS"
CONTEXT = "CONTEXT"
REQUESTS = "AGENT_REQUESTS"
JOURNAL = "DELIBERATIONS"
DEADLETTER = "DEADLETTER"
OUTBOUND = "ORCHESTRATOR_EVENTS"
PLAN_APPROVED = "orch-planning-plan-approved"
STORY_TRANSITIONS = "orch-planning-story-transitions"
COUNCIL_REQUESTS = "conclave-council-requests"


class Durable(NamedTuple):
    """A durable that all bridges share: its name, and which subject of which stream it is for."""

    name: str
    stream: str
    subject: str


COUNCIL_SUBJECT = "agent.request.council."
"""What follows is the role. Agents outside the engine are asked beside it, on other subjects."""

DURABLES = (
    Durable(PLAN_APPROVED, PLANS, "planning.plan.approved"),
    Durable(STORY_TRANSITIONS, PLANS, "planning.story.transitioned"),
    Durable(COUNCIL_REQUESTS, REQUESTS, f"{COUNCIL_SUBJECT}*"),
    Durable("orch-context-updated", CONTEXT, "context.updated"),
    Durable("orch-context-milestone", CONTEXT, "context.milestone.reached"),
    Durable("orch-context-decision", CONTEXT, "context.decision.added"),
)


def _kept(name: str, subject: str, days: int, max_msgs: int = 1_000_000) -> StreamConfig:
    return StreamConfig(
        name=name,
        subjects=[subject],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.OLD,
        max_age=days * DAY,
        max_msgs=max_msgs,
    )


def _ours(name: str, subject: str) -> StreamConfig:
    """A full stream of ours refuses what comes, so that the operator sees it and nothing is lost.

    It outlives every event: otherwise the compare-and-set would forget what is already done.
    """
    return _kept(name, subject, 45, max_msgs=-1).evolve(discard=DiscardPolicy.NEW)


_TOLD = {
    "deliberation.*.completed": "deliberation.completed",
    "deliberation.*.failed": "deliberation.failed",
    "deliberation.notice.plan.*": "plan.approved",
    "deliberation.notice.phase.*": "phase.changed",
    "deliberation.notice.dispatched.*.*": "task.dispatched",
    "deliberation.notice.task.*.*.completed": "task.completed",
    "deliberation.notice.task.*.*.failed": "task.failed",
}
"""What of the journal the world is told, and as what."""

_OUT = StreamSource(
    name=JOURNAL,
    subject_transforms=[
        SubjectTransform(src=source, dest=f"orchestration.{told}") for source, told in _TOLD.items()
    ],
)

STREAMS: tuple[StreamConfig, ...] = (
    _kept(PLANS, "planning.>", 30),
    _kept(CONTEXT, "context.>", 7),
    _kept(REQUESTS, "agent.request.>", 7),
    _kept("AGENT_RESPONSES", "agent.response.>", 7),
    _ours(JOURNAL, "deliberation.>"),
    _ours(DEADLETTER, "deadletter.>"),
    _kept(OUTBOUND, "orchestration.>", 7).evolve(sources=[_OUT]),
)
"""In the order of their making: the last one copies ends and notices out of the journal."""


def settings(durable: Durable, ack_wait_s: float) -> ConsumerConfig:
    """How a durable is made. Nothing is ever given up by the server itself."""
    return ConsumerConfig(
        name=durable.name,
        durable_name=durable.name,
        filter_subject=durable.subject,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ack_wait_s,
        max_deliver=-1,
        max_ack_pending=1024,
    )
