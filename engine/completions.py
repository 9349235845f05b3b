"""The chat completions of OpenAI's API as text and JSON: what is asked, what is answered; pure.

What a server answers is read leniently and trusted in nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import JsonValue

from engine.data import Data
from engine.errors import GaveUp
from engine.outside import Completed, reply
from engine.types import ChoiceForm, JsonForm, Reply, Turn, Usage

LONGEST_REASON = 200
"""Characters of what a server says about why it cannot answer."""


class Heard(Data):
    """What was heard of one completion so far; `chunks` are those that held some text."""

    text: str = ""
    reasoning: str = ""
    truncated: bool = False
    done: bool = False
    chunks: int = 0
    usage: Usage | None = None

    @property
    def spent(self) -> Usage:
        """Its cost where nothing comes of it: what the server said, else a token a chunk."""
        generated = self.usage.generated if self.usage is not None else self.chunks
        return Usage(aborted=generated)


def body(turn: Turn, model: str, *, schema: bool) -> dict[str, JsonValue]:
    """The request for a turn, streamed. `schema`: have the server hold the answer to its form."""
    asked: dict[str, JsonValue] = {
        "model": model,
        "messages": _messages(turn, told=not schema),
        "max_tokens": _room(turn),
        "temperature": turn.sampling.temperature,
        "top_p": turn.sampling.top_p,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    wanted = _schema(turn)
    if wanted is not None and schema:
        form: JsonValue = {"name": turn.phase.value, "schema": wanted, "strict": True}
        asked["response_format"] = {"type": "json_schema", "json_schema": form}
    return asked


def shaped(turn: Turn) -> bool:
    """Whether the answer to a turn has to have a form."""
    return _schema(turn) is not None


def _schema(turn: Turn) -> JsonValue:
    match turn.form:
        case JsonForm():
            return turn.form.json_schema
        case ChoiceForm():
            items: JsonValue = {"type": "string", "enum": list(turn.form.labels)}
            number = len(turn.form.questions)
            answers: JsonValue = {
                "type": "array",
                "items": items,
                "minItems": number,
                "maxItems": number,
            }
            return {
                "type": "object",
                "properties": {"answers": answers},
                "required": ["answers"],
                "additionalProperties": False,
            }
        case _:
            return None


def _room(turn: Turn) -> int:
    """Tokens of the reply; a choice is one of ours for each question, and JSON of a few here."""
    extra = 16 + 8 * len(turn.form.questions) if isinstance(turn.form, ChoiceForm) else 0
    return turn.max_tokens + extra


def _messages(turn: Turn, *, told: bool) -> list[JsonValue]:
    """The prompt; the questions of a choice, and a form that is only `told`, at its end."""
    said: list[Any] = [message.model_dump(mode="json") for message in turn.messages]
    more: list[str] = []
    if isinstance(turn.form, ChoiceForm):
        labels = " or ".join(turn.form.labels)
        questions = "\n".join(f"{n}. {q.strip()}" for n, q in enumerate(turn.form.questions, 1))
        more.append(f"Answer each of these with {labels}, in this order:\n{questions}")
    if told and shaped(turn):
        wanted = json.dumps(_schema(turn), ensure_ascii=False)
        more.append(f"Answer with nothing but JSON of this schema: {wanted}")
    if more:
        last = said[-1]
        said[-1] = {**last, "content": "\n\n".join((last["content"], *more))}
    return said


def heard(before: Heard, chunk: object, hide: Callable[[str], str] = str) -> Heard:
    """What is known after one more chunk, or after a whole completion. GaveUp where it is none.

    `hide` as in `reason`.
    """
    if not isinstance(chunk, Mapping):
        raise GaveUp("it sends something that is no completion")
    if chunk.get("error"):
        raise GaveUp(f"it says: {reason(chunk, hide)}")
    choices = chunk.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else {}
    if not isinstance(first, Mapping) or not isinstance(choices, list):
        raise GaveUp("it sends something that is no completion")
    said = first.get("delta") or first.get("message") or {}
    said = said if isinstance(said, Mapping) else {}
    text = _text(said.get("content"))
    thought = _text(said.get("reasoning_content") or said.get("reasoning"))
    why = first.get("finish_reason")
    return Heard(
        text=before.text + text,
        reasoning=before.reasoning + thought,
        truncated=before.truncated or why == "length",
        done=before.done or isinstance(why, str),
        chunks=before.chunks + bool(text or thought),
        usage=_usage(chunk.get("usage")) or before.usage,
    )


def answer(turn: Turn, said: Heard, text: str, thought: str) -> Reply:
    """The reply to a turn: `text` of what was said, the reasoning apart from it.

    Tokens are those that the server counted; where it does not, none are known.
    """
    about = {"task_id": turn.id, "agent_id": turn.agent}
    if isinstance(turn.form, ChoiceForm):
        found = reply(turn.form, Completed(**about, output=_answers(text)))
    elif isinstance(turn.form, JsonForm):
        found = Reply(text=_bare(text))
    else:
        found = Reply(text=text)
    known = {"reasoning": thought, "truncated": said.truncated, "usage": said.usage or Usage()}
    return Reply.model_validate(dict(found) | known)


def reason(document: object, hide: Callable[[str], str] = str) -> str:
    """Why a server refuses, in its own words: one line of bounded length.

    `hide` takes a secret out of it before it is cut, for half a secret is not found any more.
    """
    error = document.get("error", document) if isinstance(document, Mapping) else document
    said = error.get("message", error) if isinstance(error, Mapping) else error
    line = " ".join(str(said).split())
    return hide("".join(filter(str.isprintable, line)))[:LONGEST_REASON] or "nothing more"


def _answers(text: str) -> JsonValue:
    try:
        found = json.loads(_bare(text))
    except (ValueError, RecursionError):
        return text
    answers: JsonValue = found.get("answers", found) if isinstance(found, dict) else found
    return answers


def _bare(text: str) -> str:
    """JSON without the fence that models put around it."""
    stripped = text.strip()
    if stripped.startswith("```") and stripped.endswith("```"):
        return stripped[3:-3].removeprefix("json").strip()
    return stripped


def _text(said: object) -> str:
    return said if isinstance(said, str) else ""


def _usage(said: object) -> Usage | None:
    if not isinstance(said, Mapping):
        return None
    details = said.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, Mapping) else 0
    return Usage(
        prompt=_number(said.get("prompt_tokens")),
        cached=_number(cached),
        generated=_number(said.get("completion_tokens")),
    )


def _number(said: object) -> int:
    """A count that a server gives, as far as it can be one."""
    counts = isinstance(said, int) and not isinstance(said, bool) and 0 <= said < 2**31
    return int(said) if counts else 0  # type: ignore[call-overload]
