"""Which result each frame of a film is scored against when time counts.

Li, Wang, Ramanan, Towards Streaming Perception, ECCV 2020, arXiv 2005.10420, equation (1): the world is asked at
the time t of every frame, and the answer is the newest result that was finished at t or before, whatever frame it
belongs to. The rule says nothing of what is measured: AP in the paper, mean IoU as well here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple


class Moment(NamedTuple):
    """Something that happens to a frame."""

    frame: int  # its index
    at: float  # any clock and unit, the same for all moments that are compared


@dataclass(frozen=True, slots=True)
class Pairing:
    """Which result each frame is scored against."""

    against: Mapping[int, int | None]  # frame -> the frame whose result it is, in the order shown; None: none yet
    behind: Mapping[int, float]  # frame -> how long before it the other one was shown; only where there is one

    @property
    def missed(self) -> int:
        """Frames that were shown before the first result."""
        return len(self.against) - len(self.behind)

    @property
    def in_time(self) -> int:
        """Frames that are scored against their own result."""
        return sum(frame == other for frame, other in self.against.items())

    @property
    def used(self) -> frozenset[int]:
        """The frames whose results are scored at all."""
        return frozenset(other for other in self.against.values() if other is not None)

    @property
    def mean_lag_frames(self) -> float | None:
        """How many frames the results are behind, on average; None: there is no result."""
        lags = [frame - other for frame, other in self.against.items() if other is not None]
        return sum(lags) / len(lags) if lags else None


def pair(shown: Iterable[Moment], finished: Iterable[Moment]) -> Pairing:
    """Find the newest result for each frame.

    "Newest" is the one that was finished last, as in the paper and its toolkit (mtli/sAP, streaming_eval.py, eta 0);
    results that were finished at the same moment count in the order given. One that is finished exactly when a frame
    is shown is in time for it.

    Args:
        shown: every frame, labelled or not, with its time, ascending.
        finished: every result, with the frame it belongs to.

    Raises:
        ValueError: times that do not ascend, a frame that is shown twice, or a result of a frame that was not shown.
    """
    at: dict[int, float] = {}
    last = None
    for frame, time in shown:
        if frame in at or (last is not None and time < last):
            raise ValueError(f"frame {frame} is shown twice, or before the frame ahead of it")
        at[frame] = last = time
    results = sorted(finished, key=attrgetter("at"))  # stable
    for result in results:
        if result.frame not in at:
            raise ValueError(f"a result of frame {result.frame}, which was not shown")
    times = [result.at for result in results]
    against: dict[int, int | None] = {}
    behind: dict[int, float] = {}
    for frame, time in at.items():
        place = bisect_right(times, time)
        other = against[frame] = results[place - 1].frame if place else None
        if other is not None:
            behind[frame] = time - at[other]
    return Pairing(against, behind)
