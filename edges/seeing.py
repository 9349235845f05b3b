"""What an agent would see of a task, for every door; knows nothing of HTTP or gRPC."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import NamedTuple

from pydantic import ValidationError

from actors.run import Conclusion
from actors.sight import Sight
from edges.asked import DeliberationRequest, invalid
from edges.context_options import ContextOptions
from edges.desk import Desk
from edges.tasks import ContextRequest, TaskContext
from engine.arrival import Arrival
from engine.config import Config
from engine.deriving import requests_of, tasks_of
from engine.errors import InvalidRequest, NotDerived, NotFound, Unavailable
from engine.requests import ASKED, requested
from engine.seen import SCOPES, asked, seat
from engine.story import Story
from engine.transcript import Transcript
from engine.types import Phase, Shown, Task
from engine.wording import wording

TAKEN_UP_WITHIN_S = 5.0
"""Nobody answers when a deliberation is taken up to be looked at: its next turn comes at once."""


class _Known(NamedTuple):
    """A task, and what is recorded of it if anything is."""

    task: Task
    recorded: Transcript | None = None
    found: Conclusion | None = None


async def context(desk: Desk, request: ContextRequest) -> TaskContext:
    """What an agent sees of a task. NotFound, InvalidRequest, Unavailable."""
    turn = request.turn
    for scope in request.options.scopes:
        if scope not in SCOPES:
            raise InvalidRequest(
                "options.scopes", f"no scope {scope[:80]!r}; known scopes: {', '.join(SCOPES)}"
            )
    known = await _known(desk, request)
    if turn is Phase.DRAFT:
        sight = await _first(desk, request, known)
    else:
        sight = await _later(request, known, turn)
    found = await desk.sees(sight)
    return TaskContext(
        task_id=sight.task.id,
        role=sight.task.role,
        agent_id=found.agent_id,
        context_text=found.seen.text,
        blocks=found.seen,
        token_count=found.tokens,
        version_hash=found.seen.hash,
    )


async def _known(desk: Desk, request: ContextRequest) -> _Known:
    """The task that is meant."""
    if request.text:
        return _Known(_not_asked_yet(request, desk.config))
    if not request.task_id:
        raise InvalidRequest("task_id", "is empty; name a task, or describe one and name its role")
    try:
        found = await desk.known(request.task_id)
    except NotFound:
        return _Known(await _derived(desk, request.task_id))
    task = found.state.task
    assert task is not None
    return _Known(task, found.state, found)


def _not_asked_yet(request: ContextRequest, config: Config) -> Task:
    fields = {
        "role": request.role,
        "text": request.text,
        "task_id": request.task_id,
        "story_id": request.story_id or request.case_id,
    }
    try:
        asked = DeliberationRequest.model_validate(fields)
    except ValidationError as error:
        raise invalid(error) from error
    return asked.task(config, "" if request.task_id else f"{request.role}\0{request.text}")


async def _derived(desk: Desk, task_id: str) -> Task:
    """A task of a derivation that its council was not asked yet, as it would be."""
    derivation, _, place = task_id.rpartition(".")
    missing = NotFound(
        f"no task {task_id!r}; ids are those that a request was given or DeriveSubtasks made"
    )
    if not (derivation and place.isdigit()):
        raise missing
    try:
        state = (await desk.known(derivation)).state
        roles = {task.task_id: task.role for task in tasks_of(state)}
    except (NotFound, NotDerived):
        raise missing from None
    if task_id not in roles:
        raise missing
    payload = json.dumps(requests_of(state)[task_id]).encode()
    return requested(Arrival("", 0, f"{ASKED}.{roles[task_id]}", payload), desk.config).task


async def _first(desk: Desk, request: ContextRequest, known: _Known) -> Sight:
    """What an agent sees when it is to draft: as recorded, unless something is to be otherwise."""
    task, recorded = known.task, known.recorded
    role, story_id = request.role or task.role, request.story_id or request.case_id or task.story_id
    as_it_was = (task.role, task.story_id, ContextOptions()) == (role, story_id, request.options)
    brief = recorded.brief if recorded is not None else None
    if recorded is not None and as_it_was and brief is not None and brief.prompts == wording():
        agent = request.agent_id
        return Sight(task=task, agent_id=agent, council=recorded.council, brief=brief)
    story = await desk.journal.story(story_id, desk.config.bus) if story_id else None
    options = request.options
    return Sight(
        task=task.model_copy(update={"role": role}),
        agent_id=request.agent_id,
        story=_text(story, options.shown or task.shown),
        scopes=options.scopes,
    )


def _text(story: Story | None, shown: Shown | None) -> str:
    """What an agent is shown of a story: nothing at all where no note is of the kinds."""
    part = story.part(shown) if story else None
    return part.text if part and part.notes else ""


async def _later(request: ContextRequest, known: _Known, turn: Phase) -> Sight:
    """What an agent saw in a later turn, which nothing can change any more."""
    task, state, found = known
    if state is None or state.council is None or found is None:
        raise InvalidRequest("phase", f"{task.id!r} has not been deliberated on; ask for DRAFT")
    if request.role not in ("", task.role):
        raise InvalidRequest("role", f"the turns of {task.id!r} were those of {task.role}")
    if request.options != ContextOptions():
        raise InvalidRequest("options", f"a {turn} is shown as it was; options are for DRAFT")
    agent = request.agent_id or _speaker(found, turn) or seat(task, state.council).id
    try:
        async with asyncio.timeout(TAKEN_UP_WITHIN_S):
            shown = await asked(found.records, agent, turn)
    except TimeoutError:
        raise Unavailable(f"the {turn} of {agent} did not come up again in time") from None
    return Sight(task=task, agent_id=agent, council=state.council, brief=state.brief, turn=shown)


def _speaker(found: Conclusion, turn: Phase) -> str:
    """Who was first asked for such a turn; nobody where nobody was."""
    events = (record.event for record in found.records)
    turns: Sequence[str] = [e.agent for e in events if e.kind == "asked" and e.phase is turn]
    return next(iter(turns), "")
