"""Which deliberations the journal holds, the newest first, out of its stream; keeps no index.

The first message of each is known by its headers: it follows nothing. So the stream is looked
through backwards, a window at a time, and only the two ends of what is listed are read.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import Literal, NamedTuple

from nats.js import JetStreamContext
from nats.js.api import Header

from actors.headers import ENDS, RECORDS, headers, sequence
from actors.streams import JOURNAL
from engine.data import Data
from engine.events import Convened, Decided, Failed, Record, Suspended

WINDOW = 1024

Standing = Literal["in_progress", "suspended", "completed", "failed"]


class Listed(Data):
    """One deliberation as its journal's two ends tell it; times in Unix seconds."""

    id: str
    role: str
    story_id: str
    status: Standing
    began: float
    ended: float | None


class Page(Data):
    """Deliberations, the one begun last first; `before` asks for the next page, None for none."""

    deliberations: tuple[Listed, ...]
    before: int | None


class Beginning(NamedTuple):
    """The place of a deliberation's first message, and the subject of its journal."""

    seq: int
    root: str


async def beginnings(js: JetStreamContext, limit: int, before: int | None) -> list[Beginning]:
    """Where the deliberations begin that began last, before a sequence; `limit` at most."""
    state = (await js.stream_info(JOURNAL)).state
    top = min(before or state.last_seq + 1, state.last_seq + 1)
    bottom = max(1, state.first_seq)
    found: list[Beginning] = []
    while top > bottom and len(found) < limit:
        low = max(bottom, top - WINDOW)
        found += reversed(await _window(js, low, top))
        top = low
    return found[:limit]


async def _window(js: JetStreamContext, low: int, top: int) -> list[Beginning]:
    """Where deliberations begin from one sequence to before another."""
    found = []
    async with aclosing(headers(js, (RECORDS, *ENDS), low)) as messages:
        async for message in messages:
            if sequence(message) >= top:
                break
            if (message.headers or {}).get(Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value) == "0":
                found.append(Beginning(sequence(message), message.subject.rpartition(".")[0]))
    return found


def listed(first: Record, last: Record) -> Listed | None:
    """A deliberation by its first and its last record; None if the first one is gone."""
    if not isinstance(first.event, Convened):
        return None
    task, ended = first.event.task, isinstance(last.event, Decided | Failed)
    return Listed(
        id=task.id,
        role=task.role,
        story_id=task.story_id,
        status=_standing(last),
        began=first.at,
        ended=last.at if ended else None,
    )


def _standing(last: Record) -> Standing:
    event = last.event
    if isinstance(event, Decided | Failed):
        return "completed" if isinstance(event, Decided) else "failed"
    return "suspended" if isinstance(event, Suspended) else "in_progress"
