"""How much of a council's prompts a prefix cache could serve; asks no model, needs a tokenizer.

    make bench BENCH=prefix

A council of three deliberates one round with texts as long as their budgets. What an earlier prompt
or its reply began with counts as cached, in whole blocks, as vLLM does it; also where both are sent
at the same time. It is the most that a cache can reach which forgets nothing.
"""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from bench.table import table
from engine.brief import clip
from engine.config import fleet_councils
from engine.deliberation import deliberate
from engine.testing import ScriptedModel
from engine.types import ChoiceForm, Council, Count, Message, Phase, Task, Turn

BLOCK = 32

Render = Callable[[Sequence[Message]], Sequence[int]]
"""The token ids of a chat, up to where the model goes on."""

Encode = Callable[[str], Sequence[int]]
"""The token ids of a text."""

SENTENCES = (
    "Keep one row for each request, with its key, its state and the answer that was given.",
    "Write the row before the provider is called, so that a retry finds what came before it.",
    "Return the stored answer when the same key comes again, whatever the client sends along.",
    "A key that comes with another amount is refused, and the caller is told which one it was.",
    "Let the provider's own key be derived from ours, so that both sides agree on a repetition.",
    "After a crash a job reads the rows that are still open and asks the provider about each.",
    "Rows older than a month are deleted by night, which the documentation has to say.",
    "A test sends the same request twice at the same time and counts one charge.",
    "Another test ends the process between the call and the answer, and starts it again.",
    "Measure how often a stored answer is returned, and warn when it is more than usual.",
    "Two requests with one key wait for each other at the row's lock, at most five seconds.",
    "Nothing is charged while the state of an earlier attempt is not known for certain.",
)

TASK = Task(
    id="prefix",
    role="DEV",
    title="Charge a customer once, however often the client retries",
    text="Clients repeat a request when they hear nothing. " + " ".join(SENTENCES[3:9]),
    requirements=("No customer is charged twice.", "A retry gets the first answer."),
    context={"service": "billing, 40 requests a second", "history": " ".join(SENTENCES[:6])},
)


class Sent(NamedTuple):
    """One request to an engine, in token ids."""

    phase: Phase
    prompt: Sequence[int]
    reply: Sequence[int] = ()


class Share(NamedTuple):
    """Tokens of the prompts of one phase, and how many of them a cache could serve."""

    prompts: int = 0
    tokens: int = 0
    cached: int = 0

    @property
    def share(self) -> float:
        """The part that is served, 0 to 1."""
        return self.cached / self.tokens if self.tokens else 0.0


def shares(sent: Iterable[Sent], block: int = BLOCK) -> dict[Phase, Share]:
    """What a cache of such blocks could serve of each phase, in the order of sending.

    A block counts where all before it does too. The last token of a prompt is always computed.
    """
    names: dict[tuple[int, tuple[int, ...]], int] = {}
    found: dict[Phase, Share] = {}
    for phase, prompt, reply in sent:
        before, known = _blocks(prompt[:-1], block), 0
        parent = 0
        for piece in before:
            if (parent, piece) not in names:
                break
            parent, known = names[parent, piece], known + 1
        _remember(names, _blocks((*prompt, *reply), block))
        old = found.get(phase, Share())
        served = old.cached + known * block
        found[phase] = Share(old.prompts + 1, old.tokens + len(prompt), served)
    return found


def _blocks(ids: Sequence[int], block: int) -> list[tuple[int, ...]]:
    return [tuple(ids[at : at + block]) for at in range(0, len(ids) - block + 1, block)]


def _remember(names: dict[tuple[int, tuple[int, ...]], int], blocks: list[tuple[int, ...]]) -> None:
    """Name each block by its predecessor's name and its tokens."""
    parent = 0
    for piece in blocks:
        parent = names.setdefault((parent, piece), len(names) + 1)


async def council_sends(task: Task, council: Council, render: Render, encode: Encode) -> list[Sent]:
    """Every request of a deliberation whose texts are as long as their budgets."""

    def count(text: str) -> int:
        return len(encode(text))

    model = ScriptedModel(_script(council, count))
    async for _ in deliberate(task, council, model, count):
        pass
    return [one for turn in model.turns for one in _requests(turn, model, render, encode)]


def _script(council: Council, count: Count) -> dict[tuple[str, Phase], str]:
    """Other sentences of each agent; a critique of two findings as long as the schema allows."""
    script = {}
    for seat, agent in enumerate(council.agents):
        turned = SENTENCES[seat * 4 :] + SENTENCES[: seat * 4]
        for phase, order in ((Phase.DRAFT, turned), (Phase.REVISE, turned[::-1])):
            script[agent.id, phase] = clip(" ".join(order * 3), council.budgets.draft, count)[0]
        issues = [" ".join(turned[n : n + 2])[:200] for n in (0, 2)]
        findings = [{"issue": issue, "severity": "major"} for issue in issues]
        critique = {"findings": findings, "verdict": "revise"}
        script[agent.id, Phase.CRITIQUE] = json.dumps(critique)
    return script


def _requests(turn: Turn, model: ScriptedModel, render: Render, encode: Encode) -> Iterable[Sent]:
    """One request a turn; of a vote one a question, which comes at the end of the last message."""
    *before, last = turn.messages
    if not isinstance(turn.form, ChoiceForm):
        yield Sent(turn.phase, render(turn.messages), encode(model.script[turn.agent, turn.phase]))
        return
    for question in turn.form.questions:
        asked = last.model_copy(update={"content": f"{last.content}\n\n{question}"})
        yield Sent(turn.phase, render((*before, asked)))


def report(task: Task, council: Council, render: Render, encode: Encode) -> str:
    """The table: a line a phase, and one for all."""
    found = shares(asyncio.run(council_sends(task, council, render, encode)))
    whole = Share(*(sum(column) for column in zip(*found.values(), strict=True)))
    rows = [(name, *each, each.share) for name, each in (*found.items(), ("all", whole))]
    head = ("phase", "prompts", "tokens", "cached", "share")
    return table(f"Prompt tokens a prefix cache could serve, in blocks of {BLOCK}", head, rows)


def of_model(folder: str) -> tuple[Render, Encode]:
    """The chat template and the tokenizer of a model's folder, used as the engines use them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder)

    def encode(text: str) -> Sequence[int]:
        return list(tokenizer.encode(text, add_special_tokens=False))

    def render(messages: Sequence[Message]) -> Sequence[int]:
        chat = [message.model_dump() for message in messages]
        text = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        return encode(text)

    return render, encode


def main() -> None:
    """Print the table for the small model."""
    from actors.small_model import cache_dir, materialise_small_model

    render, encode = of_model(str(materialise_small_model(cache_dir(), print)))
    print(report(TASK, fleet_councils()[0].seated(), render, encode))


if __name__ == "__main__":
    main()
