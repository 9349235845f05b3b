"""A bounded memory of what was seen last; knows nothing of what that is."""

from __future__ import annotations

MOST = 10_000


class Lately:
    """The texts that were added last, up to `most`; an older one is forgotten for each new one."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._seen: dict[str, None] = {}

    def __contains__(self, text: str) -> bool:
        return text in self._seen

    def add(self, text: str) -> None:
        """See a text, again perhaps."""
        self._seen.pop(text, None)
        self._seen[text] = None
        if len(self._seen) > self._most:
            del self._seen[next(iter(self._seen))]
