"""Claims about bench/: each measurement runs, on the smallest sizes, and measures what it says."""

from collections.abc import Sequence

import pytest

from bench import catalogue, core, prefix
from bench.prefix import Sent, Share, shares
from bench.table import table
from engine.testing import a_council
from engine.types import Message, Phase


def test_the_core_is_measured_at_every_size_that_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A row for each council and each number at once; the first row measures the others."""
    monkeypatch.setattr(core, "ENOUGH", 1)
    *by_agents, by_concurrency = core.report([1, 2], [2, 3], 1).split("\n\n")
    for ballot, said in zip(("odds", "ranking"), by_agents, strict=True):
        title, _, *rows = (line.split() for line in said.splitlines())
        assert title[-1] == ballot
        assert [row[0] for row in rows] == ["2", "3"]
        assert (rows[0][3], rows[0][5]) == ("1.000", "1.000")
        assert all(float(value) > 0 for row in rows for value in row)
    rows = [line.split() for line in by_concurrency.splitlines()[2:]]
    assert [row[0] for row in rows] == ["1", "2"]
    assert (rows[0][2], rows[0][4]) == ("1.000", "1.000")


def test_the_columns_of_a_table_stand_below_their_names() -> None:
    """Numbers with a fraction have three places, and every line of the table is as long."""
    title, *lines = table("Costs", ("agents", "ms"), [(3, 1.23456), (16, 250.0)]).splitlines()
    assert title == "Costs"
    assert lines == ["  agents       ms", "       3    1.235", "      16  250.000"]


@pytest.mark.parametrize(
    ("before", "prompt", "cached"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4, 5], 4),
        ([1, 2, 3, 4], [1, 2, 3, 4], 2),  # the last token is always computed
        ([1, 2, 3, 4], [1, 2, 3, 9, 9], 2),
        ([1, 2, 3, 4], [9, 2, 3, 4, 5], 0),
        ([1, 2, 3, 4], [3, 4, 5], 0),  # the same block behind another beginning
        ([1, 2, 3, 4], [9, 9, 1, 2, 5], 0),
        ([1], [1, 2, 3], 0),
    ],
)
def test_a_block_is_served_where_all_before_it_are(
    before: list[int], prompt: list[int], cached: int
) -> None:
    """Blocks of two tokens; what the second prompt shares with the first counts, rounded down."""
    found = shares([Sent(Phase.DRAFT, before), Sent(Phase.VOTE, prompt)], block=2)
    assert found[Phase.DRAFT] == Share(1, len(before), 0)
    assert found[Phase.VOTE] == Share(1, len(prompt), cached)


def test_what_was_replied_is_served_as_part_of_a_later_prompt() -> None:
    """A revision's prompt goes on from the draft's prompt and text."""
    first, second = Sent(Phase.DRAFT, [1, 2], [3, 4]), Sent(Phase.REVISE, [1, 2, 3, 4, 5])
    assert shares([first, second], block=2)[Phase.REVISE].cached == 4


def test_the_prefix_is_measured_with_any_tokenizer() -> None:
    """Each phase has its line; three voters ask six questions each."""

    def encode(text: str) -> list[int]:
        return list(map(hash, text.split()))

    def render(messages: Sequence[Message]) -> list[int]:
        return encode(" ".join(message.content for message in messages))

    lines = prefix.report(prefix.TASK, a_council(), render, encode).splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines[2:]}
    assert {name: row[0] for name, row in rows.items()} == (
        {"draft": "3", "critique": "3", "revise": "3", "vote": "18", "all": "27"}
    )
    assert float(rows["vote"][3]) > float(rows["draft"][3]) > 0


@pytest.mark.nats
def test_lists_and_figures_are_measured_behind_a_real_journal() -> None:
    """A row for each size; a deliberation of three agents has 27 messages."""
    title, _, *rows = (line.split() for line in catalogue.report([2, 3]).splitlines())
    assert title[-1] == "journal"
    assert [row[0] for row in rows] == ["2", "3"]
    for row in rows:
        read, told, *costs = map(float, row[1:])
        assert told / read == pytest.approx(27, rel=0.01)
        assert all(cost > 0 for cost in costs)
