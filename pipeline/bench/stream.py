"""One run of the stages over one source or several, measured window by window while it goes on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.bench.clock import Clock
from pipeline.bench.meter import Meter, Order
from pipeline.flow import Flow
from pipeline.running.messages import frame_of
from pipeline.trace import Trace
from pipeline.types import Stamps


@dataclass(frozen=True, slots=True)
class Came:
    """A frame that came out."""

    due_s: float  # from when its age counts
    done_s: float
    stamps: Stamps


@dataclass(frozen=True, slots=True)
class Seen:
    """One window of one source."""

    came: tuple[Came, ...]
    given: int  # frames that went in
    drops: Mapping[str, int]  # frames of this window that did not come out, by cause
    closed_s: float  # when the last frame went in
    together: int = 1  # frames that workers and batches may give at about the same time
    paced_fps: float | None = None  # frames a second that were due; None: no pace

    @property
    def fps(self) -> float | None:
        """Frames a second that came out; None: too few to say.

        Over the intervals between the frames that came out while others still went in: a line that fills, or runs
        empty, has another rate. Where frames come several at a time, over whole rounds of them: from the first frame
        of a round to the last of another would be more frames than intervals. No more than were due: where none was
        lost all of them came, and that the first one was late made the others no faster.
        """
        if self.paced_fps is not None and self.came and len(self.came) == self.given:
            return self.paced_fps
        within = [one.done_s for one in self.came if one.done_s <= self.closed_s]
        times = within if len(within) > 2 else [one.done_s for one in self.came]
        last = len(times) - 1
        last -= last % self.together if last >= self.together else 0
        if last < 1 or times[last] <= times[0]:
            return None
        return min(last / (times[last] - times[0]), self.paced_fps or math.inf)


class Streams:
    """A flow with a meter at the head of each of its sources; a context manager that joins its threads.

    Args:
        flow: not yet entered; its source number k reads meter k.
        meters: that windows are opened with, on all of them together.
        clock: that times are read from.
        asked: a frame's age counts from when it was asked for, not from `captured_s`.
        trace: is told of every frame of the first source.
        together: frames that may come out at about the same time, see Seen.
    """

    def __init__(
        self,
        flow: Flow[Any],
        meters: Sequence[Meter],
        clock: Clock,
        *,
        asked: bool = False,
        trace: Trace | None = None,
        together: int = 1,
    ) -> None:
        self._flow, self._meters, self._clock, self._asked, self._trace = flow, meters, clock, asked, trace
        self._together = together
        self._ended = False
        for meter in meters:
            meter.stopping = flow.stopping

    def __enter__(self) -> Streams:
        self._flow.__enter__()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        for meter in self._meters:
            meter.end()  # first: its thread may wait for a window
        self._flow.__exit__(kind, error, trace)

    def end(self) -> None:
        """Stop after what is under way; legal in a signal handler."""
        self._ended = True
        self._flow.end()
        for meter in self._meters:
            meter.end()

    def cancel(self) -> None:
        """Stop now; legal in any thread."""
        self.end()
        self._flow.cancel()

    def window(self, order: Order) -> list[Seen] | None:
        """Open a window on every source and wait until all of it came out; None: the flow was ended meanwhile."""
        flow, clock = self._flow, self._clock
        if self._ended:
            return None
        before = [ledger.drops for ledger in flow.ledgers]
        came: list[list[Came]] = [[] for _ in self._meters]
        for meter in self._meters:
            meter.open(order)
        going_on = set(range(len(self._meters)))
        while going_on:
            asked_s = clock.now_s()
            message = next(flow, None)
            if message is None:
                return None
            done_s = clock.now_s()
            frame = frame_of(message)
            due_s = max(asked_s, frame.captured_s) if self._asked else frame.captured_s
            came[frame.source].append(Came(due_s, done_s, frame.stamps))
            if self._trace is not None and frame.source == 0:
                self._trace.add(frame, done_s, flow.ledgers[0].drops)
            if frame.index == self._meters[frame.source].last_index:
                going_on.remove(frame.source)
        drops = [since(old, ledger.drops) for old, ledger in zip(before, flow.ledgers, strict=True)]
        parts = zip(self._meters, came, drops, strict=True)
        return [
            Seen(tuple(own), meter.given, lost, meter.closed_s, self._together, meter.paced_fps)
            for meter, own, lost in parts
        ]


def since(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    """What was lost meanwhile, by cause."""
    return {cause: count - before.get(cause, 0) for cause, count in now.items() if count > before.get(cause, 0)}
