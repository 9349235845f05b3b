"""The streams and durables of the bus as data; knows nothing of connections.

Ages are in seconds, the unit nats-py takes; it sends nanoseconds to the server by itself.
"""

from __future__ import annotations

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
JOURNAL = "DELIBERATIONS"
DEADLETTER = "DEADLETTER"
TEXTS = "conclave-texts"
"""The bucket of texts that are too large for a message."""
TEXTS_STREAM = f"OBJ_{TEXTS}"
STORIES = "conclave-stories"
"""The bucket of what is known of each story."""
PLAN_APPROVED = "orch-planning-plan-approved"


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


def _bucket(name: str) -> StreamConfig:
    """An object store: a stream by that convention of NATS, which keeps as long as the journal."""
    return _ours(f"OBJ_{name}", f"$O.{name}.C.>").evolve(
        subjects=[f"$O.{name}.C.>", f"$O.{name}.M.>"],
        allow_rollup_hdrs=True,
        allow_direct=True,
    )


_ENDS = StreamSource(
    name=JOURNAL,
    subject_transforms=[
        SubjectTransform(src=f"deliberation.*.{end}", dest=f"orchestration.deliberation.{end}")
        for end in ("completed", "failed")
    ],
)

STREAMS: tuple[StreamConfig, ...] = (
    _kept(PLANS, "planning.>", 30),
    _kept("CONTEXT", "context.>", 7),
    _kept("AGENT_REQUESTS", "agent.request.>", 7),
    _kept("AGENT_RESPONSES", "agent.response.>", 7),
    _ours(JOURNAL, "deliberation.>"),
    _ours(DEADLETTER, "deadletter.>"),
    _bucket(TEXTS),
    _kept("ORCHESTRATOR_EVENTS", "orchestration.>", 7).evolve(sources=[_ENDS]),
)
"""In the order of their making: the last one copies the ends out of the journal."""


def plan_approved(ack_wait_s: float) -> ConsumerConfig:
    """The durable that all bridges share. Nothing is ever given up by the server itself."""
    return ConsumerConfig(
        name=PLAN_APPROVED,
        durable_name=PLAN_APPROVED,
        filter_subject="planning.plan.approved",
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ack_wait_s,
        max_deliver=-1,
        max_ack_pending=1024,
    )
