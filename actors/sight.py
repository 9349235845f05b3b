"""What is to be looked at through an agent's eyes, and what is seen; knows nothing of who asks."""

from __future__ import annotations

from typing import NamedTuple

from engine.data import Data
from engine.events import Brief
from engine.seen import Seen, briefed, drafting, seat, seen
from engine.types import Council, Count, Message, Phase, Task, Turn


class Sight(Data):
    """A task, and how it is to be looked at.

    Where nothing is recorded, it is as if the council in force were asked the task now, with this
    text of its `story` and those `scopes`, or all. Else the `council` and the `brief` are those
    that were recorded. Without a `turn` the agent is about to draft.
    """

    task: Task
    agent_id: str = ""
    story: str = ""
    scopes: tuple[str, ...] = ()
    council: Council | None = None
    brief: Brief | None = None
    turn: Turn | None = None


class Context(Data):
    """What one agent sees; `tokens` by its own model, the marks of its chat included."""

    agent_id: str
    seen: Seen
    tokens: int


class View(NamedTuple):
    """A prompt, whole and in parts, and the pool that would take it; `thinks` as in `render`."""

    agent_id: str
    pool: str
    messages: tuple[Message, ...]
    thinks: bool
    seen: Seen


def look(sight: Sight, council: Council, count: Count) -> View:
    """The prompt of a draft, or of the turn; InvalidRequest where the agent takes no part."""
    task, turn = sight.task, sight.turn
    agent = seat(task, council, sight.agent_id, turn.phase if turn else Phase.DRAFT)
    brief = sight.brief or briefed(task, council, count, sight.story, sight.scopes)
    messages = turn.messages if turn else drafting(task, council, brief, agent)
    thinks = turn is None or turn.form.kind != "choice"
    return View(agent.id, agent.pool, messages, thinks, seen(messages, brief, agent))
