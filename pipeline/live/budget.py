"""Keeps frames younger than a budget by stepping along a ladder of cheaper ways to run the networks. Pure: no clock.

Downwards: where the 95th percentile of the last frames' ages is over the budget, or every one of the last few is.
Upwards: where the ages, stretched by what the next rung costs more, would have stayed under the budget for some
seconds. A climb that had to be taken back makes the next one wait twice as long, so a load that stays does not make
the ladder sway; frames that were captured before a step do not count after it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

WINDOW = 60  # frames that the percentile is of
LEAST = 20  # frames, before it says anything: with fewer none lies beyond it
ALL_LATE = 6  # frames running over the budget: no need to wait for a percentile
MARGIN = 0.9  # of the budget, that a climb must be expected to stay under
RELAPSE_S = 10.0  # a step down so soon after a climb takes it back
MOST_PATIENCE = 32  # times `climb_after_s`


@dataclass(frozen=True, slots=True)
class Step:
    """From one rung to another."""

    at_s: float  # of the clock that is handed in
    before: int
    rung: int  # from now on
    p95_s: float  # of the ages that led to it, seconds


class Controller:
    """Which rung to run at. Not for several threads.

    Args:
        budget_s: the 95th percentile of the ages shall stay under it, seconds.
        costs: of each rung in any one unit, falling; the first is wanted most.
        climb_after_s: so long it must look possible before a dearer rung is tried, seconds.
    """

    def __init__(self, budget_s: float, costs: Sequence[float], climb_after_s: float = 5.0) -> None:
        if budget_s <= 0 or not costs or any(a <= b for a, b in pairwise(costs)):
            raise ValueError(f"expected a budget over 0 and costs that fall, got {budget_s} and {list(costs)}")
        self.rung = 0
        self._budget_s, self._costs, self._climb_after_s = budget_s, tuple(costs), climb_after_s
        self._ages: deque[float] = deque(maxlen=WINDOW)
        self._stepped_s = -math.inf
        self._climbed_s = -math.inf
        self._possible_since_s: float | None = None  # since when a climb looks possible
        self._patience = 1

    def add(self, captured_s: float, done_s: float) -> Step | None:
        """Count a finished frame; the step that follows from it, if any.

        Args:
            captured_s, done_s: when the frame came in and was finished, of one clock, seconds.
        """
        if captured_s < self._stepped_s:
            return None  # it went the old way, or waited behind frames that did
        self._ages.append(done_s - captured_s)
        p95_s = percentile_95(self._ages)
        recent = list(self._ages)[-ALL_LATE:]
        all_late = len(recent) == ALL_LATE and min(recent) > self._budget_s
        if all_late or (len(self._ages) >= LEAST and p95_s > self._budget_s):
            self._possible_since_s = None
            return self._down(done_s, p95_s) if self.rung + 1 < len(self._costs) else None
        if len(self._ages) < LEAST or self.rung == 0:
            return None
        expected_s = p95_s * self._costs[self.rung - 1] / self._costs[self.rung]
        if expected_s > MARGIN * self._budget_s:
            self._possible_since_s = None
            return None
        if self._possible_since_s is None:
            self._possible_since_s = done_s
        if done_s - self._possible_since_s < self._climb_after_s * self._patience:
            return None
        return self._step(done_s, self.rung - 1, p95_s)

    def _down(self, now_s: float, p95_s: float) -> Step:
        if now_s - self._climbed_s < RELAPSE_S:
            self._patience = min(2 * self._patience, MOST_PATIENCE)
        return self._step(now_s, self.rung + 1, p95_s)

    def _step(self, now_s: float, rung: int, p95_s: float) -> Step:
        step = Step(now_s, self.rung, rung, p95_s)
        if rung < self.rung:
            if now_s - self._climbed_s > RELAPSE_S * self._patience * 4:
                self._patience = max(1, self._patience // 2)  # the last climb held
            self._climbed_s = now_s
        self.rung, self._stepped_s, self._possible_since_s = rung, now_s, None
        self._ages.clear()
        return step


def percentile_95(ages: Sequence[float] | deque[float]) -> float:
    """The least age that 95 of 100 do not exceed, seconds."""
    ordered = sorted(ages)
    return ordered[math.ceil(0.95 * len(ordered)) - 1]
