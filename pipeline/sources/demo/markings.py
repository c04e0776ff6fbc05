"""Paint and wear on the road."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.sources.demo.conditions import Conditions
from pipeline.sources.demo.decal import Decal, Stencils
from pipeline.sources.demo.layout import Road

_WHITE, _YELLOW = np.array((222, 226, 226), np.float32), np.array((60, 176, 226), np.float32)
_LINE_M = 0.13


class Painter:
    """Lays decals for one stretch of road."""

    def __init__(self, rng: np.random.Generator, conditions: Conditions, road: Road, stencils: Stencils) -> None:
        light = conditions.light_on(0, 1, 0)
        self._rng = rng
        self._road = road
        self._stencils = stencils
        self._white = _colour(_WHITE * light)
        self._middle = _colour((_YELLOW if road.yellow else _WHITE) * light)

    def block(self, s0: float, s1: float) -> Iterator[Decal]:
        """Wear and lines between two junctions."""
        yield from self._wear(s0, s1)
        road = self._road
        if road.tram:
            for lane in (-0.5 * road.lane_m, 0.5 * road.lane_m):
                for rail in (-0.72, 0.72):
                    yield Decal(s0, s1, lane + rail - 0.06, lane + rail + 0.06, (44, 44, 46), 0.8)
                    yield Decal(s0, s1, lane + rail - 0.02, lane + rail + 0.03, (168, 170, 172), 0.75)
        if road.yellow:
            for u in (-0.14, 0.14):
                yield Decal(s0, s1, u - 0.05, u + 0.05, self._middle, 0.85)
        else:
            yield from self._dashes(s0, s1, 0.0, 3.0, 6.0)
        for lane in range(1, road.lanes):
            for u in (-lane * road.lane_m, lane * road.lane_m):
                yield from self._dashes(s0, s1, u, 3.0, 9.0)
        if self._rng.random() < 0.6:
            edge = road.lanes * road.lane_m + 0.1
            for u in (-edge, edge):
                yield Decal(s0, s1, u - _LINE_M / 2, u + _LINE_M / 2, self._white, 0.8)

    def junction(self, s0: float, s1: float, crossing: bool) -> Iterator[Decal]:
        """Stop lines, the zebra crossing and the lines of the side street."""
        road, half = self._road, self._road.half_m
        for s, ahead in ((s0 - 5.2, 1), (s1 + 4.8, -1)):
            u0, u1 = sorted((0.15 * road.side * ahead, half * road.side * ahead))
            yield Decal(s, s + 0.45, u0, u1, self._white, 0.85, self._worn())
        if crossing:
            for u in np.arange(-half + 0.3, half - 0.3, 1.0).tolist():
                yield Decal(s0 - 4.0, s0 - 0.8, u, u + 0.5, self._white, 0.88, self._worn())
        for u in np.arange(half + 4, 60, 6.0).tolist():
            for left in (u, -u - 3):
                yield Decal((s0 + s1) / 2 - 0.07, (s0 + s1) / 2 + 0.07, left, left + 3, self._white, 0.8)
        if self._rng.random() < 0.5:
            for lane in range(road.lanes):
                u = road.lane_u(lane, ahead=True)
                yield Decal(s0 - 15, s0 - 10, u - 0.45, u + 0.45, self._white, 0.85, self._stencils.arrow)

    def _dashes(self, s0: float, s1: float, u: float, dash: float, gap: float) -> Iterator[Decal]:
        for s in np.arange(s0, s1 - dash, dash + gap).tolist():
            yield Decal(s, s + dash, u - _LINE_M / 2, u + _LINE_M / 2, self._white, 0.88, self._worn())

    def _wear(self, s0: float, s1: float) -> Iterator[Decal]:
        rng, half, stencils = self._rng, self._road.half_m, self._stencils
        for lane in range(-self._road.lanes, self._road.lanes):
            middle = (lane + 0.5) * self._road.lane_m
            for track in (-0.75, 0.75):
                yield Decal(s0, s1, middle + track - 0.28, middle + track + 0.28, (40, 40, 42), 0.07)
            yield Decal(s0, s1, middle - 0.25, middle + 0.25, (28, 28, 30), 0.06)
        for u in (-half + 0.15, half - 0.15):
            yield Decal(s0, s1, u - 0.2, u + 0.2, (60, 66, 72), 0.25)
        length = s1 - s0
        for _ in range(rng.poisson(length / 16)):
            s, u = rng.uniform(s0, s1), rng.uniform(-half, half - 1.2)
            tone = float(rng.uniform(55, 95))
            long, wide = rng.uniform(0.8, 9), rng.uniform(0.5, 1.4)
            yield Decal(s, min(s + long, s1), u, u + wide, (tone, tone, tone), float(rng.uniform(0.15, 0.55)))
        for _ in range(rng.poisson(length / 9)):
            s, u, size = rng.uniform(s0, s1), rng.uniform(-half, half), rng.uniform(0.4, 2.6)
            yield Decal(s, s + size * 2, u - size / 2, u + size / 2, (30, 30, 32), 0.5, self._any(stencils.stains))
        for _ in range(rng.poisson(length / 14)):
            s, u = rng.uniform(s0, s1 - 4), rng.uniform(-half + 0.6, half - 0.6)
            yield Decal(s, s + rng.uniform(4, 14), u - 0.6, u + 0.6, (24, 24, 25), 0.75, self._any(stencils.cracks))
        for _ in range(rng.poisson(length / 40)):
            s, u = rng.uniform(s0, s1), rng.uniform(-half + 0.6, half - 0.6)
            yield Decal(s, s + 0.66, u - 0.33, u + 0.33, (52, 54, 56), 0.95, stencils.cover)

    def _worn(self) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return self._any(self._stencils.worn)

    def _any(
        self, masks: list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return masks[int(self._rng.integers(len(masks)))]


def _colour(bgr: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> tuple[float, float, float]:
    blue, green, red = np.minimum(bgr, 250).tolist()
    return blue, green, red
