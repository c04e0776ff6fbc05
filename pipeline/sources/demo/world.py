"""One world: its conditions, its town, its traffic, and the camera that drives through it."""

from __future__ import annotations

from pipeline.sources.demo.bonnet import Bonnet
from pipeline.sources.demo.camera import NEAR_M, Camera, View
from pipeline.sources.demo.canvas import U8, Canvas
from pipeline.sources.demo.conditions import conditions_of
from pipeline.sources.demo.ground import Ground
from pipeline.sources.demo.layout import make_road
from pipeline.sources.demo.material import make_materials
from pipeline.sources.demo.projection import project
from pipeline.sources.demo.sensor import Sensor
from pipeline.sources.demo.sky import Sky
from pipeline.sources.demo.stock import Stock
from pipeline.sources.demo.thing import Thing
from pipeline.sources.demo.town import Town
from pipeline.sources.demo.traffic import Traffic
from pipeline.sources.demo.truth import read_truth
from pipeline.sources.demo.vehicle import Vehicle
from pipeline.types import Truth


class World:
    """Draws one frame after the other; the same seed, size and rate give the same frames."""

    def __init__(self, seed: int, size_hw: tuple[int, int], fps: float) -> None:
        self.conditions = conditions_of(seed)
        self._seconds = 1 / fps
        self._frame = 0
        self._s_m = 0.0
        stock = Stock(self.conditions, size_hw)
        road = make_road(self.conditions)
        self._town = Town(stock, road)
        self._traffic = Traffic(stock, road, self._town)
        self._camera = Camera(self.conditions, size_hw)
        self._sky = Sky(self.conditions, size_hw)
        self._ground = Ground(make_materials(self.conditions), self._town, size_hw)
        self._bonnet = Bonnet(self.conditions, size_hw)
        self._sensor = Sensor(self.conditions, size_hw)
        self._canvas = Canvas(size_hw)

    def frame(self) -> tuple[U8, Truth]:
        """The next picture, (h, w, 3) BGR, and what is in it; new memory each."""
        time_s = self._frame * self._seconds
        self._town.advance(self._s_m)
        self._traffic.step(self._s_m, time_s, self._seconds if self._frame else 0.0)
        view = self._camera.look(self._s_m, self._traffic.u_m, time_s)
        self._draw(view)
        picture, truth = self._sensor.expose(self._canvas, time_s), read_truth(self._canvas)
        self._frame += 1
        self._s_m += Traffic.speed(time_s) * self._seconds
        return picture, truth

    def _draw(self, view: View) -> None:
        canvas = self._canvas
        canvas.begin()
        self._sky.draw(canvas, view)
        self._ground.draw(canvas, view)
        moving: list[Thing] = [*self._traffic.vehicles(), *self._traffic.people]
        nearest = view.s_m + NEAR_M - 15
        things = [
            thing for thing in [*self._town.things(), *moving] if nearest < thing.key_m < view.s_m + thing.reach_m
        ]
        things.sort(key=_distance, reverse=True)
        vehicles = []
        for thing in things:
            if isinstance(thing, Vehicle):
                thing.outline = None
                if thing.in_sight(view):
                    vehicles.append(thing)
        bodies = [vehicle.body(view) for vehicle in vehicles]
        for vehicle, outline in zip(vehicles, project(view, bodies), strict=True):
            vehicle.outline = outline
            vehicle.draw_shadow(canvas, view)
        for figure in self._traffic.people:
            figure.draw_shadow(canvas, view)
        for thing in things:
            thing.draw(canvas, view)
        self._bonnet.draw(canvas)


def _distance(thing: Thing) -> float:
    return thing.key_m
