"""Long clips out of short ones: repeated without being coded again, or coded with open groups of pictures."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from clips import scene


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


def coded(out: Path, codec: str, frames: int = 120, options: dict[str, str] | None = None) -> Path:
    """Drawn frames, 10 a second, in short groups of pictures."""
    with av.open(str(out), "w") as container:
        stream = container.add_stream(codec, rate=10, options=options or {})
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        for index in range(frames):
            picture = av.VideoFrame.from_ndarray(scene(index), format="bgr24").reformat(format="yuv420p")
            picture.pts, picture.time_base = index, Fraction(1, 10)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return out
