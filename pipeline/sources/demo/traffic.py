"""Vehicles, cyclists and walkers on their way, and how fast we drive ourselves."""

from __future__ import annotations

import math

from pipeline.sources.demo.camera import FAR_M
from pipeline.sources.demo.layout import Road
from pipeline.sources.demo.projection import Pose
from pipeline.sources.demo.stock import Stock
from pipeline.sources.demo.town import Town
from pipeline.sources.demo.vehicle import Vehicle, body_colour
from pipeline.sources.demo.walkers import Figure

_GONE_M = 14.0  # what is this far behind us is forgotten


class Convoy:
    """A vehicle that drives our way at a gap that swings slowly."""

    def __init__(self, vehicle: Vehicle, gap_m: float, swing_m: float, period_s: float, phase: float) -> None:
        self.vehicle = vehicle
        self._gap_m, self._swing_m = gap_m, swing_m
        self._rate = 2 * math.pi / period_s
        self._phase = phase
        self._u = vehicle.pose.u

    def step(self, s_m: float, time_s: float) -> None:
        """Place it, seen from s_m."""
        turn = self._rate * time_s + self._phase
        pose = self.vehicle.pose
        pose.s = s_m + self._gap_m + self._swing_m * math.sin(turn) + 0.5 * self.vehicle.length_m
        pose.u = self._u + 0.15 * math.sin(0.5 * turn + self._gap_m)
        self.vehicle.braking = math.sin(turn + 0.6) < -0.45


class Traffic:
    """Everything that moves but us."""

    def __init__(self, stock: Stock, road: Road, town: Town) -> None:
        self._stock = stock
        self._road = road
        self._town = town
        self._rng = stock.conditions.rng(30)
        self._lamps_lit = stock.conditions.lamps_lit
        self._lane = int(self._rng.integers(road.lanes))  # ours
        self.u_m = road.lane_u(self._lane, ahead=True)
        self._convoy = self._make_convoy()
        self._oncoming: list[tuple[Vehicle, float]] = []
        self._next_oncoming = [float(self._rng.uniform(15, 60)) for _ in range(road.lanes)]
        self._next_cyclist = [float(self._rng.uniform(12, 40)), float(self._rng.uniform(20, 70))]
        self.people: list[Figure] = []

    @staticmethod
    def speed(time_s: float) -> float:
        """How fast we drive, metres a second."""
        return 10.0 + 1.2 * math.sin(0.23 * time_s) + 0.5 * math.sin(0.71 * time_s + 1.0)

    def vehicles(self) -> list[Vehicle]:
        """All moving vehicles."""
        return [member.vehicle for member in self._convoy] + [vehicle for vehicle, _ in self._oncoming]

    def step(self, s_m: float, time_s: float, seconds: float) -> None:
        """Move everybody on by some seconds, seen from s_m."""
        for member in self._convoy:
            member.step(s_m, time_s)
        for vehicle, speed in self._oncoming:
            vehicle.pose.s -= speed * seconds
        self._oncoming = [item for item in self._oncoming if item[0].pose.s > s_m - _GONE_M]
        self.people += self._town.newcomers
        self._town.newcomers.clear()
        for figure in self.people:
            figure.step(seconds)
            if figure.on_pavement:
                pavement = self._town.pavement(figure.key_m, 1 if figure.u > 0 else -1)
                if pavement is not None:
                    figure.keep_between(*pavement, seconds)
        self.people = [figure for figure in self.people if figure.key_m > s_m - 2]
        self._spawn(s_m)

    def _spawn(self, s_m: float) -> None:
        for lane in range(self._road.lanes):
            while s_m + FAR_M - 60 > self._next_oncoming[lane]:
                self._next_oncoming[lane] += self._add_oncoming(lane, self._next_oncoming[lane])
        for way, side in ((0, 1), (1, -1)):
            while s_m + 120 > self._next_cyclist[way]:
                u = self._road.side * side * (self._road.half_m - 0.45)
                place = (self._next_cyclist[way], u, math.pi * way)
                speed = float(self._rng.uniform(3.6, 5.2))
                self.people.append(Figure(self._stock.wardrobe, "cyclist", place, speed, self._rng))
                self._next_cyclist[way] += float(self._rng.uniform(18, 90))

    def _add_oncoming(self, lane: int, s: float) -> float:
        """Somebody who comes towards us; how far behind them the next may follow.

        A lane is one stream: all in it are equally fast, so none runs into the next.
        """
        rng, road, fleet = self._rng, self._road, self._stock.fleet
        speed, u = 9.0 + lane, road.lane_u(lane, ahead=False)
        gap = 9.0 + float(rng.exponential(34))
        if rng.random() < 0.1:
            self.people.append(Figure(self._stock.wardrobe, "motorcyclist", (s, u, math.pi), speed, rng))
            return gap
        tram = road.tram and lane == 0 and rng.random() < 0.12
        model = fleet.trams[0] if tram else fleet.any_of(rng, 0.11)
        long = model.mesh.length_m
        pose = Pose(s + long / 2, u if tram else u + float(rng.normal(0, 0.12)), math.pi)
        self._oncoming.append((Vehicle(model, pose, body_colour(rng, model), self._lamps_lit), speed))
        return long + gap

    def _make_convoy(self) -> list[Convoy]:
        rng, road, fleet = self._rng, self._road, self._stock.fleet
        convoy: list[Convoy] = []
        for lane in range(road.lanes):
            gap = float(rng.uniform(4, 30))
            if lane == self._lane:
                gap = float(rng.uniform(9, 17) if rng.random() < 0.7 else rng.uniform(17, 60))
            while gap < 110:
                own = lane == self._lane
                model = fleet.any_of(rng, 0.0 if own and gap < 18 else 0.14)
                pose = Pose(0.0, road.lane_u(lane, ahead=True), 0.0)
                vehicle = Vehicle(model, pose, body_colour(rng, model), self._lamps_lit)
                swing = min(0.28 * gap, 5.0) if own else 4.0
                convoy.append(Convoy(vehicle, gap, swing, float(rng.uniform(11, 19)), float(rng.uniform(0, 6))))
                gap += model.mesh.length_m + 11 + float(rng.exponential(18))
        return convoy
