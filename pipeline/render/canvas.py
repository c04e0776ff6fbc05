"""Drawing straight into the planes of a picture, each with its own subsampling.

Coordinates are luma pixels. In a plane that is halved, sample i covers luma 2i and 2i + 1,
so what is drawn at even places with even sizes is exact in every plane.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.image import Matrix, rgb_to_yuv
from pipeline.render.colours import Rgb

U8 = NDArray[np.uint8]
Box = tuple[int, int, int, int]  # x0, y0, x1, y1; edges


class Palette:
    """Colours as the planes of one matrix and range have them; each is converted once."""

    def __init__(self, matrix: Matrix, full_range: bool) -> None:
        self._map = rgb_to_yuv(matrix, full_range)
        self._known: dict[Rgb, tuple[int, int, int]] = {}

    def __call__(self, rgb: Rgb) -> tuple[int, int, int]:
        """(Y, U, V), each 0..255, of (R, G, B)."""
        yuv = self._known.get(rgb)
        if yuv is None:
            y, u, v = np.rint(self._map @ [*rgb, 1]).astype(int).tolist()
            yuv = self._known[rgb] = (y, u, v)
        return yuv


class Canvas:
    """A picture that may be drawn on.

    Args:
        planes: (h, w) each, or halved where `halved` is set (even h and w then); written to.
        halved: for each plane, whether it has half the size across and down.
        palette: turns (R, G, B) into a value for each plane.
    """

    __slots__ = ("halved", "palette", "planes", "size_hw")

    def __init__(self, planes: Sequence[U8], halved: Sequence[bool], palette: Palette) -> None:
        self.planes = tuple(planes)
        self.halved = tuple(halved)
        self.palette = palette
        height, width = self.planes[0].shape
        self.size_hw = (height, width)

    def part(self, box: Box) -> Canvas:
        """A canvas over a part of this one, sharing its memory; even edges where planes are halved."""
        x0, y0, x1, y1 = box
        return Canvas(
            [
                plane[y0 >> half : y1 >> half, x0 >> half : x1 >> half]
                for plane, half in zip(self.planes, self.halved, strict=True)
            ],
            self.halved,
            self.palette,
        )

    def load(self, planes: Sequence[U8]) -> None:
        """Copy another picture's planes of the same sizes in."""
        for mine, theirs in zip(self.planes, planes, strict=True):
            np.copyto(mine, theirs)

    def clear(self, rgb: Rgb) -> None:
        """One colour everywhere."""
        for plane, value in zip(self.planes, self.palette(rgb), strict=True):
            plane.fill(value)

    def fill(self, box: Box, rgb: Rgb) -> None:
        """Fill a rectangle; what lies outside the picture is left out."""
        x0, y0, x1, y1 = (max(edge, 0) for edge in box)
        for plane, half, value in zip(self.planes, self.halved, self.palette(rgb), strict=True):
            plane[y0 >> half : (y1 + half) >> half, x0 >> half : (x1 + half) >> half] = value

    def outline(self, box: Box, line_px: int, rgb: Rgb) -> None:
        """Draw a rectangle's edge inside it, line_px wide."""
        x0, y0, x1, y1 = (max(edge, 0) for edge in box)
        for plane, half, value in zip(self.planes, self.halved, self.palette(rgb), strict=True):
            part = plane[y0 >> half : (y1 + half) >> half, x0 >> half : (x1 + half) >> half]
            line = max(1, line_px >> half)
            part[:line] = value
            part[-line:] = value
            part[:, :line] = value
            part[:, -line:] = value

    def write(self, x: int, y: int, coverage: Sequence[U8], ink: Rgb, paper: Rgb, opacity: float = 1.0) -> None:
        """Put text on a panel: ink where it covers, paper elsewhere.

        Args:
            x, y: top left corner, inside the picture and even; what goes over the right or lower edge is cut.
            coverage: how much of each pixel is ink, 0..255, at luma size and at half of it.
            ink, paper: (R, G, B).
            opacity: of the paper, 0..1; the picture shines through what is missing to 1.
        """
        height = min(coverage[0].shape[0], self.size_hw[0] - y)
        width = min(coverage[0].shape[1], self.size_hw[1] - x)
        if height <= 0 or width <= 0:
            return
        for plane, half, above, below in zip(
            self.planes, self.halved, self.palette(ink), self.palette(paper), strict=True
        ):
            under = plane[y >> half : (y + height) >> half, x >> half : (x + width) >> half]
            cover = coverage[half]
            if cover.shape != under.shape:
                cover = cover[: under.shape[0], : under.shape[1]]
            if opacity == 1:
                cv2.convertScaleAbs(cover, under, (above - below) / 255, below)
                continue
            # out = under * keep + cover * ink + (255 - cover) * opacity * paper, all over 255
            shade = opacity * below
            keep = cv2.convertScaleAbs(cover, None, opacity - 1, 255 * (1 - opacity))
            cv2.multiply(under, keep, under, 1 / 255)
            cv2.add(under, cv2.convertScaleAbs(cover, None, (above - shade) / 255, shade), under)
