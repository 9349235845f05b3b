"""Who waits for which deliberation; knows nothing of what a deliberation is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Attendance:
    """Counts the callers of each id and tells when the last one of an id has left."""

    def __init__(self, deserted: Callable[[str], None]) -> None:
        self._deserted = deserted
        self._callers: Counter[str] = Counter()

    def arrive(self, id: str) -> None:
        """One more caller."""
        self._callers[id] += 1

    def leave(self, id: str) -> None:
        """One caller less."""
        self._callers[id] -= 1
        if not self._callers[id]:
            del self._callers[id]
            self._deserted(id)

    @contextmanager
    def of(self, id: str) -> Iterator[None]:
        """Be there inside."""
        self.arrive(id)
        try:
            yield
        finally:
            self.leave(id)
