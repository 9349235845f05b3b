"""The algorithm: a task and a council in, events out; knows no clock, no network and no model.

What is done in which order is here; the exchange, the choice and the decision have files of their
own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing

from engine.brief import lay
from engine.choosing import Choosing
from engine.decision import conclude, quorum_is_lost
from engine.events import Briefed, Convened, Event, Record, Resumed, StoryContext
from engine.exchange import Lanes
from engine.fanout import saying
from engine.seats import furnished, settled
from engine.transcript import Outcome, fold
from engine.turns import Check, Turns
from engine.types import Council, Count, Speak, Task
from engine.wording import wording


class Bell:
    """How the one who has the clock hurries a deliberation, which has none.

    Setting `hurry` ends drafts, critiques and revisions where they are; setting `close` ends the
    vote too. What is under way then is cancelled, and the decision is made with what there is.
    """

    def __init__(self) -> None:
        self.hurry, self.close = asyncio.Event(), asyncio.Event()


async def deliberate(
    task: Task,
    council: Council,
    speak: Speak,
    count: Count,
    transcript: Iterable[Record] = (),
    bell: Bell | None = None,
    check: Check | None = None,
    known: Mapping[str, Outcome] | None = None,
    story: StoryContext | None = None,
) -> AsyncGenerator[Event, None]:
    """Yield what happens until a Decided or a Failed; InvalidRequest where options contradict.

    `transcript` are the records from before an interruption, any number of them from the first
    on: their turns are not asked again, and their task, council and rules are the ones in force.
    What was said under prompts of another wording is asked anew, unless time was up by then.
    `known` are outcomes of another deliberation, by the id of their turn: one that would be asked
    the same is not asked again either. `check` looks at every text. `story` is what is known of the
    task's story now, which is recorded: after an interruption the recorded one is in force.

    Close the generator (`contextlib.aclosing`) to stop; the turns under way are then cancelled.
    Ring the `bell` to have it decided early.
    """
    state = fold(transcript)
    if state.end is not None:
        return

    async def work(tell: Callable[[Event], None]) -> None:
        turns = Turns(state, speak, tell, known or {}, check)
        await _deliberate(task, council, count, turns, bell or Bell(), story)

    async with aclosing(saying(work)) as events:
        async for event in events:
            yield event


async def _deliberate(
    task: Task,
    council: Council,
    count: Count,
    turns: Turns,
    bell: Bell,
    story: StoryContext | None,
) -> None:
    """Take a transcript to its end, telling what happens."""
    state = turns.state
    if state.task is not None and state.council is not None:
        task, council = state.task, state.council
        turns.note(Resumed())
    else:
        rules, council = settled(task, council), furnished(council, task)
        turns.note(Convened(task=task, council=council, rules=rules, story=story))
    brief = state.brief
    if brief is None or (brief.prompts != wording() and state.hastened is None):
        told = state.story.text if state.story else ""
        brief = lay(task, council, count, wording(), told)
        turns.note(Briefed(brief=brief))
    lanes, choosing = Lanes(turns, council, brief), Choosing(turns, council, brief)
    turns.keep_back(choosing.cost)
    await lanes.run(bell.hurry)
    if not quorum_is_lost(state):
        await choosing.run(bell.close)
    turns.note(conclude(state))
