"""What stands at the kerb: parked vehicles, trees, lamps, signs, bins; and who walks behind it."""

from __future__ import annotations

import math

import numpy as np

from pipeline.sources.demo.decal import Decal
from pipeline.sources.demo.figure import ParkedCycle
from pipeline.sources.demo.foliage import Tree
from pipeline.sources.demo.furniture import Box, LampPost, Sign, TrafficLight
from pipeline.sources.demo.layout import KERB_M, Kerbside, Road
from pipeline.sources.demo.projection import Pose
from pipeline.sources.demo.shade import crown_shadow, pole_shadow
from pipeline.sources.demo.stock import Stock
from pipeline.sources.demo.thing import Thing
from pipeline.sources.demo.vehicle import Vehicle, body_colour

_BINS = np.array(  # B, G, R: grey, green, black, brown, blue, yellow
    ((112, 114, 114), (58, 84, 44), (36, 36, 36), (46, 62, 84), (120, 72, 36), (44, 150, 186)), np.float32
)


class Kerb:
    """Fills the kerb of one side of a block; things and shadows are collected."""

    def __init__(self, rng: np.random.Generator, stock: Stock, road: Road, kerbside: Kerbside) -> None:
        self.things: list[Thing] = []
        self.shadows: list[Decal] = []
        self._rng = rng
        self._stock = stock
        self._road = road
        self._kerbside = kerbside
        self._ahead = kerbside.side == road.side  # this side's traffic goes our way

    def fill(self, s0: float, s1: float) -> None:
        """Put up everything between s0 and s1."""
        if self._kerbside.parking_m:
            self._park(s0 + 2, s1 - 8)
        self._trees(s0 + 4, s1 - 6)
        self._lamps(s0, s1)
        self._signs(s0 + 6, s1 - 8)
        if self._kerbside.pavement_m:
            self._clutter(s0, s1)

    def traffic_light(self, s: float, arm: bool) -> None:
        """Put up a traffic light; it faces us on our side of the road."""
        light = self._stock.conditions.light_on(0, 0, -1)
        u = self._kerbside.side * (self._kerbside.kerb_u + KERB_M + 0.35)
        arm_m = -self._kerbside.side * (self._kerbside.kerb_u - 0.6 * self._road.half_m) if arm else 0.0
        state = int(self._rng.choice(3, p=(0.08, 0.12, 0.8)))
        self.things.append(TrafficLight(s, u, arm_m, state, self._ahead, light))

    def _park(self, s0: float, s1: float) -> None:
        rng, stock, side = self._rng, self._stock, self._kerbside
        u = side.side * (side.road_half_m + side.parking_m * 0.5)
        s = s0
        fullness = float(rng.uniform(0.35, 0.95))
        while s < s1:
            if rng.random() > fullness:
                s += 5.5
                continue
            if rng.random() < 0.1:
                self.things.append(ParkedCycle(stock.wardrobe, "motorcycle", s, u, self._turn() + 0.5, rng))
                s += 2.0
                continue
            model = stock.fleet.any_of(rng, 0.05)
            long = model.mesh.length_m
            if s + long > s1:
                break
            turn = self._turn() + float(rng.normal(0, 0.015))
            pose = Pose(s + long / 2, u + float(rng.normal(0, 0.08)), turn)
            self.things.append(Vehicle(model, pose, body_colour(rng, model), lamps_lit=False))
            s += long + float(rng.uniform(0.6, 1.8))

    def _turn(self) -> float:
        against = self._rng.random() < 0.1
        return 0.0 if self._ahead != against else math.pi

    def _trees(self, s0: float, s1: float) -> None:
        rng, side, stock = self._rng, self._kerbside, self._stock
        if side.verge_m:
            u = side.side * (side.kerb_u + KERB_M + side.verge_m / 2)
        elif side.pavement_m > 2.7 and rng.random() < 0.6:
            u = side.side * (side.pavement_u + 0.75)
        else:
            return
        if side.frontage == "field" and rng.random() < 0.6:
            return
        spacing, height = float(rng.uniform(7, 15)), float(rng.uniform(5.5, 10))
        plant = stock.trees[int(rng.integers(len(stock.trees) * 3 // 4))]
        masks = stock.stencils.dappled
        for s in np.arange(s0, s1, spacing).tolist():
            tall = height * float(rng.uniform(0.8, 1.2))
            self.things.append(Tree(s, u, tall, plant, bool(rng.random() < 0.5)))
            mask = masks[int(rng.integers(len(masks)))]
            self.shadows.append(crown_shadow(stock.conditions, s, u, tall, mask))

    def _lamps(self, s0: float, s1: float) -> None:
        rng, side, conditions = self._rng, self._kerbside, self._stock.conditions
        if side.frontage == "field" and rng.random() < 0.7:
            return
        u = side.side * (side.kerb_u + KERB_M + 0.4)
        height, dark = float(rng.uniform(5.5, 9)), bool(rng.random() < 0.5)
        light = conditions.light_on(0, 0, -1)
        for s in np.arange(s0 + float(rng.uniform(2, 14)), s1, float(rng.uniform(22, 34))).tolist():
            self.things.append(LampPost(s, u, height, float(rng.uniform(0.8, 2.6)), light, dark))
            shadow = pole_shadow(conditions, s, u, height)
            if shadow is not None:
                self.shadows.append(shadow)

    def _signs(self, s0: float, s1: float) -> None:
        rng, side, conditions = self._rng, self._kerbside, self._stock.conditions
        light = conditions.light_on(0, 0, -1)
        u = side.side * (side.kerb_u + KERB_M + 0.5)
        for s in np.arange(s0 + float(rng.uniform(0, 12)), s1, float(rng.uniform(14, 32))).tolist():
            if self._ahead or rng.random() < 0.35:
                faces = self._stock.signs
                picked = [faces[int(rng.integers(len(faces)))] for _ in range(1 if rng.random() < 0.75 else 2)]
                self.things.append(Sign(s, u, picked, float(rng.uniform(1.9, 2.4)), light))

    def _clutter(self, s0: float, s1: float) -> None:
        rng, side, stock = self._rng, self._kerbside, self._stock
        light = stock.conditions.light_on(0, 0.2, -0.9)
        for _ in range(int(rng.poisson((s1 - s0) / 16))):
            u = side.side * float(rng.choice((side.pavement_u + 0.4, side.front_u - 0.35)))
            size = (float(rng.uniform(0.4, 0.75)), float(rng.uniform(0.8, 1.4)))
            bgr = _BINS[int(rng.integers(len(_BINS)))] * np.float32(rng.uniform(0.6, 1.3)) * light
            self.things.append(Box(float(rng.uniform(s0, s1)), u, *size, bgr))
        for _ in range(int(rng.poisson((s1 - s0) / 30))):
            s, u = float(rng.uniform(s0, s1)), side.side * (side.front_u - 0.5)
            for k in range(int(rng.integers(1, 4))):
                turn = float(rng.choice((0.0, math.pi / 2, math.pi)) + rng.normal(0, 0.2))
                self.things.append(ParkedCycle(stock.wardrobe, "bicycle", s + 0.7 * k, u, turn, rng))
        if not side.parking_m and rng.random() < 0.3:
            for s in np.arange(s0, s1, 2.2).tolist():
                bgr = np.array((60, 62, 64), np.float32) * light
                self.things.append(Box(s, side.side * (side.kerb_u + KERB_M + 0.3), 0.12, 0.9, bgr))
