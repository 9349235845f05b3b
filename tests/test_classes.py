"""Claims about which texts say the same."""

import json
import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.classes import DEEPEST, MARKS, answer_class

ANSWERS = [
    r"Hence it is \boxed{1,000.0}",
    r"First \boxed{3}, no: \boxed{ 1000 }. Done.",
    "We add them.\n#### 1000",
    "Steps.\n\n**Final Answer:** $1000$.\n",
    "answer: +1000.",
    "Final answer: `01000.00`",
    "*Answer*: 1,000",
    "1000",
    "**1000.**",
    "Answer: \uff11\uff10\uff10\uff10",
    "Answer: 1\u200b000",
]
OBJECTS = [
    '{"a": 1, "b": [1.5, "x"]}',
    '{"b":[1.5,"x"],"a":1.0}',
    '```json\n{"a": 1,\n "b": [1.5, "x"]}\n```',
    '  ```\n{"b": [15e-1, "\\u0078"], "a": 1}\n  ```  \n',
    'As JSON:\n~~~JSON\n{"a": 1, "b": [1.5, "x"]}\n~~~',
]
CODES = [
    "```python\ndef f():\n    return 1\n```",
    "```Python\n\ndef f():  \n\n    return 1\t\n\n```\n",
    "This is it:\n\n````python\ndef f():\n    return 1\n````\nGood.",
]
TEXTS = [
    "Use a queue, not a lock.",
    "  use A  **queue**,\n not a `lock`.\n",
    "## Use a __queue__, not a _lock_.",
    "> *Use* a **queue**, not a lock.",
    "1. Use a queue,\n- not a lock.",
    "\uff35se a queue, not a lock\u200b.",
]


@pytest.mark.parametrize(
    ("kind", "texts"), [("answer", ANSWERS), ("json", OBJECTS), ("code", CODES), ("text", TEXTS)]
)
def test_these_say_the_same(kind: str, texts: list[str]) -> None:
    """One class for all of them, whose name tells the kind."""
    classes = {answer_class(text) for text in texts}
    assert len(classes) == 1
    assert re.fullmatch(kind + ":[0-9a-f]{16}", classes.pop())


DIFFERENT = [
    *("#### " + answer for answer in ["1000", "100", "-1000", "1000.5", "1e3", "10,00", "x"]),
    *("Answer: " + answer for answer in ["0", "yes", "no", "1/2", "a_b", "1.05", ".5"]),
    '{"a": 1}',
    '{"a": "1"}',
    '{"a": true}',
    '{"a": 1.5}',
    '[{"a": 1}]',
    "[1]",
    '{"a": NaN}',
    '{"a": 1e999}',
    '{"a": 2e999}',
    '{"a": 1',
    "```python\nx = 1\n```",
    "```python\n x = 1\n```",
    "```ruby\nx = 1\n```",
    "```\nx = 1\n```",
    "```python\nx = 1\n```\n```python\nx = 1\n```",
    "```python\nx = 1",
    "Never do this, whatever anybody says:\n```python\nx = 1\n```",
    "Always do this, whatever anybody says:\n```python\nx = 1\n```",
    "x > 5",
    "x 5",
    "2**3",
    "2*3",
    "23",
    "2 * 3",
    "2 3",
    "snake_case",
    "snakecase",
    "the answer is 7",
    "Answer: 7\nor not",
    "#### Head\nbody",
    "",
]


def test_these_do_not() -> None:
    """Each is of a class of its own."""
    assert len({answer_class(text) for text in DIFFERENT}) == len(DIFFERENT)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Answer: -0", "Answer: 0.0"),
        ("Answer: -00.50", "#### -0.5"),
        (r"\boxed{\frac{1}{2}}", r"Answer: \frac{1}{2}"),
        (r"\boxed{a {b} c", r"\BOXED{A {B} C"),
        ("Answer: 1,234,567.", "1234567"),
        (r"\boxed{}", r"\BOXED{}"),
        ("Answer:", "answer:"),
        ("true", "True"),
        ("Answer: Paris", "**answer: PARIS**"),
        ("cafe\u0301", "CAF\u00c9"),
        ("stra\u00dfe", "STRASSE"),
        ("[1, 1e2, 100.0]", "[1.0, 100, 1E+2]"),
        ("\ud800", " \ud800 "),
        ('["\ufb01"]', '["\\ufb01"]'),
        ("```\n[1]\n```", "[1]"),
        ("~~~~\nx\n~~~\ny\n~~~~", "~~~~\nx\n~~~\n\ny\n~~~~~"),
        ("```\nx\n~~~\n```", "```\nx\n~~~\n\n```"),
        ("```\nx = [[1]]\n```python\n```", "```\nx = [[1]]\n\n```python\n```"),
    ],
)
def test_these_pairs_say_the_same(one: str, other: str) -> None:
    """Zeros, signs, nested braces, unclosed marks, accents, fences inside of fences."""
    assert answer_class(one) == answer_class(other)


def test_deep_json_is_read_as_words() -> None:
    """Down to the limit brackets are JSON, of which space is no part; below they are words."""
    for levels, same in ((DEEPEST, True), (DEEPEST + 1, False)):
        tight, loose = "[" * levels + "]" * levels, "[ " * levels + "]" * levels
        assert (answer_class(tight) == answer_class(loose)) == same
        nested = '{"a":' * (levels - 1) + "[]" + "}" * (levels - 1)
        assert answer_class(nested).startswith("json:") == same
    quoted = '["' + "[" * 2 * DEEPEST + '\\"["]'
    assert answer_class(quoted).startswith("json:")
    wide = "[" + "[],{}," * DEEPEST + "1]"
    assert answer_class(wide).startswith("json:")


def test_marks_above_the_limit_do_not_count() -> None:
    """So many accents on one letter are a class; one more changes nothing, one less does."""
    classes = [answer_class("a" + "\u0301" * n + "b") for n in (MARKS - 1, MARKS, MARKS + 1)]
    assert classes[0] != classes[1] == classes[2]
    spread = ("a" + "\u0301" * (MARKS - 1)) * 2
    assert answer_class(spread + "\u0301") != answer_class(spread)


HOSTILE = [
    "[",
    '{"a":',
    '"\\',
    "\\boxed{",
    "*",
    "a*",
    "* ",
    "`",
    "```\n",
    "~",
    "1",
    "1,111",
    "answer:",
]
HOSTILE += ["answer", " \t", "\n", "# ", "_", "a\u0323\u0301", "\u0323\u0301", "\u0f73", "\ufdfa"]


@pytest.mark.parametrize("unit", HOSTILE)
@pytest.mark.parametrize("frame", ["{}", "Answer: {}", "\\boxed{{{}", "```\n{}"])
def test_the_work_is_linear(unit: str, frame: str) -> None:
    """Four times the text takes nothing like sixteen times the time."""

    def spent(count: int) -> float:
        text = frame.format(unit * count)
        began = time.process_time()
        answer_class(text)
        return time.process_time() - began

    assert any(spent(4000) < 10 * spent(1000) + 0.005 for _ in range(5))


texts = st.text(max_size=40) | st.text(alphabet='`~*_#> \n{}[]":,.01aA\\', max_size=40)


@given(texts)
def test_a_class_is_a_function_of_the_text(text: str) -> None:
    """Whatever it is: again the same; space and characters of no width around it are nothing."""
    expected = answer_class(text)
    assert re.fullmatch("(answer|json|code|text):[0-9a-f]{16}", expected)
    assert answer_class(text) == expected
    assert answer_class("\ufeff" + text + "\u200b") == expected


@given(texts, st.sampled_from([str.upper, str.swapcase, lambda text: text.replace(" ", "\n\n ")]))
def test_words_have_no_case_and_no_space(text: str, change: Callable[[str], str]) -> None:
    """Where a text is words before and after, the change leaves its class as it was."""
    plain = " ".join(re.findall("[a-z]+", text.casefold()))
    assert answer_class(change(plain)) == answer_class(plain)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=8,
)


@given(values, values, st.sampled_from([None, 0, 3]))
def test_json_is_compared_as_values(one: object, other: object, indent: int | None) -> None:
    """Two texts of JSON are of one class exactly where they hold equal values, however written."""
    first = json.dumps([one])
    second = f"```json\n{json.dumps([other], indent=indent, sort_keys=True)}\n```"
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (answer_class(first) == answer_class(second)) == same
    again = json.dumps([one], indent=indent, sort_keys=True)
    assert answer_class(first) == answer_class(again)
