"""The event that a reply to a turn amounts to; knows nothing of who asked or what comes next.

Each raises prompts.Unreadable where the reply cannot be used.
"""

from __future__ import annotations

from typing import Any

from engine import prompts, votes
from engine.events import Critiqued, Drafted, Judged, Merged, Rejected, Revised, Voted
from engine.types import Agent, Reply, Turn


def drafted(turn: Turn, reply: Reply) -> Drafted:
    """A first text."""
    return Drafted(**_written(turn, reply))


def revised(turn: Turn, reply: Reply) -> Revised:
    """A text written anew."""
    return Revised(round=turn.round, **_written(turn, reply))


def merged(turn: Turn, reply: Reply) -> Merged:
    """One text made of all."""
    return Merged(round=turn.round, **_written(turn, reply))


def critiqued(turn: Turn, reply: Reply) -> Critiqued:
    """A review of the turn's target."""
    return _critique(turn, reply, probe=False)


def probed(turn: Turn, reply: Reply) -> Critiqued:
    """The case against the turn's target."""
    return _critique(turn, reply, probe=True)


def voted(voter: Agent, sheet: votes.Sheet, turn: Turn, reply: Reply) -> Voted:
    """A ballot over what the sheet showed."""
    ballot = votes.read_ballot(voter, sheet, reply)
    return Voted(turn=turn.id, agent=voter.id, ballot=ballot, usage=reply.usage)


def judged(docket: votes.Docket, turn: Turn, reply: Reply) -> Judged:
    """The architect's word on what the docket showed."""
    choice, reason = votes.read_judgement(docket, reply)
    return Judged(turn=turn.id, agent=turn.agent, choice=choice, reason=reason, usage=reply.usage)


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


def _written(turn: Turn, reply: Reply) -> dict[str, Any]:
    """What all texts have in common."""
    return {
        "turn": turn.id,
        "agent": turn.agent,
        "text": prompts.read_graph(reply) if turn.form.kind == "json" else prompts.read_text(reply),
        "reasoning": reply.reasoning,
        "truncated": reply.truncated,
        "usage": reply.usage,
    }


def _critique(turn: Turn, reply: Reply, *, probe: bool) -> Critiqued:
    findings, verdict = prompts.read_critique(reply)
    return Critiqued(
        turn=turn.id,
        agent=turn.agent,
        target=turn.target,
        round=turn.round,
        findings=findings,
        verdict=verdict,
        usage=reply.usage,
        probe=probe,
    )
