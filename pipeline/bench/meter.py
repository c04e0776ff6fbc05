"""The source of a measured run: gives frames while a window is open, and waits between windows."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import count
from queue import SimpleQueue

from pipeline.bench.clock import Clock
from pipeline.image import Image
from pipeline.types import Frame, SourceInfo, Stamps


@dataclass(frozen=True, slots=True)
class Order:
    """A window that shall be opened."""

    seconds: float
    least: int  # frames, however long they take


class Meter:
    """A Source. Its frames count on from window to window; the last one of a window is known before it is given.

    Paced, frame i of a window is due i / fps after the window's beginning, and that is its `captured_s`: a source
    that is late itself makes frames older, not the film longer. Else frames are read as fast as they are taken.

    Args:
        info: of the footage.
        pictures: without end.
        clock: that times are read from.
        paced_fps: frames a second that are due; None: not paced.
    """

    def __init__(
        self, info: SourceInfo, pictures: Callable[[], Iterator[Image]], clock: Clock, paced_fps: float | None = None
    ) -> None:
        self.live = paced_fps is not None
        self.paced_fps = paced_fps
        self.info = replace(info, live=self.live, fps=paced_fps or info.fps, frames=None)
        self.stopping = threading.Event()  # set it to that of the flow
        self.last_index: int | None = None  # of the window that is open; None: not known yet
        self.closed_s = 0.0  # when the last frame of a window was given
        self.given = 0  # frames of the window that is open or was the last
        self._pictures, self._clock = pictures, clock
        self._orders: SimpleQueue[Order | None] = SimpleQueue()  # its `put` may be called from a signal handler
        self._running: Generator[Frame] | None = None

    def open(self, order: Order) -> None:
        """Give frames again; all of the window before must have come out."""
        self.last_index = None
        self._orders.put(order)

    def end(self) -> None:
        """Open no window any more; legal at any time and from a signal handler."""
        self._orders.put(None)

    def __enter__(self) -> Iterator[Frame]:
        self._running = self._frames()
        return self._running

    def __exit__(self, *error: object) -> None:
        if self._running is not None:
            self._running.close()
            self._running = None

    def _frames(self) -> Generator[Frame]:
        pictures, indices, clock = self._pictures(), count(), self._clock
        time_base = 1 / Fraction(self.info.fps or 25.0).limit_denominator(1001)
        while (order := self._orders.get()) is not None:
            began_s = clock.now_s()
            self.given = 0
            whole = (
                math.inf if self.paced_fps is None else max(order.least, math.ceil(order.seconds * self.paced_fps))
            )
            for number in count():
                due_s = began_s
                if self.paced_fps is not None:
                    due_s += number / self.paced_fps
                    clock.wait_until(due_s, self.stopping)
                if self.stopping.is_set():
                    return
                reading_s = clock.now_s()
                image = next(pictures)
                read_s = clock.now_s()
                index = next(indices)
                over = read_s >= began_s + order.seconds and number + 1 >= order.least
                last = over if self.paced_fps is None else number + 1 >= whole
                self.given, self.closed_s = number + 1, read_s
                if last:
                    self.last_index = index
                stamps = Stamps({"capture": (reading_s, read_s)})
                yield Frame(
                    index, index, time_base, read_s if self.paced_fps is None else due_s, image, stamps=stamps
                )
                if last:
                    break
