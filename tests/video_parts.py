"""What tests of a written video need: pictures of every format, and what is in a file."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.image import Image, PixelFormat, rgb_to_yuv
from pipeline.sinks.video import VideoSink
from pipeline.types import Frame, Picture, Scene

U8 = NDArray[np.uint8]
ROOT = Path(__file__).parents[1]


def of_image(image: Image, pts: int, time_base: Fraction = Fraction(1, 25), index: int = 0) -> Picture:
    return Picture(Scene(Frame(index, pts, time_base, time.monotonic(), image)), image)


def of_clip(path: Path) -> Iterator[Picture]:
    """The frames of a clip as pictures: their planes as the decoder has them."""
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            assert frame.format.name == "yuv420p"
            planes = tuple(
                np.frombuffer(memoryview(p), np.uint8).reshape(-1, p.line_size)[: p.height, : p.width]
                for p in frame.planes
            )
            yield of_image(Image(planes, "yuv420p"), frame.pts, frame.time_base, index)


def drawn(index: int, size_hw: tuple[int, int] = (96, 160)) -> U8:
    """BGR: a soft pattern of its own for every index."""
    height, width = size_hw
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 23 + index * 0.9), np.cos(y / 19 - index * 0.7), np.sin((x + y) / 31 + index * 1.7)]
    return np.stack([128 + 90 * wave for wave in waves], axis=2).astype(np.uint8)


def as_format(bgr: U8, kind: PixelFormat, full_range: bool = False) -> Image:
    """The same picture with other planes; chroma by plain averages."""
    if kind == "bgr24":
        return Image((bgr,), kind)
    if kind == "bgra32":
        return Image((np.dstack([bgr, np.full(bgr.shape[:2], 255, np.uint8)]),), kind)
    rgb1 = np.dstack([bgr[..., ::-1], np.ones(bgr.shape[:2])]).astype(np.float64)
    yuv = np.rint(rgb1 @ rgb_to_yuv("bt601", full_range).T).clip(0, 255)
    planes = [np.ascontiguousarray(yuv[..., i], np.uint8) for i in range(3)]
    if kind != "yuv444p":
        half = (bgr.shape[1] + 1) // 2, (bgr.shape[0] + 1) // 2
        planes[1:] = [cv2.resize(p, half, interpolation=cv2.INTER_AREA) for p in planes[1:]]  # type: ignore[misc]
    if kind == "nv12":
        planes[1:] = [np.dstack(planes[1:])]
    return Image(tuple(planes), kind, "bt601", full_range)


def save(path: Path, pictures: Iterator[Picture] | list[Picture], **options: Any) -> VideoSink:
    sink = VideoSink(path, **options)
    for picture in pictures:
        sink.write(picture)
    sink.close(whole=True)
    return sink


def times_of(path: Path) -> list[Fraction]:
    """When each frame is shown, seconds; every frame is decoded."""
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def times_s(path: Path) -> list[float]:
    """When each frame is shown, seconds, as its packet says; nothing is decoded."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return sorted(float(p.pts * p.time_base) for p in container.demux(stream) if p.pts is not None)


def pictures_of(path: Path) -> list[U8]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


def psnr(one: U8, other: U8) -> float:
    return float(cv2.PSNR(np.ascontiguousarray(one), np.ascontiguousarray(other)))


def in_child(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python code, which finds what is in this file, in a process of its own."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    command = [sys.executable, "-c", "from video_parts import *\n" + code, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
