"""Trees and bushes as cut-outs, drawn once per world."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.sources.demo.canvas import F32
from pipeline.sources.demo.conditions import Conditions
from pipeline.sources.demo.noise import fractal
from pipeline.sources.demo.texture import Stencil, cutout

_VEGETATION = 8
_ROWS = 640


@dataclass(frozen=True, slots=True)
class Plant:
    """A tree or a bush: its cut-out, as wide as `aspect` times its height."""

    stencil: Stencil
    aspect: float


def make_trees(conditions: Conditions, count: int) -> list[Plant]:
    """The trees of a world; the last quarter are conifers."""
    rng = conditions.rng(5)
    light, dark = conditions.light_on(0, 0.8, -0.6), conditions.light_on(0, -0.6, -0.8)
    plants = []
    for index in range(count):
        if index >= count - count // 4:
            plants.append(_conifer(rng, light, dark))
        elif conditions.season == "winter":
            plants.append(_bare(rng, conditions.light_on(0, 0, -1)))
        else:
            plants.append(_broadleaf(rng, conditions, light, dark, bush=False))
    return plants


def make_bushes(conditions: Conditions, count: int) -> list[Plant]:
    """The bushes of a world."""
    rng = conditions.rng(6)
    light, dark = conditions.light_on(0, 0.8, -0.6), conditions.light_on(0, -0.6, -0.8)
    return [_broadleaf(rng, conditions, light, dark, bush=True) for _ in range(count)]


def _leaf_bgr(rng: np.random.Generator, conditions: Conditions) -> F32:
    if conditions.season == "autumn" and rng.random() < 0.75:
        return np.array((rng.uniform(18, 44), rng.uniform(70, 140), rng.uniform(120, 185)), np.float32)
    green = rng.uniform(82, 122)
    return np.array((green * rng.uniform(0.3, 0.62), green, green * rng.uniform(0.6, 0.92)), np.float32)


def _broadleaf(rng: np.random.Generator, conditions: Conditions, light: F32, dark: F32, bush: bool) -> Plant:
    rows = _ROWS // 3 if bush else _ROWS
    columns = int(rows * (rng.uniform(1.1, 1.7) if bush else rng.uniform(0.68, 0.9)))
    bgr, alpha = np.zeros((rows, columns, 3), np.float32), np.zeros((rows, columns), np.float32)
    crown_foot = rows if bush else rows * rng.uniform(0.68, 0.82)
    if not bush:
        _trunk(rng, bgr, alpha, light, crown_foot)
    shade, there = _crown(rng, (rows, columns), crown_foot, float(conditions.to_sun[0]))
    leaf = _leaf_bgr(rng, conditions)
    hue = 1 + 0.1 * fractal(rng, 256, 256, 1.0)[np.arange(rows)[:, None] % 256, np.arange(columns) % 256]
    lights = dark + (light - dark) * np.clip(shade, 0, 1.1)[..., None]
    leaves = leaf * (0.3 + 1.0 * np.clip(shade, 0, 1.3))[..., None] * lights
    leaves[..., 2] *= hue
    bgr[there] = np.clip(leaves, 0, 250)[there]
    alpha[there] = 1
    return Plant(Stencil(cutout(bgr, alpha), _VEGETATION, keep=24), columns / rows)


def _crown(
    rng: np.random.Generator, size: tuple[int, int], crown_foot: float, sun_x: float
) -> tuple[F32, NDArray[np.bool_]]:
    """How lit a crown's leaves are, 0 to about 1, and where there are any.

    Boughs are balls on the crown. The foremost counts; each is lit from above and from the sun's side.
    """
    rows, columns = size
    fine = fractal(rng, 512, 512, 0.35) + 0.6 * fractal(rng, 512, 512, 0.9)
    fine = np.tile(fine, (2, 2))[: rows + 64, : columns + 64]
    depth, shade = np.full(size, -1e6, np.float32), np.zeros(size, np.float32)
    middle = np.array((columns / 2, crown_foot * 0.5), np.float32)
    radii = np.array((columns * 0.46, crown_foot * 0.48), np.float32)
    boughs = int(rng.integers(46, 80))
    turns, out = rng.uniform(0, 2 * math.pi, boughs), np.sqrt(rng.random(boughs)) * 0.84
    sizes = float(radii.min()) * rng.uniform(0.13, 0.36, boughs)
    for turn, away, radius in zip(turns.tolist(), out.tolist(), sizes.tolist(), strict=True):
        x0 = float(middle[0] + radii[0] * away * math.cos(turn))
        y0 = float(middle[1] + radii[1] * away * math.sin(turn))
        left, right = max(int(x0 - 1.3 * radius), 0), min(int(x0 + 1.3 * radius), columns)
        top, bottom = max(int(y0 - 1.3 * radius), 0), min(int(y0 + 1.3 * radius), rows)
        dx = (np.arange(left, right, dtype=np.float32) - x0)[None, :] / radius
        dy = (np.arange(top, bottom, dtype=np.float32) - y0)[:, None] / radius
        jitter = fine[top + 32 : bottom + 32, left + 16 : right + 16]
        squared = dx * dx + dy * dy + 0.32 * jitter
        out_of_page = np.sqrt(np.clip(1 - squared, 0, 1))
        ahead = radius * out_of_page + 60 * (1 - away) * (1 + 0.3 * math.cos(turn))
        nearer = (squared < 0.95) & (ahead > depth[top:bottom, left:right])
        tone = 0.46 - 0.4 * dy + 0.22 * sun_x * dx + 0.12 * out_of_page + 0.08 * rng.standard_normal()
        depth[top:bottom, left:right][nearer] = ahead[nearer]
        shade[top:bottom, left:right][nearer] = tone[nearer]
    there = depth > -1e5
    shade *= 1 + 0.26 * fine[:rows, :columns]
    shade += np.where(rng.random(size, np.float32) < 0.05, 0.28, 0)  # single leaves that catch the light
    shade *= 1.05 - 0.35 * np.arange(rows, dtype=np.float32)[:, None] / crown_foot
    gaps = fine[7 : rows + 7, 11 : columns + 11] > 2.1
    return shade, there & ~gaps


def _trunk(rng: np.random.Generator, bgr: F32, alpha: F32, light: F32, crown_foot: float) -> None:
    rows, columns = alpha.shape
    bark = np.array((62, 74, 84), np.float32) * rng.uniform(0.6, 1.15) * light
    thick = columns * rng.uniform(0.022, 0.04)
    lean = rng.uniform(-0.03, 0.03) * columns
    middle = columns / 2
    outline = [
        (middle - 1.25 * thick, rows),
        (middle + 1.25 * thick, rows),
        (middle + 0.7 * thick + lean, crown_foot * 0.7),
        (middle - 0.7 * thick + lean, crown_foot * 0.7),
    ]
    shape = np.array(outline, np.int32)
    cv2.fillConvexPoly(alpha, shape, 1.0, cv2.LINE_AA)
    cv2.fillConvexPoly(bgr, shape, bark.tolist())
    columns_of = np.arange(columns, dtype=np.float32)
    across = (columns_of - middle) / thick
    shade = np.clip(0.95 + 0.3 * across * (1 if rng.random() < 0.5 else -1), 0.55, 1.3)
    grain = 1 + 0.16 * rng.standard_normal((rows, columns)).astype(np.float32)
    bgr *= (shade * grain)[..., None]
    for _ in range(5):
        tip = (middle + rng.normal(0, 0.18) * columns, crown_foot * rng.uniform(0.35, 0.8))
        start = (middle + lean, crown_foot * rng.uniform(0.9, 1.05))
        for target, colour in ((bgr, (bark * 0.8).tolist()), (alpha, 1.0)):
            cv2.line(
                target, (int(start[0]), int(start[1])), (int(tip[0]), int(tip[1])), colour, max(int(thick * 0.6), 2)
            )


def _bare(rng: np.random.Generator, light: F32) -> Plant:
    rows, columns = _ROWS, int(_ROWS * 0.8)
    bgr, alpha = np.zeros((rows, columns, 3), np.float32), np.zeros((rows, columns), np.float32)
    bark = np.array((70, 78, 86), np.float32) * rng.uniform(0.6, 1.1) * light
    twigs = [(columns / 2, float(rows), -math.pi / 2, rows * 0.27, columns * 0.026)]
    while twigs:
        x, y, turn, length, thick = twigs.pop()
        tip_x, tip_y = x + length * math.cos(turn), y + length * math.sin(turn)
        colour = (bark * rng.uniform(0.75, 1.2)).tolist()
        ends = ((round(x), round(y)), (round(tip_x), round(tip_y)))
        cv2.line(bgr, *ends, colour, max(round(thick), 1))
        cv2.line(alpha, *ends, 1.0, max(round(thick), 1))
        if length > 12:
            for side in (-1, 1) if rng.random() < 0.75 else (-1, 0, 1):
                bend = side * rng.uniform(0.2, 0.62) + rng.normal(0, 0.08)
                twigs.append((tip_x, tip_y, turn + bend, length * rng.uniform(0.6, 0.78), thick * 0.66))
    return Plant(Stencil(cutout(bgr, alpha), _VEGETATION, keep=24), columns / rows)


def _conifer(rng: np.random.Generator, light: F32, dark: F32) -> Plant:
    rows, columns = _ROWS, int(_ROWS * rng.uniform(0.34, 0.5))
    bgr, alpha = np.zeros((rows, columns, 3), np.float32), np.zeros((rows, columns), np.float32)
    _trunk(rng, bgr, alpha, light, rows * 0.9)
    leaf = np.array((46, 74, 52), np.float32) * rng.uniform(0.75, 1.2)
    down = np.sort(rng.random(3200) ** 0.7)
    for part in down.tolist():
        tier = 1 - 0.3 * (part * 11 % 1)
        reach = columns * 0.46 * part * tier
        x = columns / 2 + rng.uniform(-1, 1) * reach
        y = rows * (0.02 + 0.9 * part) + abs(x - columns / 2) * 0.18
        lit = np.clip(0.75 - 0.5 * (part * 11 % 1) + rng.normal(0, 0.15), 0.1, 1.1)
        colour = np.clip(leaf * (0.45 + 0.8 * lit) * (dark + (light - dark) * lit), 0, 250).tolist()
        axes, turn = (int(rng.integers(3, 9)), 2), 25.0 if x > columns / 2 else -25.0
        cv2.ellipse(bgr, (int(x), int(y)), axes, turn, 0, 360, colour, -1)
        cv2.ellipse(alpha, (int(x), int(y)), axes, turn, 0, 360, 1.0, -1)
    return Plant(Stencil(cutout(bgr, alpha), _VEGETATION, keep=24), columns / rows)
