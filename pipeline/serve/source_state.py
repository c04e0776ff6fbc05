"""How a source is: what it says of itself, and whether its frames come out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from pipeline.types import SourceInfo

STATES = ("connecting", "live", "stalled", "lost", "ended")


class Said(Protocol):
    """What a source says of itself; see pipeline.live.state.SourceState."""

    @property
    def state(self) -> str: ...
    @property
    def since_s(self) -> float: ...
    @property
    def attempt(self) -> int: ...
    @property
    def reason(self) -> str: ...
    @property
    def gaps(self) -> int: ...


class Stateful(Protocol):
    """A source that says what it is doing."""

    live: bool

    @property
    def info(self) -> SourceInfo: ...
    @property
    def state(self) -> Said: ...


@dataclass(frozen=True, slots=True)
class SourceState:
    """How a source is."""

    state: str  # one of STATES
    since_s: float  # how long it has been so, seconds
    attempt: int = 0  # to connect again
    reason: str = ""  # for people
    gaps: int = 0  # times without frames so far


def state_of(source: Stateful, last_s: float | None, stalled_s: float) -> SourceState:
    """The state of a source; one that is live while nothing comes out at the end of the line counts as stalled.

    Args:
        source: says what it is doing.
        last_s: when its last frame was done, time.monotonic(); None: none was yet.
        stalled_s: without a frame for so long it counts as stalled.
    """
    now_s, said = time.monotonic(), source.state
    done_s = said.since_s if last_s is None else max(last_s, said.since_s)
    if said.state == "live" and now_s - done_s > stalled_s:
        why = f"no frame came out for {now_s - done_s:.0f} s"
        return SourceState("stalled", now_s - done_s, reason=why, gaps=said.gaps)
    return SourceState(said.state, max(0.0, now_s - said.since_s), said.attempt, said.reason, said.gaps)
