"""Walkers and riders as cut-outs: drawn from their limbs when first seen at an angle and a phase, then kept."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from pipeline.sources.demo.canvas import U8
from pipeline.sources.demo.conditions import Conditions
from pipeline.sources.demo.riders import bicycle, cyclist, motorcycle, motorcyclist
from pipeline.sources.demo.skeleton import FigureKind, Joint, Limb, Looks, Paint, Wheel, make_looks, walker
from pipeline.sources.demo.texture import halvings

_PERSON, _RIDER, _MOTORCYCLE, _BICYCLE = 11, 12, 17, 18
_PX_PER_M = 84
_SHARPER = 2  # drawn this much larger, then reduced
_WIDE_M, _NARROW_M, _TALL_M = 2.3, 1.4, 1.9
_ANGLES, _PHASES = 16, 8
_KEPT = 800

Colour4 = tuple[float, float, float, float]  # B, G, R and how far it is there


class CutOut(NamedTuple):
    """One layer of a figure: its class, its picture and where that lies around the foot point, metres."""

    class_id: int
    sizes: tuple[U8, ...]  # (h, w, 4) B, G, R and how far it is there; each half as large as the one before
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

    def cutouts(self, kind: FigureKind, looks: int, turn_rad: float, phase_rad: float, far: bool) -> list[CutOut]:
        """The layers of a figure, back to front, that faces turn_rad to the right of the line of sight.

        Far figures are kept at half as many angles and phases.
        """
        step = 2 if far else 1
        angle = round(turn_rad / (2 * math.pi) * (_ANGLES // step)) * step % _ANGLES
        phase = round(phase_rad / (2 * math.pi) * (_PHASES // step)) * step % _PHASES
        key = (kind, looks, angle, phase)
        found = self._kept.pop(key, None)
        if found is None:
            layers = _layers(kind, self.looks[looks], 2 * math.pi * phase / _PHASES)
            turn = 2 * math.pi * angle / _ANGLES
            found = [self._draw(class_id, parts, turn, self.looks[looks].top) for class_id, parts in layers]
            if len(self._kept) >= _KEPT:
                del self._kept[next(iter(self._kept))]
        self._kept[key] = found  # the last in line to be dropped
        return found

    def _draw(self, class_id: int, parts: list[Limb | Wheel], turn: float, ground: Paint) -> CutOut:
        scale = _PX_PER_M * _SHARPER
        rows, columns = round(_TALL_M * scale), round((_WIDE_M if class_id != _PERSON else _NARROW_M) * scale)
        # The ground shows through at the edges: it is of the clothes' colour, and not there.
        pixels = np.empty((rows, columns, 4), np.uint8)
        behind = np.minimum((*(np.array(ground) * self._light), 0), 250).astype(np.uint8)
        pixels.view(np.uint32)[...] = behind.view(np.uint32)
        cos, sin = math.cos(turn), math.sin(turn)

        def seen(joint: Joint) -> Joint:
            right, up, ahead = joint
            return columns / 2 + scale * (right * cos + ahead * sin), rows - scale * up, ahead * cos - right * sin

        drawn: list[tuple[float, Limb | Wheel]] = []
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

    def _draw_limb(self, pixels: U8, a: Joint, b: Joint, limb: Limb, scale: float) -> None:
        half_a, half_b = limb.half_a * scale, limb.half_b * scale
        blue, green, red = (np.array(limb.paint, np.float32) * self._light).tolist()
        # A darker rim, the colour, and a lighter ridge towards the sun: a round limb in three strokes.
        rim = (blue * 0.62, green * 0.62, red * 0.62, 255.0)
        _capsule(pixels, a, b, (half_a, half_b), rim)
        half = 0.5 * (half_a + half_b)
        for widen, shift, tone, more in ((0.74, 0.12, 1.0, 0.0), (0.36, 0.34, 1.14, 7.0)):
            aside = shift * self._sun_x * half
            ends = (round(a[0] + aside), round(a[1])), (round(b[0] + aside), round(b[1]))
            colour = (blue * tone + more, green * tone + more, red * tone + more, 255.0)
            cv2.line(pixels, *ends, colour, max(round(2 * widen * half), 1))


def _crop(class_id: int, pixels: U8) -> CutOut:
    """The cut-out around what was drawn, at its final size."""
    rows, columns = pixels.shape[:2]
    x, y, w, h = cv2.boundingRect(cv2.extractChannel(pixels, 3))
    x, y = max(x - _SHARPER, 0) // _SHARPER * _SHARPER, max(y - _SHARPER, 0) // _SHARPER * _SHARPER
    w, h = min(w + 3 * _SHARPER, columns - x), min(h + 3 * _SHARPER, rows - y)
    size = (max(w // _SHARPER, 2), max(h // _SHARPER, 2))
    small = np.asarray(cv2.resize(pixels[y : y + h, x : x + w], size, interpolation=cv2.INTER_AREA), np.uint8)
    scale = _PX_PER_M * _SHARPER
    left, low = (x - columns / 2) / scale, (rows - y - h) / scale
    return CutOut(class_id, halvings(small, 3), left, left + size[0] / _PX_PER_M, low, low + size[1] / _PX_PER_M)


def _layers(kind: FigureKind, looks: Looks, phase: float) -> list[tuple[int, list[Limb | Wheel]]]:
    if kind in ("walker", "stander"):
        return [(_PERSON, [*walker(looks, phase, kind == "walker")])]
    if kind == "bicycle":
        return [(_BICYCLE, bicycle(looks))]
    if kind == "motorcycle":
        return [(_MOTORCYCLE, motorcycle(looks))]
    rider, machine = cyclist(looks, phase) if kind == "cyclist" else motorcyclist(looks)
    return [(_BICYCLE if kind == "cyclist" else _MOTORCYCLE, machine), (_RIDER, [*rider])]


def _capsule(pixels: U8, a: Joint, b: Joint, halves: tuple[float, float], colour: Colour4) -> None:
    for (x, y, _), half in ((a, halves[0]), (b, halves[1])):
        cv2.circle(pixels, (round(x), round(y)), max(round(half), 1), colour, -1)
    along = math.hypot(b[0] - a[0], b[1] - a[1])
    if along > 0.5:
        nx, ny = (a[1] - b[1]) / along, (b[0] - a[0]) / along
        ax, ay, bx, by = nx * halves[0], ny * halves[0], nx * halves[1], ny * halves[1]
        outline = [
            (round(a[0] + ax), round(a[1] + ay)),
            (round(b[0] + bx), round(b[1] + by)),
            (round(b[0] - bx), round(b[1] - by)),
            (round(a[0] - ax), round(a[1] - ay)),
        ]
        cv2.fillConvexPoly(pixels, np.array(outline, np.int32), colour)


def _draw_wheel(pixels: U8, middle: tuple[float, float], wheel: Wheel, scale: float, side: float) -> None:
    at = (round(middle[0]), round(middle[1]))
    axes = (round(max(wheel.radius * side, wheel.tyre) * scale), round(wheel.radius * scale))
    for k in range(9):
        turn = math.pi * k / 9
        tip = (round(0.95 * axes[0] * math.cos(turn)), round(0.95 * axes[1] * math.sin(turn)))
        ends = ((at[0] - tip[0], at[1] - tip[1]), (at[0] + tip[0], at[1] + tip[1]))
        cv2.line(pixels, *ends, (110.0, 112.0, 114.0, 255.0), 2 if wheel.tyre < 0.03 else 8)
    cv2.ellipse(pixels, at, axes, 0, 0, 360, (*wheel.paint, 255), max(round(2 * wheel.tyre * scale), 3))
