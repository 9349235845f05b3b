"""A turn as requests to an engine, and their results as its reply; knows nothing of vLLM."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine.errors import PromptTooLong, SpeechFailed
from engine.types import ChoiceForm, JsonForm, LabelOdds, Message, Reply, Sampling, Turn, Usage

GREEDY = Sampling(temperature=0.0, top_p=1.0)


@dataclass(frozen=True)
class Request:
    """One prompt to generate from. With `labels` it is one token, of which their odds are kept."""

    id: str
    prompt: Sequence[int]
    max_tokens: int
    sampling: Sampling = GREEDY
    schema: dict[str, Any] | None = None
    labels: tuple[int, ...] = ()
    urgent: bool = False


@dataclass(frozen=True)
class Generation:
    """What an engine made of a request; `odds` by token id, out of the whole vocabulary."""

    text: str = ""
    reasoning: str = ""
    truncated: bool = False
    tokens: int = 0
    cached: int = 0
    odds: dict[int, float] = field(default_factory=dict)


class Engine(Protocol):
    """One started engine with one model. EngineHost is vLLM's; ScriptedEngine is its twin."""

    window: int
    kv_tokens: int
    block_size: int

    def render(self, messages: Sequence[Message], thinks: bool = True) -> list[int]:
        """Token ids of the chat, up to where the model goes on; `thinks` where it may choose."""

    def label_id(self, label: str) -> int:
        """The token the model emits for a label; SpeechFailed where it is not exactly one."""

    async def generate(self, request: Request) -> Generation:
        """Run it; cancelling stops it in the engine. EngineLost when the engine is dead."""

    def tokenizer_json(self) -> str:
        """The tokenizer, as the `tokenizers` library reads it."""

    def kill(self) -> None:
        """End the engine's processes at once."""

    async def shutdown(self) -> None:
        """End the engine in good order; takes seconds."""


def compose(engine: Engine, turn: Turn) -> tuple[Request, ...]:
    """The requests of a turn: one, or one per question. PromptTooLong, SpeechFailed."""
    if isinstance(turn.form, ChoiceForm):
        requests = _questions(engine, turn, turn.form)
    else:
        schema = turn.form.json_schema if isinstance(turn.form, JsonForm) else None
        prompt = engine.render(turn.messages)
        requests = (Request(turn.id, prompt, turn.max_tokens, turn.sampling, schema),)
    for request in requests:
        _check_window(request, engine.window)
    return requests


def _questions(engine: Engine, turn: Turn, form: ChoiceForm) -> tuple[Request, ...]:
    *before, last = turn.messages
    asked = (
        last.model_copy(update={"content": f"{last.content}\n\n{question}"})
        for question in form.questions
    )
    labels = _distinct_ids(engine, form.labels)
    return tuple(
        Request(
            id=f"{turn.id}-{number}",
            # One token leaves no room to think first.
            prompt=engine.render((*before, message), thinks=False),
            max_tokens=1,
            labels=labels,
        )
        for number, message in enumerate(asked)
    )


def _distinct_ids(engine: Engine, labels: tuple[str, ...]) -> tuple[int, ...]:
    ids = tuple(engine.label_id(label) for label in labels)
    if len(set(ids)) < len(ids):
        raise SpeechFailed(f"labels {labels} are not distinct tokens for this model")
    return ids


def _check_window(request: Request, window: int) -> None:
    if len(request.prompt) + request.max_tokens > window:
        raise PromptTooLong(
            f"{len(request.prompt)} tokens of prompt and {request.max_tokens} of reply "
            f"do not fit the window of {window}"
        )


async def perform(engine: Engine, turn: Turn, requests: Sequence[Request]) -> Reply:
    """Run a turn's requests together; the first that fails ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(engine.generate(request)) for request in requests]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return _reply(turn, requests, [task.result() for task in tasks])


def _reply(turn: Turn, requests: Sequence[Request], results: Sequence[Generation]) -> Reply:
    usage = Usage(
        prompt=sum(len(request.prompt) for request in requests),
        cached=sum(result.cached for result in results),
        generated=sum(result.tokens for result in results),
    )
    if isinstance(turn.form, ChoiceForm):
        asked = zip(requests, results, strict=True)
        odds = tuple(_odds(turn.form.labels, request, result) for request, result in asked)
        return Reply(choices=odds, usage=usage)
    (result,) = results
    return Reply(
        text=result.text,
        reasoning=result.reasoning,
        truncated=result.truncated,
        usage=usage,
    )


def _odds(labels: tuple[str, ...], request: Request, result: Generation) -> LabelOdds:
    odds = [result.odds[token] for token in request.labels]
    mass = sum(odds)
    if mass <= 0.0:
        raise SpeechFailed(f"the model gives labels {labels} no probability at all")
    return LabelOdds(
        odds={label: odd / mass for label, odd in zip(labels, odds, strict=True)},
        mass=min(mass, 1.0),
    )
