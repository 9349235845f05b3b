"""What OpenAI's clients ask, read as a request to a council; knows nothing of how it is answered.

What cannot be honoured is refused by its name, and so is what nobody knows: nothing is ignored.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)

from edges.asked import DeliberationRequest, invalid
from edges.chat_models import Named, named
from engine.config import Config
from engine.data import Data
from engine.errors import InvalidRequest
from engine.types import Task


class Part(Data):
    """A piece of a message: text."""

    type: Literal["text"]
    text: str


EMPTY = ("refusal", "annotations", "audio", "tool_calls", "function_call", "name")
"""What an answer that is sent back as a message of the conversation has, and has nothing in."""


class Spoken(Data):
    """One message of the conversation, in whole or in pieces."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | tuple[Part, ...]
    name: str = ""

    @model_validator(mode="before")
    @classmethod
    def _as_said(cls, sent: Any) -> Any:
        """Without what says nothing: clients send an answer back with all its fields."""
        if not isinstance(sent, dict):
            return sent
        return {name: value for name, value in sent.items() if value or name not in EMPTY}

    @property
    def text(self) -> str:
        """All of it."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content)


class StreamOptions(Data):
    """Whether a stream ends with its usage. Its chunks are never obfuscated."""

    include_usage: bool | None = None
    include_obfuscation: Literal[False] | None = None


TEXT: JsonValue = {"type": "text"}
"""The one form of an answer."""

ONLY: dict[str, tuple[JsonValue, ...]] = {
    "n": (1,),
    "tools": (),
    "tool_choice": ("none",),
    "parallel_tool_calls": (),
    "functions": (),
    "function_call": ("none",),
    "logprobs": (False,),
    "top_logprobs": (),
    "audio": (),
    "modalities": (["text"],),
    "response_format": (TEXT,),
    "prediction": (),
    "web_search_options": (),
    "stop": (),
    "seed": (),
    "frequency_penalty": (0, 0.0),
    "presence_penalty": (0, 0.0),
    "logit_bias": ({},),
    "reasoning_effort": (),
    "verbosity": (),
    "store": (True,),
    "service_tier": ("auto", "default"),
    "prompt_cache_key": (),
    "prompt_cache_retention": (),
    "moderation": (),
}
"""What OpenAI's clients may send and a council cannot do otherwise than so; null is always taken.

Every deliberation is journalled, hence `store`; a seed of one request would not hold for agents
that share an engine.
"""


class ChatRequest(BaseModel):
    """What is honoured of a request for a chat completion.

    The last message is the task, what was said before is its context, and the system's words are
    its requirements. `max_tokens` bounds the answer, `max_completion_tokens` all that the council
    generates on the way to it. `metadata`, `user` and `safety_identifier` are kept with the task.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(max_length=200)
    messages: tuple[Spoken, ...] = Field(min_length=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(default=None, ge=0.0, le=2.0)
    top_p: float | None = Field(default=None, gt=0.0, le=1.0)
    max_tokens: int | None = Field(default=None, ge=1, le=2**31 - 1)
    max_completion_tokens: int | None = Field(default=None, ge=1, le=2**31 - 1)
    metadata: dict[str, str] | None = None
    user: str | None = None
    safety_identifier: str | None = None

    def named(self, config: Config) -> Named:
        """The council and the policy that are asked."""
        return named(self.model, config)

    def asked(self, config: Config) -> DeliberationRequest:
        """The request that every other door would take for this."""
        asks = self.named(config)
        *_, last = self.messages
        if last.role != "user":
            where = f"messages.{len(self.messages) - 1}.role"
            raise InvalidRequest(where, f"is {last.role!r}; the last message must be the user's")
        return DeliberationRequest(
            role=asks.role,
            policy=asks.policy,
            text=last.text,
            requirements=tuple(m.text for m in self.messages if _rules(m) and m.text.strip()),
            context=dict(self._context()),
            token_budget=self.max_completion_tokens,
        )

    def settings(self) -> dict[str, Any]:
        """What of it a task has fields for and no other door takes."""
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "answer_tokens": self.max_tokens,
        }

    def task(self, task: Task) -> Task:
        """The same task with these settings."""
        return task.model_copy(update=self.settings())

    def _context(self) -> Iterator[tuple[str, JsonValue]]:
        said: list[JsonValue] = [
            {"role": m.role, **({"name": m.name} if m.name else {}), "content": m.text}
            for m in self.messages[:-1]
            if not _rules(m)
        ]
        kept = {name: getattr(self, name) for name in ("metadata", "user", "safety_identifier")}
        if said:
            yield "conversation", said
        if name := self.messages[-1].name:
            yield "name", name
        yield from ((name, value) for name, value in kept.items() if value)


def read_chat(body: bytes) -> ChatRequest:
    """A request out of JSON; InvalidRequest names the first parameter that is wrong."""
    try:
        sent = _Any.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error) from error
    fields = dict(sent.model_extra or {})
    for name in ONLY.keys() & fields.keys():
        _check_only(name, fields.pop(name))
    for name in fields:
        if name not in ChatRequest.model_fields:
            raise InvalidRequest(name[:80], "is no parameter of a chat completion")
    try:
        request = ChatRequest.model_validate(fields)
    except ValidationError as error:
        raise _invalid(error) from error
    if request.stream_options is not None and not request.stream:
        raise InvalidRequest("stream_options", "has a meaning only with stream")
    if not request.messages[-1].text.strip():
        raise InvalidRequest("messages", "the last one is empty; say what the council is to do")
    return request


class _Any(BaseModel):
    """Any JSON object."""

    model_config = ConfigDict(extra="allow")


def _check_only(name: str, value: JsonValue) -> None:
    """InvalidRequest where a council would have to do what it cannot."""
    taken = ONLY[name]
    if value is None or any(type(value) is type(one) and value == one for one in taken):
        return
    may = f"; only {taken[0]!r} is taken" if taken else ""
    raise InvalidRequest(name, f"cannot be honoured by a council{may}; leave it out")


def _invalid(error: ValidationError) -> InvalidRequest:
    """The first fault; of a message's content that is neither text nor pieces of text, that."""
    found = invalid(error)
    place = found.where.split(".")
    if place[0] == "messages" and place[2:3] == ["content"]:
        what = "must be text, or parts of type 'text'; councils read no others"
        return InvalidRequest(".".join(place[:3]), what)
    return found


def _rules(message: Spoken) -> bool:
    return message.role in ("system", "developer")
