"""Signals while a flow runs: Ctrl-C and SIGTERM drain it, a second one kills the process."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Protocol


class Endable(Protocol):
    """A flow, or several."""

    def end(self) -> None:
        """See Flow.end; legal in a signal handler."""
        ...


STOPS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def drain_on_interrupt(flow: Endable) -> Iterator[None]:
    """Inside this block Ctrl-C or SIGTERM ends the flow and lets what is under way come out; a second one kills.

    The second one is left to the system, which needs no Python for it: it works whatever this thread hangs in, and
    a shell sees exit code 130 or 143. The old handlers come back on leaving. Main thread only.

    Raises:
        ValueError: not in the main thread; Python handles signals nowhere else.
    """

    def stop() -> None:
        for number in STOPS:
            signal.signal(number, signal.SIG_DFL)
        flow.end()

    with ExitStack() as handled:
        for number in STOPS:
            handled.enter_context(on_signal(number, stop))
        yield


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
