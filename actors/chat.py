"""From chat messages to a model's tokens; what others wrote cannot end a message or begin one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from engine.errors import SpeechFailed
from engine.types import Message


class Chat:
    """A model's chat template and its tokenizer, as transformers loads them."""

    def __init__(self, tokenizer: Any, *, thinking: bool = False) -> None:
        self._tokenizer, self._thinking = tokenizer, thinking
        self._marks = marks_of(tokenizer.get_added_vocab())

    def render(self, messages: Sequence[Message], *, thinks: bool = True) -> list[int]:
        """Token ids of the chat, up to where the model goes on."""
        return self._encode(self._text(messages, thinks=thinks))

    def label_id(self, label: str) -> int:
        """The token after a generation prompt: without the space it has inside a sentence."""
        prompt = self._text((Message(role="user", content="?"),), thinks=False)
        before, after = self._encode(prompt), self._encode(prompt + label)
        if len(after) != len(before) + 1 or after[:-1] != before:
            raise SpeechFailed(f"label {label!r} is not exactly one token for this model")
        return after[-1]

    def _text(self, messages: Sequence[Message], *, thinks: bool) -> str:
        # Templates that cannot switch thinking off ignore the argument.
        extra = {} if thinks and self._thinking else {"enable_thinking": False}
        text: str = self._tokenizer.apply_chat_template(
            [{"role": m.role, "content": disarmed(m.content, self._marks)} for m in messages],
            add_generation_prompt=True,
            tokenize=False,
            **extra,
        )
        return text

    def _encode(self, text: str) -> list[int]:
        # The template has written the special tokens already.
        return list(self._tokenizer.encode(text, add_special_tokens=False))


def marks_of(added: Iterable[str]) -> re.Pattern[str]:
    """What finds any of a tokenizer's special tokens in a text, the longest where several fit."""
    longest_first = sorted((token for token in added if token.strip()), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")


def disarmed(text: str, marks: re.Pattern[str]) -> str:
    """The text with a space in each mark, so that it is read as letters and opens no message."""
    return marks.sub(lambda mark: f"{mark[0][0]} {mark[0][1:]}", text)
