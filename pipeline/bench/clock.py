"""The time of a benchmark; tests put another clock in its place."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Seconds since some moment, and waiting for one."""

    def now_s(self) -> float: ...

    def wait_until(self, due_s: float, stopping: threading.Event) -> None:
        """Return when it is time, or as soon as `stopping` is set."""
        ...


class RealClock:
    """time.monotonic()."""

    def now_s(self) -> float:
        """Now."""
        return time.monotonic()

    def wait_until(self, due_s: float, stopping: threading.Event) -> None:
        """See Clock."""
        while (wait_s := due_s - time.monotonic()) > 0 and not stopping.wait(wait_s):
            pass
