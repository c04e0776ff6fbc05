"""What a source is doing at this moment, readable from every thread.

connecting -> live <-> stalled -> lost -> connecting ... -> ended

`lost` is between two attempts: the source waits before it tries again. `ended` is for good: the recording is over,
the run was stopped, or the source was given up; `reason` says which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

State = Literal["connecting", "live", "stalled", "lost", "ended"]


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source at one moment. A new one for every change; nobody writes to it."""

    state: State
    since_s: float  # time.monotonic() when it came into this state, seconds
    attempt: int = 0  # of connecting, counted from 1 since the last frame; 0 while frames come
    reason: str = ""  # why it is stalled, lost or ended, one sentence without a password; empty: nothing went wrong
    gaps: int = 0  # how often frames were missing so far because the source was away

    def age_s(self, now_s: float) -> float:
        """How long it has been so, seconds; `now_s` is time.monotonic()."""
        return max(0.0, now_s - self.since_s)


class Stateful(Protocol):
    """A source that says what it is doing."""

    @property
    def state(self) -> SourceState:
        """At this moment; a snapshot."""
        ...
