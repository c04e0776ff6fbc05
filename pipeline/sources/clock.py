"""Presentation times: the stream's own, exactly, or made where it has none."""

from __future__ import annotations

from fractions import Fraction

from av import VideoFrame
from av.video.stream import VideoStream

UNSTATED_FPS = Fraction(25)  # of an elementary stream that says nothing: FFmpeg's own default
ARRIVAL_TIME_BASE = Fraction(1, 1_000_000)
BACK_S = 0.2  # a live stream's clock that goes back by more was set anew, else it is jitter
AHEAD_S = 10.0  # ... or that goes forward by so much more than the time that passed


class Clock:
    """Times the pictures of one stream, in the order they are shown.

    A recording with timestamps keeps them; without, its pictures are counted at its frame rate. Live streams
    count from their first picture, whatever their clock says (a camera's counts from the start of the
    machine); without timestamps they are timed by arrival.

    Args:
        stream: an open one.
        fps: stated by the user, for recordings without timestamps; None: as guessed from the stream.
        live: times begin at 0 and increase strictly.
        timed: False where the timestamps are known to be made up (JPEG over HTTP).
    """

    def __init__(self, stream: VideoStream, fps: float | None, live: bool, timed: bool = True) -> None:
        # PyAV has rationals of its own from 19 on, and says 0/1 where it said None.
        rate = stream.guessed_rate or stream.average_rate or UNSTATED_FPS
        self.rate = Fraction(rate) if fps is None else Fraction(str(fps)).limit_denominator(1001)
        self.time_base = Fraction(stream.time_base or ARRIVAL_TIME_BASE)  # seconds; final after the first picture
        self.counted = False  # the times are made at `rate`; known after the first picture
        self.origin = stream.start_time or 0  # where the stream begins, in units of time_base
        self._starts = stream.start_time is not None
        self._live = live
        self._by_arrival = not timed
        self._began_s = 0.0
        self._shift = 0  # of live streams
        self._last: int | None = None  # as the stream counts
        self._last_arrived_s = 0.0

    def time(self, picture: VideoFrame, arrived_s: float) -> int:
        """Presentation time of the next picture, in units of time_base."""
        if self._last is None:
            self._choose(picture, arrived_s)
        pts = self._time(picture, arrived_s)
        if self._live:
            if self._last is None:
                self._shift, self.origin = pts, 0
            else:
                passed_s = max(0.0, arrived_s - self._last_arrived_s)
                if not -BACK_S <= (pts - self._last) * self.time_base <= passed_s + AHEAD_S:
                    self._shift += pts - self._last - max(self._step(picture), round(passed_s / self.time_base))
                else:
                    pts = max(pts, self._last + 1)
            self._last_arrived_s = arrived_s
        self._last = pts
        return pts - self._shift

    def _choose(self, picture: VideoFrame, arrived_s: float) -> None:
        untimed = picture.pts is None and not self._starts
        self._by_arrival = self._live and (untimed or self._by_arrival)
        self.counted = untimed and not self._live
        if self._by_arrival:
            self._began_s, self.time_base, self.origin = arrived_s, ARRIVAL_TIME_BASE, 0
        if self.counted:
            self.time_base = 1 / self.rate

    def _time(self, picture: VideoFrame, arrived_s: float) -> int:
        if self._by_arrival:
            return int((arrived_s - self._began_s) / ARRIVAL_TIME_BASE)
        if self.counted:
            return 0 if self._last is None else self._last + 1
        if picture.pts is not None:
            return picture.pts
        # RTSP cannot time what comes before the server's first report
        return self.origin - self._step(picture) if self._last is None else self._last + self._step(picture)

    def _step(self, picture: VideoFrame) -> int:
        """How long a picture is shown, in units of time_base."""
        return picture.duration or max(1, round(1 / (self.rate * self.time_base)))
