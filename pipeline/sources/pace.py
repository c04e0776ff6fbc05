"""Streams that come in pieces of some seconds, HLS and DASH, handed on as if they came picture by picture."""

from __future__ import annotations

import time

IN_PIECES = frozenset(("hls", "dash"))  # names of FFmpeg's formats
LONGEST_S = 1.0  # a picture that is due later, or was due so long ago, begins to be counted anew


class Pace:
    """Lets pictures through when they are due. For the thread that reads.

    A piece comes at once; without this its first pictures would be the only ones that are not out of date when the
    networks are ready for them, and nothing would come until the next piece.
    """

    def __init__(self) -> None:
        self._zero_s: float | None = None  # time.monotonic() when time 0 of the stream was due

    def wait_for(self, shown_s: float) -> float:
        """Wait until a picture is due; when that was, time.monotonic() seconds. What is a little late is caught up.

        Args:
            shown_s: its time in the stream, seconds.
        """
        now_s = time.monotonic()
        if self._zero_s is None or abs(self._zero_s + shown_s - now_s) > LONGEST_S:
            self._zero_s = now_s - shown_s
        time.sleep(max(0.0, self._zero_s + shown_s - now_s))
        return time.monotonic()
