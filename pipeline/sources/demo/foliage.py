"""A tree or a bush where it stands."""

from __future__ import annotations

from pipeline.sources.demo.camera import View
from pipeline.sources.demo.canvas import Canvas
from pipeline.sources.demo.plant import Plant
from pipeline.sources.demo.surface import draw_stencil


class Tree:
    """A plant at (s, u), metres."""

    def __init__(self, s: float, u: float, height_m: float, plant: Plant, mirrored: bool) -> None:
        self.key_m = s
        self.u = u
        self.height_m = height_m
        self.reach_m = 40.0 + 14.0 * height_m
        self._plant = plant
        self._mirrored = mirrored

    def draw(self, canvas: Canvas, view: View) -> None:
        """Draw it."""
        z = self.key_m - view.s_m
        if z < 2.5:
            return
        x, foot, top = view.across(self.u, z), view.down(-0.05, z), view.down(self.height_m, z)
        half = 0.5 * (foot - top) * self._plant.aspect
        draw_stencil(canvas, view, self._plant.stencil, (x - half, top, x + half, foot), z, self._mirrored)
