"""Make the clip that a benchmark runs on: cropped to a shape, scaled, repeated, H.264, from any footage."""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path

import av
import cv2


def make_clip(source: Path, out: Path, size_wh: tuple[int, int] = (1280, 720), frames: int = 200) -> Path:
    """Write `frames` frames of `source` at `size_wh`, repeating it forth and back, so that nothing jumps."""
    width, height = size_wh
    with av.open(str(source)) as container:
        pictures = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    h, w = pictures[0].shape[:2]
    crop_w, crop_h = min(w, h * width // height), min(h, w * height // width)
    x, y = (w - crop_w) // 2, (h - crop_h) // 2
    there_and_back = list(range(len(pictures))) + list(range(len(pictures) - 2, 0, -1))
    with av.open(str(out), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(25), options={"crf": "20", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(frames):
            picture = pictures[there_and_back[index % len(there_and_back)]][y : y + crop_h, x : x + crop_w]
            scaled = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)
            frame = av.VideoFrame.from_ndarray(scaled, format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--frames", type=int, default=200)
    given = parser.parse_args()
    across, down = map(int, given.size.split("x"))
    print(make_clip(given.source, given.out, (across, down), given.frames))
