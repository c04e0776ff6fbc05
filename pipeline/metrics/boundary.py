"""How well the borders of what was found lie on the true ones: boundary IoU and boundary F."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.types import VOID

Mask = NDArray[np.bool_]
IOU_SHARE = 0.02  # of the picture's diagonal: the width of the border that boundary IoU compares
F_SHARE = 0.008  # of the picture's diagonal: how far a border may lie off and count as found


def border(mask: NDArray[np.uint8], width_px: int) -> NDArray[np.uint8]:
    """The pixels of a mask that are at most `width_px` from its outside; the picture's edge is outside.

    Args:
        mask: (h, w) uint8, 0 outside.

    Returns:
        (h, w) uint8, 0 or the mask's value. Distances are those of steps in eight directions (Cheng et al.'s
        mask_to_boundary, which erodes by 3 x 3 as many times).
    """
    padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    square = np.ones((2 * width_px + 1, 2 * width_px + 1), np.uint8)
    return np.asarray(cv2.subtract(mask, cv2.erode(padded, square)[1:-1, 1:-1]), np.uint8)


class BoundaryIoU:
    """IoU of the borders of each class, over all images: Cheng et al., CVPR 2021, arXiv 2103.16562.

    Counts border pixels as mean IoU counts pixels: intersection and union are summed over the images. Pixels without
    a class in truth are not counted.

    Args:
        classes: how many.
        share: width of the border as a part of the picture's diagonal, at least one pixel.
    """

    def __init__(self, classes: int, share: float = IOU_SHARE) -> None:
        self._share = share
        self._both = np.zeros(classes, np.int64)
        self._either = np.zeros(classes, np.int64)

    def add(self, truth: NDArray[np.uint8], found: NDArray[np.uint8]) -> None:
        """Count one image: (h, w) uint8 class ids each, VOID for none."""
        width_px = max(1, round(self._share * math.hypot(*truth.shape)))
        known = cv2.compare(truth, VOID, cv2.CMP_NE)  # type: ignore[call-overload]  # the stub knows no number
        for class_id in range(len(self._both)):
            true, said = (
                np.asarray(cv2.compare(labels, class_id, cv2.CMP_EQ), np.uint8)  # type: ignore[call-overload]
                for labels in (truth, found)
            )
            said = np.asarray(cv2.bitwise_and(said, known), np.uint8)
            if not cv2.countNonZero(true) and not cv2.countNonZero(said):
                continue
            true, said = border(true, width_px), border(said, width_px)
            self._both[class_id] += cv2.countNonZero(cv2.bitwise_and(true, said))
            self._either[class_id] += cv2.countNonZero(cv2.bitwise_or(true, said))

    def merge(self, other: BoundaryIoU) -> None:
        """Add what another one of the same classes has counted; the order of merging does not matter."""
        self._both += other._both
        self._either += other._either

    def scores(self) -> NDArray[np.float64]:
        """(n,) 0..1, NaN for a class without a border in truth or found."""
        shares = np.full(len(self._both), np.nan)
        np.divide(self._both, self._either, out=shares, where=self._either > 0)
        return shares


def outline(mask: Mask) -> Mask:
    """The pixels where a mask changes to the right, below or across: one pixel wide, as DAVIS' seg2bmap draws it."""
    change = np.zeros_like(mask)
    change[:, :-1] = mask[:, :-1] ^ mask[:, 1:]
    change[:-1] |= mask[:-1] ^ mask[1:]
    change[:-1, :-1] |= mask[:-1, :-1] ^ mask[1:, 1:]
    return change


def boundary_f(truth: Mask, found: Mask) -> float:
    """F measure of the outlines of two masks: Perazzi et al., CVPR 2016 (DAVIS).

    An outline may lie off by F_SHARE of the diagonal, rounded up.

    Args:
        truth, found: (h, w) bool.

    Returns:
        0..1; 1 where neither has an outline.
    """
    tolerance_px = math.ceil(F_SHARE * math.hypot(*truth.shape))
    return f_measure(outline(truth), outline(found), tolerance_px)


def f_measure(truth: Mask, found: Mask, tolerance_px: float) -> float:
    """Harmonic mean of the shares of each that lie within a disk of `tolerance_px` of the other.

    1 where both are empty, 0 where one is.
    """
    true_count, found_count = np.count_nonzero(truth), np.count_nonzero(found)
    if true_count == 0 or found_count == 0:
        return float(true_count == found_count)
    either = truth | found  # what is nearest to a pixel of one lies in the other
    rows, columns = np.flatnonzero(either.any(1)), np.flatnonzero(either.any(0))
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    truth, found = truth[part], found[part]
    precision = np.count_nonzero(found & near(truth, tolerance_px)) / found_count
    recall = np.count_nonzero(truth & near(found, tolerance_px)) / true_count
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def near(mask: Mask, distance_px: float) -> Mask:
    """Dilated by a disk: the pixels within that distance of a pixel of the mask, which has one."""
    away = cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(away < distance_px + 1e-3)  # whole squares lie further apart than that
