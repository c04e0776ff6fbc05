"""Drawn scenes with exact labels as samples, from frames that somebody draws."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Lock

import cv2
import numpy as np

from pipeline.classes import DRIVING
from pipeline.datasets.base import LeftOut, Sample
from pipeline.errors import DataError
from pipeline.types import Frame

_FAST = (cv2.IMWRITE_PNG_COMPRESSION, 1)


class DrawnScenes:
    """The first `count` frames of an iterator, in the 19 driving classes.

    Frames are drawn one behind the other, so a sample is drawn when it or a later one is first asked for, and
    kept from then on, packed without loss (PNG, about 0.3 MB at 480x360).

    Args:
        root, split: not used; there are no files.
        frames: with truth labels of the driving classes, as pipeline.sources.demo draws them.
        count: how many samples.

    Raises:
        DataError: no frames. On reading: the iterator ends early, or its frames carry no labels.
    """

    name = "demo"
    classes = DRIVING
    object_classes = None  # Frame.truth.instances has them
    terms = "free, drawn by this program"
    left_out: tuple[LeftOut, ...] = ()

    def __init__(self, root: Path, split: str, frames: Iterator[Frame] | None = None, count: int = 100) -> None:
        if frames is None or count < 1:
            raise DataError("drawn scenes need frames and a count of 1 or more", hint="hand in frames= and count=")
        self.names = tuple(f"demo_{index:06}" for index in range(count))
        self._frames = frames
        self._kept: list[tuple[bytes, bytes]] = []
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        """One sample; see Dataset."""
        at = range(len(self.names))[index]
        with self._lock:
            while len(self._kept) <= at:
                self._kept.append(self._draw())
            image, labels = self._kept[at]
        return Sample(self.names[at], _unpacked(image, cv2.IMREAD_COLOR), _unpacked(labels, cv2.IMREAD_GRAYSCALE))

    def _draw(self) -> tuple[bytes, bytes]:
        frame = next(self._frames, None)
        if frame is None:
            raise DataError(f"only {len(self._kept)} of {len(self)} scenes were drawn", hint="ask for fewer")
        if frame.truth is None or frame.truth.labels is None or frame.truth.labels.classes != DRIVING:
            raise DataError("the frames carry no labels of the driving classes", hint="hand in frames of `demo`")
        packed = (cv2.imencode(".png", p, _FAST)[1] for p in (frame.image.bgr(), frame.truth.labels.map))
        image, labels = (bytes(array) for array in packed)
        return image, labels


def _unpacked(data: bytes, flags: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), flags), np.uint8)
