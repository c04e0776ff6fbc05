"""One run of the stages, measured window by window while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.bench.clock import Clock
from pipeline.bench.meter import Meter, Order
from pipeline.flow import Flow
from pipeline.trace import Trace
from pipeline.types import Frame, Picture, Stamps


@dataclass(frozen=True, slots=True)
class Came:
    """A frame that came out."""

    due_s: float  # from when its age counts
    done_s: float
    stamps: Stamps


@dataclass(frozen=True, slots=True)
class Seen:
    """One window of one stream."""

    came: tuple[Came, ...]
    given: int  # frames that went in
    drops: Mapping[str, int]  # frames of this window that did not come out, by cause
    closed_s: float  # when the last frame went in

    @property
    def fps(self) -> float | None:
        """Frames a second that came out; None: too few to say.

        Over the intervals between the frames that came out while others still went in: a line that fills, or runs
        empty, has another rate.
        """
        within = [one.done_s for one in self.came if one.done_s <= self.closed_s]
        times = within if len(within) > 2 else [one.done_s for one in self.came]
        return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else None


class Stream:
    """A flow with a meter at its head; a context manager that joins its threads.

    Args:
        flow: not yet entered; its source reads the meter.
        meter: that windows are opened with.
        clock: that times are read from.
        asked: a frame's age counts from when it was asked for, not from `captured_s`.
        frame_of: the frame of what comes out.
        trace: is told of every frame.
    """

    def __init__(
        self,
        flow: Flow[Any],
        meter: Meter,
        clock: Clock,
        *,
        asked: bool = False,
        frame_of: Callable[[Any], Frame] | None = None,
        trace: Trace | None = None,
    ) -> None:
        self._flow, self._meter, self._clock, self._asked, self._trace = flow, meter, clock, asked, trace
        self._frame_of = frame_of or _of_picture
        meter.stopping = flow.stopping

    def __enter__(self) -> Stream:
        self._flow.__enter__()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._meter.end()  # first: its thread may wait for a window
        self._flow.__exit__(kind, error, trace)

    def end(self) -> None:
        """Stop after what is under way; legal in a signal handler."""
        self._flow.end()
        self._meter.end()

    def window(self, order: Order) -> Seen | None:
        """Open a window and wait until all of it came out; None: the flow was ended meanwhile."""
        flow, meter, clock = self._flow, self._meter, self._clock
        before, came = flow.drops, []
        meter.open(order)
        while True:
            asked_s = clock.now_s()
            message = next(flow, None)
            if message is None:
                return None
            done_s = clock.now_s()
            frame = self._frame_of(message)
            due_s = max(asked_s, frame.captured_s) if self._asked else frame.captured_s
            came.append(Came(due_s, done_s, frame.stamps))
            if self._trace is not None:
                self._trace.add(frame, done_s, flow.drops)
            if frame.index == meter.last_index:
                break
        drops = {cause: count - before.get(cause, 0) for cause, count in flow.drops.items()}
        lost = {cause: count for cause, count in drops.items() if count}
        return Seen(tuple(came), meter.given, lost, meter.closed_s)


def _of_picture(picture: Picture) -> Frame:
    return picture.scene.frame
