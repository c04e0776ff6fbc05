"""Flat things on the ground: paint, covers, patches, stains and the shadows of what stands still."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.sources.demo.canvas import F32
from pipeline.sources.demo.noise import fractal


@dataclass(frozen=True, slots=True)
class Decal:
    """A rectangle on the ground, s0..s1 along and u0..u1 across the road, metres.

    mask (h, w) float32, 0..1, first row at s0, is stretched over it; None covers all of it.
    A shadow is a decal of black; shadows do not add up where they overlap.
    """

    s0: float
    s1: float
    u0: float
    u1: float
    bgr: tuple[float, float, float]
    opacity: float
    mask: F32 | None = None

    def cover(self, s_edge: float, texel_s: float, rows: int, u_edge: float, texel_u: float, columns: int) -> F32:
        """How much it covers of each texel of a grid that begins at (s_edge, u_edge): (rows, columns), 0..1."""
        if self.mask is None:
            along = _overlap(s_edge, texel_s, rows, self.s0, self.s1)
            across = _overlap(u_edge, texel_u, columns, self.u0, self.u1)
            return np.asarray(along[:, None] * across * self.opacity, np.float32)
        height, width = self.mask.shape
        scale_u, scale_s = width / (self.u1 - self.u0), height / (self.s1 - self.s0)
        back = np.array(
            [
                [texel_u * scale_u, 0, (u_edge + texel_u / 2 - self.u0) * scale_u - 0.5],
                [0, texel_s * scale_s, (s_edge + texel_s / 2 - self.s0) * scale_s - 0.5],
            ]
        )
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(self.mask, back, (columns, rows), flags=how) * self.opacity, np.float32)


def _overlap(edge: float, texel: float, count: int, first: float, last: float) -> F32:
    begins = edge + texel * np.arange(count, dtype=np.float64)
    return np.clip((np.minimum(begins + texel, last) - np.maximum(begins, first)) / texel, 0, 1).astype(np.float32)


class Stencils:
    """Masks for decals, made once per world."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.worn = [np.clip(1.15 - 0.5 * np.clip(fractal(rng, 64, 32, 0.8), 0, 2), 0, 1) for _ in range(6)]
        self.stains = [np.clip(fractal(rng, 64, 64, 1.3) * 0.5 * _round(64), 0, 1) for _ in range(6)]
        self.dappled = [np.clip(1.5 * _round(96) * (0.7 + 0.75 * fractal(rng, 96, 96, 1.0)), 0, 1) for _ in range(6)]
        self.cracks = [_crack(rng) for _ in range(6)]
        self.cover = _manhole()
        self.arrow = _arrow()


def _round(size: int) -> F32:
    """A disc that fades to nothing at the edge."""
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    return np.asarray(np.clip(2.2 * (1 - np.hypot(axis[:, None], axis)), 0, 1), np.float32)


def _crack(rng: np.random.Generator) -> F32:
    mask = np.zeros((256, 96), np.float32)
    wander = np.cumsum(rng.normal(0, 2.2, 64))
    points = np.stack([48 + wander - wander.mean(), np.linspace(4, 250, 64)], 1)
    cv2.polylines(mask, [points.astype(np.int32)], False, 1.0, 1, cv2.LINE_AA)
    return np.asarray(mask, np.float32)


def _manhole() -> F32:
    mask = np.zeros((64, 64), np.float32)
    cv2.circle(mask, (32, 32), 29, 0.85, -1, cv2.LINE_AA)
    cv2.circle(mask, (32, 32), 25, 0.35, 2, cv2.LINE_AA)
    for k in range(12, 56, 8):
        cv2.line(mask, (14, k), (50, k), 0.5, 2, cv2.LINE_AA)
    return np.asarray(mask, np.float32)


def _arrow() -> F32:
    mask = np.zeros((128, 48), np.float32)
    cv2.rectangle(mask, (20, 0), (28, 80), 1.0, -1)
    cv2.fillConvexPoly(mask, np.array([(4, 78), (44, 78), (24, 126)], np.int32), 1.0, cv2.LINE_AA)
    return np.asarray(mask, np.float32)
