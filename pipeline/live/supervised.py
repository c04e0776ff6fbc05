"""A source with a state: it is opened again when it was lost, and its frames go on counting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace

from pipeline.config import ReconnectConfig
from pipeline.errors import SourceError
from pipeline.live.attempts import Attempts
from pipeline.live.onward import Onward
from pipeline.live.state import SourceState, State
from pipeline.live.state_log import StateLog
from pipeline.memory import reclaim
from pipeline.types import Frame, Gap, Source, SourceInfo


class Supervised:
    """A source around a source; see pipeline.types.Source and live.state.Stateful.

    Frames count on over a reconnection, and so do their times, see Onward. Nothing is made up in between: a gap is
    told, see `gaps_before`. What comes back may have another size or codec; frames say their size, `info` follows.

    Args:
        make: a new source, not yet open; called for each attempt.
        rules: how it is opened again; None: an error ends it.
        stalled_s: without a frame for so long, and for three times as long as between the last two, it counts as
            stalled; None: never, as for recordings.

    Attributes:
        stopping: while it is set, nothing is waited for and nothing opened again. Give it a flow's.
    """

    def __init__(
        self, make: Callable[[], Source], rules: ReconnectConfig | None = None, stalled_s: float | None = None
    ) -> None:
        self._make, self._stalled_s = make, stalled_s
        self.stopping = threading.Event()
        self._source = make()
        self.live = self._source.live
        self._info = self._source.info
        self._opened: Iterator[Frame] | None = None
        self._failure: SourceError | None = None  # of the first attempt, until the frames are asked for
        self._running: Generator[Frame] | None = None
        self._undecodable = 0  # in connections that are over
        self._came_s: float | None = None  # when the last frame came, time.monotonic()
        self._apart_s = 0.0  # the last two of this connection
        self._log, self._attempts, self._onward = StateLog(), Attempts(rules), Onward()

    @property
    def info(self) -> SourceInfo:
        """What is known so far; of the connection before, until the next one has given a frame."""
        latest = self._source.info
        if latest.size_hw is not None or self._info.size_hw is None:
            self._info = latest
        return self._info

    @property
    def undecodable(self) -> int:
        """Packets that did not decode so far, over all connections."""
        return self._undecodable + getattr(self._source, "undecodable", 0)

    @property
    def notes(self) -> list[str]:
        """What a user should know once the frames have ended."""
        return getattr(self._source, "notes", [])

    @property
    def frames(self) -> int:
        """How many frames came so far."""
        return self._onward.count

    @property
    def state(self) -> SourceState:
        """At this moment; from any thread."""
        state, came_s = self._log.now, self._came_s
        if state.state != "live" or self._stalled_s is None or came_s is None:
            return state
        stalled_s = max(self._stalled_s, 3 / (self._info.fps or 25), 3 * self._apart_s)
        if time.monotonic() - came_s <= stalled_s:
            return state
        why = f"{self._info.name}: nothing came for {stalled_s:.3g} s"
        return SourceState("stalled", came_s + stalled_s, 0, why, state.gaps)

    def changes(self) -> list[SourceState]:
        """The states it came into since the last call, each once; for one thread."""
        return self._log.changes(lambda: self.state)

    def gaps_before(self, index: int) -> tuple[Gap, ...]:
        """The gaps before a frame that were not asked for yet; for one thread, with growing indices."""
        return self._log.gaps_before(index)

    def begin(self) -> None:
        """Open a recording and read its first frame ahead of `__enter__`, while something else is waited for.

        Nothing is raised: what goes wrong is said where the source is entered. `__exit__` closes it, entered or not.
        """
        if self.live or self._opened is not None:
            return
        try:
            self._open()
            assert self._opened is not None
            self._opened = _with_first(next(self._opened), self._opened)
        except StopIteration:
            pass  # it has ended, and says so again
        except SourceError as error:  # not tried again: what comes through a pipe comes once
            self._close()
            self._failure = error

    def __enter__(self) -> Iterator[Frame]:
        """Open it, once; where that fails and may mend itself, the iterator tries again.

        Raises:
            SourceError: here or from the iterator, where it is given up.
        """
        try:
            if self._failure is not None:
                raise self._failure
            if self._opened is None:
                self._open()
        except SourceError as error:
            self._failure = error
            if not self._attempts.may_mend(error, self.frames > 0):
                self._change("ended", error.message)
                raise
        self._running = self._frames()
        return self._running

    def __exit__(self, *error: object) -> None:
        if self._running is not None:
            self._running.close()
            self._running = None
        self._close()
        if self._log.now.state != "ended":
            self._change("ended")

    # What follows runs in the thread that reads.

    def _frames(self) -> Generator[Frame]:
        while True:
            failure, self._failure = self._failure, None
            try:
                if failure is None:
                    if self._opened is None:
                        self._open()
                    assert self._opened is not None
                    for frame in self._opened:
                        yield self._arrived(frame)
            except SourceError as error:
                failure = error
            self._close()
            if failure is None or self.stopping.is_set():
                self._change("ended", "" if failure is None else failure.message)
                return
            if not self._attempts.may_mend(failure, self.frames > 0):
                self._change("ended", failure.message)
                raise self._attempts.given_up(failure)
            if self._attempts.number == 0:
                reclaim()
            wait_s = self._attempts.failed(failure.message)
            self._change("lost", failure.message)
            if self.stopping.wait(wait_s):
                self._change("ended", failure.message)
                return

    def _open(self) -> None:
        self._attempts.begin()
        self._change("connecting", self._log.now.reason)
        if self._attempts.number > 1 or self.frames:
            self._undecodable += getattr(self._source, "undecodable", 0)
            self._source = self._make()
        self._opened = self._source.__enter__()

    def _close(self) -> None:
        if self._opened is not None:
            self._opened = None
            self._source.__exit__(None, None, None)

    def _arrived(self, frame: Frame) -> Frame:
        """The frame in its place among all that came."""
        fresh = self._log.now.state != "live"
        if fresh and self._onward.count:
            self._log.gap(self._onward.next_index, self._onward.gap_before(frame, self._attempts.reason))
        frame = self._onward.place(frame)
        now_s = time.monotonic()
        self._apart_s = 0.0 if fresh or self._came_s is None else now_s - self._came_s
        self._came_s = now_s
        if fresh:
            self._attempts.succeeded()
            self._change("live", self._news())
        return frame

    def _news(self) -> str:
        """What is other than before, in a sentence; empty: nothing."""
        before, now = self._info, self._source.info
        self._info = now
        changed = before.size_hw != now.size_hw or before.codec != now.codec
        if self.frames == 1 or not changed or before.size_hw is None:
            return ""
        return f"{now.name} came back as {_shape(now)}, it was {_shape(before)}"

    def _change(self, state: State, reason: str = "") -> None:
        self._log.change(state, self._attempts.number, reason)


def _with_first(first: Frame, others: Iterator[Frame]) -> Iterator[Frame]:
    """All frames; the first one was read ahead, and counts as taken when it is asked for."""
    yield replace(first, captured_s=time.monotonic())
    yield from others


def _shape(info: SourceInfo) -> str:
    height, width = info.size_hw or (0, 0)
    return f"{width}x{height} {info.codec}".rstrip()
