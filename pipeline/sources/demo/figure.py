"""Walkers and riders as cut-outs: drawn from their limbs when first seen at an angle and a phase, then kept."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from pipeline.sources.demo.camera import View
from pipeline.sources.demo.canvas import U8, Canvas
from pipeline.sources.demo.conditions import Conditions
from pipeline.sources.demo.skeleton import (
    FigureKind,
    Limb,
    Looks,
    Wheel,
    bicycle,
    cyclist,
    make_looks,
    motorcycle,
    motorcyclist,
    walker,
)
from pipeline.sources.demo.surface import draw_upright
from pipeline.sources.demo.texture import Texture, cutout

_PERSON, _RIDER, _MOTORCYCLE, _BICYCLE = 11, 12, 17, 18
_PX_PER_M = 84
_SHARPER = 2  # drawn this much larger, then reduced
_WIDE_M, _TALL_M = 2.3, 1.9
_ANGLES, _PHASES = 16, 8
_KEPT = 1200


class CutOut(NamedTuple):
    """One layer of a figure: its class, its picture and where that lies around the foot point, metres."""

    class_id: int
    texture: Texture
    left_m: float
    right_m: float
    low_m: float
    high_m: float


class Wardrobe:
    """The figures of a world and their cut-outs, at most _KEPT of them."""

    def __init__(self, conditions: Conditions, count: int) -> None:
        rng = conditions.rng(7)
        self.looks = [make_looks(rng) for _ in range(count)]
        self._light = conditions.light_on(0, 0.35, -0.94)
        self._sun_x = float(np.clip(conditions.to_sun[0] * 2, -1, 1))
        self._kept: dict[tuple[FigureKind, int, int, int], list[CutOut]] = {}

    def cutouts(self, kind: FigureKind, looks: int, turn_rad: float, phase_rad: float) -> list[CutOut]:
        """The layers of a figure, back to front, that faces turn_rad to the right of the line of sight."""
        angle = round(turn_rad / (2 * math.pi) * _ANGLES) % _ANGLES
        phase = round(phase_rad / (2 * math.pi) * _PHASES) % _PHASES
        key = (kind, looks, angle, phase)
        found = self._kept.pop(key, None)
        if found is None:
            turn, step = 2 * math.pi * angle / _ANGLES, 2 * math.pi * phase / _PHASES
            layers = _layers(kind, self.looks[looks], step)
            found = [self._draw(class_id, parts, turn) for class_id, parts in layers]
            if len(self._kept) >= _KEPT:
                del self._kept[next(iter(self._kept))]
        self._kept[key] = found  # the last in line to be dropped
        return found

    def _draw(self, class_id: int, parts: list[Limb | Wheel], turn: float) -> CutOut:
        scale = _PX_PER_M * _SHARPER
        rows, columns = round(_TALL_M * scale), round(_WIDE_M * scale)
        pixels = np.zeros((rows, columns, 4), np.uint8)
        cos, sin = math.cos(turn), math.sin(turn)

        def seen(joint: tuple[float, float, float]) -> tuple[float, float, float]:
            right, up, ahead = joint
            return columns / 2 + scale * (right * cos + ahead * sin), rows - scale * up, ahead * cos - right * sin

        drawn = []
        for part in parts:
            if isinstance(part, Wheel):
                drawn.append((seen(part.middle)[2], part))
            else:
                drawn.append(((seen(part.a)[2] + seen(part.b)[2]) / 2, part))
        for _, part in sorted(drawn, key=lambda item: -item[0]):
            if isinstance(part, Wheel):
                x, y, _ = seen(part.middle)
                _draw_wheel(pixels, (x, y), part, scale, abs(sin))
            else:
                self._draw_limb(pixels, seen(part.a), seen(part.b), part, scale)
        return _crop(class_id, pixels)

    def _draw_limb(
        self,
        pixels: U8,
        a: tuple[float, float, float],
        b: tuple[float, float, float],
        limb: Limb,
        scale: float,
    ) -> None:
        half_a, half_b = limb.half_a * scale, limb.half_b * scale
        lit = np.array(limb.paint, np.float32) * self._light
        # A darker rim, the colour, and a lighter ridge towards the sun: a round limb in three strokes.
        for widen, shift, colour in ((1.0, 0.0, lit * 0.62), (0.78, 0.12, lit), (0.36, 0.34, lit * 1.14 + 7)):
            x_a, x_b = a[0] + shift * half_a * self._sun_x, b[0] + shift * half_b * self._sun_x
            blue, green, red = np.minimum(colour, 250).tolist()
            halves = (half_a * widen, half_b * widen)
            _capsule(pixels, (x_a, a[1]), (x_b, b[1]), halves, (blue, green, red, 255))


def _crop(class_id: int, pixels: U8) -> CutOut:
    """The cut-out around what was drawn, at its final size."""
    rows, columns = pixels.shape[:2]
    x, y, w, h = cv2.boundingRect(cv2.extractChannel(pixels, 3))
    x, y = x // _SHARPER * _SHARPER, y // _SHARPER * _SHARPER
    w, h = min(w + 2 * _SHARPER, columns - x), min(h + 2 * _SHARPER, rows - y)
    size = (max(w // _SHARPER, 2), max(h // _SHARPER, 2))
    small = cv2.resize(pixels[y : y + h, x : x + w], size, interpolation=cv2.INTER_AREA).astype(np.float32)
    inside = small[..., 3:] / 255
    # Edge pixels are mixed with the black around; divide it out. The weave is that of cloth.
    weave = 1 + 0.05 * np.sin(np.arange(size[1]) * 2.1)[:, None] * np.cos(np.arange(size[0]) * 1.7)
    bgr = small[..., :3] / np.maximum(inside, 0.2) * weave[..., None]
    texture = cutout(np.asarray(bgr, np.float32), np.asarray(inside[..., 0], np.float32), keep=4)
    scale = _PX_PER_M * _SHARPER
    left, low = (x - columns / 2) / scale, (rows - y - h) / scale
    return CutOut(class_id, texture, left, left + size[0] / _PX_PER_M, low, low + size[1] / _PX_PER_M)


def draw_figure(
    canvas: Canvas, view: View, wardrobe: Wardrobe, kind: FigureKind, looks: int, place: tuple[float, float, float],
    phase_rad: float, size: float = 1.0,
) -> None:  # fmt: skip
    """Draw a figure at place (s, u, direction relative to the road's), as tall as size; each layer is an object."""
    s, u, turn_rad = place
    z = s - view.s_m
    if z < 1.5:
        return
    px = view.focal_px / z * size
    x, foot = view.across(u, z), view.down(0, z)
    sight = math.atan2(view.offset(z) + u, z)
    for layer in wardrobe.cutouts(kind, looks, turn_rad + view.heading(z) - sight, phase_rad):
        box = (x + layer.left_m * px, foot - layer.high_m * px, x + layer.right_m * px, foot - layer.low_m * px)
        ident = canvas.slot(layer.class_id, *box)
        draw_upright(canvas, view, layer.texture, box, z, ident)


def _layers(kind: FigureKind, looks: Looks, phase: float) -> list[tuple[int, list[Limb | Wheel]]]:
    if kind in ("walker", "stander"):
        return [(_PERSON, [*walker(looks, phase, kind == "walker")])]
    if kind == "bicycle":
        return [(_BICYCLE, bicycle(looks))]
    if kind == "motorcycle":
        return [(_MOTORCYCLE, motorcycle(looks))]
    rider, machine = cyclist(looks, phase) if kind == "cyclist" else motorcyclist(looks)
    return [(_BICYCLE if kind == "cyclist" else _MOTORCYCLE, machine), (_RIDER, [*rider])]


def _capsule(
    pixels: U8,
    a: tuple[float, float],
    b: tuple[float, float],
    halves: tuple[float, float],
    colour: tuple[float, float, float, float],
) -> None:
    for (x, y), half in ((a, halves[0]), (b, halves[1])):
        cv2.circle(pixels, (round(x), round(y)), max(round(half), 1), colour, -1)
    along = math.hypot(b[0] - a[0], b[1] - a[1])
    if along > 0.5:
        nx, ny = (a[1] - b[1]) / along, (b[0] - a[0]) / along
        outline = [(a[0] + nx * halves[0], a[1] + ny * halves[0]), (b[0] + nx * halves[1], b[1] + ny * halves[1]),
                   (b[0] - nx * halves[1], b[1] - ny * halves[1]), (a[0] - nx * halves[0], a[1] - ny * halves[0])]  # fmt: skip
        cv2.fillConvexPoly(pixels, np.rint(np.array(outline)).astype(np.int32), colour)


def _draw_wheel(pixels: U8, middle: tuple[float, float], wheel: Wheel, scale: float, side: float) -> None:
    at = (round(middle[0]), round(middle[1]))
    axes = (round(max(wheel.radius * side, wheel.tyre) * scale), round(wheel.radius * scale))
    for k in range(9):
        turn = math.pi * k / 9
        tip = (round(0.95 * axes[0] * math.cos(turn)), round(0.95 * axes[1] * math.sin(turn)))
        ends = ((at[0] - tip[0], at[1] - tip[1]), (at[0] + tip[0], at[1] + tip[1]))
        cv2.line(pixels, *ends, (110.0, 112.0, 114.0, 255.0), 2 if wheel.tyre < 0.03 else 8)
    cv2.ellipse(pixels, at, axes, 0, 0, 360, (*wheel.paint, 255), max(round(2 * wheel.tyre * scale), 3))


class ParkedCycle:
    """A bicycle or a motorcycle that nobody sits on."""

    reach_m = 80.0

    def __init__(
        self, wardrobe: Wardrobe, kind: FigureKind, s: float, u: float, turn_rad: float, rng: np.random.Generator
    ) -> None:
        self.key_m = s
        self._wardrobe = wardrobe
        self._kind = kind
        self._place = (s, u, turn_rad)
        self._looks = int(rng.integers(len(wardrobe.looks)))

    def draw(self, canvas: Canvas, view: View) -> None:
        """Draw it as one object."""
        draw_figure(canvas, view, self._wardrobe, self._kind, self._looks, self._place, 0.0)
