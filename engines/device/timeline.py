"""Where marks in streams lie on the host's clock, so that a trace shows what the GPU did beside the threads."""

from __future__ import annotations

import time

from engines.device.base import Device, Event, Stream

_FRESH_S = 60.0  # two clocks drift apart, and CUDA tells distances as float32: 4 us at a minute


class Timeline:
    """One mark whose time the host knows; all others are measured from it.

    The host learns of the mark when it wakes up behind it, so all spans lie later than they were by that much, some
    ten microseconds; their lengths are the GPU's own.

    Args:
        device: current, here and in every call.
    """

    def __init__(self, device: Device) -> None:
        self._zero = device.event(timed=True)
        self._zero_s: float | None = None

    def refresh(self, idle: Stream) -> None:
        """Set the mark anew where it is old; `idle` is a stream without work."""
        if self._zero_s is None or time.monotonic() - self._zero_s > _FRESH_S:
            self._zero.record(idle)
            self._zero.synchronize()
            self._zero_s = time.monotonic()

    def span(self, began: Event, ended: Event) -> tuple[float, float]:
        """When two marks were passed, time.monotonic() seconds; both are done, and timed.

        Raises:
            RuntimeError: `refresh` was never called.
        """
        if self._zero_s is None:
            raise RuntimeError("the timeline has no beginning: call refresh first")
        began_s = self._zero_s + began.elapsed_ms(self._zero) / 1e3
        return began_s, began_s + ended.elapsed_ms(began) / 1e3
