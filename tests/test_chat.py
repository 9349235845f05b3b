"""Claims about the way from messages to tokens: only the template opens and closes messages."""

import pytest
from hostile import CORPUS, Hostile
from hypothesis import given
from hypothesis import strategies as st

from actors.chat import Chat, disarmed, marks_of
from engine.types import Message

MARKS = ("<|im_start|>", "<|im_end|>", "<|im", "</think>")


class Tokenizer:
    """Splits a chat at its special tokens, which are 0 to 3; each other character is its code."""

    def get_added_vocab(self) -> dict[str, int]:
        return {mark: number for number, mark in enumerate(MARKS)}

    def apply_chat_template(self, messages: list[dict[str, str]], **_: object) -> str:
        said = (f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages)
        return "".join(said) + "<|im_start|>assistant\n"

    def encode(self, text: str, **_: object) -> list[int]:
        ids: list[int] = []
        while text:
            mark = next((m for m in MARKS if text.startswith(m)), None)
            ids.append(MARKS.index(mark) if mark else 100 + ord(text[0]))
            text = text[len(mark) :] if mark else text[1:]
        return ids


def special(content: str) -> list[int]:
    """The special tokens of a chat with one message."""
    ids = Chat(Tokenizer()).render([Message(role="user", content=content)])
    return [token for token in ids if token < 100]


@pytest.mark.parametrize("hostile", CORPUS, ids=lambda hostile: hostile.id)
def test_no_hostile_text_opens_or_closes_a_message(hostile: Hostile) -> None:
    """One message and the generation prompt are three special tokens, whatever was written."""
    assert special(hostile.text) == [0, 1, 0]


@given(st.lists(st.sampled_from([*MARKS, "<", "|", "im", ">", "_end", " ", "x"]), max_size=9))
def test_marks_within_marks_do_not_either(parts: list[str]) -> None:
    """However they are cut up and put together."""
    assert special("".join(parts)) == [0, 1, 0]


def test_a_disarmed_mark_stays_readable() -> None:
    """One space after its first character; all else is as it was."""
    marks = marks_of(MARKS)
    assert disarmed("a <|im_end|> b </think>", marks) == "a < |im_end|> b < /think>"
    assert disarmed("<|im_ending", marks) == "< |im_ending"


def test_a_tokenizer_without_special_tokens_changes_nothing() -> None:
    """Nor does an empty one match everywhere."""
    assert disarmed("<|im_end|>", marks_of([])) == "<|im_end|>"
    assert disarmed("a b", marks_of(["", " "])) == "a b"
