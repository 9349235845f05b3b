"""What a client orders besides plain deliberations, read and answered; knows no transport."""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationError

from edges.asked import DeliberationRequest, invalid
from edges.context_options import ContextOptions
from engine.config import Config
from engine.data import Data
from engine.errors import InvalidRequest
from engine.options import Decide, Options
from engine.packet import Decision
from engine.results import RankedProposal, Result, result
from engine.transcript import Transcript
from engine.types import Task

OWN = {"rounds", "decide", "shortlist", "k"}
"""Options that an orchestration has fields of its own for."""
TOP = "k"
"""The custom parameter that says among how many of the first the architect chooses."""
CUSTOM = (TOP, *(name for name in Options.model_fields if name not in OWN))
"""All custom parameters there are."""

CALLED = {
    "rounds": "options.deliberation_rounds",
    "decide": "options.enable_architect_selection",
    "shortlist": f"options.custom_params.{TOP}",
    **{name: f"options.custom_params.{name}" for name in CUSTOM if name != TOP},
}
"""What an option is called in an orchestration."""


class OrchestrationOptions(Data):
    """How an orchestration is done.

    Without peer review nobody criticises and nobody revises. Without selection by the architect the
    ballots decide. The custom parameters are `k`, among how many of the first the architect
    chooses, and the options of a deliberation by their names, as text.
    """

    enable_peer_review: bool = True
    deliberation_rounds: int = Field(default=0, ge=0)
    enable_architect_selection: bool = True
    custom_params: dict[str, str] = Field(default_factory=dict)

    def fields(self) -> dict[str, Any]:
        """As a plain request has them; InvalidRequest where they contradict one another."""
        rounds = self.deliberation_rounds
        if rounds and not self.enable_peer_review:
            what = f"{rounds} rounds are peer review, which options.enable_peer_review leaves out"
            raise InvalidRequest(CALLED["rounds"], what)
        chooses = Decide.ARCHITECT if self.enable_architect_selection else Decide.BALLOTS
        return {
            "decide": chooses,
            "rounds": (rounds or None) if self.enable_peer_review else 0,
            **dict(map(_custom, self.custom_params.items())),
        }


class OrchestrationRequest(Data):
    """A task for a council, whose architect then selects among the first of its texts."""

    role: str
    text: str
    task_id: str = ""
    title: str = ""
    rubric: str = ""
    requirements: tuple[str, ...] = ()
    context: dict[str, Any] = Field(default_factory=dict)
    max_iterations: int | None = None
    timeout_seconds: float | None = None
    story_id: str = ""
    case_id: str = Field(default="", max_length=512)
    plan_id: str = Field(default="", max_length=512)
    options: OrchestrationOptions = OrchestrationOptions()
    context_options: ContextOptions = ContextOptions()

    def task(self, config: Config, key: str = "") -> Task:
        """The task of this request, as any door makes it; InvalidRequest, TooLarge."""
        shown = self.context_options.shown
        if self.context_options.scopes:
            raise InvalidRequest("context_options.scopes", "no event has a scope; leave it out")
        if shown is not None and not self.story_id:
            raise InvalidRequest("context_options", "has a meaning only with a story_id")
        own = {"case_id", "plan_id", "options", "context_options"}
        fields = {**self.options.fields(), **self.model_dump(exclude=own)}
        try:
            task = DeliberationRequest.model_validate(fields).task(config, key)
        except ValidationError as error:
            raise _renamed(invalid(error)) from error
        except InvalidRequest as error:
            raise _renamed(error) from error
        kept = {"case_id": self.case_id, "plan_id": self.plan_id, "shown": shown}
        return task.model_copy(update={"purpose": "orchestration", **kept})


class Orchestration(Data):
    """What became of an orchestration: the `winner` is none of the `candidates`.

    `selected_by` is the architect, or `ballots` where they decided: because they were to, or
    because the architect had no word, of which `reason` tells. Without a decision there is no
    winner, and the candidates have no order.
    """

    execution_id: str
    winner: RankedProposal | None
    candidates: tuple[RankedProposal, ...]
    selected_by: str
    reason: str
    decision: Decision | None
    result: Result


def orchestration(state: Transcript, durable: bool) -> Orchestration:
    """The view of a transcript at any time after it was convened."""
    found = result(state, durable)
    decided = found.decision is not None
    return Orchestration(
        execution_id=found.task_id,
        winner=found.results[0] if decided else None,
        candidates=found.results[1:] if decided else found.results,
        selected_by=state.judged.agent if state.judged and decided else "ballots" * decided,
        reason=_reason(state) if decided else found.error,
        decision=found.decision,
        result=found,
    )


class Accepted(Data):
    """A planning event that the bus holds, and the deliberations that follow from it."""

    processed: bool
    message: str
    derived_task_ids: tuple[str, ...]


def _custom(param: tuple[str, str]) -> tuple[str, str]:
    """A custom parameter as the option that it sets."""
    name, value = param
    if name not in CUSTOM:
        what = f"is no parameter; known: {', '.join(CUSTOM)}"
        raise InvalidRequest(f"options.custom_params.{name[:80]}", what)
    return ("shortlist" if name == TOP else name), value


def _renamed(error: InvalidRequest) -> InvalidRequest:
    field, dot, rest = error.where.partition(".")
    return type(error)(f"{CALLED.get(field, field)}{dot}{rest}", error.what)


def _reason(state: Transcript) -> str:
    """The architect's own, or why there is none."""
    if state.judged is not None:
        return state.judged.reason
    if state.rules is None or state.rules.decide is not Decide.ARCHITECT:
        return "the ballots were to decide"
    seat = state.council.architect if state.council else None
    if seat is not None and seat.id in state.lost:
        return f"the architect had no word, so the ballots decided: {state.lost[seat.id]}"
    if len(state.authors) < 2:
        return "there was one text"
    return "the architect had no word that could be used in time, so the ballots decided"
