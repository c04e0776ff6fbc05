"""The states that a source came into, and its gaps, until somebody asks for them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from pipeline.live.state import SourceState, State
from pipeline.types import Gap

KEPT = 1000  # changes and gaps that nobody has asked for yet


class StateLog:
    """Written by the thread that reads the source. Changes are asked for by one thread, gaps by one; `now` by any.

    Attributes:
        now: the state, as it was last written.
    """

    def __init__(self) -> None:
        self._changes: deque[SourceState] = deque(maxlen=KEPT)
        self._gaps: deque[tuple[int, Gap]] = deque(maxlen=KEPT)  # index of the first frame behind it
        self._count = 0  # of gaps
        self.now = self._told = SourceState("connecting", time.monotonic())

    def change(self, state: State, attempt: int, reason: str) -> None:
        """It came into a state; see SourceState."""
        self.now = SourceState(state, time.monotonic(), attempt, reason, self._count)
        self._changes.append(self.now)

    def gap(self, index: int, gap: Gap) -> None:
        """There is a gap before the frame with this index."""
        self._gaps.append((index, gap))
        self._count += 1

    def changes(self, seen: Callable[[], SourceState]) -> list[SourceState]:
        """The states since the last call, each once.

        Args:
            seen: gives the state at this moment, which nobody may have written: `stalled` comes about by waiting.
        """
        new = []
        with suppress(IndexError):
            while True:
                new.append(self._changes.popleft())
        now = seen()
        if now.state != (new[-1] if new else self._told).state:
            new.append(now)
        if new:
            self._told = new[-1]
        return new

    def gaps_before(self, index: int) -> tuple[Gap, ...]:
        """The gaps before a frame that were not asked for yet; with growing indices."""
        found = []
        while self._gaps and self._gaps[0][0] <= index:
            found.append(self._gaps.popleft()[1])
        return tuple(found)
