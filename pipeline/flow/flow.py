"""A source or several, the stages, and the caller who takes what comes out.

Standard library only: knows nothing of frames, models or devices.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Generic, TypeVar

from pipeline.flow.channel import Cancelled, Channel
from pipeline.flow.failure import Failure
from pipeline.flow.junction import Place
from pipeline.flow.ledger import Ledger, drops_of
from pipeline.flow.line import Line
from pipeline.flow.pool import Releasable, lease_of
from pipeline.flow.source import Source, Stopping, read
from pipeline.flow.stage import Stage, frames_of
from pipeline.flow.threads import Threads
from pipeline.flow.watchdog import watch

T = TypeVar("T")


class Flow(Generic[T]):
    """Run sources and stages, each in threads of its own, and iterate over what comes out.

        with Flow(source, stages) as flow:
            for item in flow:
                ...

    The first error of any thread cancels all the others and is raised once: by the loop, or on leaving
    the `with`. Leaving joins every thread. Everything is used once; the caller is one thread.

    Leases of a message are released once it has left the last stage (the caller asks for the next one, or
    leaves), when it is lost, or when the step that got it raises. A step that lets go of a message
    for any other reason releases them itself; one that holds messages back does it when it is closed.

    Several sources share the stages, where their messages go in turn; each keeps its own order.

    Args:
        source: opened, read and closed in a thread of its own, called `source_name`; or several of them.
        stages: in the order of the way.
        live: the source never waits; the newest message is kept, older ones are dropped. One for each of several.
        in_flight: most messages of the source behind that drop point (or, where the source may wait, behind
            its channel). Default for live: one more than the workers of the stage that has most.
        leases: what a message has borrowed.
        stall_s: a stage that works on one batch for longer ends the flow with a StallError. A source is not
            watched: its read has a deadline of its own.
        join_timeout_s: how long all threads together may take to stop.
        capacity: most messages that wait behind the source; 1 for live.
        source_of: the number of the source that a message is from.
        source_failed: told which source failed and how, in the thread that read it; True: the others go on.

    Attributes:
        stopping: set once it is asked to stop; a source that waits looks at it.
        ledgers: for each source, how many messages it gave, and how many of them were lost.
    """

    def __init__(
        self,
        source: Source | Sequence[Source],
        stages: Sequence[Stage],
        *,
        live: bool | Sequence[bool] = False,
        in_flight: int | None = None,
        leases: Callable[[Any], Iterable[Releasable]] = lease_of,
        stall_s: float | None = None,
        join_timeout_s: float = 5.0,
        source_name: str = "capture",
        capacity: int = 2,
        source_of: Callable[[Any], int] | None = None,
        source_failed: Callable[[int, Exception], bool] = lambda number, error: False,
    ) -> None:
        sources: Sequence[Source] = [source] if callable(source) else source
        newest = [live] * len(sources) if isinstance(live, bool) else list(live)
        if not sources or len(newest) != len(sources):
            raise ValueError(f"{len(sources)} sources, of which {len(newest)} are said to be live or not")
        names = [source_name, *(stage.name for stage in stages)]
        if len(set(names)) < len(names):
            raise ValueError(f"stages need names of their own, got {', '.join(names)}")
        if capacity < 1 or (in_flight is not None and in_flight < 1):
            raise ValueError(f"capacity and in_flight must be at least 1, got {capacity} and {in_flight}")
        if any(newest) and in_flight is None:
            in_flight = max((stage.workers for stage in stages), default=0) + 1
        self.stopping = Stopping()
        self._leases, self._join_timeout_s = leases, join_timeout_s
        self._source_of, self._source_failed = source_of, source_failed
        self.ledgers = tuple(Ledger() for _ in sources)
        self._failure = Failure()
        self._entered = self._ending = self._complete = self._cut = False
        self._held: list[T] = []  # what the caller has
        self._closed = threading.Event()

        self._line = line = Line(newest, stages, capacity, in_flight, self._discard, self._step_failed)
        self._first, self._last = line.first, line.last
        self._threads = Threads(self._fail)
        for number, (one, place) in enumerate(zip(sources, line.places, strict=True)):
            name = source_name if len(sources) == 1 else f"{source_name}-{number}"
            self._threads.add(name, partial(self._read, number, one, place))
        for worker in line.workers:
            self._threads.add(worker.name, worker.run, worker.stage.name)
        if stall_s is not None:
            self._threads.add("watchdog", partial(watch, line.workers, stall_s, self._closed, self._fail))

    @property
    def drops(self) -> Mapping[str, int]:
        """Messages lost so far, by cause: "newest" (live, too slow), "cancelled", "failed" (with its step)."""
        return drops_of(self.ledgers)

    @property
    def ended_early(self) -> bool:
        """Whether something stopped the flow before the caller had seen the end of the source."""
        return self._cut

    def end(self) -> None:
        """Read no more from the source; what is under way still comes out.

        Legal at any time, from any thread and from a signal handler. A source that is
        inside a read stops after it; one that waits can look at `stopping`.
        """
        if not self._ending:  # set first: a signal may come while this thread has the event's lock
            self._ending = True
            self.stopping.set()

    def cancel(self) -> None:
        """Stop now: everyone who waits wakes, what is under way is discarded.

        Legal at any time and from any thread, but not from a signal handler: this takes locks.
        """
        self.end()
        self._closed.set()
        if not self._complete:
            self._cut = True
        # All of them first: whatever happens in a release, everyone wakes.
        for item in self._line.cancel():
            self._discard(item, "cancelled")

    def __enter__(self) -> Flow[T]:
        if self._entered:
            raise RuntimeError("a flow is used once: make a new one")
        self._entered = True
        if not self._closed.is_set():
            try:
                self._threads.start()
            except BaseException:
                self.cancel()
                self._threads.join(self._join_timeout_s)
                raise
        return self

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if not self._take(None):
            raise StopIteration
        return self._held[0]

    def ticking(self, every_s: float) -> Iterator[T | None]:
        """What comes out, and None whenever nothing did for so long; seconds.

        Once the flow was asked to end, a source that is inside a read is not waited for: what is under way comes out,
        and what it may still give is counted as cancelled.
        """
        while self._take(every_s):
            yield self._held[0] if self._held else None
            if self._ending and not self._held and self._first.end():
                self._cut = True

    def _take(self, timeout_s: float | None) -> bool:
        """Get the next message into the caller's hands, or nothing in that time; False: there is no more."""
        if not self._entered:
            raise RuntimeError("a flow runs inside its `with`")
        self._let_go()
        try:
            self._last.get(self._held, timeout_s=timeout_s)
            if self._held or not (timeout_s is None or self._last.drained()):
                return True
            self._complete = True
        except Cancelled:
            if self._held:
                return True
        self._failure.raise_once()
        return False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.cancel()
            self._let_go()
        finally:
            stuck = self._threads.join(self._join_timeout_s)
        inside = self._failure.pending()
        if stuck:
            message = f"still running {self._join_timeout_s:g} s after the stop: {', '.join(stuck)}"
            if error is None and inside is None:
                raise TimeoutError(message)
            for failed in (error, inside):
                if failed is not None:
                    failed.add_note(message)
        if error is None:
            self._failure.raise_once()
        elif inside is not None:
            error.add_note(f"before it: {inside!r} {', '.join(getattr(inside, '__notes__', []))}".rstrip())

    def _let_go(self) -> None:
        """The caller is done with what it has."""
        if self._held:
            self._release(self._held)
            self._first.give_back(len(self._held))
            self._held.clear()

    def _release(self, items: Iterable[Any]) -> None:
        for item in items:
            for lease in self._leases(item):
                lease.release()

    def _discard(self, item: Any, cause: str) -> None:
        number = 0 if self._source_of is None else self._source_of(item)
        self.ledgers[number].drop(cause)
        self._release([item])

    # What follows runs in the threads.

    def _read(self, number: int, source: Source, place: Channel | Place) -> None:
        try:
            read(source, place, self.stopping, self.ledgers[number].capture)
        except Exception as error:
            if not self._source_failed(number, error):
                raise
        if self.stopping.is_set():
            self._cut = True
        place.end()

    def _step_failed(self, error: BaseException, stage: str, inputs: Sequence[Any], results: Sequence[Any]) -> None:
        self._fail(error, f"raised in stage {stage!r}{frames_of(inputs)}")
        for item in inputs:
            self._discard(item, "failed")
        self._release(results)

    def _fail(self, error: BaseException, note: str = "") -> None:
        if self._failure.set(error, note):
            self.cancel()
