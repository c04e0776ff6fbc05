"""A network's outputs for 26 objects, made up."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.types import Classes

F32 = NDArray[np.float32]
SIZE_HW, NETWORK_HW, GRID_HW, KINDS = (720, 1280), (384, 640), (96, 160), 80


def _boxes() -> F32:
    rng = np.random.default_rng(1)
    centres = rng.uniform((60, 60), (1220, 660), (26, 2))
    sizes = rng.uniform((30, 30), (320, 240), (26, 2))
    corners = np.hstack([centres - sizes / 2, centres + sizes / 2])
    return np.clip(corners, 0, [1280, 720, 1280, 720]).astype(np.float32)


BOXES = _boxes()  # (26, 4) source pixels


def classes() -> Classes:
    """Eight kinds of road users."""
    names = ("person", "bicycle", "car", "motorcycle", "bus", "train", "truck", "rider")
    colours = tuple((40 + 25 * i, 230 - 25 * i, (90 * i) % 256) for i in range(len(names)))
    return Classes(names, colours)


def prototypes() -> tuple[F32, F32]:
    """Prototypes (32, 96, 160) and coefficients (26, 32) whose masks are an ellipse inside each box."""
    rng = np.random.default_rng(2)
    rows, columns = (8.0 * axis + 4 for axis in np.mgrid[: GRID_HW[0], : GRID_HW[1]])  # source pixels
    rows -= 24  # the padding above
    x0, y0, x1, y1 = BOXES.T[:, :, None, None]
    hills = 1 - ((2 * columns - x0 - x1) / (x1 - x0)) ** 2 - ((2 * rows - y0 - y1) / (y1 - y0)) ** 2
    rest = [cv2.resize(rng.normal(size=(12, 20)), GRID_HW[::-1]) for _ in range(32 - len(BOXES))]
    turn = np.linalg.qr(rng.normal(size=(32, 32)))[0]  # no prototype is a mask by itself
    grid = np.tensordot(turn, np.concatenate([np.clip(hills, -4, 1), rest]), 1)
    return np.ascontiguousarray(grid, np.float32), np.ascontiguousarray(turn.T[: len(BOXES)], np.float32)


def candidates(count: int = 300) -> tuple[F32, F32, NDArray[np.int32]]:
    """Boxes (n, 4), scores and class ids: each object seen a dozen times, as before suppression."""
    rng = np.random.default_rng(3)
    which = rng.integers(0, len(BOXES), count)
    boxes = BOXES[which] + rng.normal(0, 4, (count, 4))
    return boxes.astype(np.float32), rng.uniform(0.25, 1, count).astype(np.float32), (which % 8).astype(np.int32)


def dense_output() -> Any:
    """YOLO-seg's first output (1, 116, 5040) for those candidates."""
    boxes, scores, class_ids = candidates()
    rows = np.zeros((116, 5040), np.float32)
    at = np.random.default_rng(4).permutation(5040)[: len(boxes)]
    rows[0, at], rows[1, at] = (boxes[:, 0] + boxes[:, 2]) / 4, (boxes[:, 1] + boxes[:, 3]) / 4 + 12
    rows[2, at], rows[3, at] = (boxes[:, 2] - boxes[:, 0]) / 2, (boxes[:, 3] - boxes[:, 1]) / 2
    rows[4 + class_ids, at] = scores
    return rows[None]
