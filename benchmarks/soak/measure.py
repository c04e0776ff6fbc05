"""What a process holds: memory over time, threads, file handles, children."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil

EVERY_S = 0.5
WARM_UP = 0.25  # share of the time that is left out of the slope


@dataclass(frozen=True)
class Held:
    """At one moment."""

    threads: int
    handles: int
    children: int


def held() -> Held:
    """What this process holds now."""
    process = psutil.Process()
    return Held(threading.active_count(), process.num_fds(), len(process.children()))


class Memory:
    """Resident memory of this process, sampled twice a second; a context manager."""

    def __init__(self) -> None:
        self._samples: list[tuple[float, float]] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def _sample(self) -> None:
        process, began_s = psutil.Process(), time.monotonic()
        while not self._done.wait(EVERY_S):
            self._samples.append((time.monotonic() - began_s, process.memory_info().rss / 2**20))

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def report(self) -> dict[str, Any]:
        """In MB; the slope is a line through all samples behind the warm-up."""
        if len(self._samples) < 4:
            return {"samples": len(self._samples)}
        times_s, rss_mb = np.array(self._samples).T
        late = times_s >= WARM_UP * times_s[-1]
        slope = np.polyfit(times_s[late] / 60, rss_mb[late], 1)[0]
        return {
            "samples": len(self._samples),
            "seconds": round(float(times_s[-1]), 1),
            "warm_up_s": round(float(WARM_UP * times_s[-1]), 1),
            "rss_mb_after_warm_up": round(float(rss_mb[late][0]), 1),
            "rss_mb_at_end": round(float(rss_mb[-1]), 1),
            "rss_mb_most": round(float(rss_mb.max()), 1),
            "slope_mb_per_minute": round(float(slope), 3),
        }
