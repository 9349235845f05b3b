"""From the last texts to what a decision is made of: ballots, one text of all, the last word."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from engine import prompts, votes
from engine.dissent import objections
from engine.events import Brief, Hastened
from engine.fanout import together
from engine.options import Decide
from engine.outcomes import judged, merged, voted
from engine.packet import StopReason
from engine.policies import Choice
from engine.seats import architect
from engine.standing import Texts
from engine.taskgraph import form
from engine.transcript import Proposal
from engine.turns import Turns
from engine.types import Agent, Council, Phase

MOST_OBJECTIONS = 2
"""That the architect reads: a critique's worth, for which the window has room."""


class Choosing:
    """What is asked once all texts are there."""

    def __init__(self, turns: Turns, council: Council, brief: Brief) -> None:
        rules, task = turns.state.rules, turns.state.task
        assert rules is not None
        assert task is not None
        self._turns, self._state, self._rules = turns, turns.state, rules
        self._council, self._brief = council, brief
        self._done = False
        self._architect = architect(task, council) if rules.decide is Decide.ARCHITECT else None

    @property
    def cost(self) -> int:
        """Tokens that the choice takes at most, of as many texts as there may be."""
        seats = [agent.id for agent in self._state.seated]
        if self._rules.choice is Choice.MERGE:
            return self._council.budgets.draft
        ballot = votes.sheet(seats, 0, self._rules.ballot).cost if len(seats) > 1 else 0
        return ballot * len(self._state.voters) + self._last_word

    @property
    def _last_word(self) -> int:
        return self._council.budgets.critique if self._architect else 0

    async def run(self, close: asyncio.Event) -> None:
        """All that is said for the choice, until it is time to close."""
        if not Texts(self._state).is_open:
            return
        before = self._turns.left_out
        self._turns.keep_back(self._last_word)
        self._turns.unasked, self._turns.in_time = 0, not close.is_set()
        await together([self._asked()], until=close if self._turns.in_time else None)
        if self._state.hastened:
            return
        if self._turns.unasked or not self._done:
            self._turns.note(Hastened(reason="the time for the vote was over"))
        elif self._turns.left_out > before:
            reason = f"the {self._rules.token_budget} tokens did not hold the whole vote"
            self._turns.note(Hastened(reason=reason, cause=StopReason.BUDGET))

    async def _asked(self) -> None:
        if self._rules.choice is Choice.MERGE:
            await self._merge()
        else:
            await self._ballots()
            await self._judge()
        self._done = True

    async def _ballots(self) -> None:
        """Every voter ranks all texts, at the same time, until no other can win any more."""
        texts, sure = Texts(self._state), asyncio.Event()
        if not texts.sure:
            voters = enumerate(self._state.voters)
            ballots = (self._vote(v, seat, texts.candidates, sure) for seat, v in voters)
            await together(ballots, until=sure)

    async def _vote(
        self, voter: Agent, seat: int, order: Sequence[str], sure: asyncio.Event
    ) -> None:
        sheet = votes.sheet(order, seat, self._rules.ballot)
        messages = votes.vote(self._brief, voter, sheet, self._texts(order))
        cap = sheet.max_tokens
        turn = self._turns.turn(voter, Phase.VOTE, messages, cap, form=sheet.form)
        await self._turns.ask(turn, partial(voted, voter, sheet), among=order)
        if self._rules.early and Texts(self._state).sure:
            sure.set()

    async def _merge(self) -> None:
        """The first seat makes one text of all; the next one where it cannot."""
        order = Texts(self._state).candidates
        texts, round = self._texts(order), self._rules.rounds + 1
        assert self._state.task is not None
        graph = self._state.task.graph
        for author in self._state.seated:
            await self._turns.look_at(self._state.merged)
            if self._state.merged and self._state.merged not in self._state.excluded:
                return
            messages = prompts.merge(self._brief, author, texts, graph=graph is not None)
            cap = self._council.budgets.draft
            turn = self._turns.turn(
                author, Phase.MERGE, messages, cap, round=round, form=form(graph)
            )
            await self._turns.ask(turn, merged)
        await self._turns.look_at(self._state.merged)

    async def _judge(self) -> None:
        """The architect reads what the ballots say and has the last word."""
        texts = Texts(self._state)
        if self._architect is None or not texts.cast or not texts.standing.order:
            return
        self._turns.keep_back(0)
        docket = self._docket(texts)
        messages = votes.judge(self._brief, self._architect, docket, self._texts(docket.authors))
        cap = self._council.budgets.critique
        turn = self._turns.turn(self._architect, Phase.JUDGE, messages, cap, form=docket.form)
        await self._turns.ask(turn, partial(judged, docket), among=docket.shortlist)

    def _docket(self, texts: Texts) -> votes.Docket:
        shortlist = texts.standing.order[: self._rules.shortlist]
        against = objections(self._state, shortlist[0])
        return votes.Docket(
            authors=texts.candidates,
            shortlist=shortlist,
            rule=texts.standing.rule,
            scores=tuple(texts.standing.scores[author] for author in shortlist),
            objections=tuple(o.issue for o in against[:MOST_OBJECTIONS]),
        )

    def _texts(self, authors: Sequence[str]) -> dict[str, Proposal]:
        return {author: self._state.latest(author) for author in authors}
