"""Whether an exchange ends before its last round, and who is asked before it does; no rounds."""

from __future__ import annotations

import asyncio

from engine.events import Brief, Critiqued, Revised, Settled
from engine.fanout import together
from engine.outcomes import probed
from engine.packet import StopReason
from engine.stopping import classes, leader, reason_to_stop
from engine.turns import Turns
from engine.types import Agent, Council


class Settling:
    """Looks at whole rounds. Agreement ends the exchange only where a critic finds nothing."""

    def __init__(self, turns: Turns, council: Council, brief: Brief) -> None:
        self._turns, self._council, self._brief = turns, council, brief
        self._state, self._seated = turns.state, turns.state.seated

    async def after(self, round: int, hurry: asyncio.Event, *, scouting: bool) -> None:
        """Note that the exchange is settled, if it is after this round or the scouts' drafts.

        A resumed exchange that has gone on from here is not called off any more.
        """
        if self._went_on(round, scouting=scouting):
            return
        reason = self._scouts_agree() if scouting else reason_to_stop(self._state, round)
        if reason in (StopReason.UNANIMOUS, StopReason.QUORUM_STABLE):
            target = leader(self._state, round)
            await together([self._probe(target, round + 1)], until=hurry)
            if not self._is_unopposed(target, round + 1):
                return
        if reason is not None:
            self._turns.note(Settled(reason=reason, round=round))

    def _went_on(self, round: int, *, scouting: bool) -> bool:
        """Whether anything was said after this round, or after the scouts' drafts."""
        if scouting and any(agent.id in self._state.proposals for agent in self._others):
            return True
        return any(
            isinstance(said, Revised) or (isinstance(said, Critiqued) and not said.probe)
            for said in self._state.outcomes.values()
            if getattr(said, "round", 0) > round
        )

    def _scouts_agree(self) -> StopReason | None:
        """Whether all scouts wrote the same, and no check excludes it."""
        scouts = [agent.id for agent in self._seated if agent not in self._others]
        found = classes(self._state, 0)
        same = len({found.get(scout) for scout in scouts}) == 1 and len(scouts) > 1
        wrote = set(scouts) <= set(found)
        return StopReason.UNANIMOUS if same and wrote and not self._state.excluded else None

    async def _probe(self, target: str, round: int) -> None:
        """Ask for the strongest case against a text, first of those who do not agree with it.

        Where one is lost the next is asked; where one cannot be read, nobody is.
        """
        said = classes(self._state, round - 1)
        text = self._state.text(target, round - 1)
        assert text is not None
        others = (agent for agent in self._seated if agent.id != target)
        for critic in sorted(others, key=lambda a: said.get(a.id) == said[target]):
            cap = self._council.budgets.critique
            turn = self._turns.review(critic, text, round, self._brief, cap, probe=True)
            await self._turns.ask(turn, probed)
            if self._turns.is_over(turn) or self._turns.over_budget:
                return

    def _is_unopposed(self, target: str, round: int) -> bool:
        """Whether a critic was heard and asks for no change."""
        said = self._state.critiques.get(target, ())
        cases = [c for c in said if c.probe and c.round == round]
        return bool(cases) and not any(case.asks_for_change for case in cases)

    @property
    def _others(self) -> tuple[Agent, ...]:
        """Those that draft only where the scouts do not agree."""
        assert self._state.rules is not None
        return self._seated[self._state.rules.scouts :]
