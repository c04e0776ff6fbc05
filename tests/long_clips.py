"""Long clips out of short ones: repeated without being coded again."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np


def repeated(source: Path, out: Path, times: int) -> Path:
    """The packets of a clip, again and again, each time later: as many key frames as repetitions and more."""
    with av.open(str(source)) as read:
        stream = read.streams.video[0]
        packets = [p for p in read.demux(stream) if p.size]
        assert stream.time_base is not None
        pts = np.array([p.pts for p in packets])
        step = int(pts.max() - pts.min() + np.diff(np.sort(pts)).max())
        with av.open(str(out), "w") as write:
            copy = write.add_stream_from_template(stream)
            for turn in range(times):
                for packet in packets:
                    again = av.Packet(bytes(packet))
                    again.pts, again.dts = packet.pts + turn * step, packet.dts + turn * step
                    again.time_base, again.is_keyframe = stream.time_base, packet.is_keyframe
                    again.stream = copy
                    write.mux(again)
    return out
