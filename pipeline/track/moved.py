"""Labels and objects of one frame where the flow brings them in the next."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.types import Instances, Labels
from pipeline.types.messages import Motion

_LABELS_PX = 640  # long side of the grid that labels are moved on, at most; few networks give a finer one
_OBJECTS_PX = 320  # of the grid that the movement of objects is read from
_REACH_PX = 24  # of that grid: how far an object is looked for around where it was
_CELLS = 1000  # of that grid, about, that are looked at for an object
_LEAST_SEEN = 12  # cells of that grid in which an object must be seen for its size to change
_GROWTH = 1.25  # at most, from a frame to the next
_NO_MAP: Any = None  # both coordinates are in the first map

F64 = NDArray[np.float64]


def moved_labels(labels: Labels, motion: Motion) -> Labels:
    """The class of every pixel, nearest; what comes in at an edge of the picture is as that edge was."""
    height, width = labels.map.shape
    step = -(-max(height, width) // _LABELS_PX)
    came_from = motion.back((-(-height // step), -(-width // step)))
    came_from_px = came_from * np.float32(step) + np.float32((step - 1) / 2)  # from middle to middle of the cells
    taken = cv2.remap(labels.map, came_from_px, _NO_MAP, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    if step > 1:
        size = taken.shape[1] * step, taken.shape[0] * step
        taken = cv2.resize(taken, size, interpolation=cv2.INTER_NEAREST)[:height, :width]
    return replace(labels, map=np.ascontiguousarray(taken, np.uint8))


class MovedObjects:
    """Objects that were found in a frame, moved and scaled to each one behind it as the flow inside their masks says.

    Position and size of each axis are fitted by least squares from frame to frame: where cells of the new picture
    were in the old one is a straight line of where they are. Boxes and masks are those that were found, moved once
    by all of it. Those that left the picture are gone.

    Args:
        found: in the frame before the first that is moved to.
        size_hw: of all frames, pixels.
    """

    def __init__(self, found: Instances, size_hw: tuple[int, int]) -> None:
        self._found, self._now, self._size_hw = found, found, size_hw
        self._slope, self._shift = np.ones((len(found), 2)), np.zeros((len(found), 2))  # found = slope * now + shift

    def __call__(self, motion: Motion) -> Instances:
        """The objects in the next frame.

        Args:
            motion: to it from the frame that this was called for last.
        """
        if not len(self._found):
            return self._found
        height, width = self._size_hw
        shrink = min(1.0, _OBJECTS_PX / max(height, width))
        small_hw = max(1, round(height * shrink)), max(1, round(width * shrink))
        came_from = motion.back(small_hw)
        scale = np.array([width / small_hw[1], height / small_hw[0]])
        steps = [_fitted(self._now, i, came_from, scale) for i in range(len(self._now))]
        slopes, shifts = (np.array(each) for each in zip(*steps, strict=True))
        self._slope, self._shift = self._slope * slopes, self._slope * shifts + self._shift
        edges = (self._found.boxes_xyxy.reshape(-1, 2, 2) - self._shift[:, None]) / self._slope[:, None]
        boxes = np.clip(edges, 0, (width, height))
        left = np.flatnonzero((boxes[:, 1] - boxes[:, 0] >= 1).all(1))
        if len(left) < len(boxes):
            self._found, boxes = self._found.take(left), boxes[left]
            self._slope, self._shift = self._slope[left], self._shift[left]
        objects = range(len(self._found))
        moved = [_moved_mask(self._found, i, self._slope[i], self._shift[i], self._size_hw) for i in objects]
        self._now = replace(
            self._found,
            boxes_xyxy=boxes.reshape(-1, 4).astype(self._found.boxes_xyxy.dtype),
            crops_px=np.array([crop for crop, _ in moved], np.int32).reshape(-1, 4),
            arena=np.concatenate([np.zeros(0, np.uint8), *(mask.reshape(-1) for _, mask in moved)]),
            offset=np.cumsum([0, *(mask.size for _, mask in moved)], dtype=np.int64),
        )
        return self._now


def _fitted(found: Instances, i: int, came_from: NDArray[np.float32], scale: F64) -> tuple[F64, F64]:
    """Slope and shift, for x and y: old = slope * new + shift, source pixels.

    Args:
        came_from: (h, w, 2) where each cell was, cells.
        scale: source pixels of a cell, x and y.
    """
    height, width = came_from.shape[:2]
    (left, top), (right, bottom) = (found.boxes_xyxy[i].reshape(2, 2) / scale).tolist()
    x0, x1 = max(0, int(left) - _REACH_PX), min(width, int(right) + 1 + _REACH_PX)
    y0, y1 = max(0, int(top) - _REACH_PX), min(height, int(bottom) + 1 + _REACH_PX)
    step = 1 + math.isqrt(max(0, x1 - x0) * max(0, y1 - y0) // _CELLS)
    x, y = (came_from[y0:y1:step, x0:x1:step, axis] + 0.5 for axis in (0, 1))
    seen = (x > left) & (x < right) & (y > top) & (y < bottom)
    rows, columns = np.nonzero(seen)
    old = np.stack([x[rows, columns], y[rows, columns]], 1) * scale
    new = (np.stack([columns * step + x0, rows * step + y0], 1) + 0.5) * scale
    on_it = _in_mask(found, i, old)
    if np.count_nonzero(on_it) >= _LEAST_SEEN:
        old, new = old[on_it], new[on_it]
    slope = np.ones(2)
    if not len(old):  # it left the picture, or is smaller than a cell: it moves as what was in its place
        column, row = min(width - 1, int((left + right) / 2)), min(height - 1, int((top + bottom) / 2))
        return slope, (came_from[row, column] - (column, row)) * scale
    centre_old, centre_new = old.mean(0), new.mean(0)
    if len(old) >= _LEAST_SEEN:
        apart = new - centre_new
        spread, along = (apart**2).sum(0), (apart * (old - centre_old)).sum(0)
        slope = np.clip(np.divide(along, spread, out=slope, where=spread > 0), 1 / _GROWTH, _GROWTH)
    return slope, centre_old - slope * centre_new


def _in_mask(found: Instances, i: int, points_xy: F64) -> NDArray[np.bool_]:
    """Which of the points, (n, 2) source pixels, lie on the object's mask."""
    x0, y0, x1, y1 = found.crops_px[i].tolist()
    if x0 >= x1 or y0 >= y1:
        return np.zeros(len(points_xy), np.bool_)
    x, y = points_xy.astype(np.intp).T
    inside = (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
    on_it: NDArray[np.bool_] = inside & (
        found.mask(i)[np.clip(y - y0, 0, y1 - y0 - 1), np.clip(x - x0, 0, x1 - x0 - 1)] != 0
    )
    return on_it


def _moved_mask(
    found: Instances, i: int, slope: F64, shift: F64, size_hw: tuple[int, int]
) -> tuple[tuple[int, int, int, int], NDArray[np.uint8]]:
    """Crop and mask of an object, source pixels."""
    crop = found.crops_px[i].reshape(2, 2)
    edges = (crop - shift) / slope
    low = np.clip(np.floor(edges[0]).astype(int), 0, size_hw[::-1])
    high = np.clip(np.ceil(edges[1]).astype(int), low, size_hw[::-1])
    (x0, y0), (x1, y1) = low.tolist(), high.tolist()
    mask = found.mask(i)
    if not mask.size or x0 >= x1 or y0 >= y1:
        return (x0, y0, x0, y0), np.zeros(0, np.uint8)
    # Pixel centres: old + 1/2 = slope * (new + 1/2) + shift, each counted from its crop's corner.
    offset = slope * (low + 0.5) + shift - crop[0] - 0.5
    inverse = np.array([[slope[0], 0, offset[0]], [0, slope[1], offset[1]]])
    warped = cv2.warpAffine(mask, inverse, (x1 - x0, y1 - y0), flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    return (x0, y0, x1, y1), np.asarray(warped, np.uint8)
