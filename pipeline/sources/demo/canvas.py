"""What is drawn on: colour and identity in one array, so that they cannot disagree.

Every pixel is four bytes: B, G, R and an id. Ids up to 18 are trainIds, 255 is void, and those from
FIRST_SLOT on are the objects of this frame. One fill writes all four bytes with the same edges.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.types import VOID

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
Colour = tuple[float, float, float]  # B, G, R, 0..255

FIRST_SLOT = 32
LAST_SLOT = VOID - 1
SUBPIXEL_BITS = 4
SUBPIXELS = 1 << SUBPIXEL_BITS


class Slot(NamedTuple):
    """An object of this frame: its class and the pixels it can lie in, x0, y0, x1, y1."""

    class_id: int
    limits_px: tuple[int, int, int, int]


class Canvas:
    """A frame in the making. Coordinates: pixel i has its centre at i."""

    def __init__(self, size_hw: tuple[int, int]) -> None:
        self.height, self.width = size_hw
        self.pixels: U8 = np.zeros((*size_hw, 4), np.uint8)
        self.slots: list[Slot] = []

    def begin(self) -> None:
        """Forget the objects of the frame before; its pixels are drawn over."""
        self.slots.clear()

    def slot(self, class_id: int, x0: float, y0: float, x1: float, y1: float) -> int:
        """An id for one object that will be drawn inside these bounds, pixels.

        Where ids have run out, or nothing of the bounds is in the picture, the class itself: such an object
        is in the labels but not among the instances.
        """
        limits = (
            max(int(x0) - 2, 0),
            max(int(y0) - 2, 0),
            min(int(x1) + 3, self.width),
            min(int(y1) + 3, self.height),
        )
        if limits[0] >= limits[2] or limits[1] >= limits[3] or FIRST_SLOT + len(self.slots) > LAST_SLOT:
            return class_id
        self.slots.append(Slot(class_id, limits))
        return FIRST_SLOT + len(self.slots) - 1

    def polygon(self, points_px: list[tuple[float, float]], bgr: Colour, ident: int) -> None:
        """Fill a convex polygon."""
        fixed = np.array(points_px, np.float32)
        fixed *= SUBPIXELS
        # Far outside the picture is as good as very far, and fits the integers of the filler.
        np.clip(fixed, -200_000, 200_000, out=fixed)
        cv2.fillConvexPoly(self.pixels, fixed.astype(np.int32), (*bgr, ident), cv2.LINE_8, SUBPIXEL_BITS)

    def box(self, x0: float, y0: float, x1: float, y1: float, bgr: Colour, ident: int) -> None:
        """Fill an upright rectangle; at least one pixel."""
        left, top = round(x0), round(y0)
        right, bottom = max(round(x1), left + 1), max(round(y1), top + 1)
        if left < self.width and top < self.height and right > 0 and bottom > 0:
            blue, green, red = (min(level, 255.0) for level in bgr)  # light may be brighter than white
            self.pixels[max(top, 0) : bottom, max(left, 0) : right] = (blue, green, red, ident)

    def darken(self, outline_px: F32, opacity: float) -> None:
        """Darken what is drawn inside a convex outline (n, 2), pixels; ids stay."""
        x0, y0 = np.maximum(np.floor(outline_px.min(0)), 0).astype(int).tolist()
        x1, y1 = np.ceil(outline_px.max(0)).astype(int).tolist()
        x1, y1 = min(x1 + 1, self.width), min(y1 + 1, self.height)
        if x1 - x0 < 2 or y1 - y0 < 1:
            return
        inside = np.zeros((y1 - y0, x1 - x0), np.uint8)
        fixed = np.clip((outline_px - (x0, y0)) * SUBPIXELS, -200_000, 200_000).astype(np.int32)
        cv2.fillConvexPoly(inside, fixed, 255, cv2.LINE_8, SUBPIXEL_BITS)
        below = self.pixels[y0:y1, x0:x1]
        cv2.copyTo(cv2.LUT(below, _darkening(opacity)), inside, below)


@lru_cache(maxsize=64)
def _darkening(opacity: float) -> U8:
    """A lookup (1, 256, 4) that darkens B, G and R; the fourth byte stays."""
    ramp = np.arange(256, dtype=np.float32)
    left = 1 - opacity
    return np.stack([ramp * left, ramp * left, ramp * left, ramp], 1).astype(np.uint8)[None]
