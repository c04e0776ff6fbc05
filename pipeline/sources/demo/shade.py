"""The shadows of what stands still, as decals on the ground."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.sources.demo.canvas import F32
from pipeline.sources.demo.conditions import Conditions
from pipeline.sources.demo.decal import Decal

_BLACK = (0.0, 0.0, 0.0)
_CELLS = 64
_LONGEST_M = 45.0


def cast(conditions: Conditions, height_m: float) -> tuple[float, float]:
    """How far the top of something casts its shadow to the right and ahead, metres."""
    right, up, ahead = conditions.to_sun.tolist()
    length = min(height_m / up, _LONGEST_M)
    return -right * length, -ahead * length


def wall_shadow(conditions: Conditions, s0: float, s1: float, u0: float, u1: float, height_m: float) -> Decal | None:
    """The shadow of a block with this footprint, or None where the sun casts none."""
    if conditions.weather != "sunny":
        return None
    du, ds = cast(conditions, height_m)
    corners = [(u, s) for u in (u0, u1) for s in (s0, s1)]
    corners += [(u + du, s + ds) for u, s in corners]
    return _filled(np.array(corners, np.float32), conditions.shade)


def pole_shadow(conditions: Conditions, s: float, u: float, height_m: float) -> Decal | None:
    """The shadow of a pole."""
    if conditions.weather != "sunny":
        return None
    return wall_shadow(conditions, s - 0.09, s + 0.09, u - 0.09, u + 0.09, height_m)


def crown_shadow(conditions: Conditions, s: float, u: float, height_m: float, mask: F32) -> Decal:
    """The dappled shadow of a tree; without sun the soft one under it."""
    radius = 0.32 * height_m
    if conditions.weather != "sunny":
        return Decal(s - radius, s + radius, u - radius, u + radius, _BLACK, 0.22, mask)
    du, ds = cast(conditions, 0.62 * height_m)
    stretch = 1 + 0.35 * (abs(du) + abs(ds)) / max(height_m, 1.0)
    radius *= stretch
    return Decal(s + ds - radius, s + ds + radius, u + du - radius, u + du + radius, _BLACK, conditions.shade, mask)


def _filled(corners: F32, opacity: float) -> Decal:
    """A decal that covers the convex hull of corners (n, 2), u and s."""
    low, high = corners.min(0), corners.max(0)
    size = np.maximum(high - low, 0.1)
    cells = (corners - low) / size * (_CELLS - 1)
    mask = np.zeros((_CELLS, _CELLS), np.float32)
    cv2.fillConvexPoly(mask, np.rint(cv2.convexHull(cells.astype(np.float32))).astype(np.int32), 1.0)
    (u0, s0), (u1, s1) = low.tolist(), (low + size).tolist()
    return Decal(s0, s1, u0, u1, _BLACK, opacity, mask)
