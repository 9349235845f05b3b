"""Deliberations of scripted models as records, for tests of what is made of records."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

from engine.config import fleet_councils
from engine.deliberation import Bell, Check, deliberate
from engine.errors import EngineLost
from engine.events import Event, Record, StoryContext
from engine.packet import CheckResult, Verdict
from engine.testing import ScriptedModel, words
from engine.transcript import Outcome
from engine.types import Agent, Council, Phase, Reply, Speak, Task, Turn, Usage

ARCHITECT = Agent(id="architect", role="DEV", persona="You decide.", pool="small")
COUNCIL = fleet_councils()[0].seated().model_copy(update={"architect": ARCHITECT})
ONE, TWO, THREE = (agent.id for agent in COUNCIL.agents)
BEGAN = 1000.0
RECORDS = Path(__file__).parent / "records"


def a_task(id: str = "t-1", **fields: object) -> Task:
    """What the council is asked."""
    return Task.model_validate({"id": id, "role": "DEV", "text": "Build a clock"} | fields)


def stamped(id: str, events: Sequence[Event]) -> list[Record]:
    """Records of events, a second apart, as a journal gives them back."""
    records = [
        Record(deliberation=id, seq=n, at=BEGAN + n, event=event)
        for n, event in enumerate(events, 1)
    ]
    return [Record.model_validate_json(record.model_dump_json()) for record in records]


def altered(records: Sequence[Record], place: int, *events: Event) -> list[Record]:
    """The same deliberation with other events, any number of them, in the place of one."""
    said = [record.event for record in records]
    said[place : place + 1] = events
    if place == -1:
        said = [*(record.event for record in records[:-1]), *events]
    return stamped(records[0].deliberation, said)


async def recorded(
    task: Task,
    model: Speak | None = None,
    council: Council = COUNCIL,
    bell: Bell | None = None,
    check: Check | None = None,
    known: Mapping[str, Outcome] | None = None,
    story: StoryContext | None = None,
) -> list[Record]:
    """All records of a deliberation."""
    speak = model or ScriptedModel()
    stream = deliberate(task, council, speak, words, (), bell, check, known, story)
    return stamped(task.id, [event async for event in stream])


def kept(name: str) -> list[Record]:
    """The records of a file beside the tests."""
    lines = (RECORDS / f"{name}.jsonl").read_text().splitlines()
    return [Record.model_validate_json(line) for line in lines]


class MixedModel(ScriptedModel):
    """Loses agents, says what cannot be read, agrees and rings the bell, all as a seed has it.

    `ring` is after how many turns it is time to hurry, and after three more to close; 0 for never.
    """

    def __init__(self, seed: int, bell: Bell, ring: int) -> None:
        super().__init__(odds=self._chance)
        self._seed, self._bell, self._ring = seed, bell, ring
        dice = Random(seed)
        self._lost, self._bad, self._same = (
            dice.choice(shares) for shares in ((0, 0, 0.1), (0, 0.1, 0.4), (0, 0.5, 0.9))
        )

    async def __call__(self, turn: Turn) -> Reply:
        """A reply, or EngineLost."""
        dice = Random(f"{self._seed} {turn.id}")
        for _ in range(dice.randrange(4)):
            await asyncio.sleep(0)
        reply = await super().__call__(turn)
        self._look_at_the_clock()
        if dice.random() < self._lost:
            raise EngineLost("gone")
        if dice.random() < self._bad:
            choices = tuple(c.model_copy(update={"mass": 0.0}) for c in reply.choices)
            return Reply(choices=choices, usage=Usage(prompt=3, generated=2))
        if turn.phase in (Phase.DRAFT, Phase.REVISE) and dice.random() < self._same:
            return reply.model_copy(update={"text": "a sundial"})
        if turn.phase is Phase.CRITIQUE and dice.random() < self._same:
            return reply.model_copy(update={"text": ACCEPTED})
        return reply

    def _look_at_the_clock(self) -> None:
        if self._ring and len(self.turns) >= self._ring:
            self._bell.hurry.set()
        if self._ring and len(self.turns) >= self._ring + 3:
            self._bell.close.set()

    def _chance(self, turn: Turn, first: str, second: str) -> float:
        return Random(f"{self._seed} {turn.id} {first} {second}").uniform(0.05, 0.95)


ACCEPTED = json.dumps({"findings": [], "verdict": "accept"})


async def no_sundial(_task: Task, text: str) -> tuple[CheckResult, ...]:
    """A check that excludes one text."""
    verdict = Verdict.FAILED if text == "a sundial" else Verdict.PASSED
    return (CheckResult(check="shade", verdict=verdict, message="it needs the sun"),)
