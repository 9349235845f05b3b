"""Claims about bench/: each measurement runs, on the smallest sizes, and measures what it says."""

from bench import core
from bench.table import table


def test_the_core_is_measured_at_every_size_that_is_named() -> None:
    """A row for each council and each number at once; the first row measures the others."""
    by_agents, by_concurrency = core.report([1, 2], [2, 3], 1).split("\n\n")
    rows = [line.split() for line in by_agents.splitlines()[2:]]
    assert [row[0] for row in rows] == ["2", "3"]
    assert (rows[0][3], rows[0][6]) == ("1.000", "1.000")
    assert all(float(value) > 0 for row in rows for value in row)
    rows = [line.split() for line in by_concurrency.splitlines()[2:]]
    assert [row[0] for row in rows] == ["1", "2"]
    assert (rows[0][2], rows[0][4]) == ("1.000", "1.000")


def test_the_columns_of_a_table_stand_below_their_names() -> None:
    """Numbers with a fraction have three places, and every line of the table is as long."""
    title, *lines = table("Costs", ("agents", "ms"), [(3, 1.23456), (16, 250.0)]).splitlines()
    assert title == "Costs"
    assert lines == ["  agents       ms", "       3    1.235", "      16  250.000"]
