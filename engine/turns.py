"""How one turn becomes an event: asked, paid for, read, asked again; not what turns are for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from engine import prompts
from engine.errors import SpeechFailed
from engine.events import Aborted, Asked, Dropped, Event, Rejected
from engine.outcomes import rejected
from engine.transcript import Outcome, Transcript
from engine.types import (
    Agent,
    ChoiceForm,
    Form,
    Message,
    Phase,
    Reply,
    Speak,
    Stopped,
    TextForm,
    Turn,
    Usage,
)

TRIES = 2
"""How often a turn is asked before its unreadable reply counts as missing."""

Read = Callable[[Turn, Reply], Outcome]


class Turns:
    """Asks the turns of one deliberation, within its budget of tokens.

    What happens is taken into the state and then told with `tell`. `left_out` counts the turns for
    which the budget had nothing. Outcomes in `known`, of another deliberation, are taken over for
    nothing.
    """

    def __init__(
        self,
        state: Transcript,
        speak: Speak,
        tell: Callable[[Event], None],
        known: Mapping[str, Outcome],
    ) -> None:
        self.state, self._speak, self._tell, self._known = state, speak, tell, known
        self.left_out = 0
        self.over_budget = False
        self._kept_back = 0
        self._under_way: dict[str, int] = {}

    def note(self, event: Event) -> None:
        """Take the event into the state before anybody else hears of it."""
        self.state.add(event)
        self._tell(event)

    def keep_back(self, tokens: int) -> None:
        """From now on so much of the budget is not to be touched.

        Once a turn was left out, none is asked any more, cheap as it may be, until this is called
        anew: what begins as one round must not end as half of one.
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

    async def ask(self, turn: Turn, read: Read) -> None:
        """Ask until a reply can be read, TRIES times at most; recorded replies are not asked for.

        A turn that fails for good drops its agent; one that the budget does not allow is left out.
        """
        for _ in range(TRIES):
            outcome = self.state.outcomes.get(turn.id)
            if outcome is None:
                await self._outcome(turn, read)
                outcome = self.state.outcomes.get(turn.id)
            if not isinstance(outcome, Rejected):
                return
            turn = turn.reworded(prompts.again(turn.messages, outcome.reason))

    async def _outcome(self, turn: Turn, read: Read) -> None:
        if turn.id in self._known:
            self.note(self._known[turn.id].model_copy(update={"usage": Usage()}))
        elif turn.agent not in self.state.lost and self._affords(turn):
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
            return Dropped(agent=turn.agent, phase=turn.phase, reason=reason)
        except asyncio.CancelledError as stopped:
            usage = stopped.usage if isinstance(stopped, Stopped) else Usage()
            self.note(Aborted(turn=turn.id, agent=turn.agent, phase=turn.phase, usage=usage))
            raise
        finally:
            del self._under_way[turn.id]


def _longest(turn: Turn) -> int:
    """Tokens that the longest reply to a turn takes."""
    questions = len(turn.form.questions) if isinstance(turn.form, ChoiceForm) else 1
    return questions * turn.max_tokens
