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

from engine.config import REMEMBERED_S

DAY = 86_400.0
PLANS = "PLANNING_EVENTS"
CONTEXT = "CONTEXT"
REQUESTS = "AGENT_REQUESTS"
JOURNAL = "DELIBERATIONS"
DEADLETTER = "DEADLETTER"
ANSWERS = "AGENT_RESPONSES"
OUTBOUND = "ORCHESTRATOR_EVENTS"
PLAN_APPROVED = "orch-planning-plan-approved"
STORY_TRANSITIONS = "orch-planning-story-transitions"
COUNCIL_REQUESTS = "conclave-council-requests"
AGENT_RESPONSES = "conclave-agent-responses"
CONTEXT_UPDATED = "orch-context-updated"
CONTEXT_MILESTONE = "orch-context-milestone"
CONTEXT_DECISION = "orch-context-decision"
FLOORS = "conclave-floors"
ATTEMPTS = "conclave-attempts"
STORIES = "conclave-stories"
TEXTS = "conclave-texts"
TEXTS_STREAM = f"OBJ_{TEXTS}"
COUNCILS = "conclave-councils"
OPEN = "conclave-open"
"""The bucket of accepted work that has not ended."""


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
    _kept(REQUESTS, "agent.request.>", 7).evolve(duplicate_window=REMEMBERED_S),
    _kept(ANSWERS, "agent.response.>", 7),
    _ours(JOURNAL, "deliberation.>"),
    _ours(DEADLETTER, "deadletter.>"),
    _kept(OUTBOUND, "orchestration.>", 7).evolve(sources=[_OUT]),
)
"""In the order of their making: the last one copies ends and notices out of the journal."""


class Durable(NamedTuple):
    """A place in a stream that all bridges share: what of the stream it takes, under which name."""

    name: str
    stream: str
    subject: str

    def config(self, ack_wait_s: float) -> ConsumerConfig:
        """As the server is asked for it. Nothing is ever given up by the server itself."""
        return ConsumerConfig(
            name=self.name,
            durable_name=self.name,
            filter_subject=self.subject,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ack_wait_s,
            max_deliver=-1,
            max_ack_pending=1024,
        )


DURABLES: tuple[Durable, ...] = (
    Durable(PLAN_APPROVED, PLANS, "planning.plan.approved"),
    Durable(STORY_TRANSITIONS, PLANS, "planning.story.transitioned"),
    Durable(COUNCIL_REQUESTS, REQUESTS, "agent.request.council.*"),
    Durable(AGENT_RESPONSES, ANSWERS, "agent.response.>"),
    Durable(CONTEXT_UPDATED, CONTEXT, "context.updated"),
    Durable(CONTEXT_MILESTONE, CONTEXT, "context.milestone.reached"),
    Durable(CONTEXT_DECISION, CONTEXT, "context.decision.added"),
)
"""All of them. Agents outside the engine are asked beside the councils' subject, not on it."""


def _bucket(name: str, ttl_s: float = 0.0) -> StreamConfig:
    """The stream of a key-value bucket as nats-py makes it; the last value of each key is kept."""
    return StreamConfig(
        name=f"KV_{name}",
        subjects=[f"$KV.{name}.>"],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_age=ttl_s,
        max_msgs=-1,
        max_msgs_per_subject=1,
        max_consumers=-1,
        duplicate_window=120.0,
        allow_rollup_hdrs=True,
        allow_msg_ttl=True,
        deny_delete=True,
    )


def _objects(name: str, days: int) -> StreamConfig:
    """The stream of an object store as nats-py makes it."""
    return StreamConfig(
        name=f"OBJ_{name}",
        subjects=[f"$O.{name}.C.>", f"$O.{name}.M.>"],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_age=days * DAY,
        max_msgs=-1,
        allow_rollup_hdrs=True,
        allow_direct=True,
    )


BUCKETS: tuple[StreamConfig, ...] = (
    _bucket(FLOORS),
    _bucket(ATTEMPTS, 45 * DAY),
    _bucket(STORIES),
    _bucket(COUNCILS),
    _bucket(OPEN, 45 * DAY),
    _objects(TEXTS, 45),
)
"""What is looked up by its key; a bucket is a stream of a certain form."""
