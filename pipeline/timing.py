"""When each stage worked on each frame, and what that comes to: rates and percentiles."""

from __future__ import annotations

import math
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pipeline.types import Frame

Step = Callable[[list[Any]], Iterable[Any]]
PERCENTILES = (50, 90, 99)


class _Timed:
    """A step that stamps the frames it was given."""

    def __init__(
        self, name: str, step: Step, frame_of: Callable[[Any], Frame], of: Callable[[Frame], bool] | None
    ) -> None:
        self._name, self._step, self._frame_of, self._of = name, step, frame_of, of

    def _frames(self, messages: Iterable[Any]) -> Iterable[Frame]:
        frames = map(self._frame_of, messages)
        return frames if self._of is None else filter(self._of, frames)

    def __call__(self, batch: list[Any]) -> list[Any]:
        began_s = time.monotonic()
        results = list(self._step(batch))
        span = began_s, time.monotonic()
        for frame in self._frames(batch):
            frame.stamps.spans[self._name] = span
        return results


class _TimedSlots(_Timed):
    """A step that holds messages back: a frame's span goes from its call to when its result came out."""

    def __call__(self, batch: list[Any]) -> list[Any]:
        began_s = time.monotonic()
        for frame in self._frames(batch):  # before the call: it may give a message of this batch at once
            frame.stamps.spans[self._name] = began_s, began_s
        return self._stamp(self._step(batch))

    def drain(self) -> list[Any]:
        step: Any = self._step
        return self._stamp(step.drain())

    def _stamp(self, results: Iterable[Any]) -> list[Any]:
        given = list(results)
        ended_s = time.monotonic()
        for frame in self._frames(given):
            spans = frame.stamps.spans
            spans[self._name] = spans.get(self._name, (ended_s,))[0], ended_s
        return given


def timed(name: str, step: Step, frame_of: Callable[[Any], Frame], of: Callable[[Frame], bool] | None = None) -> Step:
    """The same step, which notes in `stamps.spans[name]` of each frame when it worked on it.

    All frames of a batch get the span of the whole call: that is what each of them waited for. A step with
    `drain` keeps it; its spans end when the result comes out, so spans of slots in flight overlap.

    Args:
        frame_of: the frame of a message, of an input as of a result.
        of: which frames it works on, the others only pass; None: all.
    """
    return (_TimedSlots if hasattr(step, "drain") else _Timed)(name, step, frame_of, of)


class Distribution:
    """Many durations in little memory, and their percentiles.

    The first 10,000 are kept as they are. After that only counts remain, in buckets whose borders grow by
    the factor 1.02: a percentile is then off by at most 1 % (DDSketch: Masson, Rim, Lee, PVLDB 12, 2019,
    with alpha = 0.01). Durations under a nanosecond count as one.
    """

    EXACT = 10_000
    ERROR = 0.01
    _LOG_GROWTH = math.log((1 + ERROR) / (1 - ERROR))
    _LEAST_S = 1e-9

    def __init__(self) -> None:
        self.count = 0
        self.sum_s = 0.0
        self.max_s = -math.inf
        self._exact: array[float] = array("d")
        self._buckets: Counter[int] = Counter()  # bucket i holds growth^(i-1) < value <= growth^i

    def add(self, duration_s: float) -> None:
        """Count one duration, seconds."""
        self.count += 1
        self.sum_s += duration_s
        if duration_s > self.max_s:
            self.max_s = duration_s
        if self.count <= self.EXACT:
            self._exact.append(duration_s)
            return
        if self._exact:
            self._buckets.update(map(self._bucket, self._exact))
            del self._exact[:]
        self._buckets[self._bucket(duration_s)] += 1

    def _bucket(self, duration_s: float) -> int:
        least = max(duration_s, self._LEAST_S)
        return math.ceil(math.log(least) / self._LOG_GROWTH)

    def _ranked(self, ranks: tuple[int, int]) -> list[float]:
        """The durations at these ranks, 0 is the least; ranks ascend."""
        if self._exact:
            ordered = sorted(self._exact)
            return [ordered[rank] for rank in ranks]
        found, seen, wanted = [], 0, list(ranks)
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            while wanted and wanted[0] < seen:
                wanted.pop(0)
                middle_s = math.exp(bucket * self._LOG_GROWTH) * (1 - self.ERROR)
                found.append(min(middle_s, self.max_s))
        return found

    def percentile_s(self, percent: float) -> float | None:
        """The percentile, seconds, between ranks as numpy.percentile does it by default.

        None where there are too few samples for it: with fewer than 1 / (1 - p) of them not one
        lies beyond the percentile, and it would only be the maximum under another name.
        """
        if round(self.count * (100 - percent), 6) < 100:  # 100 - 99.9 is no round number
            return None
        rank = (self.count - 1) * percent / 100
        low = math.floor(rank)
        below_s, above_s = self._ranked((low, min(low + 1, self.count - 1)))
        return below_s + (above_s - below_s) * (rank - low)

    def as_dict(self) -> dict[str, float | int | None]:
        """Milliseconds: mean, percentiles, maximum; and how many samples."""
        numbers: dict[str, float | None] = {"mean": self.sum_s / self.count if self.count else None}
        numbers |= {f"p{percent}": self.percentile_s(percent) for percent in PERCENTILES}
        numbers["max"] = self.max_s if self.count else None
        rounded = {name: None if s is None else round(s * 1e3, 4) for name, s in numbers.items()}
        return {"samples": self.count, **rounded}


class Summary:
    """What a run comes to: frames, rates, service time per stage, and age. Memory does not grow with frames.

    Rates count n completions over n intervals. `fps` takes all n frames over the time from the first frame's
    capture to the last one's completion: the wait for the first result is one of the n intervals. `fps_steady`
    leaves the first `warm_up` frames out: the completion of the last of them starts the clock, so the n
    frames behind it are again n intervals. Frames in flight end together, so it is None until as many came behind
    the warm-up as in it. (Ticks over the time between the first and the last tick, the
    usual mistake, count n over n - 1.)

    Used by one thread.

    Args:
        warm_up: frames that the steady rate leaves out.
    """

    def __init__(self, warm_up: int = 10) -> None:
        self._warm_up = warm_up
        self.processed = self.carried = 0
        self._first_captured_s = self._warm_done_s = self._last_done_s = 0.0
        self._age = Distribution()
        self._stages: dict[str, Distribution] = {}

    def add(self, frame: Frame, done_s: float | None = None) -> None:
        """Count a finished frame.

        Args:
            done_s: when it was done, time.monotonic(); now by default.
        """
        if done_s is None:
            done_s = time.monotonic()
        if self.processed == 0:
            self._first_captured_s = frame.captured_s
        self.processed += 1
        self.carried += frame.carried > 0
        if self.processed == self._warm_up:
            self._warm_done_s = done_s
        self._last_done_s = done_s
        self._age.add(done_s - frame.captured_s)
        for name, (began_s, ended_s) in frame.stamps.spans.items():
            stage = self._stages.get(name)
            if stage is None:
                stage = self._stages[name] = Distribution()
            stage.add(ended_s - began_s)

    @property
    def fps(self) -> float | None:
        """Frames per second from the first capture to the last completion."""
        return _rate(self.processed, self._last_done_s - self._first_captured_s)

    @property
    def fps_steady(self) -> float | None:
        """Frames per second behind the warm-up; None if fewer came behind it than in it."""
        behind = self.processed - self._warm_up
        if behind < self._warm_up:
            return None
        return _rate(behind, self._last_done_s - (self._warm_done_s or self._first_captured_s))

    def as_dict(self, dropped: Mapping[str, int] | None = None) -> dict[str, Any]:
        """All of it, for JSON: times in milliseconds, None where there are too few frames to say.

        Args:
            dropped: frames lost, by cause.
        """
        dropped = dict(dropped or {})
        return {
            "frames": {
                "in": self.processed + sum(dropped.values()),
                "processed": self.processed,
                **({"carried": self.carried} if self.carried else {}),
                "dropped": dropped,
            },
            "fps": _rounded(self.fps),
            "fps_steady": _rounded(self.fps_steady),
            "warm_up_frames": self._warm_up,
            "age_ms": self._age.as_dict(),
            "stages_ms": {name: stage.as_dict() for name, stage in self._stages.items()},
        }


def _rate(frames: int, time_s: float) -> float | None:
    return frames / time_s if frames > 0 and time_s > 0 else None


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 3)
