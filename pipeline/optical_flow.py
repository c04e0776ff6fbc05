"""Where what is in one picture was in the one before: dense optical flow, and what follows it.

Flow: DIS, Kroeger et al., ECCV 2016, arXiv 1603.03590, as OpenCV has it. Occlusion: Lai et al., Learning Blind Video
Temporal Consistency, ECCV 2018, arXiv 1808.00449, section 3.3 (after Ruder et al.): flow there and back must cancel
out.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.image import Image
from pipeline.types import VOID

_FAR_PX = 1e4
_NO_MAP: Any = None  # both coordinates are in the first map
_LEAST_PX, _WIDEST = 32, 3  # of a picture, for DIS; width over height
_CANCEL_SHARE, _CANCEL_PX = 0.01, 0.5  # Ruder et al.: |there + back|^2 < 0.01 (|there|^2 + |back|^2) + 0.5

Grey = NDArray[np.uint8]  # (h, w)
Labels = NDArray[np.uint8]  # (h, w) class ids, VOID
Flow = NDArray[np.float32]  # (h, w, 2): where each pixel was in the other picture, x and y, pixels relative to it
FlowOf = Callable[[Grey, Grey], Flow]  # of a picture, towards another one


def grey(image: Image) -> Grey:
    """The brightness of a picture, (h, w) uint8; a view where it has such a plane."""
    if image.format in ("yuv420p", "yuv444p", "nv12"):
        return np.ascontiguousarray(image.planes[0])
    return np.asarray(cv2.cvtColor(image.bgr(), cv2.COLOR_BGR2GRAY), np.uint8)


class DisFlow:
    """Dense inverse search, OpenCV's fast preset."""

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)

    def __call__(self, grey: Grey, other: Grey) -> Flow:
        """Where each pixel of `grey` is in `other`: (h, w, 2) float32, pixels relative to it."""
        height, width = grey.shape
        # DIS crashes on pictures that are small, or much wider than high (OpenCV 5.0.0).
        down = max(0, _LEAST_PX - height, -(-width // _WIDEST) - height)
        right = max(0, _LEAST_PX - width)
        if down or right:
            grey, other = (
                np.asarray(cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_REPLICATE), np.uint8)
                for image in (grey, other)
            )
        no_guess: Any = None
        return np.asarray(self._dis.calc(grey, other, no_guess), np.float32)[:height, :width]


def shrunk(grey: Grey, long_side_px: int) -> Grey:
    """The picture with a long side of so many pixels at most, for its flow to be computed on."""
    height, width = grey.shape
    shrink = long_side_px / max(height, width)
    if shrink >= 1:
        return grey
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def followed(back: Flow, there: Flow) -> NDArray[np.bool_]:
    """(h, w): the pixels whose flow back and there again ends where it began.

    Args:
        back: of this picture towards the last one.
        there: of the last picture towards this one.
    """
    map_xy = places(back, back.shape[:2])
    outside = (_FAR_PX, _FAR_PX, 0.0, 0.0)
    again = np.asarray(
        cv2.remap(there, map_xy, _NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=outside),
        np.float32,
    )
    both = np.asarray(cv2.add(back, again), np.float32)
    apart = _squared(both)
    length = _squared(back)
    length += _squared(again)
    length *= _CANCEL_SHARE
    length += _CANCEL_PX
    return np.asarray(apart < length)


def _squared(flow: NDArray[np.float32]) -> NDArray[np.float32]:
    x, y = cv2.split(flow)
    return np.asarray(cv2.add(cv2.multiply(x, x), cv2.multiply(y, y)), np.float32)


def places(back: Flow, size_hw: tuple[int, ...]) -> Flow:
    """Where each pixel of a picture of that size was in the last one, (h, w, 2), pixels."""
    (height, width), (low, narrow) = size_hw[:2], back.shape[:2]
    if (low, narrow) != (height, width):
        back = back * np.array([width / narrow, height / low], np.float32)
        back = np.asarray(cv2.resize(back, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    return np.asarray(cv2.add(back, _grid(height, width)), np.float32)


@lru_cache(maxsize=4)
def _grid(height: int, width: int) -> Flow:
    """Where each pixel is, (h, w, 2), pixels."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.asarray(cv2.merge([x, y]), np.float32)


def enlarged(mask: NDArray[np.bool_], size_hw: tuple[int, ...]) -> NDArray[np.uint8]:
    height, width = size_hw[:2]
    whole = mask.view(np.uint8)
    if whole.shape != (height, width):
        whole = np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
    return whole


def move(ids: NDArray[np.uint8], map_xy: Flow) -> NDArray[np.uint8]:
    """Class ids, (h, w) or several maps (h, w, n), where the flow brings them; VOID comes in from outside."""
    outside = (float(VOID),) * 4
    taken = cv2.remap(ids, map_xy, _NO_MAP, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=outside)
    return np.asarray(taken, np.uint8)
