"""Models that need no engine, for tests of ours and of users; knows nothing of vLLM or Ray."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping

from pydantic import JsonValue

from engine.errors import EngineLost
from engine.types import ChoiceForm, JsonForm, LabelOdds, Phase, Reply, Turn, Usage


def words(text: str) -> int:
    """A stand-in for a tokenizer: one token a word."""
    return len(text.split())


class ScriptedModel:
    """Answers every turn at once, as scripted; keeps the turns it was asked.

    `script` maps (agent, phase) to a text; a missing entry gets a text made of the turn's own
    facts. `odds` gives the chance that a question's first option is the better one, from the turn
    and the letters of both texts; without it the text that is first on the page is preferred.
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
        first, second = re.findall(r"is proposal (\w)", question)
        chance = self.odds(turn, first, second)
        return LabelOdds(odds={"1": chance, "2": 1 - chance}, mass=0.99)

    def _text(self, turn: Turn) -> str:
        if not isinstance(turn.form, JsonForm):
            return f"{turn.agent} says {turn.phase} {turn.round}"
        if turn.phase is Phase.CRITIQUE:
            finding = {"severity": "major", "issue": f"{turn.agent} misses a proof"}
            return json.dumps({"findings": [finding], "verdict": "revise"})
        return json.dumps(self._chosen(turn, turn.form))

    def _chosen(self, turn: Turn, form: JsonForm) -> dict[str, JsonValue]:
        """A ranking by the odds of each letter against all others, or the best letter of it."""
        letters = re.findall(r'"([A-Z])"', json.dumps(form.json_schema))
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
    """A ScriptedModel whose named agents fail for good in the named phases."""

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
    """A ScriptedModel that holds each turn until it is let go; shows what runs at once."""

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
