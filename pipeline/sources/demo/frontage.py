"""What stands behind the pavement: rows of houses, offices, gardens, parks, walls, fields."""

from __future__ import annotations

import functools

import numpy as np

from pipeline.sources.demo.barrier import BarrierName, pieces
from pipeline.sources.demo.building import Building
from pipeline.sources.demo.conditions import Conditions
from pipeline.sources.demo.decal import Decal
from pipeline.sources.demo.facade import Design, FacadeStyle, make_design, paint_facade
from pipeline.sources.demo.foliage import Tree
from pipeline.sources.demo.layout import Kerbside
from pipeline.sources.demo.plant import Plant
from pipeline.sources.demo.shade import crown_shadow, wall_shadow
from pipeline.sources.demo.stock import Stock
from pipeline.sources.demo.texture import Texture
from pipeline.sources.demo.thing import Thing

_ROOFS = ((64, 74, 138), (80, 78, 76), (58, 72, 104), (96, 92, 90))


class Frontage:
    """Fills one side of a block from s0 to s1; things and shadows are collected."""

    def __init__(self, rng: np.random.Generator, stock: Stock, kerbside: Kerbside, corner: bool) -> None:
        self.things: list[Thing] = []
        self.shadows: list[Decal] = []
        self._rng = rng
        self._stock = stock
        self._kerbside = kerbside
        self._corner = corner  # it begins at a side street
        self._number = int(rng.integers(1 << 31))

    def fill(self, s0: float, s1: float) -> None:
        """Put up everything between s0 and s1."""
        kind = self._kerbside.frontage
        if kind in ("terrace", "offices"):
            self._row(s0, s1, offices=kind == "offices")
        elif kind == "houses":
            self._gardens(s0, s1)
        elif kind == "wall":
            self._barrier(s0, s1, 0.05, "plain wall" if self._rng.random() < 0.5 else "brick wall")
            self._grove(s0, s1, 2.0, 24.0, 7.0)
        elif kind == "park":
            if self._rng.random() < 0.7:
                names: tuple[BarrierName, ...] = ("railing", "hedge", "brick wall")
                self._barrier(s0, s1, 0.1, names[int(self._rng.integers(3))])
            self._grove(s0, s1, 1.5, 36.0, 5.0)
        else:
            self._grove(s0, s1, 3.0, 60.0, 11.0)
            if self._rng.random() < 0.6:
                self._barrier(s0, s1, 2.0, "pickets" if self._rng.random() < 0.6 else "hedge")

    def _row(self, s0: float, s1: float, offices: bool) -> None:
        rng, city = self._rng, self._stock.conditions.place == "city"
        s, hidden_m = s0, 0.0  # hidden_m: how high the neighbour before covers the end
        setback = float(rng.uniform(1, 6)) if offices else 0.0
        typical = int(rng.integers(3, 6)) if city else 2
        while s < s1 - 5:
            width = float(rng.uniform(16, 34) if offices else rng.uniform(6.5, 17))
            end = min(s + width, s1)
            if s1 - end < 5:
                end = s1
            styles: tuple[FacadeStyle, ...] = (
                ("office", "flats", "hall") if offices else ("brick", "plaster", "flats")
            )
            style = styles[int(rng.choice(3, p=(0.5, 0.3, 0.2) if offices else (0.45, 0.4, 0.15)))]
            floors = 2 if style == "hall" else max(typical + int(rng.integers(-1, 3 if city else 2)), 1)
            design = make_design(
                rng, style, floors, shops=bool(rng.random() < (0.6 if city else 0.3)) and not offices
            )
            pitched = style in ("brick", "plaster") and rng.random() < 0.65
            street_end = s == s0 and self._corner
            depth = 40.0 if street_end else 11.0
            self._building(s, end, setback, design, depth, pitched, street_end, design.height_m <= hidden_m)
            s, hidden_m = end, design.height_m
            if rng.random() < (0.5 if offices else 0.1):
                self._plant(s + 2.5, setback + float(rng.uniform(2, 6)), self._stock.trees, 6, 11)
                s += float(rng.uniform(4, 12) if offices else rng.uniform(2.5, 6))
                hidden_m = 0.0

    def _gardens(self, s0: float, s1: float) -> None:
        rng = self._rng
        names: tuple[BarrierName, ...] = ("railing", "pickets", "hedge", "brick wall", "planks")
        s = s0
        while s < s1 - 9:
            width = float(rng.uniform(9, 15))
            plot = width + float(rng.uniform(3, 7))
            plot_end = min(s + plot, s1)
            setback = float(rng.uniform(3, 8))
            begin = s + 0.5 * (plot - width)
            if begin + width < s1:
                style: FacadeStyle = "house" if rng.random() < 0.6 else "brick"
                design = make_design(rng, style, int(rng.integers(1, 3)), shops=False)
                self._building(begin, begin + width, setback, design, float(rng.uniform(8, 11)), True, False)
            if rng.random() < 0.82:
                gate = s + float(rng.uniform(0.5, 3))
                name = names[int(rng.choice(5, p=(0.24, 0.2, 0.24, 0.22, 0.1)))]
                self._barrier(gate, plot_end, 0.08, name)
            for _ in range(int(rng.integers(1, 5))):
                bushes = rng.random() < 0.7
                where = float(rng.uniform(s, plot_end)), float(rng.uniform(0.8, max(setback - 1, 1.2)))
                self._plant(
                    *where, self._stock.bushes if bushes else self._stock.trees, *((0.8, 2.2) if bushes else (4, 8))
                )
            self._plant(s, setback + float(rng.uniform(2, 12)), self._stock.trees, 7, 13)
            s = plot_end

    def _grove(self, s0: float, s1: float, near: float, far: float, spacing: float) -> None:
        rng = self._rng
        for _ in range(int(rng.poisson((s1 - s0) * 1.3 / spacing))):
            away = near + (far - near) * float(rng.random()) ** 1.5
            self._plant(float(rng.uniform(s0, s1)), away, self._stock.trees, 6, 14)
        for _ in range(int(rng.poisson((s1 - s0) / 12))):
            self._plant(float(rng.uniform(s0, s1)), float(rng.uniform(near, far / 2)), self._stock.bushes, 0.8, 2.4)

    def _plant(self, s: float, away: float, kinds: list[Plant], least_m: float, most_m: float) -> None:
        rng = self._rng
        u = self._kerbside.side * (self._kerbside.front_u + away)
        height = float(rng.uniform(least_m, most_m))
        plant = kinds[int(rng.integers(len(kinds)))]
        self.things.append(Tree(s, u, height, plant, bool(rng.random() < 0.5)))
        masks = self._stock.stencils.dappled
        if away < 9:
            self.shadows.append(
                crown_shadow(self._stock.conditions, s, u, height, masks[int(rng.integers(len(masks)))])
            )

    def _barrier(self, s0: float, s1: float, away: float, name: BarrierName) -> None:
        kind = self._stock.barriers[name]
        u = self._kerbside.side * (self._kerbside.front_u + away)
        self.things += pieces(s0, s1, u, kind)
        shadow = wall_shadow(self._stock.conditions, s0, s1, u - 0.1, u + 0.1, kind.height_m)
        if shadow is not None and name not in ("railing", "pickets"):
            self.shadows.append(shadow)

    def _building(
        self,
        s0: float,
        s1: float,
        away: float,
        design: Design,
        depth_m: float,
        pitched: bool,
        street_end: bool,
        hidden: bool = False,
    ) -> None:
        rng, conditions, side = self._rng, self._stock.conditions, self._kerbside.side
        u = side * (self._kerbside.front_u + away)
        self._number += 1
        paint = functools.partial(
            _paint, conditions, design, (self._number, s1 - s0, depth_m), side, street_end, hidden
        )
        roof_bgr = np.array(_ROOFS[int(rng.integers(len(_ROOFS)))], np.float32) * float(rng.uniform(0.75, 1.15))
        roof_bgr = roof_bgr * conditions.light_on(-0.6 * side, 0.8, 0)
        chimneys = tuple(rng.uniform(0.1, 0.9, int(rng.integers(0, 3))).tolist())
        roof_m = float(rng.uniform(1.8, 3.6)) if pitched else 0.0
        self.things.append(
            Building(s0, s1, u, design.height_m, depth_m, paint, roof_m, roof_bgr.astype(np.float32), chimneys)
        )
        back = u + side * min(depth_m, 11.0)
        shadow = wall_shadow(conditions, s0, s1, min(u, back), max(u, back), design.height_m + 0.6 * roof_m)
        if shadow is not None:
            self.shadows.append(shadow)


def _paint(
    conditions: Conditions, design: Design, size: tuple[int, float, float], side: int, street_end: bool, hidden: bool
) -> tuple[Texture, Texture | None]:
    """A building's facade and end; size is its number, its width and its depth."""
    number, width_m, depth_m = size
    rng = conditions.rng(12, number)
    facade = paint_facade(rng, conditions, design, width_m, conditions.light_on(-side, 0, 0))
    if hidden:
        return facade, None
    end = paint_facade(rng, conditions, design, depth_m, conditions.light_on(0, 0, -1), blank=not street_end)
    return facade, end
