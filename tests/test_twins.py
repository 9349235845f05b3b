"""Claims about the shipped twins: their examples are true."""

import doctest

from engine import testing
from engine.deliberation import deliberate
from engine.testing import ScriptedModel, a_council, a_task, shows, words
from engine.types import Phase


def test_the_examples_in_the_docstrings_run() -> None:
    """Each twin is shown at work, and what it is said to answer it answers."""
    tested = doctest.testmod(testing)
    assert tested.failed == 0
    assert tested.attempted >= 4 * 2


async def test_a_page_shows_each_text_under_one_letter() -> None:
    """The script of a vote can find a proposal by what it says."""
    model = ScriptedModel({("agent-1", Phase.REVISE): "a pendulum"})
    async for _ in deliberate(a_task(), a_council(), model, words):
        pass
    (page, *_) = [turn for turn in model.turns if turn.phase is Phase.VOTE]
    assert [shows(page, letter, "a pendulum") for letter in "ABCD"].count(True) == 1
