"""What one agent sees of a task, made as its prompts are; asks nobody and knows no tokenizer."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from contextlib import aclosing

from engine import prompts
from engine.brief import lay
from engine.data import Data
from engine.deliberation import deliberate
from engine.errors import InvalidRequest
from engine.events import Asked, Brief, Record
from engine.fanout import ended
from engine.seats import architect, seats, settled, voters
from engine.transcript import fold
from engine.types import OUTSIDE, Agent, Council, Count, Message, Phase, Reply, Task, Turn
from engine.wording import wording

SCOPES = ("rubric", "requirements", "context", "story")
"""The parts of what all agents see alike that may be left out; the task itself may not."""


class Seen(Data):
    """A prompt in its parts, as they come in it.

    `context` is what all agents of the council see alike, `history` what was said before, as far as
    this one sees it, and the `question` who it is and what it is to do now. Agents have no tools.
    """

    system: str
    context: str
    tools: str = ""
    history: str = ""
    question: str

    @property
    def text(self) -> str:
        """All of it: what the messages of the prompt say, one below the other."""
        parts = (self.system, self.context, self.tools, self.history, self.question)
        return "\n".join(filter(None, parts))

    @property
    def hash(self) -> str:
        """The SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def seat(task: Task, council: Council, agent_id: str = "", phase: Phase = Phase.DRAFT) -> Agent:
    """Who takes part in a phase under that name; the first that has an engine where none is given.

    InvalidRequest names those who do.
    """
    rules = settled(task, council)
    seated = seats(task, council, rules)
    if phase is not Phase.DRAFT:
        others = (*voters(task, council, rules), *filter(None, [architect(task, council)]))
        seated = (*seated, *(agent for agent in others if agent not in seated))
    if not agent_id:
        return next((agent for agent in seated if agent.pool != OUTSIDE), seated[0])
    found = next((agent for agent in seated if agent.id == agent_id), None)
    if found is None:
        known = ", ".join(agent.id for agent in seated)
        raise InvalidRequest("agent_id", f"{agent_id!r} takes no part; those who do: {known}")
    return found


def briefed(
    task: Task, council: Council, count: Count, story: str = "", scopes: Sequence[str] = ()
) -> Brief:
    """The common beginning of all prompts, of these parts besides the task, or of all."""
    if scopes:
        gone = {"rubric": "", "requirements": (), "context": {}}
        left_out = {name: empty for name, empty in gone.items() if name not in scopes}
        task = task.model_copy(update=left_out)
        story = story if "story" in scopes else ""
        council = council if "rubric" in scopes else council.model_copy(update={"rubric": ""})
    return lay(task, council, count, wording(), story)


def drafting(task: Task, council: Council, brief: Brief, agent: Agent) -> tuple[Message, ...]:
    """The prompt of an agent's draft."""
    return prompts.draft(brief, agent, council, graph=task.graph is not None)


def seen(messages: Sequence[Message], brief: Brief, agent: Agent) -> Seen:
    """A prompt of an agent in its parts."""
    system, first, *later = (message.content for message in messages)
    assert first.startswith(brief.text), "every prompt begins with the brief"
    said = [first.removeprefix(brief.text).removeprefix("\n"), *later]
    *before, last = said
    place = max(0, last.rfind(prompts.who(agent)))
    history = "\n".join(filter(None, (*before, last[:place].removesuffix("\n"))))
    return Seen(system=system, context=brief.text, history=history, question=last[place:])


async def asked(records: Sequence[Record], agent: str, phase: Phase) -> Turn:
    """The last turn of that phase which an agent was asked, as it was.

    The deliberation is taken up again with the records from before it, and nobody answers.
    InvalidRequest where there is none, or where its prompts had another wording.
    """
    places = [
        place
        for place, record in enumerate(records)
        if isinstance(record.event, Asked)
        and (record.event.agent, record.event.phase) == (agent, phase)
    ]
    if not places:
        raise InvalidRequest("phase", f"{agent} has not been asked for a {phase} here")
    before, event = records[: places[-1]], records[places[-1]].event
    assert isinstance(event, Asked)
    state = fold(before)
    assert state.brief is not None
    if state.brief.prompts != wording():
        raise InvalidRequest("phase", "its prompts had another wording, of which no copy is kept")
    found = await _until_asked(before, event.turn)
    if found is None:
        raise InvalidRequest("phase", f"the {phase} of {agent} would not be asked so again")
    return found


async def _until_asked(records: Sequence[Record], id: str) -> Turn | None:
    """The turn of that id, when it comes up; None where the deliberation ends without it."""
    state, found = fold(records), list[Turn]()
    assert state.task is not None
    assert state.council is not None
    came = asyncio.Event()

    async def speak(turn: Turn) -> Reply:
        if turn.id == id:
            found.append(turn)
            came.set()
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    async def conduct() -> None:
        assert state.task is not None
        assert state.council is not None
        events = deliberate(state.task, state.council, speak, len, records)
        async with aclosing(events):
            async for _ in events:
                pass

    tasks = [asyncio.ensure_future(conduct()), asyncio.ensure_future(came.wait())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await ended(*tasks)
    return next(iter(found), None)
