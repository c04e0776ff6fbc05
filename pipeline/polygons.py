"""Polygons as masks, exactly as COCO's own tool draws them.

The rule of rleFrPoly in cocoapi/common/maskApi.c: the outline is walked in fifths of a pixel, and a pixel column is
entered or left where the outline crosses its middle; between the first and the second crossing is inside.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

_SCALE = 5  # steps a pixel
_FAR_PX = 1e7  # beyond this a coordinate is no coordinate, and would overflow

Mask = NDArray[np.uint8]
Crop = tuple[int, int, int, int]


def polygons_crop(polygons: Sequence[ArrayLike], size: tuple[int, int]) -> tuple[Mask, Crop]:
    """What lies in any of some polygons, inside the smallest crop that holds it.

    Args:
        polygons: each x, y, x, y, ... of three or more corners, pixels.
        size: height and width of the frame.

    Returns:
        mask (y1 - y0, x1 - x0) uint8, 255 inside, and (x0, y0, x1, y1); all 0 where nothing is inside.

    Raises:
        ValueError: a polygon has fewer than three corners, an odd count of numbers, or one that is none.
    """
    parts = [part for part in (_polygon(polygon, size) for polygon in polygons) if part is not None]
    if not parts:
        return np.zeros((0, 0), np.uint8), (0, 0, 0, 0)
    corners = np.array([[x, y, x + part.shape[1], y + part.shape[0]] for part, (x, y) in parts])
    (x0, y0), (x1, y1) = corners[:, :2].min(axis=0).tolist(), corners[:, 2:].max(axis=0).tolist()
    whole = np.zeros((y1 - y0, x1 - x0), np.uint8)
    for part, (x, y) in parts:
        whole[y - y0 : y - y0 + part.shape[0], x - x0 : x - x0 + part.shape[1]] |= part
    return whole, (x0, y0, x1, y1)


def _polygon(polygon: ArrayLike, size: tuple[int, int]) -> tuple[Mask, tuple[int, int]] | None:
    """Mask (255 inside) in its tight crop and the crop's left top; None where nothing is inside."""
    height, width = size
    columns, rows = _crossings(polygon, height, width)
    if not len(columns):
        return None
    x0, x1, y0, y1 = int(columns.min()), int(columns.max()) + 1, int(rows.min()), int(rows.max())
    if y0 == y1:
        return None
    shape = (x1 - x0, y1 - y0 + 1)
    places = (columns - x0) * shape[1] + (rows - y0)
    toggles = np.bincount(places, minlength=shape[0] * shape[1]).reshape(shape) & 1
    inside = np.bitwise_xor.accumulate(toggles.astype(np.uint8), axis=1)[:, :-1].T  # each column ends outside
    filled = np.flatnonzero(inside.any(axis=1))
    if not len(filled):
        return None
    held = np.flatnonzero(inside.any(axis=0))
    top, left = int(filled[0]), int(held[0])
    mask = inside[top : filled[-1] + 1, left : held[-1] + 1] * np.uint8(255)
    return mask, (x0 + left, y0 + top)


def _crossings(polygon: ArrayLike, height: int, width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Column and row of every place where the outline crosses the middle of a pixel column inside the frame."""
    corners = np.asarray(polygon, np.float64).reshape(-1)
    if len(corners) < 6 or len(corners) % 2:
        raise ValueError(f"a polygon of {len(corners)} numbers, six or more in pairs were expected")
    if not (np.abs(corners) < _FAR_PX).all():  # False for what is not a number, too
        raise ValueError("a polygon with a corner that is no place in an image")
    xy = np.trunc(_SCALE * corners + 0.5).astype(np.int64).reshape(-1, 2)
    begins, ends = xy, np.roll(xy, -1, axis=0)
    steps = np.abs(ends - begins)  # (k, 2)
    lengths = steps.max(axis=1)
    flat = steps[:, 0] >= steps[:, 1]  # walked along x, else along y
    along = np.where(flat, 0, 1)
    rows = np.arange(len(xy))
    flipped = begins[rows, along] > ends[rows, along]
    low = np.where(flipped[:, None], ends, begins)
    rise = (np.where(flipped[:, None], begins, ends) - low)[rows, 1 - along]
    slope = rise / np.maximum(lengths, 1)
    counts = lengths + 1
    edge = np.repeat(rows, counts)
    step = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    step = np.where(flipped[edge], lengths[edge] - step, step)
    main = low[edge, along[edge]] + step
    side = np.trunc(low[edge, 1 - along[edge]] + slope[edge] * step + 0.5).astype(np.int64)
    u, v = np.where(flat[edge], main, side), np.where(flat[edge], side, main)
    at = np.minimum(u[1:], u[:-1])
    middle = _SCALE // 2
    crossed = (u[1:] != u[:-1]) & (at % _SCALE == middle) & (at >= 0) & (at // _SCALE < width)
    columns = at[crossed] // _SCALE
    lower = np.minimum(v[1:], v[:-1])[crossed]
    return columns, np.clip((lower + middle) // _SCALE, 0, height)  # ceil((lower + 0.5) / 5 - 0.5)
