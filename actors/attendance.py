"""Who waits for which deliberation; knows nothing of what a deliberation is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Attendance:
    """The callers of each id; tells when the last one of an id has left.

    A caller may come and leave more than once: the first time counts.
    """

    def __init__(self, deserted: Callable[[str], None]) -> None:
        self._deserted = deserted
        self._callers: dict[str, set[str]] = {}

    def arrive(self, id: str, caller: str) -> None:
        """That caller is there."""
        self._callers.setdefault(id, set()).add(caller)

    def leave(self, id: str, caller: str) -> None:
        """That caller is gone."""
        callers = self._callers.get(id, set())
        if caller in callers:
            callers.remove(caller)
            if not callers:
                del self._callers[id]
                self._deserted(id)

    @contextmanager
    def of(self, id: str, caller: str) -> Iterator[None]:
        """Be there inside."""
        self.arrive(id, caller)
        try:
            yield
        finally:
            self.leave(id, caller)
