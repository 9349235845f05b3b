"""Separates what a model thought from what it said; knows nothing of models or engines."""

from __future__ import annotations

import re

OPEN, CLOSE = "<think>", "</think>"
_CLOSED = re.compile(rf"{OPEN}(.*?){CLOSE}", re.DOTALL)


def split_thinking(text: str, opened: bool = False) -> tuple[str, str]:
    """The answer and the reasoning in `text`.

    `opened` says that the prompt itself ended in an open <think>. Reasoning that never ends
    leaves no answer: everything is reasoning then, so that it can never become a proposal.
    """
    if opened or _ends_before_it_begins(text):
        text = OPEN + text
    rest = _CLOSED.sub("", text)
    thoughts = [thought.strip() for thought in _CLOSED.findall(text)]
    if OPEN in rest:
        return "", text.replace(OPEN, "").replace(CLOSE, "").strip()
    return (rest.strip() if thoughts else rest), "\n\n".join(filter(None, thoughts))


def _ends_before_it_begins(text: str) -> bool:
    close, open_ = text.find(CLOSE), text.find(OPEN)
    return close >= 0 and (open_ < 0 or close < open_)


def opens_thinking(prompt: str) -> bool:
    """Whether a rendered prompt ends inside an open <think>."""
    return prompt.rstrip().endswith(OPEN)
