"""Trees and bushes as cut-outs, drawn once per world."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.sources.demo.canvas import F32
from pipeline.sources.demo.conditions import Conditions
from pipeline.sources.demo.crown import Leaves, draw_crown
from pipeline.sources.demo.texture import Stencil, cutout

_VEGETATION = 8
_FULL_PX = 640  # a tree's height where the sizes of strokes below hold


@dataclass(frozen=True, slots=True)
class Plant:
    """A tree or a bush: its cut-out, as wide as `aspect` times its height."""

    stencil: Stencil
    aspect: float


class Nursery:
    """Draws the plants of a world, trees rows_px high."""

    def __init__(self, conditions: Conditions, rows_px: int) -> None:
        self._conditions = conditions
        self._rng = conditions.rng(5)
        self._leaves = Leaves(self._rng)
        self._rows = rows_px
        self._scale = rows_px / _FULL_PX
        self._light, self._dark = conditions.light_on(0, 0.8, -0.6), conditions.light_on(0, -0.6, -0.8)

    def trees(self, count: int) -> list[Plant]:
        """Trees; the last quarter are conifers."""
        broad = self._bare if self._conditions.season == "winter" else self._broadleaf
        conifers = count // 4
        return [*(broad() for _ in range(count - conifers)), *(self._conifer() for _ in range(conifers))]

    def bushes(self, count: int) -> list[Plant]:
        """Bushes."""
        return [self._bush() for _ in range(count)]

    def _blank(self, rows: int, aspect: float) -> tuple[F32, F32]:
        columns = int(rows * aspect)
        return np.zeros((rows, columns, 3), np.float32), np.zeros((rows, columns), np.float32)

    def _broadleaf(self) -> Plant:
        bgr, alpha = self._blank(self._rows, self._rng.uniform(0.68, 0.9))
        foot = self._rows * float(self._rng.uniform(0.68, 0.82))
        self._trunk(bgr, alpha, foot)
        return self._leafy(bgr, alpha, foot)

    def _bush(self) -> Plant:
        bgr, alpha = self._blank(max(self._rows // 3, 64), self._rng.uniform(1.1, 1.7))
        return self._leafy(bgr, alpha, float(len(alpha)))

    def _leafy(self, bgr: F32, alpha: F32, foot: float) -> Plant:
        rows, columns = alpha.shape
        sun_x = float(self._conditions.to_sun[0])
        shade, there = draw_crown(self._rng, self._leaves, (rows, columns), foot, sun_x)
        lights = self._dark + (self._light - self._dark) * np.clip(shade, 0, 1.1)[..., None]
        leaves = self._leaf_bgr() * (0.3 + np.clip(shade, 0, 1.3))[..., None] * lights
        leaves[..., 2] *= 1 + 0.05 * self._leaves.piece(self._rng, rows, columns)
        bgr[there] = np.clip(leaves, 0, 250)[there]
        alpha[there] = 1
        return _plant(bgr, alpha)

    def _leaf_bgr(self) -> F32:
        rng = self._rng
        if self._conditions.season == "autumn" and rng.random() < 0.75:
            return np.array((rng.uniform(18, 44), rng.uniform(70, 140), rng.uniform(120, 185)), np.float32)
        green = rng.uniform(82, 122)
        return np.array((green * rng.uniform(0.3, 0.62), green, green * rng.uniform(0.6, 0.92)), np.float32)

    def _trunk(self, bgr: F32, alpha: F32, foot: float) -> None:
        rng = self._rng
        rows, columns = alpha.shape
        bark = np.array((58, 68, 76), np.float32) * rng.uniform(0.6, 1.1) * self._light
        thick, lean, middle = columns * rng.uniform(0.022, 0.04), rng.uniform(-0.03, 0.03) * columns, columns / 2
        top = foot * 0.7
        outline = np.array(
            [
                (middle - 1.25 * thick, rows),
                (middle + 1.25 * thick, rows),
                (middle + 0.7 * thick + lean, top),
                (middle - 0.7 * thick + lean, top),
            ],
            np.int32,
        )
        cv2.fillConvexPoly(alpha, outline, 1.0)
        cv2.fillConvexPoly(bgr, outline, bark.tolist())
        across = (np.arange(columns, dtype=np.float32) - middle) / thick
        shade = np.clip(0.95 + 0.3 * across * (1 if rng.random() < 0.5 else -1), 0.55, 1.3)
        bgr *= (shade * (1 + 0.16 * rng.standard_normal((rows, columns), np.float32)))[..., None]
        for _ in range(5):
            tip = (int(middle + rng.normal(0, 0.18) * columns), int(foot * rng.uniform(0.35, 0.8)))
            start = (int(middle + lean), int(foot * rng.uniform(0.9, 1.05)))
            cv2.line(bgr, start, tip, (bark * 0.8).tolist(), max(int(thick * 0.6), 1))
            cv2.line(alpha, start, tip, 1.0, max(int(thick * 0.6), 1))

    def _bare(self) -> Plant:
        rng = self._rng
        bgr, alpha = self._blank(self._rows, 0.8)
        rows, columns = alpha.shape
        bark = np.array((70, 78, 86), np.float32) * rng.uniform(0.6, 1.1) * self._conditions.light_on(0, 0, -1)
        twigs = [(columns / 2, float(rows), -math.pi / 2, rows * 0.27, columns * 0.026)]
        while twigs:
            x, y, turn, length, thick = twigs.pop()
            tip_x, tip_y = x + length * math.cos(turn), y + length * math.sin(turn)
            ends = ((round(x), round(y)), (round(tip_x), round(tip_y)))
            cv2.line(bgr, *ends, (bark * rng.uniform(0.75, 1.2)).tolist(), max(round(thick), 1))
            cv2.line(alpha, *ends, 1.0, max(round(thick), 1))
            if length > 12 * max(self._scale, 0.6):
                for side in (-1, 1) if rng.random() < 0.75 else (-1, 0, 1):
                    bend = side * rng.uniform(0.2, 0.62) + rng.normal(0, 0.08)
                    twigs.append((tip_x, tip_y, turn + bend, length * rng.uniform(0.6, 0.78), thick * 0.66))
        return _plant(bgr, alpha)

    def _conifer(self) -> Plant:
        rng = self._rng
        bgr, alpha = self._blank(self._rows, rng.uniform(0.34, 0.5))
        rows, columns = alpha.shape
        self._trunk(bgr, alpha, rows * 0.9)
        count = int(3200 * max(self._scale, 0.3))
        down = np.sort(rng.random(count) ** 0.7)
        tier = down * 11 % 1
        aside = rng.uniform(-0.46, 0.46, count) * columns * down * (1 - 0.3 * tier)
        y = rows * (0.02 + 0.9 * down) + np.abs(aside) * 0.18
        lit = np.clip(0.75 - 0.5 * tier + rng.normal(0, 0.15, count), 0.1, 1.1)[:, None]
        leaf = np.array((46, 74, 52), np.float32) * rng.uniform(0.75, 1.2)
        colours = np.clip(leaf * (0.45 + 0.8 * lit) * (self._dark + (self._light - self._dark) * lit), 0, 250)
        long = np.maximum(rng.uniform(3, 9, count) * self._scale, 1).astype(int).tolist()
        at = np.stack([columns / 2 + aside, y], 1).astype(int).tolist()
        for (x0, y0), a, colour in zip(at, long, colours.tolist(), strict=True):
            turn = 25.0 if x0 > columns / 2 else -25.0
            axes = (a, max(round(2 * self._scale), 1))
            cv2.ellipse(bgr, (x0, y0), axes, turn, 0, 360, colour, -1)
            cv2.ellipse(alpha, (x0, y0), axes, turn, 0, 360, 1.0, -1)
        return _plant(bgr, alpha)


def _plant(bgr: F32, alpha: F32) -> Plant:
    return Plant(Stencil(cutout(bgr, alpha), _VEGETATION, keep=32), alpha.shape[1] / alpha.shape[0])
