"""What stands along a street: lamp posts, traffic lights, signs, bins, bollards."""

from __future__ import annotations

import numpy as np

from pipeline.sources.demo.camera import View
from pipeline.sources.demo.canvas import F32, Canvas
from pipeline.sources.demo.signs import Face
from pipeline.sources.demo.surface import draw_upright
from pipeline.types import VOID

_POLE, _LIGHT, _SIGN = 5, 6, 7
_NEAREST_M = 1.5

_STEEL = np.array((128, 130, 132), np.float32)
_DARK = np.array((34, 36, 36), np.float32)
_LAMPS: tuple[tuple[float, float, float], ...] = ((40, 40, 255), (30, 170, 255), (150, 245, 60))


def draw_pole(
    canvas: Canvas, view: View, u: float, z: float, foot_m: float, top_m: float, thick_m: float, bgr: F32
) -> None:
    """An upright pole, its right half darker."""
    x, half = view.across(u, z), 0.5 * thick_m * view.focal_px / z
    top, foot = view.down(top_m, z), view.down(foot_m, z)
    blue, green, red = view.fade(bgr, z)
    canvas.box(x - half, top, x + half, foot, (blue, green, red), _POLE)
    if half > 1:
        canvas.box(x + 0.25 * half, top, x + half, foot, (blue * 0.72, green * 0.72, red * 0.72), _POLE)


class LampPost:
    """A street lamp whose arm reaches over the road."""

    reach_m = 170.0

    def __init__(self, s: float, u: float, height_m: float, arm_m: float, light: F32, dark: bool) -> None:
        self.key_m = s
        self.u = u
        self._height_m = height_m
        self._arm_m = arm_m if u < 0 else -arm_m
        self._bgr = (_DARK * 1.3 if dark else _STEEL) * light

    def draw(self, canvas: Canvas, view: View) -> None:
        """Draw the pole, the arm and the lamp."""
        z = self.key_m - view.s_m
        if z < _NEAREST_M:
            return
        height, px = self._height_m, view.focal_px / z
        draw_pole(canvas, view, self.u, z, 0, 1.1, 0.2, self._bgr)
        draw_pole(canvas, view, self.u, z, 1.1, height, 0.13, self._bgr)
        x, top = view.across(self.u, z), view.down(height, z)
        tip_x, tip_y = view.across(self.u + self._arm_m, z), view.down(height + 0.25, z)
        half = max(0.045 * px, 0.3)
        tone = view.fade(self._bgr, z)
        arm = [(x, top - half), (tip_x, tip_y - half), (tip_x, tip_y + half), (x, top + half)]
        canvas.polygon(arm, tone, _POLE)
        lamp = (252.0, 246.0, 240.0) if view.lamps_lit else tone
        reach = 0.35 * px if self._arm_m > 0 else -0.35 * px
        x0, x1 = min(tip_x, tip_x + reach), max(tip_x, tip_x + reach)
        canvas.box(x0, tip_y - half, x1, tip_y + max(0.1 * px, 1), lamp, _POLE)


class TrafficLight:
    """A pole with a head at the kerb and, where arm_m is not 0, one over the road.

    state: 0 red, 1 amber, 2 green.
    """

    reach_m = 130.0

    def __init__(self, s: float, u: float, arm_m: float, state: int, facing: bool, light: F32) -> None:
        self.key_m = s
        self.u = u
        self._arm_m = arm_m
        self._state = state
        self._facing = facing
        self._bgr = _STEEL * light * 0.8
        self._box = _DARK * light

    def draw(self, canvas: Canvas, view: View) -> None:
        """Draw the pole, the arm and the heads."""
        z = self.key_m - view.s_m
        if z < _NEAREST_M:
            return
        high = 5.9 if self._arm_m else 3.4
        draw_pole(canvas, view, self.u, z, 0, high, 0.15, self._bgr)
        if self._arm_m:
            x0, x1 = sorted((view.across(self.u, z), view.across(self.u + self._arm_m, z)))
            y, half = view.down(high - 0.1, z), max(0.06 * view.focal_px / z, 0.5)
            canvas.box(x0, y - half, x1, y + half, view.fade(self._bgr, z), _POLE)
            self._head(canvas, view, self.u + self._arm_m, z, 5.1)
        self._head(canvas, view, self.u, z, 2.4)

    def _head(self, canvas: Canvas, view: View, u: float, z: float, foot_m: float) -> None:
        x, px = view.across(u, z), view.focal_px / z
        foot = view.down(foot_m, z)
        canvas.box(x - 0.19 * px, foot - 0.98 * px, x + 0.19 * px, foot, view.fade(self._box, z), _LIGHT)
        if not self._facing:
            return
        half = 0.105 * px
        for place, lamp in enumerate(_LAMPS):
            y = foot - (0.81 - 0.32 * place) * px
            if place == self._state:
                _disc(canvas, x, y, max(half * 1.1, 1.0), lamp)
                _disc(
                    canvas,
                    x,
                    y,
                    half * 0.5,
                    (min(lamp[0] + 90, 255), min(lamp[1] + 90, 255), 255 if place < 2 else 190),
                )
            elif half > 0.8:
                _disc(canvas, x, y, half, (lamp[0] * 0.16 + 14, lamp[1] * 0.16 + 14, lamp[2] * 0.16 + 14))


def _disc(canvas: Canvas, x: float, y: float, radius: float, bgr: tuple[float, float, float]) -> None:
    part = 0.41 * radius
    canvas.polygon(
        [(x - part, y - radius), (x + part, y - radius), (x + radius, y - part), (x + radius, y + part),
         (x + part, y + radius), (x - part, y + radius), (x - radius, y + part), (x - radius, y - part)],
        bgr, _LIGHT,
    )  # fmt: skip


class Sign:
    """A pole with one or two sign faces."""

    reach_m = 110.0

    def __init__(self, s: float, u: float, faces: list[Face], foot_m: float, light: F32) -> None:
        self.key_m = s
        self.u = u
        self._faces = faces
        self._foot_m = foot_m
        self._bgr = _STEEL * light

    def draw(self, canvas: Canvas, view: View) -> None:
        """Draw the pole and the faces."""
        z = self.key_m - view.s_m
        if z < _NEAREST_M:
            return
        top_m = self._foot_m + sum(face[2] + 0.05 for face in self._faces)
        draw_pole(canvas, view, self.u, z, 0, top_m, 0.08, self._bgr)
        x, px, foot_m = view.across(self.u, z), view.focal_px / z, self._foot_m
        for sizes, width, height in self._faces:
            foot = view.down(foot_m, z)
            box = (x - 0.5 * width * px, foot - height * px, x + 0.5 * width * px, foot)
            draw_upright(canvas, view, sizes, box, z, _SIGN)
            foot_m += height + 0.05


class Box:
    """A bin, a cabinet, a bollard: an upright box that faces the camera. Void, or a pole where it is thin."""

    reach_m = 70.0

    def __init__(self, s: float, u: float, width_m: float, height_m: float, bgr: F32) -> None:
        self.key_m = s
        self.u = u
        self._width_m, self._height_m = width_m, height_m
        self._bgr = bgr
        self._ident = _POLE if width_m < 0.2 else VOID

    def draw(self, canvas: Canvas, view: View) -> None:
        """Draw its front, its side and its lid."""
        z = self.key_m - view.s_m
        if z < _NEAREST_M:
            return
        x, px = view.across(self.u, z), view.focal_px / z
        half, top, foot = 0.5 * self._width_m * px, view.down(self._height_m, z), view.down(0, z)
        blue, green, red = view.fade(self._bgr, z)
        back = z + self._width_m
        shift = view.across(self.u, back) - x
        left, right = (x - half, x - half + shift) if shift < 0 else (x + half, x + half + shift)
        back_foot, back_top = view.down(0, back), view.down(self._height_m, back)
        dim = (blue * 0.6, green * 0.6, red * 0.6)
        canvas.polygon([(left, foot), (left, top), (right, back_top), (right, back_foot)], dim, self._ident)
        canvas.box(x - half, top, x + half, foot, (blue, green, red), self._ident)
        lid = (min(blue * 1.3 + 8, 255), min(green * 1.3 + 8, 255), min(red * 1.3 + 8, 255))
        canvas.box(x - half, top, x + half, top + 0.12 * (foot - top), lid, self._ident)
