"""A figure or a parked cycle in the picture."""

from __future__ import annotations

import math

import numpy as np

from pipeline.sources.demo.camera import View
from pipeline.sources.demo.canvas import Canvas
from pipeline.sources.demo.skeleton import FigureKind
from pipeline.sources.demo.surface import draw_upright
from pipeline.sources.demo.wardrobe import Wardrobe


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
    for layer in wardrobe.cutouts(kind, looks, turn_rad + view.heading(z) - sight, phase_rad, px < 24):
        box = (x + layer.left_m * px, foot - layer.high_m * px, x + layer.right_m * px, foot - layer.low_m * px)
        ident = canvas.slot(layer.class_id, *box)
        draw_upright(canvas, view, layer.sizes, box, z, ident)


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
