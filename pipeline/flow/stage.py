"""A stage and the threads that work for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from pipeline.flow.channel import Channel
from pipeline.flow.junction import Junction
from pipeline.flow.outlet import Outlet

# A batch of messages in, none or several out. A step that holds messages back (a GPU with several
# slots) also has `drain() -> Iterable`: it is called while the step holds some and no input waits, and at
# the end, again and again until it gives nothing. So it may give the oldest and be asked once more.
Step = Callable[[list[Any]], Iterable[Any]]


@dataclass(frozen=True)
class Stage:
    """One kind of work.

    With several workers, results leave in the order of their inputs; a step with `drain` is then drained
    after every batch, because nothing else tells which inputs its results belong to.

    Args:
        name: for errors, threads and times; unique in its flow.
        open: a context manager around a step. Each worker opens, uses and closes its own in its own thread.
            On a stop before the end the context sees `Cancelled`.
        workers: how many threads.
        batch: most messages a step is given at once; those that wait are taken.
        linger_s: how long is waited for a batch to fill, once there is a message; seconds.
        capacity: most messages that wait behind this stage.
        rescue: called by the watchdog, once, where a worker is stuck: tries to make it raise or return, and says what
            it did, "" where nothing can be done. The worker then has as long again. Legal from any thread; quick.
    """

    name: str
    open: Callable[[], AbstractContextManager[Step]]
    workers: int = 1
    batch: int = 1
    capacity: int = 2
    linger_s: float = 0.0
    rescue: Callable[[], str] | None = None

    def __post_init__(self) -> None:
        for field, value in (("workers", self.workers), ("batch", self.batch), ("capacity", self.capacity)):
            if value < 1:
                raise ValueError(f"stage {self.name!r}: {field} must be at least 1, got {value}")


class Worker:
    """What one thread of a stage does.

    Args:
        name: of its thread.
        give_back: told how many messages ended inside the step; less than 0: how many began there.
        fail: takes an error and the messages it happened with.
    """

    def __init__(
        self,
        name: str,
        stage: Stage,
        inbox: Channel | Junction,
        outlet: Outlet,
        give_back: Callable[[int], None],
        fail: Callable[[BaseException, str, Sequence[Any], Sequence[Any]], None],
    ) -> None:
        self.name, self.stage, self.inbox = name, stage, inbox
        self._outlet, self._give_back, self._fail = outlet, give_back, fail
        # When the stage's own code was entered, time.monotonic(); None: not inside. For the watchdog.
        self.opening_since_s: float | None = None
        self.busy_since_s: float | None = None
        self.in_hand: list[Any] = []

    def run(self) -> None:
        """Open the step, use it on all that comes, close it."""
        self.inbox.check()
        self.opening_since_s = time.monotonic()
        with self.stage.open() as step:
            self.opening_since_s = None
            self._serve(step)
            self.busy_since_s = time.monotonic()
        self.busy_since_s = None
        self._outlet.finish()

    def _serve(self, step: Step) -> None:
        inbox, limit, send = self.inbox, self.stage.batch, self._outlet.channel.put
        linger_s = self.stage.linger_s
        drain: Callable[[], Iterable[Any]] | None = getattr(step, "drain", None)
        several = self.stage.workers > 1
        holds = False  # whether the step may hold messages back
        ended = 0  # messages that went in and did not come out; less than 0: came out of nothing
        while True:
            batch: list[Any] = []
            results: list[Any] = []
            ticket = inbox.get(batch, limit, not holds, linger_s)
            if batch:
                self._call(results, step, batch)
                holds = drain is not None
                while several and holds and drain:
                    holds = self._call(results, drain)
            elif holds and drain:
                holds = self._call(results, drain)
            else:
                return
            ended += len(batch) - len(results)
            if ended and not holds:
                self._give_back(ended)
                ended = 0
            if several:
                self._outlet.put(ticket, results)
            elif results:
                send(results)
            del batch, results  # a frame is large: nobody keeps it while waiting for the next

    def _call(self, results: list[Any], work: Callable[..., Iterable[Any]], batch: list[Any] | None = None) -> bool:
        """Let the step work, or drain it; add what it gives to the results; say whether that was anything."""
        before = len(results)
        if batch:
            self.in_hand = batch
        self.busy_since_s = time.monotonic()
        try:
            results.extend(work(batch) if batch else work())  # keeps what a generator gave before it raised
        except BaseException as error:
            self._fail(error, self.stage.name, self.in_hand, results)
            raise
        finally:
            self.busy_since_s, self.in_hand = None, []
        return len(results) > before


def frames_of(batch: Sequence[Any]) -> str:
    """Which frames these are, to go behind a sentence; empty where the messages do not say it."""
    indices = [index for index in map(_index_of, batch) if index is not None]
    if not indices:
        return ""
    first, last = min(indices), max(indices)
    return f" at frame {first}" if first == last else f" at frames {first} to {last}"


def _index_of(message: Any) -> int | None:
    """`message.index`, or that of the message it was made from."""
    while message is not None:
        if isinstance(message, tuple) and message:  # what several networks make of one frame
            message = message[0]
        index = getattr(message, "index", None)
        if isinstance(index, int):
            return index
        inner = (getattr(message, name, None) for name in ("frame", "prepared", "scene"))
        message = next((part for part in inner if part is not None), None)
    return None
