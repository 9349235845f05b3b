"""Plain tables for the terminal; knows nothing of what is in them."""

from __future__ import annotations

from collections.abc import Sequence


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A title, a line of column names and the rows; all columns are aligned to the right."""
    cells = [list(head), *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in cells]
    return "\n".join([title, *("  " + line for line in lines)])


def _cell(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
