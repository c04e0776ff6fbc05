"""What a source does just now, and what it did so far: rates, ages, stage times, drops."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.types import Frame

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Histogram:
    """Durations counted in buckets, as Prometheus counts them; the last bucket has no upper border."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_S) + 1)
        self.sum_s = 0.0

    def add(self, duration_s: float) -> None:
        """Count one duration, seconds."""
        self.counts[bisect_left(BUCKETS_S, duration_s)] += 1
        self.sum_s += duration_s

    def copy(self) -> Histogram:
        """The same counts."""
        twin = Histogram()
        twin.counts, twin.sum_s = list(self.counts), self.sum_s
        return twin


@dataclass(slots=True)
class _Window:
    """What came since the last sample."""

    began_s: float
    ages_s: list[float] = field(default_factory=list)
    stages_s: dict[str, list[float]] = field(default_factory=dict)  # stage -> sum and count


@dataclass(frozen=True, slots=True)
class Totals:
    """Everything so far."""

    frames: int
    last_s: float | None  # time.monotonic() when the last frame was done
    dropped: Mapping[str, int]  # by cause
    age: Histogram
    stages: Mapping[str, Histogram]
    size_hw: tuple[int, int] | None  # of the last frame


class Meter:
    """Counts the frames of one source. One thread adds, others may look at any time.

    Args:
        dropped: frames lost so far, by cause.
    """

    def __init__(self, dropped: Callable[[], Mapping[str, int]]) -> None:
        self._dropped = dropped
        self._lock = threading.Lock()
        self._frames, self._last_s = 0, None  # type: tuple[int, float | None]
        self._size_hw: tuple[int, int] | None = None
        self._age, self._stages = Histogram(), dict[str, Histogram]()
        self._window = _Window(time.monotonic())

    def add(self, frame: Frame, done_s: float) -> None:
        """Count a frame that is done.

        Args:
            done_s: when, time.monotonic() seconds.
        """
        age_s = done_s - frame.captured_s
        with self._lock:
            self._frames += 1
            self._last_s, self._size_hw = done_s, frame.image.size_hw
            self._age.add(age_s)
            window = self._window
            window.ages_s.append(age_s)
            for name, (began_s, ended_s) in frame.stamps.spans.items():
                stage = self._stages.get(name)
                if stage is None:
                    stage = self._stages[name] = Histogram()
                stage.add(ended_s - began_s)
                sums = window.stages_s.setdefault(name, [0.0, 0.0])
                sums[0] += ended_s - began_s
                sums[1] += 1

    def sample(self) -> dict[str, Any]:
        """What came since the last sample, for a plot: rates a second, milliseconds; drops counted from the start."""
        now_s = time.monotonic()
        with self._lock:
            window, self._window = self._window, _Window(now_s)
        ages_s, span_s = sorted(window.ages_s), max(now_s - window.began_s, 1e-6)
        return {
            "fps": round(len(ages_s) / span_s, 2),
            "age_ms": _ms(ages_s[len(ages_s) // 2]) if ages_s else None,
            "age_p95_ms": _ms(ages_s[min(len(ages_s) - 1, int(0.95 * len(ages_s)))]) if ages_s else None,
            "stages_ms": {name: _ms(total / count) for name, (total, count) in window.stages_s.items()},
            "dropped": dict(self._dropped()),
        }

    def totals(self) -> Totals:
        """Everything so far."""
        with self._lock:
            stages = {name: histogram.copy() for name, histogram in self._stages.items()}
            return Totals(self._frames, self._last_s, dict(self._dropped()), self._age.copy(), stages, self._size_hw)


def _ms(duration_s: float) -> float:
    return round(duration_s * 1e3, 2)
