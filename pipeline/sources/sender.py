"""When a picture was taken, from the clock of its sender: RTP streams carry it in their sender reports (RFC 3550)."""

from __future__ import annotations

import struct
import time
from typing import Any

LONGEST_S = 10.0  # a picture that seems older, or not taken yet, comes from a clock that is not set
SIDE_DATA = "prft"  # FFmpeg's AVProducerReferenceTime: microseconds since 1970 as int64, then flags


def taken_s(packet: Any, arrived_s: float) -> float:
    """When the picture of a packet was taken, time.monotonic() seconds.

    Where the sender says when (after its first report, a few seconds into an RTSP stream) and its clock agrees with
    ours to within LONGEST_S, that; else when the packet arrived.

    Args:
        packet: of PyAV.
        arrived_s: time.monotonic() when it came in.
    """
    try:
        if not packet.has_sidedata(SIDE_DATA):
            return arrived_s
        sent_us = struct.unpack_from("<q", bytes(packet.get_sidedata(SIDE_DATA)))[0]
    except (AttributeError, struct.error):  # PyAV before 15.1 cannot read it
        return arrived_s
    ago_s = time.time() - sent_us / 1e6
    return arrived_s - ago_s if 0 <= ago_s <= LONGEST_S else arrived_s
