"""People on foot and on two wheels, on their way."""

from __future__ import annotations

import math

import numpy as np

from pipeline.sources.demo.camera import View
from pipeline.sources.demo.canvas import Canvas
from pipeline.sources.demo.figure import draw_figure
from pipeline.sources.demo.layout import KERB_M, Kerbside
from pipeline.sources.demo.skeleton import FigureKind
from pipeline.sources.demo.wardrobe import Wardrobe


class Figure:
    """Somebody who moves in a straight line along or across the road."""

    reach_m = 120.0

    def __init__(
        self,
        wardrobe: Wardrobe,
        kind: FigureKind,
        place: tuple[float, float, float],
        speed: float,
        rng: np.random.Generator,
    ) -> None:
        self.key_m, self.u, self._turn_rad = place
        self._wardrobe = wardrobe
        self._kind = kind
        self._speed = speed
        self.on_pavement = kind == "walker"
        self._looks = int(rng.integers(len(wardrobe.looks)))
        self._phase = float(rng.uniform(0, 2 * math.pi))
        # A step is 0.75 m long; a turn of the pedals takes a bicycle 4.6 m.
        self._rate = speed * 2 * math.pi / (1.5 if kind == "walker" else 4.6)
        self._size = float(rng.uniform(0.9, 1.07)) * (0.68 if kind == "walker" and rng.random() < 0.06 else 1.0)

    def step(self, seconds: float) -> None:
        """Move on."""
        self.key_m += self._speed * math.cos(self._turn_rad) * seconds
        self.u += self._speed * math.sin(self._turn_rad) * seconds
        self._phase = (self._phase + self._rate * seconds) % (2 * math.pi)

    def keep_between(self, inner_u: float, outer_u: float, seconds: float) -> None:
        """Walk towards the pavement, from inner_u to outer_u away from the road's middle, where off it."""
        away = abs(self.u)
        wrong = min(away - inner_u, 0.0) + max(away - outer_u, 0.0)
        step = min(max(wrong, -0.5 * seconds), 0.5 * seconds)
        self.u -= math.copysign(1.0, self.u) * step

    def draw(self, canvas: Canvas, view: View) -> None:
        """Draw them; a rider and the machine are two objects."""
        place = (self.key_m, self.u, self._turn_rad)
        draw_figure(canvas, view, self._wardrobe, self._kind, self._looks, place, self._phase, self._size)

    def draw_shadow(self, canvas: Canvas, view: View) -> None:
        """Darken the ground at the feet."""
        z = self.key_m - view.s_m
        if not 3 < z < 45:
            return
        conditions = view.conditions
        px = view.focal_px / z
        x, y = view.across(self.u, z), view.down(0, z)
        wide, deep = 0.3 * px, 0.3 * view.height_m * px / z
        outline = [(x - wide, y), (x, y - deep), (x + wide, y), (x, y + deep)]
        opacity = 0.4
        if conditions.weather == "sunny":
            long = 1.5 / float(conditions.to_sun[1])
            far_z = max(z - long * float(conditions.to_sun[2]), 1.5)
            tip_x = view.across(self.u - long * float(conditions.to_sun[0]), far_z)
            tip_y = view.down(0, far_z)
            half = 0.2 * view.focal_px / far_z
            outline = [(x - 0.5 * wide, y), (tip_x - half, tip_y), (tip_x + half, tip_y), (x + 0.5 * wide, y)]
            if abs(tip_x - x) > abs(tip_y - y):
                outline = [
                    (x, y - 0.4 * deep),
                    (tip_x, tip_y - 0.4 * deep),
                    (tip_x, tip_y + 0.4 * deep),
                    (x, y + 0.4 * deep),
                ]
            opacity = conditions.shade
        canvas.darken(np.array(outline, np.float32), opacity)


def people_of_block(
    rng: np.random.Generator, wardrobe: Wardrobe, kerbside: Kerbside, s0: float, s1: float, density: float
) -> list[Figure]:
    """Who is on one pavement; density in people per 100 m."""
    people: list[Figure] = []
    if not kerbside.pavement_m:
        return people
    inner, outer = kerbside.pavement_u + 0.5, kerbside.front_u - 0.3
    for _ in range(int(rng.poisson(density * (s1 - s0) / 100))):
        s, u = float(rng.uniform(s0, s1)), float(rng.uniform(inner, max(outer, inner + 0.3)))
        still = rng.random() < 0.22
        if still:
            turn = float(rng.uniform(0, 2 * math.pi))
        else:
            turn = float(rng.choice((0.0, math.pi)) + rng.normal(0, 0.02))
        together = int(rng.choice((1, 2, 3), p=(0.68, 0.25, 0.07)))
        speed = 0.0 if still else float(rng.uniform(1.0, 1.6))
        for k in range(together):
            place = (
                s + 0.25 * k,
                kerbside.side * (u + 0.6 * (k - 0.5 * (together - 1))),
                turn + (2.4 * k if still else 0),
            )
            people.append(Figure(wardrobe, "stander" if still else "walker", place, speed, rng))
    if kerbside.parking_m and rng.random() < 0.5:
        # Somebody at a car's door, on the road.
        place = (float(rng.uniform(s0, s1)), kerbside.side * (kerbside.road_half_m - 0.05), float(rng.uniform(0, 6)))
        people.append(Figure(wardrobe, "stander", place, 0.0, rng))
    if rng.random() < 0.2:
        u = kerbside.kerb_u + KERB_M + kerbside.verge_m + 0.6
        people.append(Figure(wardrobe, "cyclist", (float(rng.uniform(s0, s1)), kerbside.side * u, 0.0), 3.5, rng))
    return people
