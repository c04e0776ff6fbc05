"""How many messages came from each source, and how many of them were lost, by cause."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable


class Ledger:
    """Counts of one source, to be read and told of losses from any thread."""

    def __init__(self) -> None:
        self.captured = 0
        self._lock = threading.Lock()
        self._drops: Counter[str] = Counter()

    def capture(self) -> None:
        """One more came; for the thread that reads the source."""
        self.captured += 1

    def drop(self, cause: str) -> None:
        """One was lost."""
        with self._lock:
            self._drops[cause] += 1

    @property
    def drops(self) -> dict[str, int]:
        """Lost so far, by cause; a copy."""
        with self._lock:
            return dict(self._drops)


def drops_of(ledgers: Iterable[Ledger]) -> dict[str, int]:
    """Lost so far over all sources, by cause."""
    whole: Counter[str] = Counter()
    for ledger in ledgers:
        whole.update(ledger.drops)
    return dict(whole)
