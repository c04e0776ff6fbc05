"""What the frames of all windows come to: age, and for each stage its work and the wait before it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

from pipeline.bench.stream import Came
from pipeline.timing import Distribution

PERCENTILES = (50.0, 90.0, 99.0, 99.9)
_GROWTH = 1.04  # of the histogram's bins


class Tally:
    """Frames, counted. Used by one thread."""

    def __init__(self) -> None:
        self.age = Distribution()
        self.service: dict[str, Distribution] = {}
        self.waiting: dict[str, Distribution] = {}
        self.device: dict[str, Distribution] = {}
        self._order: list[str] = []  # of the stages that a frame passes at most, as it passes them
        self._bins: Counter[int] = Counter()  # bin i: growth^i <= ms < growth^(i + 1)

    def add(self, frames: Iterable[Came]) -> None:
        """Count the frames of a window."""
        for frame in frames:
            age_s = frame.done_s - frame.due_s
            self.age.add(age_s)
            self._bins[math.floor(math.log(max(age_s * 1e3, 1e-6), _GROWTH))] += 1
            free_s = None  # from when the next stage could have it
            passed = sorted(frame.stamps.spans.items(), key=lambda item: item[1])
            if len(passed) > len(self._order):
                self._order = [stage for stage, _ in passed]
            for stage, (began_s, ended_s) in passed:
                _add(self.service, stage, ended_s - began_s)
                if free_s is not None:
                    _add(self.waiting, stage, max(0.0, began_s - free_s))
                free_s = max(ended_s, frame.due_s)
            for name, (began_s, ended_s) in frame.stamps.device.items():
                _add(self.device, name, ended_s - began_s)

    @property
    def looked_share(self) -> float:
        """The part of the frames that the networks looked at, 0..1; under 1 where the rest is carried."""
        return self.service["infer"].count / self.age.count if "infer" in self.service else 1.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON; milliseconds."""
        return {
            "age_ms": percentiles(self.age),
            "age_histogram": self._histogram(),
            "stages": {
                stage: {
                    "service_ms": percentiles(self.service[stage]),
                    "waiting_ms": percentiles(self.waiting[stage]) if stage in self.waiting else None,
                }
                for stage in dict.fromkeys([*self._order, *self.service])
            },
            "device_ms": {name: percentiles(times) for name, times in self.device.items()},
        }

    def _histogram(self) -> dict[str, list[float] | list[int]]:
        if not self._bins:
            return {"edges_ms": [], "counts": []}
        first, last = min(self._bins), max(self._bins)
        edges = [round(_GROWTH**place, 6) for place in range(first, last + 2)]
        return {"edges_ms": edges, "counts": [self._bins[place] for place in range(first, last + 1)]}


def percentiles(times: Distribution) -> dict[str, Any]:
    """Milliseconds: mean, percentiles, maximum; and a sentence for each percentile that the samples do not carry."""
    figures: dict[str, Any] = {"samples": times.count, "mean": times.sum_s / times.count if times.count else None}
    figures |= {name_of(percent): times.percentile_s(percent) for percent in PERCENTILES}
    figures["max"] = times.max_s if times.count else None
    for name, value in figures.items():
        if name != "samples" and value is not None:
            figures[name] = round(value * 1e3, 4)
    missing = [name_of(percent) for percent in PERCENTILES if figures[name_of(percent)] is None]
    return {**figures, "refused": [f"not enough samples for {name}" for name in missing]}


def name_of(percent: float) -> str:
    """A percentile as figures call it: p50, p99.9."""
    return f"p{percent:g}"


def _add(to: dict[str, Distribution], name: str, duration_s: float) -> None:
    if name not in to:
        to[name] = Distribution()
    to[name].add(duration_s)
