"""What the ended deliberations come to in figures, out of their rows; reads no journal."""

from __future__ import annotations

from collections.abc import Mapping

from actors.projection import Projection
from engine.data import Data

PERCENTS = (50, 95, 99)

_SUMS = """
SELECT role, count(*), sum(status = 'completed'), sum(took_ms), sum(turns), sum(replied_ms),
    sum(purpose = 'orchestration'), sum((purpose = 'orchestration') * took_ms)
FROM deliberations WHERE ended >= ? GROUP BY role ORDER BY role
"""
_RANKED = """
SELECT took_ms FROM deliberations WHERE ended >= ? ORDER BY took_ms LIMIT 1 OFFSET ?
"""


class Figures(Data):
    """The deliberations that ended since some time, with a decision or without, by their roles.

    Milliseconds are those of work, without suspensions. `percentiles` are by nearest rank: the
    least time that so many percent of them did not exceed. `turns` are those that were replied to,
    `replied_ms` what they took together. So many of them were `orchestrations`, which took
    `orchestrated_ms`. `behind` is as on a page.
    """

    ended: Mapping[str, int]
    decided: Mapping[str, int]
    took_ms: Mapping[str, int]
    percentiles: Mapping[int, int]
    turns: int
    replied_ms: int
    orchestrations: int = 0
    orchestrated_ms: int = 0
    behind: str = ""

    @property
    def total(self) -> int:
        """How many have ended."""
        return sum(self.ended.values())

    @property
    def mean_ms(self) -> float:
        """What one of them took on average; 0 where there is none."""
        return sum(self.took_ms.values()) / self.total if self.total else 0.0

    @property
    def mean_orchestration_ms(self) -> float:
        """What an orchestration took on average; 0 where there is none."""
        return self.orchestrated_ms / self.orchestrations if self.orchestrations else 0.0

    @property
    def mean_reply_ms(self) -> float:
        """What a reply took on average; 0 where there is none."""
        return self.replied_ms / self.turns if self.turns else 0.0

    def success_rate(self, role: str) -> float | None:
        """The share of decisions among what ended; None where nothing did."""
        ended = self.ended.get(role, 0)
        return self.decided[role] / ended if ended else None


def figures(rows: Projection, since: float) -> Figures:
    """The figures of what ended at `since`, in Unix seconds, or later."""
    sums = rows.rows(_SUMS, (since,))
    total = sum(count for _, count, *_ in sums)
    return Figures(
        ended={role: count for role, count, *_ in sums},
        decided={role: decided for role, _, decided, *_ in sums},
        took_ms={role: took_ms for role, _, _, took_ms, *_ in sums},
        percentiles={percent: _percentile(rows, since, total, percent) for percent in PERCENTS},
        turns=sum(row[4] for row in sums),
        replied_ms=sum(row[5] for row in sums),
        orchestrations=sum(row[6] for row in sums),
        orchestrated_ms=sum(row[7] for row in sums),
    )


def _percentile(rows: Projection, since: float, total: int, percent: int) -> int:
    """By nearest rank, which begins at 1; 0 where there is none."""
    if not total:
        return 0
    rank = -(-percent * total // 100)
    ((took_ms,),) = rows.rows(_RANKED, (since, rank - 1))
    return int(took_ms)
