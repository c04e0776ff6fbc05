"""The line at the foot of each picture."""

from __future__ import annotations

import time

from pipeline.evaluation.truth_score import TruthScore
from pipeline.running.outputs import STREAM
from pipeline.types import Scene


class StatusLine:
    """The line on the picture: rate, age and drops, smoothed to be read; mean IoU where the truth is known."""

    def __init__(self, live: bool, score: TruthScore) -> None:
        self._live, self._score = live, score
        self._last_s: float | None = None
        self._interval_s = 0.0

    def line(self, scene: Scene) -> str:
        """What to write on the picture of a scene that is drawn now."""
        now_s = time.monotonic()
        if self._last_s is not None:
            interval_s = now_s - self._last_s
            self._interval_s += (0.05 if self._interval_s else 1.0) * (interval_s - self._interval_s)
        self._last_s = now_s
        parts = [f"{1 / self._interval_s:.1f} fps" if self._interval_s else "- fps"]
        if self._live:
            parts.append(f"age {(now_s - scene.frame.captured_s) * 1e3:.0f} ms")
        else:
            parts.append(f"{scene.frame.pts_s:.2f} s")
        if scene.rung:
            parts.append(f"at {scene.rung}")
        if dropped := sum(count for cause, count in scene.dropped.items() if not cause.startswith(STREAM)):
            parts.append(f"dropped {dropped}")
        if told := self._score.line():
            parts.append(told)
        return "   ".join(parts)
