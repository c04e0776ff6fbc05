"""Frames and their times count on over a gap."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from pipeline.types import Frame, Gap


class Onward:
    """The place of each frame among all that came from one source, over its connections.

    The first frame behind a gap is as much later than the last one before it as it was captured later, and at least a
    tick. Before the first gap frames stay as they are.

    Attributes:
        count: how many frames came so far.
        next_index: the index of the next frame behind a gap.
    """

    def __init__(self) -> None:
        self.count = 0
        self._gaps = 0  # so far
        # Of the last frame, to go on from:
        self._index, self._pts, self._captured_s, self._time_base, self._shift = -1, 0, 0.0, Fraction(1), 0

    @property
    def next_index(self) -> int:
        """See above."""
        return self._index + 1

    def gap_before(self, frame: Frame, reason: str) -> Gap:
        """There is a gap between the last frame and this one, which is not placed yet; `reason` says why."""
        away_s = max(0.0, frame.captured_s - self._captured_s)
        self._shift = self._pts + max(1, round(away_s / self._time_base)) - self._ticks(frame)
        self._gaps += 1
        return Gap(float(self._pts * self._time_base), away_s, reason)

    def place(self, frame: Frame) -> Frame:
        """The frame, with its index and time among all that came."""
        if self._gaps:
            pts = max(self._ticks(frame) + self._shift, self._pts + 1)
            frame = replace(frame, index=self._index + 1, pts=pts, time_base=self._time_base, gaps=self._gaps)
        self._index, self._pts, self._captured_s = frame.index, frame.pts, frame.captured_s
        self._time_base = frame.time_base
        self.count += 1
        return frame

    def _ticks(self, frame: Frame) -> int:
        if frame.time_base == self._time_base:
            return frame.pts
        return round(frame.pts * frame.time_base / self._time_base)
