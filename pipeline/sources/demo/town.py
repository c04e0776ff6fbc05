"""The town, block by block: made ahead of the camera, forgotten behind it."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from pipeline.sources.demo.camera import FAR_M
from pipeline.sources.demo.decal import Decal
from pipeline.sources.demo.frontage import Frontage
from pipeline.sources.demo.ground import Strip
from pipeline.sources.demo.kerb import Kerb
from pipeline.sources.demo.layout import EDGE_M, Kerbside, Road, across, make_kerbside
from pipeline.sources.demo.markings import Painter
from pipeline.sources.demo.projection import Pose
from pipeline.sources.demo.stock import Stock
from pipeline.sources.demo.thing import Thing
from pipeline.sources.demo.vehicle import Vehicle, body_colour
from pipeline.sources.demo.walkers import Figure, people_of_block

_CORNER_M = 2.6
_AHEAD_M = FAR_M + 30.0
_BEHIND_M = 30.0  # how long a block is kept: its shadows reach this far
_PEOPLE_PER_100_M = {"city": 13.0, "suburb": 7.0, "country": 1.5}


@dataclass(slots=True)
class Block:
    """One block with the junction behind it, s0 to s1."""

    s0: float
    s1: float
    stretches: list[tuple[float, float, tuple[Strip, ...]]]
    decals: list[Decal] = field(default_factory=list)
    shadows: list[Decal] = field(default_factory=list)
    things: list[Thing] = field(default_factory=list)
    pavements: dict[int, tuple[float, float]] = field(default_factory=dict)  # by side: from, to


class Town:
    """Blocks in a row; what the ground is made of, what stands on it."""

    def __init__(self, stock: Stock, road: Road) -> None:
        self._stock = stock
        self._road = road
        self._blocks: deque[Block] = deque()
        self._made = 0
        self._corner = True
        self.newcomers: list[Figure] = []  # people of blocks made since somebody last took them

    def advance(self, s_m: float) -> None:
        """Make what is coming, forget what is past, seen from s_m."""
        while not self._blocks or self._blocks[-1].s1 < s_m + _AHEAD_M:
            self._blocks.append(self._make(self._blocks[-1].s1 if self._blocks else s_m - 12.0))
        while self._blocks[0].s1 < s_m - _BEHIND_M:
            self._blocks.popleft()

    def things(self) -> list[Thing]:
        """What stands, nearest block first."""
        return [thing for block in self._blocks for thing in block.things]

    def pavement(self, s: float, side: int) -> tuple[float, float] | None:
        """From where to where one walks beside the road at s, metres from its middle; None: not known."""
        for block in self._blocks:
            if block.s0 <= s < block.s1:
                return block.pavements.get(side)
        return None

    def stretches(self, s0: float, s1: float) -> list[tuple[float, float, tuple[Strip, ...]]]:
        """What covers the ground from s0 to s1."""
        blocks = [block for block in self._blocks if block.s0 < s1 and block.s1 > s0]
        return [stretch for block in blocks for stretch in block.stretches if stretch[0] < s1 and stretch[1] > s0]

    def decals(self, s0: float, s1: float) -> list[Decal]:
        """What lies on the ground from s0 to s1."""
        return [decal for block in self._blocks for decal in block.decals if decal.s0 < s1 and decal.s1 > s0]

    def shadows(self, s0: float, s1: float) -> list[Decal]:
        """The shadows on the ground from s0 to s1."""
        return [decal for block in self._blocks for decal in block.shadows if decal.s0 < s1 and decal.s1 > s0]

    def _make(self, s0: float) -> Block:
        stock, road, conditions = self._stock, self._road, self._stock.conditions
        rng = conditions.rng(20, self._made)
        self._made += 1
        length = float(rng.uniform(38, 95))
        end = s0 + length
        crossing = bool(rng.random() < {"city": 0.85, "suburb": 0.6, "country": 0.2}[conditions.place])
        junction_m = float(rng.uniform(9, 14)) if crossing else 0.0
        sides = [make_kerbside(rng, conditions, road, side) for side in (-1, 1)]
        block = Block(s0, end + junction_m, self._stretches(sides, s0, end, junction_m, self._corner))
        painter = Painter(rng, conditions, road, stock.stencils)
        block.decals += painter.block(s0, end - (5.0 if crossing else 0.0))
        lights = crossing and bool(rng.random() < 0.65)
        if crossing:
            block.decals += painter.junction(end, end + junction_m, bool(rng.random() < 0.7))
            self._waiting(block, end, junction_m)
        for kerbside in sides:
            first, last = s0 + (_CORNER_M if self._corner else 0), end - (_CORNER_M if crossing else 0)
            front = Frontage(rng, stock, kerbside, self._corner and conditions.place != "country")
            front.fill(first, last)
            kerb = Kerb(rng, stock, road, kerbside)
            kerb.fill(first, last)
            if lights:
                kerb.traffic_light(end - 0.6, arm=kerbside.side == road.side and bool(rng.random() < 0.4))
            block.things += front.things + kerb.things
            block.shadows += front.shadows + kerb.shadows
            density = _PEOPLE_PER_100_M[conditions.place]
            self.newcomers += people_of_block(rng, stock.wardrobe, kerbside, s0, end + junction_m, density)
            if kerbside.pavement_m:
                block.pavements[kerbside.side] = (kerbside.pavement_u + 0.4, kerbside.front_u - 0.3)
        self._corner = crossing
        return block

    def _stretches(
        self, sides: list[Kerbside], s0: float, end: float, junction_m: float, corner: bool
    ) -> list[tuple[float, float, tuple[Strip, ...]]]:
        half = self._road.half_m
        surface = "worn" if self._made % 3 == 0 else "asphalt"
        main = across(sides[0].strips(), sides[1].strips(), half, surface)  # type: ignore[arg-type]
        corners = across(sides[0].corner_strips(), sides[1].corner_strips(), half, surface)  # type: ignore[arg-type]
        begins = s0 + (_CORNER_M if corner else 0)
        ends = end - (_CORNER_M if junction_m else 0)
        stretches = [(s0, begins, corners), (begins, ends, main), (ends, end, corners)]
        stretches.append((end, end + junction_m, ((-EDGE_M, EDGE_M, "asphalt"),)))
        return [stretch for stretch in stretches if stretch[1] > stretch[0]]

    def _waiting(self, block: Block, s: float, junction_m: float) -> None:
        """Vehicles in the side street that wait for us to pass."""
        rng, fleet = self._stock.conditions.rng(21, self._made), self._stock.fleet
        for side in (-1, 1):
            if rng.random() < 0.55:
                # They keep to their own side of their road.
                place = s + junction_m * (0.5 - 0.25 * side * self._road.side)
                u = side * (self._road.half_m + 3.2 + float(rng.uniform(0, 2)))
                for _ in range(int(rng.integers(1, 3))):
                    model = fleet.any_of(rng, 0.12)
                    u += side * model.mesh.length_m / 2
                    pose = Pose(place, u, -side * math.pi / 2)
                    block.things.append(
                        Vehicle(model, pose, body_colour(rng, model), self._stock.conditions.lamps_lit)
                    )
                    u += side * (model.mesh.length_m / 2 + 1.5)
