"""Non-maximum suppression: of boxes that lie on one object, keep the best."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MAX_CANDIDATES = 30_000  # the best go in, the others are dropped; as Ultralytics has it
BLOCK = 128  # candidates compared with each other at once
CLASS_OFFSET_PX = 7680  # moves the classes apart, so that boxes of two classes never overlap; as Ultralytics does


def nms(
    boxes_xyxy: NDArray[np.float32],
    scores: NDArray[np.float32],
    class_ids: NDArray[np.int32] | None,
    *,
    iou: float,
    max_det: int,
) -> NDArray[np.intp]:
    """Greedy NMS, the best score first; of equal scores the earlier row.

    Args:
        boxes_xyxy: (n, 4) x0, y0, x1, y1, any unit.
        scores: (n,), finite.
        class_ids: (n,), only boxes of one class suppress each other; None: all do (agnostic).
        iou: a box goes if it overlaps a kept one by more than this.
        max_det: stop after so many.

    Returns:
        Rows to keep, best first, (<= max_det,).

    The same float32 arithmetic as torchvision.ops.nms on boxes offset by class. Works through the candidates in
    blocks: rejects those that overlap what is already kept, then settles the block by its own overlap matrix.
    """
    order = np.argsort(-scores, kind="stable")[:MAX_CANDIDATES]
    corners = boxes_xyxy.astype(np.float32, copy=False)[order].T
    if class_ids is not None:
        corners = corners + class_ids[order].astype(np.float32) * np.float32(CLASS_OFFSET_PX)
    limit = _at_most(iou)
    kept: list[int] = []
    with np.errstate(all="ignore"):  # boxes of no area: 0 / 0 is not more than any limit
        areas = (corners[2] - corners[0]) * (corners[3] - corners[1])
        for start in range(0, len(order), BLOCK):
            rows = np.arange(start, min(start + BLOCK, len(order)))
            if kept:
                rows = rows[~(_iou(corners, areas, np.array(kept), rows) > limit).any(0)]
            overlaps = _iou(corners, areas, rows, rows) > limit
            kept += rows[_settle(overlaps)].tolist()
            if len(kept) >= max_det:
                break
    return order[kept[:max_det]]


def _settle(overlaps: NDArray[np.bool_]) -> list[int]:
    """Go down a block, best first: keep what no kept one overlaps. A row of the matrix is a whole number's bits."""
    bits = [int.from_bytes(row.tobytes(), "little") for row in np.packbits(overlaps, 1, "little")]
    kept, gone = [], 0
    for index, suppressed in enumerate(bits):
        if not gone >> index & 1:
            kept.append(index)
            gone |= suppressed
    return kept


def _iou(
    corners: NDArray[np.float32], areas: NDArray[np.float32], some: NDArray[np.intp], others: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Intersection over union of boxes (4, n) by index: (len(some), len(others))."""
    one, two = corners[:, some, None], corners[:, None, others]
    inter: NDArray[np.float32] = np.minimum(one[2], two[2])
    inter -= np.maximum(one[0], two[0])
    np.maximum(inter, 0, out=inter)
    height = np.minimum(one[3], two[3])
    height -= np.maximum(one[1], two[1])
    np.maximum(height, 0, out=height)
    inter *= height
    union = areas[some, None] + areas[others]
    union -= inter
    np.divide(inter, union, out=inter)
    return inter


def _at_most(value: float) -> np.float32:
    """The largest float32 that is not above a number, so that x > value says the same of a float32 x."""
    near = np.float32(value)
    return np.nextafter(near, np.float32(-np.inf)) if float(near) > value else near
