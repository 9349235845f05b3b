"""The algorithm: a task and a council in, events out; knows no clock, no network and no model.

Each author's lane runs by itself (draft, then `rounds` of critique and revision), so nothing waits
for the slowest but the ballots, which need every final text.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Literal

from engine import prompts
from engine.decision import decide, failed
from engine.errors import SpeechFailed
from engine.events import (
    Asked,
    Brief,
    Briefed,
    Convened,
    Critiqued,
    Dropped,
    Event,
    Hastened,
    Rejected,
    Resumed,
)
from engine.fanout import merge
from engine.outcomes import critiqued, drafted, rejected, revised, voted
from engine.transcript import Outcome, Proposal, Transcript
from engine.types import (
    Agent,
    Council,
    Count,
    Form,
    Message,
    Phase,
    Reply,
    Speak,
    Task,
    TextForm,
    Turn,
)

TRIES = 2
"""How often a turn is asked before its unreadable reply counts as missing."""

Events = AsyncGenerator[Event, None]
Read = Callable[[Turn, Reply], Outcome]


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
    transcript: Transcript | None = None,
    bell: Bell | None = None,
) -> Events:
    """Yield what happens until a Decided or a Failed.

    `transcript` holds what happened before an interruption: its turns are not asked again, and
    its task and council are the ones in force. Close the generator (`contextlib.aclosing`) to
    stop; the turns under way are then cancelled. Ring the `bell` to have it decided early.
    """
    state, bell = transcript or Transcript(), bell or Bell()
    if state.end is not None:
        return
    if state.task is not None and state.council is not None:
        task, council = state.task, state.council
        yield Resumed()
    brief = state.brief
    if brief is None or brief.prompts != prompts.wording():
        brief = prompts.brief(task, council, count)
    run = _Run(state, council, speak, brief)
    if state.task is None:
        yield run.note(Convened(task=task, council=council))
    if state.brief != brief:
        yield run.note(Briefed(brief=brief))
    async with aclosing(run.exchange(bell.hurry)) as exchange:
        async for event in exchange:
            yield event
    if run.quorum_is_lost():
        yield run.fail("QuorumLost", f"{len(state.authors)} of {len(state.seated)} have a text")
        return
    async with aclosing(run.ballots(bell.close)) as ballots:
        async for event in ballots:
            yield event
    yield run.end()


class _Run:
    """One run of the algorithm: the state so far and what it needs to ask for more."""

    def __init__(self, state: Transcript, council: Council, speak: Speak, brief: Brief) -> None:
        self.state, self.council, self.speak, self.brief = state, council, speak, brief
        self.unfinished: set[str] = set()

    def note(self, event: Event) -> Event:
        """Take the event into the state before anybody else sees it."""
        self.state.add(event)
        return event

    async def exchange(self, hurry: asyncio.Event) -> Events:
        """All authors' lanes side by side, cut short when it is time."""
        if self.state.hastened:
            return
        self.unfinished = {agent.id for agent in self.state.seated}
        lanes = map(self.lane, self.state.seated)
        async with aclosing(merge(lanes, until=hurry)) as events:
            async for event in events:
                yield event
        if self.unfinished:
            yield self.note(Hastened(reason="the time for drafts and reviews was over"))

    async def lane(self, author: Agent) -> Events:
        """One author's way: a draft, then in each round a critique by a peer and a revision."""
        first = prompts.draft(self.brief, author, self.council)
        async for event in self._draft(author, first):
            yield event
        for round in range(1, self._rounds + 1):
            if author.id in self.state.lost:
                break
            async for event in self._critique(author, round):
                yield event
            async for event in self._revise(author, round, first):
                yield event
        self.unfinished.discard(author.id)

    async def ballots(self, close: asyncio.Event) -> Events:
        """Every agent still here ranks all texts, at the same time, until the vote is closed."""
        if len(self.state.authors) < 2:
            return
        order, seated = self.state.sealed(), self.state.seated
        votes = (self._vote(voter, seat, order) for seat, voter in enumerate(seated))
        async with aclosing(merge(votes, until=close)) as events:
            async for event in events:
                yield event
        if close.is_set() and not self.state.hastened:
            yield self.note(Hastened(reason="the time for the vote was over"))

    def quorum_is_lost(self) -> bool:
        """Whether no majority of the seated agents has a text, though they had their time."""
        if self.state.hastened:
            return False
        return len(self.state.authors) * 2 <= len(self.state.seated)

    def end(self) -> Event:
        """The decision, or why none can be had."""
        state = self.state
        if state.hastened and not state.authors:
            return self.fail("DeadlineExceeded", "no agent had a text in time")
        if len(state.authors) < 2 or state.ballots:
            return self.note(decide(state))
        if state.hastened:
            return self.fail("DeadlineExceeded", "no agent had voted in time")
        return self.fail("NoBallots", "no agent's ballot could be used")

    def fail(
        self, kind: Literal["QuorumLost", "NoBallots", "DeadlineExceeded"], message: str
    ) -> Event:
        """The end without a decision."""
        return self.note(failed(self.state, kind, message))

    @property
    def _rounds(self) -> int:
        assert self.state.task is not None
        asked = self.state.task.rounds
        return self.council.rounds if asked is None else asked

    def _reviewer(self, author: Agent, round: int) -> Agent | None:
        """The next agent on the ring after the author, one further each round; None if alone."""
        seated = self.state.seated
        start = seated.index(author) + 1 + (round - 1) % max(1, len(seated) - 1)
        ring = [seated[(start + step) % len(seated)] for step in range(len(seated))]
        return next((a for a in ring if a != author and a.id not in self.state.lost), None)

    def _critiques(self, author: Agent, round: int) -> list[Critiqued]:
        return [c for c in self.state.critiques.get(author.id, []) if c.round == round]

    def _text_before(self, author: Agent, round: int) -> Proposal:
        """The text that this round is about, also when its revision is already recorded."""
        return next(p for p in reversed(self.state.proposals[author.id]) if p.round < round)

    async def _draft(self, author: Agent, messages: Sequence[Message]) -> Events:
        turn = self._turn(author, Phase.DRAFT, 0, author.id, messages)
        async for event in self._ask(turn, drafted):
            yield event
        if author.id not in self.state.proposals and author.id not in self.state.lost:
            yield self.note(
                Dropped(agent=author.id, phase=Phase.DRAFT, reason="wrote no usable draft")
            )

    async def _critique(self, author: Agent, round: int) -> Events:
        reviewer = self._reviewer(author, round)
        if reviewer is None or self._critiques(author, round):
            return

        messages = prompts.critique(self.brief, reviewer, self._text_before(author, round))
        form = prompts.CRITIQUE_FORM
        turn = self._turn(reviewer, Phase.CRITIQUE, round, author.id, messages, form)
        async for event in self._ask(turn, critiqued):
            yield event

    async def _revise(self, author: Agent, round: int, first: Sequence[Message]) -> Events:
        critiques = [c for c in self._critiques(author, round) if c.asks_for_change]
        if not critiques:  # nothing to mend: the text stands
            return

        before = self._text_before(author, round)
        messages = prompts.revise(first, self.brief, before, critiques)
        turn = self._turn(author, Phase.REVISE, round, author.id, messages)
        async for event in self._ask(turn, revised):
            yield event

    async def _vote(self, voter: Agent, seat: int, order: Sequence[str]) -> Events:
        sheet = prompts.sheet(order, seat)

        texts = {author: self.state.latest(author) for author in order}
        messages = prompts.vote(self.brief, voter, sheet, texts)
        turn = self._turn(voter, Phase.VOTE, 0, "all", messages, sheet.form)
        async for event in self._ask(turn, partial(voted, voter, sheet)):
            yield event

    def _turn(
        self,
        agent: Agent,
        phase: Phase,
        round: int,
        target: str,
        messages: Sequence[Message],
        form: Form | None = None,
    ) -> Turn:
        budgets = self.council.budgets
        assert self.state.task is not None
        return Turn(
            deliberation=self.state.task.id,
            agent=agent.id,
            pool=agent.pool,
            phase=phase,
            round=round,
            target=target,
            messages=tuple(messages),
            form=form or TextForm(),
            max_tokens={Phase.CRITIQUE: budgets.critique, Phase.VOTE: 1}.get(phase, budgets.draft),
            sampling=agent.sampling,
        )

    async def _ask(self, turn: Turn, read: Read) -> AsyncIterator[Event]:
        """Ask until a reply can be read, TRIES times at most; recorded replies are not asked for.

        A turn that fails for good drops its agent.
        """
        for _ in range(TRIES):
            outcome = self.state.outcomes.get(turn.id)
            if outcome is None and turn.agent not in self.state.lost:
                async for event in self._answer(turn, read):
                    yield event
                outcome = self.state.outcomes.get(turn.id)
            if not isinstance(outcome, Rejected):
                return
            turn = turn.model_copy(
                update={"messages": prompts.again(turn.messages, outcome.reason)}
            )

    async def _answer(self, turn: Turn, read: Read) -> AsyncIterator[Event]:
        yield self.note(
            Asked(
                turn=turn.id,
                agent=turn.agent,
                phase=turn.phase,
                round=turn.round,
                target=turn.target,
            )
        )
        try:
            reply = await self.speak(turn)
        except SpeechFailed as failed:
            reason = f"{type(failed).__name__}: {failed}"
            yield self.note(Dropped(agent=turn.agent, phase=turn.phase, reason=reason))
            return
        try:
            event: Event = read(turn, reply)
        except prompts.Unreadable as unreadable:
            event = rejected(turn, reply, unreadable)
        yield self.note(event)
