"""When a picture was taken, from the clock of its sender: RTP streams carry it in their sender reports (RFC 3550)."""

from __future__ import annotations

import math
import struct
import time
from typing import Any

LONGEST_S = 10.0  # a picture that seems older, or not taken yet, comes from a clock that is not set
USUAL_S = 1.0  # a stream whose pictures all seem older by more has a clock that is behind by the least of it
SET_ANEW_S = 0.5  # a picture that seems taken so long before the one that came before it: a clock was set in between
SIDE_DATA = "prft"  # FFmpeg's AVProducerReferenceTime: microseconds since 1970 as int64, then flags


class Sender:
    """Whoever sends the pictures of one connection, and its clock. For the thread that reads."""

    def __init__(self) -> None:
        self._least_s = math.inf  # the least that a picture seemed to be old
        self._last_s = -math.inf  # when the last one seems to have been taken, time.monotonic()

    def taken_s(self, packet: Any, arrived_s: float) -> float:
        """When the picture of a packet was taken, time.monotonic() seconds.

        Where the sender says when (after its first report, a few seconds into an RTSP stream) and its clock agrees
        with ours to within LONGEST_S, that; else when the packet arrived. A clock that is a few seconds behind looks
        like a delay that never gets less: what it comes to is left out.

        Args:
            packet: of PyAV.
            arrived_s: time.monotonic() when it came in.
        """
        try:
            if not packet.has_sidedata(SIDE_DATA):
                return arrived_s
            sent_us: int = struct.unpack_from("<q", bytes(packet.get_sidedata(SIDE_DATA)))[0]
        except (AttributeError, struct.error):  # PyAV before 15.1 cannot read it
            return arrived_s
        ago_s = time.time() - sent_us / 1e6
        if not 0 <= ago_s <= LONGEST_S:
            return arrived_s
        if arrived_s - ago_s < self._last_s - SET_ANEW_S:
            self._least_s = math.inf
        self._last_s = arrived_s - ago_s
        self._least_s = min(self._least_s, ago_s)
        return arrived_s - ago_s + (self._least_s if self._least_s > USUAL_S else 0.0)
