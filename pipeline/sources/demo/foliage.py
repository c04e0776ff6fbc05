"""Trees and bushes: cut-outs drawn once per world."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.sources.demo.camera import View
from pipeline.sources.demo.canvas import F32, Canvas
from pipeline.sources.demo.conditions import Conditions
from pipeline.sources.demo.surface import draw_upright
from pipeline.sources.demo.texture import Texture, cutout

_VEGETATION = 8
_ROWS = 640


@dataclass(frozen=True, slots=True)
class Plant:
    """A tree or a bush: its cut-out, as wide as `aspect` times its height."""

    texture: Texture
    aspect: float


class Tree:
    """A plant at (s, u), metres."""

    def __init__(self, s: float, u: float, height_m: float, plant: Plant, mirrored: bool) -> None:
        self.key_m = s
        self.u = u
        self.height_m = height_m
        self.reach_m = 60.0 + 20.0 * height_m
        self._plant = plant
        self._mirrored = mirrored

    def draw(self, canvas: Canvas, view: View) -> None:
        """Draw it."""
        z = self.key_m - view.s_m
        if z < 2.5:
            return
        x, foot, top = view.across(self.u, z), view.down(-0.05, z), view.down(self.height_m, z)
        half = 0.5 * (foot - top) * self._plant.aspect
        draw_upright(canvas, view, self._plant.texture, (x - half, top, x + half, foot), z, _VEGETATION, self._mirrored)


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
    columns = int(rows * (rng.uniform(1.1, 1.7) if bush else rng.uniform(0.62, 0.85)))
    bgr, alpha = np.zeros((rows, columns, 3), np.float32), np.zeros((rows, columns), np.float32)
    crown_foot = rows if bush else rows * rng.uniform(0.62, 0.78)
    if not bush:
        _trunk(rng, bgr, alpha, light, crown_foot)
    leaf = _leaf_bgr(rng, conditions)
    middle = np.array((columns / 2, crown_foot * 0.52), np.float32)
    radii = np.array((columns * 0.44, crown_foot * 0.47), np.float32)
    # Boughs are balls on the crown; each carries leaves that are lit at its top and towards the sun.
    boughs = int(rng.integers(26, 44))
    turn = rng.uniform(0, 2 * math.pi, boughs)
    out = np.sqrt(rng.random(boughs)) * 0.82
    centres = middle + radii * out[:, None] * np.stack([np.cos(turn), np.sin(turn)], 1)
    order = np.argsort(-centres[:, 1] + rng.normal(0, 40, boughs))[::-1]
    sun_x = float(conditions.to_sun[0])
    per_bough = 60 if bush else 170
    for bough in order.tolist():
        radius = float(radii.min() * rng.uniform(0.24, 0.42))
        spread = rng.normal(0, 0.46, (per_bough, 2)).astype(np.float32)
        spread = spread[np.hypot(spread[:, 0], spread[:, 1]) < 1]
        spots = centres[bough] + spread * radius
        lit = np.clip(0.52 - 0.42 * spread[:, 1] + 0.22 * sun_x * spread[:, 0], 0, 1)
        lit *= 0.75 + 0.35 * np.clip(1 - spots[:, 1] / crown_foot, 0, 1)
        lit += rng.normal(0, 0.13, len(spots))
        hue = rng.uniform(0.86, 1.14, 3)
        lights = dark + (light - dark) * np.clip(lit, 0, 1.15)[:, None]
        colours = np.clip(leaf * hue * (0.4 + 0.85 * np.clip(lit, 0, 1.2))[:, None] * lights, 0, 250)
        sizes = rng.integers(2, 6 if bush else 8, (len(spots), 2))
        for (x, y), (a, b), colour in zip(spots.astype(int).tolist(), sizes.tolist(), colours.tolist(), strict=True):
            cv2.ellipse(bgr, (x, y), (a, b), 0, 0, 360, colour, -1)
            cv2.ellipse(alpha, (x, y), (a, b), 0, 0, 360, 1.0, -1)
    return Plant(cutout(bgr, alpha), columns / rows)


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
            cv2.line(target, (int(start[0]), int(start[1])), (int(tip[0]), int(tip[1])), colour, max(int(thick * 0.6), 2))


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
    return Plant(cutout(bgr, alpha), columns / rows)


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
    return Plant(cutout(bgr, alpha), columns / rows)
