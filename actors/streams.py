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
JOURNAL = "DELIBERATIONS"
DEADLETTER = "DEADLETTER"
PLAN_APPROVED = "orch-planning-plan-approved"
FLOORS = "conclave-floors"
ATTEMPTS = "conclave-attempts"
STORIES = "conclave-stories"
TEXTS = "conclave-texts"


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
    _kept("ORCHESTRATOR_EVENTS", "orchestration.>", 7).evolve(sources=[_ENDS]),
)
"""In the order of their making: the last one copies the ends out of the journal."""


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


DURABLES: tuple[Durable, ...] = (Durable(PLAN_APPROVED, PLANS, "planning.plan.approved"),)
"""All of them."""


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
    _bucket(ATTEMPTS),
    _bucket(STORIES),
    _objects(TEXTS, 45),
)
"""What is looked up by its key; a bucket is a stream of a certain form."""
