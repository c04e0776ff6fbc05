"""Names the stage that hangs."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence

from pipeline.flow.stage import Worker, frames_of

LATE_S = 0.5  # the watchdog wakes so long after it wanted to: all of the process stood still


class StallError(TimeoutError):
    """A stage had work and made no progress."""


def watch(
    workers: Sequence[Worker],
    stall_s: float,
    closed: threading.Event,
    fail: Callable[[BaseException], None],
) -> None:
    """Report the first worker that is inside its stage's own code for longer than `stall_s` seconds.

    Where its stage has a rescue, that is tried once first; all workers of the stage then have as long again.

    Waiting for input, for room or for an earlier result is not a stall, and neither is opening before
    any input has come. Sleeps until the next moment at which somebody could be late. Where the process was stopped
    meanwhile (SIGSTOP, a container that is paused, a suspended machine), each has as long again, once.

    Args:
        workers: of all stages.
        closed: set once the flow is over.
        fail: takes the StallError.
    """
    rescued: dict[str, tuple[float, str]] = {}  # stage -> when, and what was done
    excused: dict[str, tuple[float, float]] = {}  # worker -> since when it was busy, and when it went on
    next_s = math.inf
    while not closed.is_set():
        now_s = time.monotonic()
        stood_still = now_s - next_s > LATE_S
        next_s = now_s + stall_s
        for worker in workers:
            since_s, opening_since_s = worker.busy_since_s, worker.opening_since_s
            came_s = worker.inbox.first_put_s
            if opening_since_s is not None and came_s is not None and worker.inbox.waiting():
                since_s = max(opening_since_s, came_s)
            if since_s is None:
                continue
            name = worker.stage.name
            before_s, on_s = excused.get(worker.name, (-math.inf, -math.inf))
            if before_s == since_s:
                since_s = on_s
            elif stood_still:
                excused[worker.name] = since_s, now_s
                since_s = now_s
            if name in rescued:
                since_s = max(since_s, rescued[name][0])
            elif since_s + stall_s <= now_s and worker.stage.rescue is not None and (done := worker.stage.rescue()):
                rescued[name] = now_s, f"; before, {done}"
                since_s = now_s
            if since_s + stall_s <= now_s:
                at, before = frames_of(worker.in_hand), rescued.get(name, (0.0, ""))[1]
                fail(StallError(f"stage {name!r} made no progress for {stall_s:g} s{at}{before}"))
                return
            next_s = min(next_s, since_s + stall_s)
        closed.wait(next_s - now_s)
