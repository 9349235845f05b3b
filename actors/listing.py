"""Which deliberations a list is to show, and the rows that it shows; reads no journal."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

from pydantic import Field

from actors.projection import Projection
from engine.data import Data
from engine.errors import InvalidRequest
from engine.outline import Standing
from engine.types import Usage

MOST = 100
"""Deliberations of one page."""
LONGEST = 500
"""Characters of a text that is searched for."""

_LIST = """
SELECT seq, id, role, story_id, status, began, ended, took_ms, error_type, stop_reason, policy,
    winner, prompt, cached, generated, aborted
FROM deliberations
WHERE (:role IS NULL OR role = :role)
    AND (:story IS NULL OR story_id = :story)
    AND (:status IS NULL OR status = :status)
    AND (:since IS NULL OR began >= :since)
    AND (:until IS NULL OR began < :until)
    AND (:text IS NULL OR seq IN (SELECT rowid FROM texts WHERE texts MATCH :text))
    AND (:before IS NULL OR seq < :before)
ORDER BY seq DESC LIMIT :limit
"""


class Listed(Data):
    """One deliberation; times in Unix seconds.

    `took_ms` is its work so far, without suspensions; `winner_id`, `error_type` and `stop_reason`
    are empty where there is none yet.
    """

    id: str
    role: str
    story_id: str
    status: Standing
    began: float
    ended: float | None
    took_ms: int = 0
    error_type: str = ""
    stop_reason: str = ""
    policy: str = ""
    winner_id: str = ""
    usage: Usage = Usage()


class Page(Data):
    """Deliberations, the one begun last first; `cursor` asks for the next page, "" for none.

    `behind` says what of the journal is not in it yet, "" where all is.
    """

    deliberations: tuple[Listed, ...]
    cursor: str = ""
    behind: str = ""


class Wanted(Data):
    """What a list shows: all that is said must hold. What is left empty is not asked for.

    They began at `since` or later and before `until`, in Unix seconds. Each word of `text` is in
    the task or in the decision, in any case and order.
    """

    role: str = ""
    story: str = ""
    status: Standing | None = None
    since: float | None = None
    until: float | None = None
    text: Annotated[str, Field(max_length=LONGEST)] = ""


ALL = Wanted()


def page(rows: Projection, wanted: Wanted, limit: int, cursor: str) -> Page:
    """So many of what is wanted, behind a cursor; a new deliberation moves no page.

    InvalidRequest where the cursor is none of ours.
    """
    values = {
        "role": wanted.role.upper() or None,
        "story": wanted.story or None,
        "status": wanted.status,
        "since": wanted.since,
        "until": wanted.until,
        "text": _quoted(wanted.text) if wanted.text.strip() else None,
        "before": _place(cursor) if cursor else None,
        "limit": limit + 1,
    }
    found = rows.rows(_LIST, values)
    return Page(
        deliberations=tuple(map(_listed, found[:limit])),
        cursor=_cursor(found[limit - 1][0]) if len(found) > limit else "",
    )


def _quoted(text: str) -> str:
    """Words as FTS5 strings, all of which must be found: none of them is an operator or a column.

    FTS5 takes a NUL for the end.
    """
    words = text.replace("\0", " ").replace('"', '""').split()
    return " ".join(f'"{word}"' for word in words) or '""'


def _cursor(seq: int) -> str:
    return base64.urlsafe_b64encode(seq.to_bytes(8)).decode().rstrip("=")


def _place(cursor: str) -> int:
    """The place behind which a page begins; InvalidRequest where it is no cursor of ours."""
    try:
        place = base64.b64decode(f"{cursor}=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        place = b""
    seq = int.from_bytes(place)
    if len(place) != 8 or seq > 2**62:
        raise InvalidRequest("cursor", "is none that a page gave; leave it out for the first page")
    return seq


def _listed(row: tuple[Any, ...]) -> Listed:
    (_, id, role, story_id, status, began, ended, took_ms, *said) = row
    error_type, stop_reason, policy, winner, prompt, cached, generated, aborted = said
    return Listed(
        id=id,
        role=role,
        story_id=story_id,
        status=status,
        began=began,
        ended=ended,
        took_ms=took_ms,
        error_type=error_type,
        stop_reason=stop_reason,
        policy=policy,
        winner_id=winner,
        usage=Usage(prompt=prompt, cached=cached, generated=generated, aborted=aborted),
    )
