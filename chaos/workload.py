"""The events of a run, valid, invalid and repeated, each labelled with what must become of it.

All follows from a seed. The labels know nothing of how the engine reads an event.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from engine.data import Data

LABEL = "Chaos-Label"
SUBJECT = "planning.plan.approved"
ROLES = ("DEV", "QA")
MOST_BYTES = 16 * 1024
INVALID, REPEATED = 0.1, 0.2
AT_ONCE, OTHERWISE = 0.3, 0.25
"""Of the repeated ones, those sent together with the first, and those with another text."""


class Label(Data):
    """What a message is. Those of one `identity` are one event; empty, each message is its own.

    `variant` tells the texts of one identity apart. `wrong` is the kind of dead letter it must
    become, empty for a valid one.
    """

    plan: str
    identity: str = ""
    roles: tuple[str, ...] = ()
    variant: int = 0
    wrong: str = ""


class Message(NamedTuple):
    """What is to be published."""

    data: bytes
    headers: dict[str, str]
    label: Label


Fields = dict[str, Any]


def workload(seed: int, count: int) -> Iterator[list[Message]]:
    """So many messages; those of one list are published at the same time."""
    chance = random.Random(seed)
    known: list[tuple[str, Label]] = []
    made = 0
    while made < count:
        drawn = chance.random()
        if drawn < INVALID:
            batch = [_invalid(chance, f"p{seed}-{made}")]
        elif drawn < INVALID + REPEATED * (1 - AT_ONCE) and known:
            batch = [_repeated(chance, *chance.choice(known))]
        else:
            batch = [_fresh(chance, f"p{seed}-{made}", known)]
            if batch[0].label.identity and chance.random() < 2 * REPEATED * AT_ONCE:
                batch.append(_repeated(chance, *known[-1]))
        made += len(batch)
        yield batch


def _fresh(chance: random.Random, plan: str, known: list[tuple[str, Label]]) -> Message:
    shape = chance.choice(list(SHAPES))
    roles = chance.choice([("DEV",), ("QA",), ROLES])
    identity = "" if shape == "placed" else f"key-{plan}"
    label = Label(plan=plan, identity=identity, roles=roles)
    if identity:
        known.append((shape, label))
    return shaped(shape, label)


def _repeated(chance: random.Random, shape: str, label: Label) -> Message:
    """The same once more, or, under the same identity, something else."""
    other = chance.random() < OTHERWISE and shape != "numbered"
    return shaped(shape, label.model_copy(update={"variant": int(other)}))


def shaped(shape: str, label: Label) -> Message:
    """The message of a valid event in one of the shapes."""
    body = fields(label.plan) | {"title": title(label.plan, label.variant), "roles": label.roles}
    if label.roles == ROLES and label.plan.endswith(("0", "5")):
        del body["roles"]  # none means all
    document, headers = SHAPES[shape](body, label.identity)
    return labelled(json.dumps(document).encode(), headers, label)


def labelled(data: bytes, headers: dict[str, str], label: Label) -> Message:
    """A message that carries its label."""
    return Message(data, {**headers, LABEL: label.model_dump_json()}, label)


def title(plan: str, variant: int) -> str:
    """By this a deliberation shows which of the texts of its identity it is about."""
    return f"{plan} variant {variant}"


def fields(plan: str) -> Fields:
    """What a plan cannot be without."""
    return {
        "story_id": f"s-{plan}",
        "plan_id": plan,
        "approved_by": "po",
        "timestamp": "2026-11-22T10:00:00Z",
    }


def _enveloped(body: Fields, identity: str) -> tuple[Fields, dict[str, str]]:
    wrapping = {"event_type": SUBJECT, "idempotency_key": identity, "producer": "planner"}
    return {**wrapping, "payload": body}, {}


def _cloud(body: Fields, identity: str) -> tuple[Fields, dict[str, str]]:
    wrapping = {"specversion": "1.0", "type": SUBJECT, "source": "/planner", "id": identity}
    return {**wrapping, "data": body}, {}


def _numbered(body: Fields, identity: str) -> tuple[Fields, dict[str, str]]:
    return body, {"Nats-Msg-Id": identity}


def _placed(body: Fields, _identity: str) -> tuple[Fields, dict[str, str]]:
    return body, {}


SHAPES: dict[str, Callable[[Fields, str], tuple[Fields, dict[str, str]]]] = {
    "envelope": _enveloped,
    "cloud": _cloud,
    "numbered": _numbered,
    "placed": _placed,
}
"""The three shapes; the bare one with a message id, or known by its place in the stream alone."""


def _invalid(chance: random.Random, plan: str) -> Message:
    wrong, spoil = chance.choice(SPOILED)
    return labelled(spoil(fields(plan)), {}, Label(plan=plan, wrong=wrong))


def _without(name: str) -> Callable[[Fields], bytes]:
    return lambda body: json.dumps({k: v for k, v in body.items() if k != name}).encode()


def _with(**changes: object) -> Callable[[Fields], bytes]:
    return lambda body: json.dumps(body | changes).encode()


def _enveloping(**changes: object) -> Callable[[Fields], bytes]:
    return lambda body: json.dumps(_enveloped(body, "k")[0] | changes).encode()


def _nested(depth: int) -> list[Any]:
    return [] if depth == 0 else [_nested(depth - 1)]


SPOILED: list[tuple[str, Callable[[Fields], bytes]]] = [
    ("json_invalid", lambda body: json.dumps(body).encode()[:-1]),
    ("json_invalid", lambda body: json.dumps(body).encode("utf-16")),
    ("json_invalid", lambda _: b""),
    ("json_invalid", _with(weight=float("nan"))),
    ("dict_type", lambda body: json.dumps([body]).encode()),
    ("dict_type", lambda _: b"null"),
    ("missing", _without("plan_id")),
    ("missing", _without("approved_by")),
    ("missing", lambda _: b"{}"),
    ("string_type", _with(story_id=["s"])),
    ("string_too_short", _with(approved_by=" ")),
    ("datetime_from_date_parsing", _with(timestamp="yesterday")),
    ("tuple_type", _with(roles={"DEV": True})),
    ("unknown_role", _with(roles=["DEV", "COOK"])),
    ("unknown_type", _enveloping(event_type="planning.plan.rejected")),
    ("dict_type", _enveloping(payload=[])),
    ("too_large", _with(description="x" * MOST_BYTES)),
    ("too_deep", _with(extra=_nested(40))),
    ("nul_character", _with(title="a\0b")),
    ("duplicate_key", lambda body: b'{"plan_id": "twice", ' + json.dumps(body).encode()[1:]),
]
"""How an event is spoiled, and what that is to be called."""
