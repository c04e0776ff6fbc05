"""Vehicles, parked or on their way."""

from __future__ import annotations

import bisect
from dataclasses import dataclass

import numpy as np

from pipeline.sources.demo.bodywork import build_car
from pipeline.sources.demo.camera import View
from pipeline.sources.demo.canvas import F32, Canvas
from pipeline.sources.demo.car_shapes import SHAPES
from pipeline.sources.demo.coachwork import build_bus, build_lorry, build_tram
from pipeline.sources.demo.mesh import Mesh, MeshBuilder, Paint
from pipeline.sources.demo.projection import Body, Outline, Pose, own_colours, shadow_of

CAR, TRUCK, BUS, TRAM = 13, 14, 15, 16
_LEAST_M = (0.0, 0.1, 0.22, 0.4)  # the smallest faces of each level of detail
_FROM_M = (14.0, 30.0, 60.0)  # where the second and the following begin
_LIVERIES = np.array(  # B, G, R: white, red, blue, green, yellow, orange, cream, grey
    ((206, 209, 210), (40, 36, 168), (150, 84, 34), (78, 116, 48), (44, 178, 214), (40, 104, 206), (166, 200, 212),
     (120, 120, 118)), np.float32,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Model:
    """A vehicle one can buy: its class and its faces, in full and as seen from farther and farther away."""

    class_id: int
    meshes: tuple[Mesh, ...]

    @property
    def mesh(self) -> Mesh:
        """All its faces."""
        return self.meshes[0]


def _model(class_id: int, builder: MeshBuilder) -> Model:
    return Model(class_id, tuple(builder.build(least_m) for least_m in _LEAST_M))


class Fleet:
    """The models of a world."""

    def __init__(self, rng: np.random.Generator) -> None:
        def paint() -> Paint:
            blue, green, red = (_LIVERIES[int(rng.integers(len(_LIVERIES)))] * rng.uniform(0.7, 1.0)).tolist()
            return blue, green, red

        light: Paint = (206, 209, 211)
        self.cars = [_model(TRUCK if name == "pick-up" else CAR, build_car(shape)) for name, shape in SHAPES.items()]
        self.lorries = [
            _model(TRUCK, build_lorry(6.4, 3.0, light)),
            _model(TRUCK, build_lorry(7.6, 3.4, paint())),
            _model(TRUCK, build_lorry(10.5, 3.8, light if rng.random() < 0.5 else paint())),
        ]
        self.buses = [_model(BUS, build_bus(12.0, paint())), _model(BUS, build_bus(10.5, paint()))]
        self.trams = [_model(TRAM, build_tram(24.0, paint()))]

    def any_of(self, rng: np.random.Generator, large: float) -> Model:
        """A model at random; `large` of them are lorries and buses, 0..1."""
        if rng.random() < large:
            big = [*self.lorries, *self.buses]
            return big[int(rng.integers(len(big)))]
        weights = np.array([5.0, 5.0, 3.0, 4.0, 2.0, 1.5, 0.6])
        return self.cars[int(rng.choice(len(self.cars), p=weights / weights.sum()))]


def body_colour(rng: np.random.Generator, model: Model) -> F32:
    """Body colours as on the road: white, black and greys for most, B, G, R 0..255."""
    if model.class_id in (BUS, TRAM):
        return np.asarray(_LIVERIES[int(rng.integers(len(_LIVERIES)))] * rng.uniform(0.8, 1.1), np.float32)
    kind = rng.random()
    if kind < 0.22:
        colour = np.array((208, 211, 212), np.float32) * rng.uniform(0.92, 1.05)
    elif kind < 0.45:
        colour = np.array((30, 28, 28), np.float32) * rng.uniform(0.7, 1.6)
    elif kind < 0.72:
        colour = rng.uniform(70, 165) * np.array((1.03, 1.0, 0.97), np.float32)
    elif kind < 0.84:
        colour = np.array((rng.uniform(90, 150), rng.uniform(45, 75), rng.uniform(18, 40)), np.float32)
    elif kind < 0.94:
        colour = np.array((rng.uniform(22, 45), rng.uniform(20, 42), rng.uniform(115, 175)), np.float32)
    else:
        colour = rng.uniform(40, 190, 3).astype(np.float32)
    return np.asarray(np.minimum(colour, 225), np.float32)


class Vehicle:
    """A vehicle at a pose; whoever owns it may move it."""

    reach_m = 190.0

    def __init__(self, model: Model, pose: Pose, colour: F32, lamps_lit: bool) -> None:
        self.pose = pose
        self.braking = False
        self.outline: Outline | None = None  # in the picture that is being drawn
        self._model = model
        self._colours = [
            [own_colours(mesh, colour, braking, lamps_lit) for braking in (False, True)] for mesh in model.meshes
        ]

    @property
    def key_m(self) -> float:
        """Its middle along the road."""
        return self.pose.s

    @property
    def length_m(self) -> float:
        """Bumper to bumper, metres."""
        return self._model.mesh.length_m

    def body(self, view: View) -> Body:
        """What there is to project, as detailed as its distance shows."""
        level = bisect.bisect(_FROM_M, self.pose.s - view.s_m)
        return Body(self._model.meshes[level], self.pose, *self._colours[level][self.braking])

    def in_sight(self, view: View) -> bool:
        """Whether any of it can fall into the picture."""
        z, reach = self.pose.s - view.s_m, 0.5 * self.length_m + 1.0
        if z + reach < 1.0:
            return False
        aside = max(abs(view.offset(z) + self.pose.u) - reach, 0.0)
        return aside * view.focal_px < (view.middle_px + 1) * (z + reach)

    def draw(self, canvas: Canvas, view: View) -> None:
        """Draw it as one object, once its outline is known."""
        if self.outline is not None:
            self.outline.draw(canvas, self._model.class_id)

    def draw_shadow(self, canvas: Canvas, view: View) -> None:
        """Darken the ground under it, before anything stands on it."""
        shadow = shadow_of(view, self._model.mesh, self.pose)
        if shadow is not None:
            canvas.darken(*shadow)
