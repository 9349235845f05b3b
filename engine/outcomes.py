"""The event that a reply to a turn amounts to; knows nothing of who asked or what comes next.

Each raises prompts.Unreadable where the reply cannot be used.
"""

from __future__ import annotations

from engine import prompts
from engine.events import Critiqued, Drafted, Rejected, Revised, Voted
from engine.types import Agent, Reply, Turn


def drafted(turn: Turn, reply: Reply) -> Drafted:
    """A first text."""
    return Drafted(
        turn=turn.id,
        agent=turn.agent,
        text=prompts.read_text(reply),
        reasoning=reply.reasoning,
        truncated=reply.truncated,
        usage=reply.usage,
    )


def revised(turn: Turn, reply: Reply) -> Revised:
    """A text written anew."""
    return Revised(
        turn=turn.id,
        agent=turn.agent,
        round=turn.round,
        text=prompts.read_text(reply),
        reasoning=reply.reasoning,
        truncated=reply.truncated,
        usage=reply.usage,
    )


def critiqued(turn: Turn, reply: Reply) -> Critiqued:
    """A review of the turn's target."""
    findings, verdict = prompts.read_critique(reply)
    return Critiqued(
        turn=turn.id,
        agent=turn.agent,
        target=turn.target,
        round=turn.round,
        findings=findings,
        verdict=verdict,
        usage=reply.usage,
    )


def voted(voter: Agent, sheet: prompts.Sheet, turn: Turn, reply: Reply) -> Voted:
    """A ballot over what the sheet showed."""
    ballot = prompts.read_ballot(voter, sheet, reply)
    return Voted(turn=turn.id, agent=voter.id, ballot=ballot, usage=reply.usage)


def rejected(turn: Turn, reply: Reply, why: prompts.Unreadable) -> Rejected:
    """A reply that cannot be used, with what there was of it."""
    return Rejected(
        turn=turn.id,
        agent=turn.agent,
        phase=turn.phase,
        reason=str(why),
        text=reply.text or reply.reasoning,
        usage=reply.usage,
    )
