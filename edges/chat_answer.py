"""A deliberation as OpenAI's clients read a completion; knows nothing of how it was asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Literal

from edges.chat_errors import Undecided
from engine.data import Data
from engine.events import Failed
from engine.packet import Decision, Minority, Objection, StopReason
from engine.results import Result, result
from engine.transcript import Transcript
from engine.types import Phase, Usage

PIECE = 24
"""Characters of a text that a chunk has at least, unless it is the last."""


class Dissent(Data):
    """Who and what speaks against the answer: voters, findings, rules that name another text."""

    minority: tuple[Minority, ...]
    objections: tuple[Objection, ...]
    rules: tuple[str, ...]


class Packet(Data):
    """What qualifies an answer: an extension of ours beside what OpenAI's clients know.

    `id` is the deliberation's, by which every other door tells of it. `reason` is the architect's
    where one had the last word, else what the ballots said. `packet` is all of the decision.
    """

    id: str
    role: str
    policy: str
    winner_id: str
    reason: str
    rule: str
    margin: float
    dissent: Dissent
    tokens: dict[Phase, Usage]
    stop_reason: StopReason
    degraded: bool
    lost: dict[str, str]
    durable: bool
    duration_ms: int
    packet: Decision


class Message(Data):
    """The answer: the winner's text."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


Finish = Literal["stop", "length"]


class Choice(Data):
    """The one answer there is; `length` says that its text was cut off."""

    index: Literal[0] = 0
    message: Message
    logprobs: None = None
    finish_reason: Finish


class Cached(Data):
    """The part of the prompts that the engines' caches served."""

    cached_tokens: int


class Counted(Data):
    """Tokens of all turns: those generated and thrown away are among them."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: Cached


class Completion(Data):
    """A deliberation that was decided."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: tuple[Choice, ...]
    usage: Counted
    conclave: Packet


class Delta(Data):
    """What a chunk adds to the answer."""

    role: Literal["assistant"] | None = None
    content: str | None = None


class Added(Data):
    """The one answer's next part, or why it ends."""

    index: Literal[0] = 0
    delta: Delta
    logprobs: None = None
    finish_reason: Finish | None = None


class Chunk(Data):
    """One part of a streamed completion; the last one with a choice has the packet."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: tuple[Added, ...]
    usage: Counted | None = None
    conclave: Packet | None = None

    def written(self) -> str:
        """As JSON, without what it does not add."""
        document = self.model_dump(mode="json")
        if self.conclave is None:
            del document["conclave"]
        for choice in document["choices"]:
            choice["delta"] = {k: v for k, v in choice["delta"].items() if v is not None}
        return json.dumps(document, ensure_ascii=False)


class Answer:
    """A decided deliberation as a completion, in whole or in chunks; Undecided where it is not."""

    def __init__(self, state: Transcript, durable: bool, model: str) -> None:
        self._state, self._result, self._model = state, result(state, durable), model
        if isinstance(state.end, Failed):
            raise Undecided(state.end.error_type, f"{state.end.message}{_see(self._result)}")
        assert self._result.decision is not None
        self._decision = self._result.decision
        self._winner = self._result.results[0].proposal

    def whole(self) -> Completion:
        """The completion."""
        choice = Choice(message=Message(content=self._winner.content), finish_reason=self._finish)
        return Completion(
            id=completion_id(self._result.task_id),
            created=int(self._state.began),
            model=self._model,
            choices=(choice,),
            usage=self._counted,
            conclave=self._packet,
        )

    def chunks(self, *, with_usage: bool) -> Iterator[Chunk]:
        """What follows the first chunk, which names the role."""
        for piece in pieces(self._winner.content):
            yield self._chunk(Added(delta=Delta(content=piece)))
        end = self._chunk(Added(delta=Delta(), finish_reason=self._finish))
        yield end.model_copy(update={"conclave": self._packet})
        if with_usage:
            yield self._chunk().model_copy(update={"usage": self._counted})

    def _chunk(self, *added: Added) -> Chunk:
        return Chunk(
            id=completion_id(self._result.task_id),
            created=int(self._state.began),
            model=self._model,
            choices=added,
        )

    @property
    def _finish(self) -> Finish:
        return "length" if self._winner.truncated else "stop"

    @property
    def _counted(self) -> Counted:
        used = self._result.usage
        generated = used.generated + used.aborted
        return Counted(
            prompt_tokens=used.prompt,
            completion_tokens=generated,
            total_tokens=used.prompt + generated,
            prompt_tokens_details=Cached(cached_tokens=used.cached),
        )

    @property
    def _packet(self) -> Packet:
        found, decision = self._result, self._decision
        return Packet(
            id=found.task_id,
            role=found.role,
            policy=decision.policy,
            winner_id=found.winner_id,
            reason=reason(self._state, decision),
            rule=decision.rule,
            margin=decision.margin,
            dissent=Dissent(
                minority=decision.minority,
                objections=decision.objections,
                rules=decision.dissenting_rules,
            ),
            tokens=decision.tokens,
            stop_reason=decision.stop_reason,
            degraded=decision.degraded,
            lost=decision.lost,
            durable=found.durable,
            duration_ms=found.duration_ms,
            packet=decision,
        )


def first_chunk(task_id: str, began: float, model: str) -> Chunk:
    """What a stream begins with: who speaks."""
    begins = Added(delta=Delta(role="assistant", content=""))
    return Chunk(id=completion_id(task_id), created=int(began), model=model, choices=(begins,))


def completion_id(task_id: str) -> str:
    """What the completion of a deliberation is called."""
    return f"chatcmpl-{task_id}"


def pieces(text: str) -> Iterator[str]:
    """A text in parts that end between words and add up to it."""
    piece = ""
    for word in re.findall(r"\s*\S+|\s+", text):
        piece += word
        if len(piece) >= PIECE:
            yield piece
            piece = ""
    if piece:
        yield piece


def reason(state: Transcript, decision: Decision) -> str:
    """Why this text was chosen, in a line."""
    if state.judged is not None:
        return state.judged.reason
    others = len(decision.order) - 1
    if not others:
        return "it is the only text"
    return f"first of {others + 1} texts by {decision.rule}, ahead by {decision.margin:.3g}"


def _see(found: Result) -> str:
    return f"; GET /v1/deliberations/{found.task_id} has what was written"
