"""What a source says of itself, for those that say it; what its frames tell, for the others.

The one place that asks whether a source has a `state`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from pipeline.serve.meter import Totals

STATES = ("connecting", "live", "stalled", "lost", "ended")


@dataclass(frozen=True, slots=True)
class SourceState:
    """How a source is."""

    state: str  # one of STATES
    since_s: float  # how long it has been so, seconds
    attempt: int = 0  # to connect again
    reason: str = ""  # for people
    gaps: int = 0  # times without frames so far


def state_of(source: Any, totals: Totals, began_s: float, stalled_s: float) -> SourceState:
    """The state of a source.

    Args:
        source: may have `state` with the fields state, since_s (time.monotonic()), attempt, reason and gaps.
        totals: of its frames.
        began_s: when the run began, time.monotonic().
        stalled_s: without a frame for so long it counts as stalled.
    """
    now_s = time.monotonic()
    own = getattr(source, "state", None)
    if own is not None:
        gaps = own.gaps if isinstance(own.gaps, int) else len(own.gaps)
        return SourceState(str(own.state), now_s - own.since_s, own.attempt, own.reason, gaps)
    if totals.last_s is None:
        return SourceState("connecting", now_s - began_s)
    silent_s = now_s - totals.last_s
    if silent_s > stalled_s:
        return SourceState("stalled", silent_s, reason=f"no frame for {silent_s:.0f} s")
    return SourceState("live", now_s - began_s)
