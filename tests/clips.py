"""Small clips written by the tests, with a known content in every frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

BGR = NDArray[np.uint8]


def scene(index: int, size_hw: tuple[int, int] = (96, 128)) -> BGR:
    """Smooth and colourful, with a bright square that moves; no two indices alike."""
    height, width = size_hw
    y, x = np.mgrid[:height, :width].astype(np.float32)
    planes = [
        127 + 90 * np.sin(x / 23 + index / 3),
        127 + 90 * np.cos(y / 19 - index / 5),
        40 + 170 * (x + y) / (height + width),
    ]
    picture = np.stack(planes, 2).astype(np.uint8)
    left = (index * 7) % (width - 12)
    picture[8:20, left : left + 12] = (30, 220, 250)
    return picture


def write_clip(
    path: Path,
    codec: str = "mpeg4",
    pix_fmt: str = "yuv420p",
    frames: int = 20,
    size_hw: tuple[int, int] = (96, 128),
    fps: int = 10,
    pts: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
    draw: Callable[[int, tuple[int, int]], BGR] = scene,
    matrix: int | None = None,
    pixel_aspect: Fraction = Fraction(1),
) -> Path:
    """Encode `draw(0)`, `draw(1)`, ...; pts in 1/1000 s where given."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=options or {})
        stream.height, stream.width = size_hw
        stream.pix_fmt = pix_fmt
        if matrix is not None:
            stream.codec_context.colorspace = matrix
        if pixel_aspect != 1:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if pts is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for index in range(frames):
            picture = av.VideoFrame.from_ndarray(draw(index, size_hw), format="bgr24").reformat(format=pix_fmt)
            picture.pts = index if pts is None else pts[index]
            picture.time_base = Fraction(1, fps) if pts is None else Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def bars(bits: int, size_hw: tuple[int, int] = (96, 128)) -> BGR:
    """A number as black and white bars, that survives any codec."""
    row = np.repeat([255 * (bits >> bit & 1) for bit in range(8)], size_hw[1] // 8).astype(np.uint8)
    return cv2.merge([np.tile(row, (size_hw[0], 1))] * 3)


def read_bars(picture: BGR) -> int:
    """The number that `bars` drew."""
    width = picture.shape[1] // 8
    levels = [picture[:, bit * width : (bit + 1) * width].mean() for bit in range(8)]
    return sum((level > 127) << bit for bit, level in enumerate(levels))
