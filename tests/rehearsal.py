"""A deliberation run to its end with the twins of a model, for claims about the engine."""

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from engine.config import CouncilConfig, fleet_councils
from engine.deliberation import deliberate
from engine.events import Decided, Event, Record
from engine.packet import Decision
from engine.testing import ScriptedModel, words
from engine.transcript import Transcript, fold
from engine.turns import Check
from engine.types import ChoiceForm, Council, Phase, Reply, Task, Turn, Usage

T = TypeVar("T")
COUNCIL = fleet_councils()[0].seated()
ONE, TWO, THREE = (agent.id for agent in COUNCIL.agents)


def council_of(agents: int, **options: Any) -> Council:
    """A council with so many agents, `agent-dev-001` onwards."""
    personas = tuple(f"Persona {n}." for n in range(agents))
    return CouncilConfig(role="DEV", personas=personas, rubric="Judge.", **options).seated()


def task(**fields: object) -> Task:
    return Task.model_validate({"id": "t-1", "role": "DEV", "text": "Build a clock"} | fields)


async def run(
    model: ScriptedModel,
    transcript: Sequence[Record] = (),
    council: Council = COUNCIL,
    check: Check | None = None,
    **fields: object,
) -> list[Event]:
    """The events of a whole run."""
    stream = deliberate(task(**fields), council, model, words, transcript, check=check)
    return [event async for event in stream]


def of(events: Sequence[Event], kind: type[T]) -> list[T]:
    return [event for event in events if isinstance(event, kind)]


def recorded(events: Sequence[Event]) -> list[Record]:
    return [Record(deliberation="t-1", seq=n, at=n, event=e) for n, e in enumerate(events, 1)]


def state_of(events: Sequence[Event]) -> Transcript:
    return fold(recorded(events))


def decided(events: Sequence[Event]) -> Decision:
    """The decision of a run that ended with one."""
    end = events[-1]
    assert isinstance(end, Decided), end
    return end.decision


class Speaker(ScriptedModel):
    """Says what `says` makes of a turn; where that is None, what the ScriptedModel says.

    `prefers` gives the chance that the first of two authors' texts is better, from the voter and
    both authors; a text names its author by beginning with "<author> ".
    """

    def __init__(
        self,
        says: Callable[[Turn], str | None] = lambda _turn: None,
        prefers: Callable[[str, str, str], float] | None = None,
    ) -> None:
        super().__init__(odds=self._by_author if prefers else None)
        self._says, self._prefers = says, prefers

    async def __call__(self, turn: Turn) -> Reply:
        text = None if isinstance(turn.form, ChoiceForm) else self._says(turn)
        if text is None:
            return await super().__call__(turn)
        self.turns.append(turn)
        await asyncio.sleep(0)
        return Reply(text=text, usage=Usage(prompt=10, generated=words(text)))

    def _by_author(self, turn: Turn, first: str, second: str) -> float:
        assert self._prefers is not None
        shown = turn.messages[1].content
        authors = dict(re.findall(r"<proposal (\w) \w+>\n(\S+) ", shown))
        return self._prefers(turn.agent, authors[first], authors[second])


def ranked(orders: dict[str, Sequence[str]]) -> Callable[[str, str, str], float]:
    """Voters that prefer texts in these orders, by the authors."""

    def prefers(voter: str, first: str, second: str) -> float:
        order = list(orders[voter])
        return 0.9 if order.index(first) < order.index(second) else 0.1

    return prefers


def critique(*issues: str, verdict: str = "revise", severity: str = "major") -> str:
    """A critique as a model writes it."""
    findings = [{"severity": severity, "issue": issue} for issue in issues]
    return json.dumps({"findings": findings, "verdict": verdict})


CLEAN = critique(verdict="accept")


def in_phase(phase: Phase, text: str) -> Callable[[Turn], str | None]:
    """Every turn of the phase gets this text."""
    return lambda turn: text if turn.phase is phase else None
