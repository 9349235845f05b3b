"""A transcript as its readers want it: the result of a deliberation; knows nothing of transports.

`Result` is what HTTP answers; `completed` and `failed` are the payloads of the contract's bus
subjects. All three are views of one transcript.
"""

from __future__ import annotations

from typing import Literal

from pydantic import JsonValue

from engine.data import Data
from engine.events import Decided, Failed, StorySeen
from engine.options import Decide
from engine.packet import Decision, StopReason
from engine.policies import Choice, Exchange
from engine.topologies import peers, wanted
from engine.transcript import Transcript
from engine.types import Usage

STOP_REASONS: dict[str, StopReason] = {
    "QuorumLost": StopReason.DEGRADED,
    "NoBallots": StopReason.IMPASSE,
    "NoMerge": StopReason.IMPASSE,
    "Impasse": StopReason.IMPASSE,
    "AllExcluded": StopReason.IMPASSE,
    "BudgetExceeded": StopReason.BUDGET,
    "DeadlineExceeded": StopReason.DEADLINE,
    "Cancelled": StopReason.CANCELLED,
    "Broken": StopReason.DEGRADED,
}
"""Why a deliberation without a decision stopped."""


class ResultProposal(Data):
    """One author's text with its earlier versions, oldest first; times in Unix milliseconds."""

    author_id: str
    author_role: str
    content: str
    created_at_ms: int
    revisions: tuple[str, ...]
    truncated: bool


class RankedProposal(Data):
    """A text with its place. Without a decision there is no rank and no score."""

    proposal: ResultProposal
    score: float | None
    rank: int | None


class Result(Data):
    """What became of a deliberation. `durable` says that the journal holds all of it.

    `story` is what its agents were shown of their story, None where they belong to none.
    """

    task_id: str
    role: str
    status: Literal["in_progress", "suspended", "completed", "failed"]
    durable: bool
    story_id: str
    plan_id: str
    story: StorySeen | None = None
    results: tuple[RankedProposal, ...]
    winner_id: str
    decision: Decision | None
    error_type: str
    error: str
    usage: Usage
    duration_ms: int


def result(state: Transcript, durable: bool = True) -> Result:
    """The view of a transcript at any time after it was convened."""
    assert state.task is not None
    end = state.end
    decision = end.decision if isinstance(end, Decided) else None
    failure = end if isinstance(end, Failed) else None
    return Result(
        task_id=state.task.id,
        role=state.task.role,
        status=_status(state),
        durable=durable,
        story_id=state.task.story_id,
        plan_id=state.task.plan_id,
        story=_seen(state),
        results=_ranked(state, decision),
        winner_id=decision.choice if decision else "",
        decision=decision,
        error_type=failure.error_type if failure else "",
        error=failure.message if failure else "",
        usage=state.usage,
        duration_ms=round((state.ended - state.began) * 1000) if end else 0,
    )


def _seen(state: Transcript) -> StorySeen | None:
    if state.story is None:
        return None
    return StorySeen(**{name: getattr(state.story, name) for name in StorySeen.model_fields})


def expected_turns(state: Transcript) -> int:
    """How many turns it takes if no reply is asked again and every author revises; 1 or more."""
    rules, seats = state.rules, len(state.seated)
    assert rules is not None
    heard = min(wanted(rules, seats), len(peers(rules, 0, seats, 1))) if seats > 1 else 0
    reviews = {Exchange.CRITIQUE: heard, Exchange.SELF: 1}.get(rules.exchange, 0)
    votes = len(state.voters) if seats > 1 else 0
    last_word = rules.choice is Choice.MERGE or rules.decide is Decide.ARCHITECT
    return max(1, seats * (1 + rules.rounds * (reviews + 1)) + votes + last_word)


def _status(state: Transcript) -> Literal["in_progress", "suspended", "completed", "failed"]:
    if state.end is None:
        return "suspended" if state.suspended else "in_progress"
    return "completed" if isinstance(state.end, Decided) else "failed"


def _ranked(state: Transcript, decision: Decision | None) -> tuple[RankedProposal, ...]:
    if decision is None:
        return tuple(
            RankedProposal(proposal=_proposal(state, author), score=None, rank=None)
            for author in state.authors
        )
    return tuple(
        RankedProposal(proposal=_proposal(state, r.author), score=r.score, rank=r.rank)
        for r in decision.order
    )


def _proposal(state: Transcript, author: str) -> ResultProposal:
    assert state.task is not None
    texts = state.proposals[author]
    return ResultProposal(
        author_id=author,
        author_role=state.task.role,
        content=texts[-1].text,
        created_at_ms=round(texts[-1].at * 1000),
        revisions=tuple(proposal.text for proposal in texts[:-1]),
        truncated=texts[-1].truncated,
    )


def payload(state: Transcript) -> dict[str, JsonValue]:
    """The bus payload of an ended deliberation: `completed` or `failed` by its last event.

    A check that did not run is null, never a pass.
    """
    view = result(state)
    common: dict[str, JsonValue] = {
        "story_id": view.story_id,
        "task_id": view.task_id,
        "role": view.role,
        "tokens": view.usage.model_dump(mode="json"),
        "duration_ms": view.duration_ms,
        "timestamp": state.ended,
    }
    decisions: list[JsonValue] = [_on_the_bus(ranked) for ranked in view.results]
    if view.decision is not None:
        packet = view.decision.model_dump(mode="json")
        return common | {"decisions": decisions, "winner_id": view.winner_id, "packet": packet}
    return common | {
        "error": view.error,
        "error_type": view.error_type,
        "stop_reason": STOP_REASONS[view.error_type],
        "results": decisions,
    }


def _on_the_bus(ranked: RankedProposal) -> JsonValue:
    proposal = ranked.proposal
    return {
        "proposal": {
            "author": {"agent_id": proposal.author_id, "role": proposal.author_role},
            "content": proposal.content,
        },
        "checks": {"lint": None, "dryrun": None, "policy": None, "score": None},
        "score": ranked.score,
        "rank": ranked.rank,
    }
