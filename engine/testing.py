"""Models that need no engine, for tests of ours and of users; knows nothing of vLLM or Ray.

Each stands where a pool of engines does, as the `speak` of `deliberate()`: ScriptedModel for what
is decided, FlakyModel for what a council does without some of its agents, GatedModel for what runs
at the same time and what a cancellation stops. They take no time and never vary, so a test of them
waits for nothing and compares whole lists of events.

    >>> from engine.deliberation import deliberate
    >>> async def run(model: ScriptedModel) -> list[str]:
    ...     return [e.kind async for e in deliberate(a_task(), a_council(), model, words)]
    >>> asyncio.run(run(ScriptedModel()))[-1]
    'decided'
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import JsonValue

from engine.errors import EngineLost
from engine.types import (
    Agent,
    ChoiceForm,
    Council,
    JsonForm,
    LabelOdds,
    Phase,
    Reply,
    Task,
    Turn,
    Usage,
)


def words(text: str) -> int:
    """A stand-in for a tokenizer: one token a word."""
    return len(text.split())


def a_task(text: str = "Build a clock") -> Task:
    """A task for `a_council`; the id, and so the order on the page, is always the same."""
    return Task(id="t-1", role="TEST", text=text)


def a_council(agents: int = 3) -> Council:
    """A council of `agent-1` to `agent-<agents>`, who differ in name and persona alone."""
    seats = (
        Agent(id=f"agent-{n}", role="TEST", persona=f"You are member {n}.", pool="none")
        for n in range(1, agents + 1)
    )
    return Council(role="TEST", agents=tuple(seats), rubric="Prefer the smallest change.")


def shows(turn: Turn, letter: str, text: str) -> bool:
    """Whether a vote's page shows, under that letter, a proposal that contains the text."""
    page = turn.messages[-1].content
    found = re.search(rf"<proposal {letter} (\w+)>(.*?)</proposal {letter} \1>", page, re.DOTALL)
    return found is not None and text in found[2]


def a_chain(form: JsonForm, description: str) -> list[JsonValue]:
    """Tasks of a graph of that form: one for each role, each after the one before it."""
    schema: Any = form.json_schema
    items = schema["properties"]["tasks"]["prefixItems"]
    roles = items[0]["properties"]["role"]["enum"][: len(items)]
    return [
        {
            "id": f"t{number}",
            "role": role,
            "description": f"{description} as {role}",
            "depends_on": [f"t{number - 1}"] if number > 1 else [],
            "priority": min(5, number),
        }
        for number, role in enumerate(roles, 1)
    ]


class ScriptedModel:
    """Answers every turn at once, as scripted; `turns` keeps what it was asked.

    `script` maps (agent, phase) to a text; a missing entry gets a text made of the turn's own
    facts. `odds` gives the chance, 0 to 1, that a question's first option is the better one, from
    the turn and the letters of both texts; without it the text that is first on the page wins.

    To see what your council decides when its agents say this and vote so:

        >>> from engine.deliberation import deliberate
        >>> async def run(model: ScriptedModel) -> str:
        ...     events = [e async for e in deliberate(a_task(), a_council(), model, words)]
        ...     return events[-1].decision.choice
        >>> liked = "Use a pendulum"
        >>> model = ScriptedModel(
        ...     {("agent-2", Phase.REVISE): liked},
        ...     odds=lambda turn, first, second: 0.9 if shows(turn, first, liked) else 0.1,
        ... )
        >>> asyncio.run(run(model))
        'agent-2'
        >>> model.asked()["agent-2", Phase.VOTE]
        1
    """

    def __init__(
        self,
        script: Mapping[tuple[str, Phase], str] | None = None,
        odds: Callable[[Turn, str, str], float] | None = None,
    ) -> None:
        self.script = dict(script or {})
        self.odds = odds or (lambda _turn, first, second: 0.9 if first < second else 0.1)
        self.turns: list[Turn] = []

    async def __call__(self, turn: Turn) -> Reply:
        """The scripted reply."""
        self.turns.append(turn)
        await asyncio.sleep(0)
        prompt = sum(words(message.content) for message in turn.messages)
        if isinstance(turn.form, ChoiceForm):
            choices = tuple(self._choose(turn, question) for question in turn.form.questions)
            usage = Usage(prompt=prompt * len(choices), generated=len(choices))
            return Reply(choices=choices, usage=usage)
        text = self.script.get((turn.agent, turn.phase)) or self._text(turn)
        return Reply(text=text, usage=Usage(prompt=prompt, generated=words(text)))

    def asked(self) -> Counter[tuple[str, Phase]]:
        """How often each agent was asked in each phase."""
        return Counter((turn.agent, turn.phase) for turn in self.turns)

    def _choose(self, turn: Turn, question: str) -> LabelOdds:
        first, second = re.findall(r"is proposal (\w+)", question)
        chance = self.odds(turn, first, second)
        return LabelOdds(odds={"1": chance, "2": 1 - chance}, mass=0.99)

    def _text(self, turn: Turn) -> str:
        if not isinstance(turn.form, JsonForm):
            return f"{turn.agent} says {turn.phase} {turn.round}"
        if turn.phase in (Phase.DRAFT, Phase.REVISE, Phase.MERGE):
            return json.dumps({"tasks": a_chain(turn.form, f"{turn.agent} does its part")})
        if turn.phase is Phase.CRITIQUE:
            finding = {"severity": "major", "issue": f"{turn.agent} misses a proof"}
            return json.dumps({"findings": [finding], "verdict": "revise"})
        return json.dumps(self._chosen(turn, turn.form))

    def _chosen(self, turn: Turn, form: JsonForm) -> dict[str, JsonValue]:
        """A ranking by the odds of each letter against all others, or the best letter of it."""
        letters = re.findall(r'"([A-Z]{1,2})"', json.dumps(form.json_schema))
        beaten = {
            one: sum(self.odds(turn, one, other) > 0.5 for other in letters if other != one)
            for one in letters
        }
        ranking = sorted(letters, key=lambda letter: -beaten[letter])
        if turn.phase is Phase.JUDGE:
            return {
                "reason": f"{turn.agent} finds it clearer than the others",
                "choice": ranking[0],
            }
        return {"ranking": list(ranking), "approved": 1}


class FlakyModel(ScriptedModel):
    """A ScriptedModel whose named agents fail for good in the named phases.

    They raise EngineLost, as a pool does whose engines do not come back. To see what a council does
    without them, and that it says so:

        >>> from engine.deliberation import deliberate
        >>> async def run(model: ScriptedModel) -> list[str]:
        ...     return [e.kind async for e in deliberate(a_task(), a_council(), model, words)]
        >>> asyncio.run(run(FlakyModel({("agent-1", Phase.VOTE)}))).count("voted")
        2
    """

    def __init__(self, failing: set[tuple[str, Phase]]) -> None:
        super().__init__()
        self.failing = failing

    async def __call__(self, turn: Turn) -> Reply:
        """EngineLost for those that fail, else the scripted reply."""
        if (turn.agent, turn.phase) in self.failing:
            self.turns.append(turn)
            raise EngineLost(f"no engine for {turn.agent}")
        return await super().__call__(turn)


class GatedModel(ScriptedModel):
    """A ScriptedModel that holds each turn until it is let go; shows what runs at once.

    `held` has the turns under way by their ids, `cancelled` those whose caller has left. To see
    that nothing waits for the slowest, let all go but one:

        >>> from engine.deliberation import deliberate
        >>> async def at_once(model: GatedModel) -> int:
        ...     events = deliberate(a_task(), a_council(), model, words)
        ...     running = asyncio.ensure_future(anext(e async for e in events if e.kind == "voted"))
        ...     while len(model.held) < 3:
        ...         await asyncio.sleep(0)
        ...     running.cancel()
        ...     return len(model.held)
        >>> asyncio.run(at_once(GatedModel()))
        3
    """

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[str, tuple[Turn, asyncio.Event]] = {}
        self.cancelled: list[Turn] = []

    async def __call__(self, turn: Turn) -> Reply:
        """The scripted reply, once `release` has let the turn go."""
        gate = asyncio.Event()
        self.held[turn.id] = (turn, gate)
        try:
            await gate.wait()
        except asyncio.CancelledError:
            self.cancelled.append(turn)
            raise
        finally:
            del self.held[turn.id]
        return await super().__call__(turn)

    def release(self, wanted: Callable[[Turn], bool] = lambda _turn: True) -> int:
        """Let the held turns go for which `wanted` holds; how many those were."""
        gates = [gate for turn, gate in self.held.values() if wanted(turn)]
        for gate in gates:
            gate.set()
        return len(gates)
