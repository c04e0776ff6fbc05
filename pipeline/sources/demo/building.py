"""A building: the facade on the street, the side that faces us, and its roof."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.sources.demo.camera import View
from pipeline.sources.demo.canvas import F32, Canvas
from pipeline.sources.demo.surface import draw_quad
from pipeline.sources.demo.texture import Texture

_BUILDING = 2
_NEAREST_M = 1.0
_EAVES_M = 0.35  # how far the roof reaches over the walls


class Building:
    """Stands from s0 to s1 with its facade at u (left of the road where negative), metres."""

    reach_m = 270.0

    def __init__(
        self,
        s0: float,
        s1: float,
        u: float,
        height_m: float,
        depth_m: float,
        paint: Callable[[], tuple[Texture, Texture | None]],
        roof_m: float,
        roof_bgr: F32,
        chimneys: tuple[float, ...] = (),
    ) -> None:
        self.s0, self.s1, self.u = s0, s1, u
        self.key_m = s1  # what stands in front of the facade is drawn after it
        self._height_m = height_m
        self._depth_m = depth_m
        # Its facade, and its end unless a neighbour hides it; painted when it first comes into sight.
        self._paint = paint
        self._textures: tuple[Texture, Texture | None] | None = None
        self._roof_m = roof_m
        self._roof_bgr = roof_bgr
        self._chimneys = chimneys

    def draw(self, canvas: Canvas, view: View) -> None:
        """Draw what of it faces the camera."""
        near, far = max(self.s0 - view.s_m, _NEAREST_M), self.s1 - view.s_m
        if far <= near:
            return
        if self._textures is None:
            self._textures = self._paint()
        facade, end = self._textures
        side = 1.0 if self.u > 0 else -1.0
        xn, xf = view.across(self.u, near), view.across(self.u, far)
        top_n, foot_n = view.down(self._height_m, near), view.down(0, near)
        top_f, foot_f = view.down(self._height_m, far), view.down(0, far)
        if self._roof_m:
            self._draw_roof(canvas, view, near, far, side)
        if self.s0 - view.s_m > _NEAREST_M:
            x_end = view.across(self.u + side * self._depth_m, near)
            self._draw_end(canvas, view, end, near, side, (xn, x_end, top_n, foot_n))
        if (xn - xf) * side <= 0:
            return
        begins = (near - (self.s0 - view.s_m)) / (self.s1 - self.s0)
        distance = 0.6 * near + 0.4 * far
        if side > 0:  # the texture's left is the far end, seen from the street
            corners = ((xf, top_f), (xn, top_n), (xn, foot_n), (xf, foot_f))
            part = (0.0, 1.0 - begins)
        else:
            corners = ((xn, top_n), (xf, top_f), (xf, foot_f), (xn, foot_n))
            part = (begins, 1.0)
        draw_quad(canvas, view, facade, corners, distance, _BUILDING, part)

    def _draw_end(
        self,
        canvas: Canvas,
        view: View,
        end: Texture | None,
        near: float,
        side: float,
        box: tuple[float, float, float, float],
    ) -> None:
        x_street, x_end, top, foot = box
        left, right = (x_street, x_end) if side > 0 else (x_end, x_street)
        if end is not None:
            corners = ((left, top), (right, top), (right, foot), (left, foot))
            draw_quad(canvas, view, end, corners, near, _BUILDING)
        if self._roof_m:  # the gable
            ridge = ((left + right) / 2, view.down(self._height_m + self._roof_m, near))
            tone = view.fade(self._roof_bgr * 0.8, near)
            over = _EAVES_M * view.focal_px / near
            canvas.polygon([(left - over, top + 1), (right + over, top + 1), ridge], tone, _BUILDING)

    def _draw_roof(self, canvas: Canvas, view: View, near: float, far: float, side: float) -> None:
        ridge_u = self.u + side * self._depth_m / 2
        ridge_m = self._height_m + self._roof_m
        distance = 0.6 * near + 0.4 * far
        eaves_u = self.u - side * _EAVES_M
        slope = [
            (view.across(eaves_u, near), view.down(self._height_m - 0.1, near)),
            (view.across(eaves_u, far), view.down(self._height_m - 0.1, far)),
            (view.across(ridge_u, far), view.down(ridge_m, far)),
            (view.across(ridge_u, near), view.down(ridge_m, near)),
        ]
        for part in self._chimneys:
            z = near + (far - near) * part
            x, wide = view.across(ridge_u, z), 0.4 * view.focal_px / z
            tone = view.fade(self._roof_bgr * 0.75 + 12, distance)
            canvas.box(x - wide, view.down(ridge_m + 1.1, z), x + wide, view.down(ridge_m - 1, z), tone, _BUILDING)
        canvas.polygon(slope, view.fade(self._roof_bgr, distance), _BUILDING)
        # The soffit: what one sees from below between the eaves and the wall.
        wall = [(view.across(self.u, z), view.down(self._height_m - 0.3, z)) for z in (far, near)]
        canvas.polygon([slope[0], slope[1], *wall], view.fade(self._roof_bgr * 0.45, distance), _BUILDING)
