"""Ctrl-C: the first one drains a flow, the second one ends the process."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from pipeline.flow.flow import Flow


@contextmanager
def drain_on_interrupt(flow: Flow[Any]) -> Iterator[None]:
    """Inside this block Ctrl-C ends the flow and lets what is under way come out; a second one exits with 130.

    The old handler comes back on leaving. Main thread only.

    Raises:
        ValueError: not in the main thread; Python handles signals nowhere else.
    """
    interrupted = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        if interrupted:
            os._exit(130)  # whatever hangs, hangs no longer
        interrupted = True
        flow.end()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        # None: the handler was not set from Python and cannot be put back from here.
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)
