"""A message as it came from the bus, and its strict reading as JSON; knows nothing of plans."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

from engine.errors import InvalidEvent

MAX_DEPTH = 32
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Arrival:
    """One message of a stream. Not validated: whatever came must fit in here.

    `at` is when the stream took it, in Unix seconds; None where nobody says.
    """

    stream: str
    seq: int
    subject: str
    data: bytes
    headers: dict[str, str] = field(default_factory=dict)
    deliveries: int = 1
    at: float | None = None


class _Pairs(dict[str, Any]):
    """A JSON object that remembers a key which was there twice."""

    twice: str | None = None


def _pairs(items: list[tuple[str, Any]]) -> _Pairs:
    found = _Pairs()
    for key, value in items:
        if key in found:
            found.twice = key
        found[key] = value
    return found


def read_object(data: bytes, max_bytes: int) -> dict[str, Any]:
    """Parse one JSON object, or raise InvalidEvent with what is wrong and where.

    pydantic's parser comes first: it refuses what `json` lets in or dies of (depth, surrogates,
    bad UTF-8, NaN). `json` comes second, for the keys that are there twice.
    """
    if len(data) > max_bytes:
        raise InvalidEvent(
            "too_large", "event", f"{len(data)} bytes; at most {max_bytes} are taken"
        )
    text = data.removeprefix(BOM)
    try:
        from_json(text, allow_inf_nan=False)
        document = json.loads(text, object_pairs_hook=_pairs)
    except (ValueError, RecursionError) as error:
        raise InvalidEvent("json_invalid", "event", str(error)) from error
    if not isinstance(document, dict):
        raise InvalidEvent("dict_type", "event", "a JSON object is expected")
    return document


def check_values(document: dict[str, Any], path: str) -> None:
    """Raise InvalidEvent for the first value that JSON allows and nobody means."""
    for where, kind, what in _faults(document, path, 1):
        raise InvalidEvent(kind, where or "event", what)


def _faults(value: object, path: str, depth: int) -> Iterator[tuple[str, str, str]]:
    """Each fault with its path and kind."""
    if depth > MAX_DEPTH:
        yield path, "too_deep", f"nested deeper than {MAX_DEPTH} levels"
    elif isinstance(value, str) and "\0" in value:
        yield path, "nul_character", "a text contains the NUL character"
    elif isinstance(value, float) and not math.isfinite(value):
        yield path, "finite_number", "a number is too large"
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _faults(item, f"{path}[{index}]", depth + 1)
    elif isinstance(value, dict):
        yield from _object_faults(value, path, depth)


def _object_faults(value: dict[str, Any], path: str, depth: int) -> Iterator[tuple[str, str, str]]:
    if isinstance(value, _Pairs) and value.twice is not None:
        yield within(path, value.twice), "duplicate_key", "the key is there twice"
    for key, item in value.items():
        if "\0" in key:
            yield path, "nul_character", "a key contains the NUL character"
        yield from _faults(item, within(path, key), depth + 1)


def within(path: str, step: str | int) -> str:
    """A location one step further in, such as `payload.roles[2]`; long keys are shortened."""
    if isinstance(step, int):
        return f"{path}[{step}]"
    return f"{path}.{step[:80]}" if path else step[:80]
