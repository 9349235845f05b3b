"""Which texts give the same answer, by their form alone; knows nothing of what they are about.

The work is linear in the text, whatever it holds: one pass a step, and no recursion.
"""

from __future__ import annotations

import hashlib
import json
import re
from math import isfinite
from unicodedata import combining, normalize

DEEPEST = 64
"""Levels of JSON that are read as JSON; below, a parser's recursion could run out of stack."""
MARKS = 30
"""Combining marks on one letter that count (Unicode's Stream-Safe Text Format has as many).

Ordering them takes the square of their number.
"""

_ZERO_WIDTH = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"))
_ANSWER = re.compile(r"(?:####|[*_ ]*(?:final )?answer[*_ ]*:)[*_ ]*(\S.*)", re.IGNORECASE)
_NUMBER = re.compile(r"([-+]?)(\d+|\d{1,3}(?:,\d{3})+)(?:\.(\d*))?", re.ASCII)
_MARKUP = "*_`$ \t\r\n"
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})([^`]*)")
_NESTING = re.compile(r'"(?:[^"\\]|\\.?)*+"?|[\[\]{}]', re.DOTALL)
_LEADING = re.compile(r"^[ \t]*+(?:#{1,6}|>|[-+*]|\d{1,9}[.)])[ \t]++", re.MULTILINE)
_OPENING = re.compile(r"(?<![^\s(\[{\"'])[*_`~]++(?=\S)")
_CLOSING = re.compile(r"(?<=[^\s*_`~])[*_`~]++(?![^\s)\]}\"'.,;:!?])")


def answer_class(text: str) -> str:
    r"""The class of a text: its kind and a hash; texts of one class say the same.

    A marked final answer counts before all else: the last `\boxed{}`, or a last line of `####`,
    `Answer:` or `Final answer:`; a number alone is one too. Then comes a JSON object or array,
    alone or as the one fenced block, then the language and the lines of the one fenced block. A
    block shorter than the text around it is an illustration. Anything else is its words, whatever
    their case, spacing and markup.
    """
    plain = _normal(text)
    kind, content = _answer(plain) or _json(plain) or _block(plain) or ("text", _words(plain))
    digest = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{kind}:{digest[:16]}"


def _normal(text: str) -> str:
    """Compatible characters as one (NFKC), without those of no width and marks past MARKS."""
    if text.isascii():
        return text
    kept, marks = [], 0
    for character in text.translate(_ZERO_WIDTH):
        marks = marks + 1 if combining(normalize("NFKD", character)[-1]) else 0
        if marks <= MARKS:
            kept.append(character)
    return normalize("NFKC", "".join(kept))


def _answer(text: str) -> tuple[str, str] | None:
    """What the text marks as its final answer, or a number that is all of it."""
    marked = _boxed(text)
    if marked is None:
        last = text.rstrip().rpartition("\n")[2].strip()
        found = _ANSWER.fullmatch(last)
        marked = found[1] if found else ""
    bare = _bare(marked)
    if bare:
        return "answer", _number(bare) or _words(bare)
    number = _number(_bare(text))
    return ("answer", number) if number else None


def _bare(text: str) -> str:
    """The text without the marks around it and a full stop."""
    return text.strip(_MARKUP).removesuffix(".").strip(_MARKUP)


def _boxed(text: str) -> str | None:
    r"""What the last `\boxed{}` holds, up to the brace that closes it."""
    _, mark, rest = text.rpartition(r"\boxed{")
    depth = 1 if mark else 0
    for brace in re.finditer(r"[{}]", rest if mark else ""):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return rest[: brace.start()]
    return None


def _number(text: str) -> str | None:
    """A decimal number without separators and idle zeros; digit by digit, of any length."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    whole = found[2].replace(",", "").lstrip("0") or "0"
    part = (found[3] or "").rstrip("0")
    sign = "-" if found[1] == "-" and (whole, part) != ("0", "") else ""
    return f"{sign}{whole}.{part}" if part else f"{sign}{whole}"


def _json(text: str) -> tuple[str, str] | None:
    """The text, or its one block of JSON, with sorted keys and without idle space."""
    language, code = _fenced(text) or ("json", text)
    if language not in {"json", ""} or _depth(code) > DEEPEST:
        return None
    try:
        value = json.loads(code, parse_float=_plain, parse_constant=_plain)
    except ValueError:
        return None
    if not isinstance(value, dict | list):
        return None
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "json", _normal(canonical)  # again, as a character may have come escaped


def _plain(digits: str) -> float:
    """A number, as an integer where it is one; ValueError for one that a float cannot hold."""
    value = float(digits)
    if not isfinite(value):
        raise ValueError(digits)
    return int(value) if value.is_integer() else value


def _depth(text: str) -> int:
    """How deep the brackets outside of strings nest."""
    depth = deepest = 0
    for token in _NESTING.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        deepest = max(deepest, depth)
    return deepest


def _block(text: str) -> tuple[str, str] | None:
    """The one fenced block: its language, and its lines without blank ones and trailing space."""
    found = _fenced(text)
    if found is None:
        return None
    language, code = found
    lines = [line.rstrip() for line in code.splitlines() if line.strip()]
    return "code", "\n".join([language, *lines])


def _fenced(text: str) -> tuple[str, str] | None:
    """Language and content of the only fenced block, unless more is said around it than in it."""
    blocks: list[tuple[str, list[str]]] = []
    around: list[str] = []
    fence = ""
    for line in text.splitlines():
        mark = _FENCE.fullmatch(line)
        if fence:
            if mark and mark[1].startswith(fence) and not mark[2].strip():
                fence = ""
            else:
                blocks[-1][1].append(line)
        elif mark:
            fence = mark[1]
            blocks.append((mark[2].strip().casefold(), []))
        else:
            around.append(line)
    if len(blocks) != 1 or fence:
        return None
    language, lines = blocks[0]
    inside = sum(len(line.strip()) for line in lines)
    return (language, "\n".join(lines)) if inside >= sum(map(len, around)) else None


def _words(text: str) -> str:
    """The words in lower case with single spaces, without headings', lists' and emphasis marks."""
    bare = _CLOSING.sub("", _OPENING.sub("", _LEADING.sub("", text)))
    return " ".join(normalize("NFKC", bare.casefold()).split())
