"""How one turn becomes an event: asked, paid for, read, asked again; not what turns are for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from engine import prompts
from engine.errors import SpeechFailed
from engine.events import Aborted, Asked, Brief, Checked, Dropped, Event, Judged, Rejected, Voted
from engine.outcomes import rejected
from engine.packet import CheckResult
from engine.transcript import TRIES, Outcome, Proposal, Transcript
from engine.types import (
    Agent,
    ChoiceForm,
    Form,
    Message,
    Phase,
    Reply,
    Speak,
    Stopped,
    Task,
    TextForm,
    Turn,
    Usage,
)

Read = Callable[[Turn, Reply], Outcome]
Check = Callable[[Task, str], Awaitable[Sequence[CheckResult]]]
"""Looks at a text that was written for a task; it is asked once for each text."""


class Turns:
    """Asks the turns of one deliberation, within its budget of tokens.

    What happens is taken into the state and then told with `tell`. `left_out` counts the turns for
    which the budget had nothing, `unasked` those that came up when it was not `in_time` any more.
    Outcomes in `known`, of another deliberation, are taken over for nothing.
    """

    def __init__(
        self,
        state: Transcript,
        speak: Speak,
        tell: Callable[[Event], None],
        known: Mapping[str, Outcome],
        check: Check | None = None,
    ) -> None:
        self.state, self._speak, self._tell, self._known = state, speak, tell, known
        self._check = check
        self.left_out = self.unasked = 0
        self.over_budget, self.in_time = False, True
        self._kept_back = 0
        self._under_way: dict[str, int] = {}

    def note(self, event: Event) -> None:
        """Take the event into the state before anybody else hears of it."""
        self.state.add(event)
        self._tell(event)

    def keep_back(self, tokens: int) -> None:
        """From now on so much of the budget is not to be touched.

        Once a turn was left out, none is asked any more, cheap as it may be, until this is called
        anew: a review whose author could not answer it is tokens for nothing.
        """
        self._kept_back, self.over_budget = tokens, False

    def turn(
        self,
        agent: Agent,
        phase: Phase,
        messages: Sequence[Message],
        max_tokens: int,
        *,
        round: int = 0,
        target: str = "all",
        form: Form | None = None,
    ) -> Turn:
        """A turn of this deliberation."""
        assert self.state.task is not None
        return Turn(
            deliberation=self.state.task.salt,
            agent=agent.id,
            pool=agent.pool,
            phase=phase,
            round=round,
            target=target,
            messages=tuple(messages),
            form=form or TextForm(),
            max_tokens=max_tokens,
            sampling=agent.sampling,
        )

    def review(
        self, critic: Agent, text: Proposal, round: int, brief: Brief, cap: int, *, probe: bool
    ) -> Turn:
        """The turn in which an agent reviews a text, or makes the strongest case against it."""
        return self.turn(
            critic,
            Phase.CRITIQUE,
            prompts.critique(brief, critic, text, probe=probe),
            cap,
            round=round,
            target=text.author,
            form=prompts.CRITIQUE_FORM,
        )

    async def look_at(self, author: str) -> None:
        """Have the author's latest text checked, if it has not been."""
        if self._check is None or author not in self.state.proposals:
            return
        text = self.state.latest(author)
        if all(c.round != text.round for c in self.state.checks.get(author, ())):
            assert self.state.task is not None
            results = tuple(await self._check(self.state.task, text.text))
            self.note(Checked(agent=author, round=text.round, results=results))

    def is_over(self, turn: Turn) -> bool:
        """Whether nothing more comes of it: it was read, or could not be as often as is tried.

        An agent that is lost after a reply that could not be read is not asked again either.
        """
        for _ in range(TRIES):
            outcome = self.state.outcomes.get(turn.id)
            if not isinstance(outcome, Rejected):
                return outcome is not None
            if turn.agent in self.state.lost:
                return True
            turn = turn.reworded(prompts.again(turn.messages, outcome.reason))
        return True

    async def ask(self, turn: Turn, read: Read, among: Collection[str] = ()) -> None:
        """Ask until a reply can be read, TRIES times at most; recorded replies are not asked for.

        A turn that fails for good drops its agent; one that the budget does not allow is left out.
        `among` are the authors of whom a known ballot or judgement may speak: under their letters
        others had the same texts.
        """
        for _ in range(TRIES):
            outcome = self.state.outcomes.get(turn.id)
            if outcome is None:
                await self._outcome(turn, read, among)
                outcome = self.state.outcomes.get(turn.id)
            if not isinstance(outcome, Rejected):
                return
            turn = turn.reworded(prompts.again(turn.messages, outcome.reason))

    async def _outcome(self, turn: Turn, read: Read, among: Collection[str]) -> None:
        known = self._known.get(turn.id)
        if known is not None and _speaks_of(known, among):
            self.note(known.model_copy(update={"usage": Usage()}))
        elif turn.agent in self.state.lost:
            return
        elif not self.in_time:
            self.unasked += 1
        elif self._affords(turn):
            await self._answer(turn, read)

    def _affords(self, turn: Turn) -> bool:
        """Whether the budget holds the longest reply, beside those under way."""
        assert self.state.rules is not None
        budget = self.state.rules.token_budget
        if budget is None:
            return True
        used = self.state.usage.generated + self.state.usage.aborted
        claimed = used + sum(self._under_way.values()) + self._kept_back
        self.over_budget = self.over_budget or claimed + _longest(turn) > budget
        self.left_out += self.over_budget
        return not self.over_budget

    async def _answer(self, turn: Turn, read: Read) -> None:
        self.note(
            Asked(
                turn=turn.id,
                agent=turn.agent,
                phase=turn.phase,
                round=turn.round,
                target=turn.target,
            )
        )
        reply = await self._reply(turn)
        if isinstance(reply, Dropped):
            self.note(reply)
            return
        try:
            event: Event = read(turn, reply)
        except prompts.Unreadable as unreadable:
            event = rejected(turn, reply, unreadable)
        self.note(event)

    async def _reply(self, turn: Turn) -> Reply | Dropped:
        self._under_way[turn.id] = _longest(turn)
        try:
            return await self._speak(turn)
        except SpeechFailed as failed:
            reason = f"{type(failed).__name__}: {failed}"
            return Dropped(agent=turn.agent, phase=turn.phase, reason=reason, turn=turn.id)
        except asyncio.CancelledError as stopped:
            usage = stopped.usage if isinstance(stopped, Stopped) else Usage()
            self.note(Aborted(turn=turn.id, agent=turn.agent, phase=turn.phase, usage=usage))
            raise
        finally:
            del self._under_way[turn.id]


def _speaks_of(known: Outcome, among: Collection[str]) -> bool:
    match known:
        case Voted():
            return set(known.ballot.ranking) == set(among)
        case Judged():
            return known.choice in among
        case _:
            return True


def _longest(turn: Turn) -> int:
    """Tokens that the longest reply to a turn takes."""
    questions = len(turn.form.questions) if isinstance(turn.form, ChoiceForm) else 1
    return questions * turn.max_tokens
