"""From the first draft to the last revision of every author; knows nothing of how one is chosen.

Each author's lane runs by itself, so that nothing waits for the slowest, unless a rule must look
at a whole round before the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from engine import prompts
from engine.events import Brief, Critiqued, Dropped, Hastened
from engine.fanout import together
from engine.options import Revise
from engine.outcomes import critiqued, drafted, revised
from engine.packet import StopReason, Verdict
from engine.policies import Exchange
from engine.settling import Settling
from engine.stopping import watched
from engine.taskgraph import form
from engine.topologies import peers, wanted
from engine.transcript import Proposal
from engine.turns import Turns
from engine.types import Agent, Council, Message, Phase, Turn


class Lanes:
    """The authors side by side. Those in `_running` have not come to the end of their way."""

    def __init__(self, turns: Turns, council: Council, brief: Brief) -> None:
        rules = turns.state.rules
        assert rules is not None
        self._turns, self._state, self._rules = turns, turns.state, rules
        self._council, self._brief = council, brief
        assert turns.state.task is not None
        self._graph = turns.state.task.graph
        self._form = form(self._graph)
        self._settling = Settling(turns, council, brief)
        self._seated = turns.state.seated
        self._running: set[str] = set()
        self._passed: dict[tuple[str, int], asyncio.Event] = {
            (agent.id, round): asyncio.Event()
            for agent in self._seated
            for round in range(rules.rounds + 1)
        }

    async def run(self, hurry: asyncio.Event) -> None:
        """All that is said before the choice, cut short when it is time or nothing can come."""
        if self._state.hastened or self._state.settled or self._state.choosing:
            return
        await self._stages(hurry)
        if self._running or self._turns.unasked:
            reason = "the time for drafts and reviews was over"
            self._turns.note(Hastened(reason=reason))
        elif self._turns.over_budget:
            reason = f"of {self._rules.token_budget} tokens only those for the decision were left"
            self._turns.note(Hastened(reason=reason, cause=StopReason.BUDGET))

    async def _stages(self, hurry: asyncio.Event) -> None:
        """Scouts first, then either all lanes or, where it must be looked at, round by round."""
        rounds = self._rules.rounds
        scouts = self._seated[: self._rules.scouts]
        stages: list[tuple[Sequence[Agent], range]] = []
        if scouts:
            stages.append((scouts, range(1)))
        if watched(self._rules):
            stages += [(self._seated, range(r, r + 1)) for r in range(rounds + 1)]
        else:
            stages.append((self._seated, range(rounds + 1)))
        for number, (authors, span) in enumerate(stages):
            await self._together(authors, span, hurry)
            if self._running or self._turns.unasked or self._turns.over_budget:
                return
            if number + 1 < len(stages):
                scouting = bool(scouts) and number == 0
                await self._settling.after(span.stop - 1, hurry, scouting=scouting)
            if self._state.settled:
                return

    async def _together(
        self, authors: Sequence[Agent], rounds: range, hurry: asyncio.Event
    ) -> None:
        self._running = {author.id for author in authors}
        lanes = (self._lane(author, rounds) for author in authors)
        self._turns.in_time = not hurry.is_set()
        await together(lanes, until=hurry if self._turns.in_time else None)

    async def _lane(self, author: Agent, rounds: range) -> None:
        """One author's way through these rounds; 0 is its draft."""
        for round in rounds:
            speechless = round and author.id not in self._state.proposals
            if author.id not in self._state.lost and not speechless:
                await self._step(author, round)
            self._passed[author.id, round].set()
        self._running.discard(author.id)

    async def _step(self, author: Agent, round: int) -> None:
        if round == 0:
            await self._draft(author)
        elif self._rules.exchange is Exchange.PEERS:
            await self._rewrite(author, round)
        else:
            await self._reviews(author, round)
            await self._revise(author, round)
        await self._turns.look_at(author.id)

    async def _draft(self, author: Agent) -> None:
        first, cap = self._first(author), self._council.budgets.draft
        turn = self._turns.turn(author, Phase.DRAFT, first, cap, target=author.id, form=self._form)
        await self._turns.ask(turn, drafted)
        silent = author.id not in self._state.proposals and author.id not in self._state.lost
        if silent and self._turns.in_time and not self._turns.over_budget:
            reason = "wrote no usable draft"
            self._turns.note(Dropped(agent=author.id, phase=Phase.DRAFT, reason=reason))

    def _first(self, author: Agent) -> tuple[Message, ...]:
        """The prompt of the author's draft."""
        asked_for = self._graph is not None
        return prompts.draft(self._brief, author, self._council, graph=asked_for)

    async def _reviews(self, author: Agent, round: int) -> None:
        """Have the author's text reviewed by as many as the topology wants, lost ones replaced."""
        tried: set[str] = set()
        while reviews := self._missing(author, round, tried):
            await together(self._turns.ask(turn, critiqued) for turn in reviews)
            tried |= {turn.agent for turn in reviews if turn.agent not in self._state.lost}

    def _missing(self, author: Agent, round: int, tried: set[str]) -> list[Turn]:
        """The reviews still to be asked; one that could not be read is not replaced."""
        alone = self._rules.exchange is Exchange.SELF
        peers = [author] if alone else self._peers(author, round)
        most = 1 if alone else wanted(self._rules, len(self._seated))
        done = 0
        missing: list[Turn] = []
        for peer in peers:
            if done + len(missing) == most:
                break
            turn = self._review(peer, author, round)
            if peer.id in tried or self._turns.is_over(turn):
                done += 1
            elif peer.id not in self._state.lost:
                missing.append(turn)
        return missing

    def _review(self, reviewer: Agent, author: Agent, round: int) -> Turn:
        text, cap = self._text_before(author, round), self._council.budgets.critique
        return self._turns.review(reviewer, text, round, self._brief, cap, probe=False)

    async def _revise(self, author: Agent, round: int) -> None:
        """The author writes anew where there is something to mend, or is made to."""
        issues = self._issues(author, round)
        if author.id in self._state.lost or not (issues or self._rules.revise is Revise.ALWAYS):
            return
        text = self._text_before(author, round)
        asked_for = self._graph is not None
        first = self._first(author)
        messages = prompts.revise(first, self._brief, text, issues, graph=asked_for)
        await self._write(author, round, messages)

    async def _rewrite(self, author: Agent, round: int) -> None:
        """The author writes anew with its peers' last texts in view."""
        heard = self._peers(author, round)
        for peer in heard:
            await self._passed[peer.id, round - 1].wait()
        texts = {a.id: self._state.text(a.id, round - 1) for a in heard}
        spoken = [name for name, text in texts.items() if text is not None]
        within = {author.id, *spoken[: wanted(self._rules, len(self._seated))]}
        before = {name: self._state.text(name, round - 1) for name in self._state.sealed()}
        shown = {n: text for n, text in before.items() if n in within and text is not None}
        issues = self._issues(author, round)
        asked_for = self._graph is not None
        messages = prompts.rewrite(self._brief, author, shown, issues, graph=asked_for)
        await self._write(author, round, messages)

    async def _write(self, author: Agent, round: int, messages: Sequence[Message]) -> None:
        cap = self._council.budgets.draft
        turn = self._turns.turn(
            author, Phase.REVISE, messages, cap, round=round, target=author.id, form=self._form
        )
        await self._turns.ask(turn, revised)

    def _issues(self, author: Agent, round: int) -> list[str]:
        """What is to be mended: findings of reviews that want a change, and failed checks."""
        text = self._text_before(author, round)
        reviews = (c for c in self._said_of(author, round) if c.asks_for_change)
        checks = (c for c in self._state.checks.get(author.id, ()) if c.round == text.round)
        failed = (r for c in checks for r in c.results if r.verdict is Verdict.FAILED)
        issues = [f"{f.severity}: {f.issue}" for review in reviews for f in review.findings]
        return issues + [f"check {result.check}: {result.message}" for result in failed]

    def _said_of(self, author: Agent, round: int) -> list[Critiqued]:
        return [c for c in self._state.critiques.get(author.id, ()) if c.round == round]

    def _peers(self, author: Agent, round: int) -> list[Agent]:
        seat = self._seated.index(author)
        heard = peers(self._rules, seat, len(self._seated), round)
        return [self._seated[other] for other in heard]

    def _text_before(self, author: Agent, round: int) -> Proposal:
        """The text that this round is about, also when its revision is already recorded."""
        text = self._state.text(author.id, round - 1)
        assert text is not None
        return text
