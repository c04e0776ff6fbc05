"""Signals while a flow runs: Ctrl-C and SIGTERM drain it, a second one breaks it off, a third one kills."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import FrameType
from typing import Protocol

from pipeline.flow.listener import STOPS, Listener


class Stoppable(Protocol):
    """A flow, or several."""

    def end(self) -> None:
        """See Flow.end; legal in a signal handler."""
        ...

    def cancel(self) -> None:
        """See Flow.cancel; legal in any thread."""
        ...


class Interrupted(SystemExit):
    """A second signal came. Exit code 130 or 143, as a shell tells it.

    Attributes:
        number: of the signal. It is the system's by now: raised again it kills the process.
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number


@contextmanager
def drain_on_interrupt(flow: Stoppable) -> Iterator[None]:
    """Inside this block Ctrl-C or SIGTERM ends the flow and lets what is under way come out.

    A second one cancels the flow, so that outputs are closed as after an error; GRACE_S later the process is killed,
    whatever still hangs in it. A third one kills at once. Both hold wherever the main thread is, and a shell sees
    exit code 130 or 143. The old handlers come back on leaving, unless a second signal came. Main thread only.

    Raises:
        Interrupted: on leaving, where a second signal came and no error is on its way.
        ValueError: not in the main thread; Python handles signals nowhere else.
    """
    listener = Listener(flow.cancel)
    seen: list[int] = []  # those that came together are seen as one; the listener hears each

    def stop(number: int) -> None:
        seen.append(number)
        if len(seen) == 1:
            flow.end()
        else:
            _leave_to_the_system()

    second: list[int] = []
    try:
        with ExitStack() as handled:
            for number in STOPS:
                handled.enter_context(on_signal(number, partial(stop, number)))
            handled.enter_context(listener)
            yield
    finally:
        second = listener.numbers[1:2] or seen[1:2]
        if second:
            _leave_to_the_system()
    if second:
        raise Interrupted(second[0])


def _leave_to_the_system() -> None:
    """From now on the signals kill, and no Python is needed for it."""
    for number in STOPS:
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def on_signal(number: int, act: Callable[[], None]) -> Iterator[None]:
    """Inside this block a signal calls a function, in the main thread, between any two steps of it.

    The old handler comes back on leaving. Main thread only.

    Args:
        number: of the signal.
        act: takes no lock that the main thread may hold.

    Raises:
        ValueError: not in the main thread.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        act()

    before = signal.signal(number, handle)
    try:
        yield
    finally:
        # None: the handler was not set from Python and cannot be put back from here.
        signal.signal(number, signal.SIG_DFL if before is None else before)


@contextmanager
def held_back(*numbers: int) -> Iterator[None]:
    """Inside this block signals wait, which would kill the process where nothing handles them yet; see let_through.

    Main thread only, before others are started.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def let_through(*numbers: int) -> None:
    """Those that were held back come now, and when they come."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
