"""The cross-section of the street: lanes, parking, verge, pavement and what lies behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.sources.demo.conditions import Conditions
from pipeline.sources.demo.ground import Strip
from pipeline.sources.demo.material import MaterialName

Frontage = Literal["terrace", "offices", "houses", "park", "wall", "field"]

KERB_M = 0.18
EDGE_M = 400.0


@dataclass(frozen=True, slots=True)
class Road:
    """What stays the same along the whole road; metres."""

    lanes: int  # in each direction
    lane_m: float
    side: int  # 1: one drives on the right
    yellow: bool  # the middle line
    tram: bool

    @property
    def half_m(self) -> float:
        """From the middle to the edge of the lanes."""
        return self.lanes * self.lane_m + 0.35

    def lane_u(self, lane: int, ahead: bool) -> float:
        """The middle of a lane, counted from the road's middle."""
        return self.side * (lane + 0.5) * self.lane_m * (1 if ahead else -1)


@dataclass(frozen=True, slots=True)
class Kerbside:
    """One side of one block; distances from the road's middle, metres."""

    side: int  # 1 right, -1 left
    frontage: Frontage
    parking_m: float  # width; 0: none
    verge_m: float
    pavement_m: float
    paving: MaterialName
    beyond: MaterialName
    lay_by: MaterialName
    road_half_m: float

    @property
    def kerb_u(self) -> float:
        """Where the kerb begins."""
        return self.road_half_m + self.parking_m

    @property
    def pavement_u(self) -> float:
        """Where the pavement begins."""
        return self.kerb_u + KERB_M + self.verge_m

    @property
    def front_u(self) -> float:
        """Where the pavement ends and plots begin."""
        return self.pavement_u + self.pavement_m

    def strips(self) -> list[Strip]:
        """What the ground is, outwards from the road's edge, as if this were the right side."""
        kerb, verge = self.kerb_u, self.kerb_u + KERB_M
        strips: list[Strip] = []
        if self.parking_m:
            strips.append((self.road_half_m, kerb, self.lay_by))
        if self.pavement_m:
            strips.append((kerb, verge, "kerb"))
        else:
            strips.append((kerb, verge, "earth"))
        if self.verge_m:
            strips.append((verge, self.pavement_u, "grass"))
        if self.pavement_m:
            strips.append((self.pavement_u, self.front_u, self.paving))
        strips.append((self.front_u, EDGE_M, self.beyond))
        return strips

    def corner_strips(self) -> list[Strip]:
        """The same where a side street begins."""
        return [
            (self.road_half_m, self.road_half_m + KERB_M, "kerb"),
            (self.road_half_m + KERB_M, EDGE_M, self.paving),
        ]


def across(left: list[Strip], right: list[Strip], road_half_m: float, road: MaterialName) -> tuple[Strip, ...]:
    """A whole cross-section from left to right, from its two sides."""
    mirrored: list[Strip] = [(-u1, -u0, name) for u0, u1, name in reversed(left)]
    return (*mirrored, (-road_half_m, road_half_m, road), *right)


def make_road(conditions: Conditions) -> Road:
    """The road of a world."""
    rng = conditions.rng(11)
    city = conditions.place == "city"
    return Road(
        lanes=2 if city and rng.random() < 0.45 else 1,
        lane_m=float(rng.uniform(3.0, 3.6)),
        side=conditions.side,
        yellow=bool(rng.random() < 0.4),
        tram=city and bool(rng.random() < 0.4),
    )


def make_kerbside(rng: np.random.Generator, conditions: Conditions, road: Road, side: int) -> Kerbside:
    """One side of a block."""
    place = conditions.place
    frontages: dict[str, tuple[tuple[Frontage, ...], tuple[float, ...]]] = {
        "city": (("terrace", "offices", "park", "wall", "houses"), (0.54, 0.19, 0.1, 0.1, 0.07)),
        "suburb": (("houses", "terrace", "park", "wall", "offices"), (0.56, 0.14, 0.14, 0.1, 0.06)),
        "country": (("field", "houses", "park"), (0.6, 0.22, 0.18)),
    }
    names, odds = frontages[place]
    frontage = names[int(rng.choice(len(names), p=odds))]
    open_land = place == "country" and frontage != "houses"
    parking = 0.0 if open_land else float(rng.uniform(2.0, 2.3)) * (rng.random() < (0.75 if place == "city" else 0.6))
    verge = 1.0 if open_land else float(rng.uniform(1.0, 2.2)) * (rng.random() < (0.25 if place == "city" else 0.55))
    wide = rng.uniform(2.8, 5.2) if place == "city" else rng.uniform(1.8, 2.8)
    beyond: MaterialName = {"terrace": "yard", "offices": "slabs", "wall": "grass"}.get(frontage, "grass")  # type: ignore[assignment]
    return Kerbside(
        side=side,
        frontage=frontage,
        parking_m=parking,
        verge_m=verge,
        pavement_m=0.0 if open_land else float(wide),
        paving="pavers" if rng.random() < 0.35 else "slabs",
        beyond=beyond,
        lay_by="cobbles" if rng.random() < 0.25 else "asphalt",
        road_half_m=road.half_m,
    )
