"""What clients ask of tasks and are answered: derivations and contexts; does nothing about it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from edges.context_options import ContextOptions
from engine.data import Data
from engine.deriving import AtomicTask, Name, Role, Strategy
from engine.errors import InvalidRequest
from engine.seen import Seen
from engine.transitions import StoryPhase
from engine.types import Phase

Word = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
PlanId = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=512)]


class DerivationRequest(Data):
    """Which plan is to be split, for which roles and how.

    The plan is the one that was approved last under `plan_id`. `case_id` is what the asker calls
    the undertaking it belongs to, by default its story. No roles stand for all there are.
    """

    plan_id: PlanId
    case_id: Name = ""
    roles: tuple[Role, ...] = Field(default=(), max_length=64)
    strategy: Strategy = Strategy()


class Derivation(Data):
    """The tasks of a plan in an order in which they can be done one by one.

    `derivation_id` is the id of the deliberation that made them, `author_id` the agent whose graph
    was chosen. So many of them are `published`: on the bus, asked of their councils. `durable` says
    that the journal holds the decision.
    """

    derivation_id: str
    case_id: str
    plan_id: str
    story_id: str
    tasks: tuple[AtomicTask, ...]
    total_tasks: int
    author_id: str
    published: int
    durable: bool


class ContextRequest(Data):
    """Whose eyes a task is to be looked at with.

    It is one that a council was asked, one of a derivation, or with `text` one that nobody was
    asked yet. Without a `role` it is the task's own, without an `agent_id` the role's first agent.
    `story_id`, or else `case_id`, names another story than the task's.

    A phase of a story (DRAFT, DESIGN, BUILD, TEST, DOCS) or none is for what the agent sees first:
    the prompt of its draft, whatever the story's phase. The others are turns of a deliberation that
    has got so far: critique, revise, vote, merge, judge.
    """

    task_id: Word = ""
    text: str = ""
    case_id: Name = ""
    story_id: Name = ""
    role: Role = ""
    phase: Word = ""
    agent_id: Word = ""
    options: ContextOptions = ContextOptions()

    @property
    def turn(self) -> Phase:
        """The turn that is to be shown; InvalidRequest where the phase is none."""
        said = self.phase.lower()
        if said.upper() in ("", *StoryPhase.__members__):
            return Phase.DRAFT
        if said not in [*Phase]:
            known = ", ".join((*StoryPhase, *(phase.value for phase in Phase)))
            raise InvalidRequest("phase", f"no phase {self.phase!r}; known phases: {known}")
        return Phase(said)


class TaskContext(Data):
    """What one agent sees: `context_text` is all of it, the `blocks` are its parts in order.

    `token_count` is by the agent's model, with its chat template; `version_hash` is the SHA-256 of
    the text. The same task, seen so again, has the same one as long as nothing of it has changed.
    """

    task_id: str
    role: str
    agent_id: str
    context_text: str
    blocks: Seen
    token_count: int
    version_hash: str
