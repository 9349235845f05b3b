"""The common beginning of all prompts of a deliberation; knows nothing of what is asked below it.

What comes from outside stands between fences that it cannot forge.
"""

from __future__ import annotations

import hashlib
import json

from engine.events import Brief, Clipped
from engine.types import Council, Count, Task

TITLE_TOKENS = 64
CLIP_MARK = " [clipped]"


def lay(task: Task, council: Council, count: Count, wording: str, story: str = "") -> Brief:
    """The common beginning: rubric, requirements, task, context, story; within the task's budget.

    Half of the budget is the task's own if it needs it; else earlier parts are served first. What
    is cut is marked in the text and named in `clipped`. `wording` names the prompts that follow.
    """
    fence = hashlib.sha256(f"fence\0{task.salt}".encode()).hexdigest()[:6]
    parts = {name: _safe(text, fence) for name, text in _parts(task, council, story).items()}
    left = council.budgets.task
    kept_for_task = min(count(parts["task"]), left // 2)
    texts, clipped = [], []
    for part, text in parts.items():
        kept_for_task = 0 if part == "task" else kept_for_task
        shown, tokens = clip(text, left - kept_for_task, count)
        kept = count(shown)
        if shown != text:
            clipped.append(Clipped(part=part, kept=kept, tokens=tokens))
        left -= kept
        texts.append(fenced(part, shown, fence))
    whole = _safe(task.title, fence)
    title, tokens = clip(whole, TITLE_TOKENS, count)
    if title != whole:
        clipped.append(Clipped(part="title", kept=count(title), tokens=tokens))
    return Brief(
        text="\n".join(texts),
        title=fenced("title", title, fence) if title else "the task above",
        fence=fence,
        prompts=wording,
        clipped=tuple(clipped),
    )


def _parts(task: Task, council: Council, story: str) -> dict[str, str]:
    rubric = "\n".join(filter(None, (council.rubric, task.rubric)))
    parts = {
        "rubric": rubric,
        "requirements": "\n".join(f"- {line}" for line in task.requirements),
        "task": "\n\n".join(filter(None, (task.title, task.text))),
        "context": "\n".join(line(key, value) for key, value in task.context.items()),
        "story": story,
    }
    return {name: text for name, text in parts.items() if text}


def line(key: str, value: object) -> str:
    """One field as an agent reads it."""
    return f"{key}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"


def fenced(name: str, text: str, fence: str) -> str:
    """The text between marks it cannot contain, for the code is taken out of it."""
    return f"<{name} {fence}>\n{_safe(text, fence).strip()}\n</{name} {fence}>"


def _safe(text: str, fence: str) -> str:
    """The text without the fence's code, and without halves of characters that nothing can hold."""
    return text.replace(fence, "······").encode(errors="replace").decode()


def clip(text: str, budget: int, count: Count) -> tuple[str, int]:
    """The text if it has at most `budget` tokens, else its longest prefix that has; and its tokens.

    The cut is marked in the text. Token counts are taken to grow with the text.
    """
    tokens = count(text)
    if tokens <= budget:
        return text, tokens
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        fits = count(text[:middle] + CLIP_MARK) <= budget
        low, high = (middle, high) if fits else (low, middle - 1)
    return (text[:low].rstrip() + CLIP_MARK if low else ""), tokens
