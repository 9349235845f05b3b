"""What a list is to show, out of what a client says; knows nothing of how it is found."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import get_args

from pydantic import ValidationError

from actors.listing import Wanted
from edges.asked import invalid
from engine.errors import InvalidRequest
from engine.outline import Standing


def wanted(
    role: str = "",
    story: str = "",
    status: str = "",
    since: str = "",
    until: str = "",
    text: str = "",
) -> Wanted:
    """What is to be shown; InvalidRequest names what cannot be understood."""
    if status and status not in get_args(Standing):
        known = ", ".join(get_args(Standing))
        raise InvalidRequest("status", f"{status!r} is none; known: {known}")
    begin, end = moment(since, "since"), moment(until, "until")
    if begin is not None and end is not None and begin >= end:
        raise InvalidRequest("until", f"{until!r} is not after since, {since!r}")
    fields = {"role": role.strip(), "story": story.strip(), "status": status or None, "text": text}
    try:
        return Wanted.model_validate({**fields, "since": begin, "until": end})
    except ValidationError as error:
        raise invalid(error) from error


def moment(said: str, where: str) -> float | None:
    """Unix seconds of a time as a client writes it, in UTC unless it says otherwise; None of ""."""
    if not said:
        return None
    try:
        return _seconds(said.strip())
    except (ValueError, OverflowError):
        raise InvalidRequest(
            where, f"{said[:40]!r} is no time; write 2026-11-26T10:00:00Z or Unix seconds"
        ) from None


def _seconds(said: str) -> float:
    try:
        at = float(said)
    except ValueError:
        found = datetime.fromisoformat(said)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    if not abs(at) < 2**53:
        raise ValueError("it is no number, or none that can be counted to")
    return at
