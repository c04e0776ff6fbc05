"""When the pictures of a video are shown: the source's times as ticks of the file's clock."""

from __future__ import annotations

from fractions import Fraction

from pipeline.types import Frame

_FINEST = 1_000_000  # ticks a second; an mp4 counts them in 32 bits
_BACK_S = 1  # times that go back further are those of another recording behind the first
_STEP_S = Fraction(1, 25)  # over a jump, where frames have had no step yet


class Presentation:
    """Ticks that only grow.

    Where the source's times jump, as in MPEG-TS files that were put one behind the other, they go on from there: back
    by more than a second, or ahead by more than a file can tell. Where they come back, as after a few wrong ones, the
    jump is forgotten.

    Args:
        first: the first frame; its time base becomes the clock where the file can hold it.
        start_s: what becomes time zero, seconds. A first frame before that is moved there, with all others.
        rate: frames a second as far as known.
        fixed: the file has no times of its own, so that every tick is a frame (AVI).
        finest: ticks a second at most; None: no limit of the codec's.
        most: ticks from one frame to the next at most; None: no limit of the container's.
    """

    def __init__(
        self,
        first: Frame,
        start_s: float,
        rate: Fraction | None,
        *,
        fixed: bool = False,
        finest: int | None = None,
        most: int | None = None,
    ) -> None:
        self._most = most
        finest = finest or _FINEST
        if fixed:
            self.clock = 1 / (rate or Fraction(25))
        elif first.time_base.denominator <= finest:
            self.clock = first.time_base
        else:
            self.clock = Fraction(1, finest)
        self.exact = True  # no time was rounded so far
        self.interval = max(1, round(1 / (rate * self.clock))) if rate else 0  # ticks, between the last two
        self.last = -1  # ticks, of the last frame
        self.moved = 0  # frames whose time did not come after that of the one before
        origin = round(Fraction(start_s) / self.clock)
        self._origin = origin + min(0, self._in_source(first) - origin)
        self._before = self._origin  # before the last jump
        # The time of the source that is time zero of the file, seconds; one more after each jump.
        self.origins = [self._origin * self.clock]

    @property
    def origin(self) -> Fraction:
        """The last of them."""
        return self.origins[-1]

    def jumps(self, step_s: Fraction) -> bool:
        """Whether times that change by so much have jumped."""
        return step_s < -_BACK_S or (self._most is not None and step_s / self.clock > self._most)

    @property
    def end_s(self) -> float:
        """When the last frame ends, seconds; it is taken to last as long as the one before."""
        return float((self.last + self.interval) * self.clock)

    def ticks(self, frame: Frame) -> int:
        """When a frame is shown; at least one tick after the frame before."""
        if len(self.origins) > 1:
            back = self._in_source(frame) - self._before
            if self.last < back <= self.last + round(_BACK_S / self.clock):
                self._origin = self._before
                self.origins.pop()
                self._before = round(self.origins[-2:][0] / self.clock)
        ticks = self._in_source(frame) - self._origin
        if self.last >= 0 and self.jumps((ticks - self.last) * self.clock):
            self._before = self._origin
            self._origin += ticks - (self.last + (self.interval or max(1, round(_STEP_S / self.clock))))
            self.origins.append(self._origin * self.clock)
            ticks = self._in_source(frame) - self._origin
        if ticks <= self.last:
            ticks = self.last + 1
            self.moved += 1
        if self.last >= 0:
            self.interval = ticks - self.last
        self.last = ticks
        return ticks

    def _in_source(self, frame: Frame) -> int:
        if frame.time_base == self.clock:
            return frame.pts
        ticks = frame.pts * frame.time_base / self.clock
        self.exact = self.exact and ticks.denominator == 1
        return round(ticks)
