"""The crowns of broad-leaved trees and bushes: where there are leaves, and how they are lit."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pipeline.sources.demo.canvas import F32
from pipeline.sources.demo.noise import fractal

_TILE = 512


class Leaves:
    """Noise of the size of leaves and twigs, made once for all crowns of a world."""

    def __init__(self, rng: np.random.Generator) -> None:
        tile = fractal(rng, _TILE, _TILE, 0.35) + 0.6 * fractal(rng, _TILE, _TILE, 0.9)
        self._noise = np.tile(tile, (3, 3))

    def piece(self, rng: np.random.Generator, rows: int, columns: int) -> F32:
        """Some of it, (rows, columns)."""
        down, across = rng.integers(0, _TILE, 2).tolist()
        return self._noise[down : down + rows, across : across + columns]


def draw_crown(
    rng: np.random.Generator, leaves: Leaves, size_hw: tuple[int, int], foot_px: float, sun_x: float
) -> tuple[F32, NDArray[np.bool_]]:
    """How lit a crown's leaves are, 0 to about 1.3, and where there are any; both of size_hw.

    Boughs are balls on an oval that ends at foot_px. The foremost counts; each is lit from above and from
    the sun's side (sun_x: how far the sun is to the right, -1..1).
    """
    rows, columns = size_hw
    fine = leaves.piece(rng, rows, columns)
    depth, shade = np.full(size_hw, -1e6, np.float32), np.zeros(size_hw, np.float32)
    radius_x, radius_y = columns * 0.46, foot_px * 0.48
    boughs = int(rng.integers(46, 80))
    turns, out = rng.uniform(0, 2 * math.pi, boughs), np.sqrt(rng.random(boughs)) * 0.84
    sizes = min(radius_x, radius_y) * rng.uniform(0.13, 0.36, boughs)
    tones = 0.46 + 0.08 * rng.standard_normal(boughs)
    for turn, away, radius, tone in np.stack([turns, out, sizes, tones], 1).tolist():
        x0 = columns / 2 + radius_x * away * math.cos(turn)
        y0 = foot_px * 0.5 + radius_y * away * math.sin(turn)
        left, right = max(int(x0 - 1.3 * radius), 0), min(int(x0 + 1.3 * radius), columns)
        top, bottom = max(int(y0 - 1.3 * radius), 0), min(int(y0 + 1.3 * radius), rows)
        dx = (np.arange(left, right, dtype=np.float32) - x0)[None, :] / radius
        dy = (np.arange(top, bottom, dtype=np.float32) - y0)[:, None] / radius
        squared = dx * dx + dy * dy + 0.32 * fine[top:bottom, left:right]
        towards = np.sqrt(np.clip(1 - squared, 0, 1))
        ahead = radius * towards + 0.13 * rows * (1 - away)
        nearer = (squared < 0.95) & (ahead > depth[top:bottom, left:right])
        lit = tone - 0.4 * dy + 0.22 * sun_x * dx + 0.12 * towards
        depth[top:bottom, left:right][nearer] = ahead[nearer]
        shade[top:bottom, left:right][nearer] = lit[nearer]
    there = depth > -1e5
    grain = leaves.piece(rng, rows, columns)
    shade *= 1 + 0.26 * grain
    shade += np.where(rng.random(size_hw, np.float32) < 0.05, 0.28, 0)  # single leaves that catch the light
    shade *= 1.05 - 0.35 * np.arange(rows, dtype=np.float32)[:, None] / foot_px
    return shade, there & (grain < 2.1)
