"""A recorded source that comes as it was filmed: each frame at its own time, whether anybody is ready or not."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from itertools import chain, islice

from pipeline.errors import SourceError
from pipeline.flow import Flow
from pipeline.metrics.streaming import Moment
from pipeline.types import Frame, Source, SourceInfo, Stamps

AHEAD_BYTES = 256 << 20  # of pictures that are decoded before the film begins
READ_AHEAD = 8  # frames that are decoded ahead once it runs


class Paced:
    """A live Source made of a recorded one.

    Decoding a file is no part of what a camera costs, so up to 256 MB of pictures are decoded before the first one is
    shown (as in mtli/sAP, rt_det.py), and the rest is read ahead in a thread of its own. A frame's `captured_s` is
    when it was due: a source that cannot keep up makes results late, not the film longer. Truth is left out.

    Args:
        source: gives frames with ascending times.
    """

    live = True

    def __init__(self, source: Source) -> None:
        self.shown: list[Moment] = []  # every frame so far; seconds after the first one
        self.began_s = 0.0  # when the first frame was shown, time.monotonic()
        self.latest_s = 0.0  # by how much the source itself was late, at worst
        self.stopping = threading.Event()  # wakes it; set it to that of the flow
        self._source = source
        self._running: Generator[Frame] | None = None

    @property
    def info(self) -> SourceInfo:
        """That of the source, live."""
        return replace(self._source.info, live=True)

    def __enter__(self) -> Iterator[Frame]:
        self._running = self._frames()
        return self._running

    def __exit__(self, *error: object) -> None:
        if self._running is not None:
            self._running.close()
            self._running = None

    def _frames(self) -> Generator[Frame]:
        self.shown.clear()
        reading: Flow[Frame] = Flow(lambda: self._source, (), capacity=READ_AHEAD, source_name="read ahead")
        with reading:
            frames = (replace(frame, truth=None) for frame in reading)
            first = list(islice(frames, 1))
            if not first:
                return
            ahead = AHEAD_BYTES // max(1, sum(plane.nbytes for plane in first[0].image.planes))
            first += islice(frames, ahead)
            self.began_s = time.monotonic()
            yield from self._at_their_times(chain(_given_up(first), frames), first_s=first[0].pts_s)

    def _at_their_times(self, frames: Iterator[Frame], first_s: float) -> Iterator[Frame]:
        for frame in frames:
            at_s = film_s(frame, first_s)
            if self.shown and at_s <= self.shown[-1].at:
                raise SourceError(
                    f"frame {frame.index} is shown at {at_s:g} s, no later than the one before it",
                    hint="a film needs times that ascend; set source.fps for images",
                )
            due_s = self.began_s + at_s
            while (wait_s := due_s - time.monotonic()) > 0 and not self.stopping.wait(wait_s):
                pass
            if self.stopping.is_set():
                return
            self.latest_s = max(self.latest_s, -wait_s)
            self.shown.append(Moment(frame.index, at_s))
            yield replace(frame, captured_s=due_s, stamps=Stamps())


def film_s(frame: Frame, first_s: float) -> float:
    """When a frame is shown, seconds after the first one, in whole nanoseconds."""
    return round((frame.pts_s - first_s) * 1e9) / 1e9


def _given_up(frames: list[Frame]) -> Iterator[Frame]:
    """The frames, none of which stays in the list once it was given."""
    frames.reverse()
    while frames:
        yield frames.pop()
