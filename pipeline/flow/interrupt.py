"""Ctrl-C: the first one drains a flow, the second one kills the process."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol


class Endable(Protocol):
    """A flow, or several."""

    def end(self) -> None:
        """See Flow.end; legal in a signal handler."""
        ...


@contextmanager
def drain_on_interrupt(flow: Endable) -> Iterator[None]:
    """Inside this block Ctrl-C ends the flow and lets what is under way come out; a second one kills the process.

    The second one is left to the system, which needs no Python for it: it works whatever this thread hangs in, and
    a shell sees exit code 130. The old handler comes back on leaving. Main thread only.

    Raises:
        ValueError: not in the main thread; Python handles signals nowhere else.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        flow.end()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        # None: the handler was not set from Python and cannot be put back from here.
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)
