"""How what stands on the bus differs from what should; knows nothing of servers."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from nats.js.api import ConsumerConfig, StreamConfig, StreamSource

from actors.streams import DAY
from engine.data import Data

STREAM_FIELDS = (
    "subjects",
    "retention",
    "storage",
    "discard",
    "max_age",
    "max_msgs",
    "max_msgs_per_subject",
    "sources",
    "num_replicas",
)
WINDOW = "duplicate_window"
"""Compared where it matters: else it is the server's own."""
DURABLE_FIELDS = (
    "filter_subject",
    "ack_policy",
    "ack_wait",
    "max_deliver",
    "max_ack_pending",
    "deliver_subject",
)


class Drift(Data):
    """One field that is found otherwise than it is wanted, both in words."""

    field: str
    found: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.field}: {self.found} -> {self.wanted}"


class Standing(Data):
    """How one thing on the bus stands. `name` of a durable begins with its stream and a slash."""

    what: str
    name: str
    missing: bool = False
    drifts: tuple[Drift, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether it is as it should be."""
        return not (self.missing or self.drifts)

    def __str__(self) -> str:
        if self.missing:
            return f"{self.what} {self.name} is missing"
        return f"{self.what} {self.name} differs in {', '.join(map(str, self.drifts))}"


def of_stream(wanted: StreamConfig, found: StreamConfig | None) -> Standing:
    """How a stream stands, or the stream of a bucket; `found` is None where there is none."""
    assert wanted.name is not None
    prefix, _, bucket = wanted.name.partition("_")
    what = {"KV": "bucket", "OBJ": "objects"}.get(prefix)
    return _standing(
        what or "stream", bucket if what else wanted.name, fields_of(wanted), wanted, found
    )


def fields_of(wanted: StreamConfig) -> tuple[str, ...]:
    """What of a stream is compared and mended."""
    return (*STREAM_FIELDS, WINDOW) if wanted.duplicate_window else STREAM_FIELDS


def of_durable(stream: str, wanted: ConsumerConfig, found: ConsumerConfig | None) -> Standing:
    """How a durable stands; `found` is None where there is none."""
    name = f"{stream}/{wanted.durable_name}"
    return _standing("durable", name, DURABLE_FIELDS, wanted, found)


def _standing(
    what: str,
    name: str,
    fields: Sequence[str],
    wanted: StreamConfig | ConsumerConfig,
    found: StreamConfig | ConsumerConfig | None,
) -> Standing:
    if found is None:
        return Standing(what=what, name=name, missing=True)
    drifts = [
        Drift(
            field=field,
            found=_shown(field, getattr(found, field)),
            wanted=_shown(field, getattr(wanted, field)),
        )
        for field in fields
        if getattr(found, field) != getattr(wanted, field)
    ]
    return Standing(what=what, name=name, drifts=tuple(drifts))


def _shown(field: str, value: object) -> str:
    """A setting in words; an age in days or seconds."""
    if value is None:
        return "none"
    if isinstance(value, Enum):
        return str(value.value)
    if field in ("max_age", "ack_wait") and isinstance(value, int | float):
        return f"{value / DAY:g} d" if value and value % DAY == 0 else f"{value:g} s"
    if isinstance(value, list):
        return ", ".join(map(_one, value))
    return str(value)


def _one(value: object) -> str:
    if not isinstance(value, StreamSource):
        return str(value)
    moves = [f"{each.src} to {each.dest}" for each in value.subject_transforms or ()]
    return f"{value.name} ({', '.join(moves)})" if moves else str(value.name)
