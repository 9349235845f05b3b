"""Whether an exchange ends before its last round, and who is asked before it does; no rounds."""

from __future__ import annotations

import asyncio

from engine import prompts
from engine.events import Brief, Critiqued, Revised, Settled
from engine.fanout import together
from engine.outcomes import probed
from engine.packet import StopReason
from engine.stopping import classes, leader, reason_to_stop
from engine.turns import Turns
from engine.types import Agent, Council, Phase


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
            await together([self._probe(leader(self._state, round), round + 1)], until=hurry)
            probes = [c for said in self._state.critiques.values() for c in said if c.probe]
            case = next((c for c in probes if c.round == round + 1), None)
            if case is None or case.asks_for_change:
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
        """Ask for the strongest case against a text, of one who does not agree if there is one."""
        said = classes(self._state, round - 1)
        able = [a for a in self._seated if a.id != target and a.id not in self._state.lost]
        if not able:
            return
        critic = min(able, key=lambda a: said.get(a.id) == said[target])
        text = self._state.text(target, round - 1)
        assert text is not None
        turn = self._turns.turn(
            critic,
            Phase.CRITIQUE,
            prompts.critique(self._brief, critic, text, probe=True),
            self._council.budgets.critique,
            round=round,
            target=target,
            form=prompts.CRITIQUE_FORM,
        )
        await self._turns.ask(turn, probed)

    @property
    def _others(self) -> tuple[Agent, ...]:
        """Those that draft only where the scouts do not agree."""
        assert self._state.rules is not None
        return self._seated[self._state.rules.scouts :]
