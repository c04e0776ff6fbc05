"""The classes of all pixels over the picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.render.canvas import Canvas
from pipeline.render.colours import legible
from pipeline.types import Labels

U8 = NDArray[np.uint8]

_LEAST_SEEN = 0.002  # of the frame: less of a class is not in the legend
_STRIP = 1 << 18  # pixels worked on at a time: what stays in a core's cache


class LabelPainter:
    """Blends every pixel with the colour of its class: out = picture * (1 - alpha) + colour * alpha.

    Pixels of VOID, or of any number that is no class, stay as they are. A halved plane takes the label of the
    pixel at even x and y.

    Args:
        alpha: weight of the colour, 0..1.
    """

    def __init__(self, alpha: float) -> None:
        self._alpha = alpha
        self._memory = np.empty((2, _STRIP), np.uint8)

    def paint(self, canvas: Canvas, labels: Labels) -> None:
        """Draw; the canvas has the size of the label map."""
        known = len(labels.classes)
        colours = [canvas.palette(legible(rgb)) for rgb in labels.classes.colours]
        added = np.zeros((len(canvas.planes), 256), np.uint8)
        added[:, :known] = np.rint(np.array(colours).T * self._alpha)
        whole = int(labels.map.max()) < known
        ids, halved = labels.map, False
        for plane, half, table in zip(canvas.planes, canvas.halved, added, strict=True):
            if half and not halved:
                ids, halved = every_second(labels.map), True
            rows = max(1, self._memory.shape[1] // plane.shape[1])
            for top in range(0, plane.shape[0], rows):
                self._blend(plane[top : top + rows], ids[top : top + rows], table, None if whole else known)

    def _blend(self, under: U8, ids: U8, table: U8, known: int | None) -> None:
        if under.size > self._memory.shape[1]:
            self._memory = np.empty((2, under.size), np.uint8)
        colour, blend = self._memory[:, : under.size].reshape(2, *under.shape)
        if known is None:
            blend = under
        if self._alpha == 0.5:
            np.right_shift(under, 1, out=blend)  # half the time of a multiplication
        else:
            cv2.convertScaleAbs(under, blend, 1 - self._alpha)
        cv2.add(blend, cv2.LUT(ids, table, colour), blend)
        if known is not None:
            cv2.copyTo(blend, np.asarray(ids < known).view(np.uint8), under)


def every_second(ids: U8) -> U8:
    """The pixels at even x and y of a map with even sides, new memory."""
    if not ids.flags.c_contiguous:
        return np.ascontiguousarray(ids[::2, ::2])
    # Two pixels are one little-endian number, and the cast keeps its low byte, the first: 8 times faster.
    return ids.view("<u2")[::2].astype(np.uint8)


def classes_seen(labels: Labels) -> list[int]:
    """Classes that cover more than _LEAST_SEEN of the frame, by every eighth pixel across and down."""
    sample = labels.map[::8, ::8].ravel()
    counts = np.bincount(sample, minlength=256)[: len(labels.classes)]
    return np.flatnonzero(counts > _LEAST_SEEN * sample.size).tolist()
