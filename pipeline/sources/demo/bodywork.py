"""Cars: hatchbacks, saloons, estates, off-roaders and vans, from a few measurements each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.sources.demo.mesh import Corner, MeshBuilder, Paint

TYRE: Paint = (26, 26, 27)
RIM: Paint = (150, 150, 152)
DARK: Paint = (18, 18, 19)
PLATE: Paint = (205, 212, 214)
LENS_RED: Paint = (28, 22, 150)
LENS_WHITE: Paint = (205, 205, 200)


@dataclass(frozen=True, slots=True)
class Shape:
    """A car's measurements, metres; z from the middle, forward. All along the car run from back to front."""

    half_width: float
    stations: tuple[tuple[float, float, float, float], ...]  # z, part of the width, sill height, belt height
    glass: tuple[tuple[float, float], ...]  # z, y: foot of the rear window, roof (2 or more), foot of the windscreen
    axles: tuple[float, float]
    wheel: float
    door: float  # z of the pillar between the doors
    roof_part: float = 0.72  # of the width
    tall_lamps: bool = False
    panel: bool = False  # a delivery van: no windows behind the doors


SHAPES: dict[str, Shape] = {
    "hatchback": Shape(
        0.87,
        ((-2.0, 0.86, 0.40, 0.86), (-1.92, 0.96, 0.30, 0.94), (-1.3, 1, 0.22, 0.96), (0.9, 1, 0.22, 0.93),
         (1.6, 0.97, 0.24, 0.83), (1.92, 0.88, 0.28, 0.70), (2.02, 0.74, 0.36, 0.58)),
        ((-1.95, 0.94), (-1.62, 1.38), (-0.5, 1.48), (0.25, 1.45), (1.12, 0.93)),
        (-1.25, 1.27), 0.31, -0.12, tall_lamps=True,
    ),
    "saloon": Shape(
        0.9,
        ((-2.32, 0.84, 0.42, 0.82), (-2.24, 0.94, 0.32, 0.95), (-1.6, 1, 0.22, 0.98), (1.0, 1, 0.22, 0.93),
         (1.8, 0.97, 0.24, 0.82), (2.2, 0.88, 0.28, 0.70), (2.32, 0.74, 0.36, 0.58)),
        ((-1.85, 0.97), (-1.0, 1.38), (-0.3, 1.44), (0.3, 1.41), (1.2, 0.92)),
        (-1.4, 1.4), 0.32, -0.15,
    ),
    "estate": Shape(
        0.9,
        ((-2.34, 0.86, 0.42, 0.86), (-2.26, 0.96, 0.32, 0.96), (-1.5, 1, 0.22, 0.97), (1.0, 1, 0.22, 0.93),
         (1.8, 0.97, 0.24, 0.82), (2.2, 0.88, 0.28, 0.70), (2.32, 0.74, 0.36, 0.58)),
        ((-2.28, 0.96), (-1.85, 1.40), (-0.3, 1.47), (0.3, 1.43), (1.2, 0.92)),
        (-1.4, 1.4), 0.32, -0.15, tall_lamps=True,
    ),
    "off-roader": Shape(
        0.94,
        ((-2.25, 0.9, 0.50, 1.02), (-2.18, 0.98, 0.40, 1.08), (-1.3, 1, 0.32, 1.10), (0.95, 1, 0.32, 1.08),
         (1.75, 0.98, 0.34, 1.02), (2.1, 0.92, 0.38, 0.92), (2.2, 0.82, 0.46, 0.74)),
        ((-2.2, 1.08), (-1.95, 1.62), (-0.4, 1.72), (0.3, 1.68), (1.1, 1.07)),
        (-1.38, 1.38), 0.37, -0.1, roof_part=0.78, tall_lamps=True,
    ),
    "van": Shape(
        0.97,
        ((-2.5, 0.94, 0.46, 1.06), (-2.44, 0.99, 0.36, 1.12), (-1.4, 1, 0.30, 1.12), (1.5, 1, 0.30, 1.08),
         (2.1, 0.96, 0.32, 0.96), (2.38, 0.88, 0.38, 0.78), (2.46, 0.78, 0.44, 0.64)),
        ((-2.46, 1.12), (-2.36, 1.86), (0.0, 1.98), (0.9, 1.94), (1.95, 1.06)),
        (-1.5, 1.55), 0.34, 0.45, roof_part=0.88, tall_lamps=True,
    ),
    "panel van": Shape(
        1.0,
        ((-2.7, 0.95, 0.5, 1.16), (-2.64, 0.99, 0.4, 1.2), (-1.4, 1, 0.34, 1.2), (1.6, 1, 0.34, 1.16),
         (2.2, 0.96, 0.36, 1.04), (2.5, 0.88, 0.42, 0.82), (2.6, 0.78, 0.48, 0.66)),
        ((-2.68, 1.2), (-2.62, 2.3), (0.2, 2.42), (1.0, 2.34), (2.1, 1.14)),
        (-1.65, 1.65), 0.35, 0.7, roof_part=0.92, tall_lamps=True, panel=True,
    ),
    "pick-up": Shape(
        0.97,
        ((-2.65, 0.94, 0.56, 1.0), (-2.6, 0.99, 0.46, 1.06), (-0.9, 1, 0.4, 1.06), (1.1, 1, 0.4, 1.1),
         (2.0, 0.98, 0.42, 1.04), (2.4, 0.92, 0.46, 0.94), (2.5, 0.84, 0.54, 0.78)),
        ((-0.62, 1.06), (-0.45, 1.7), (0.2, 1.78), (0.55, 1.75), (1.3, 1.09)),
        (-1.6, 1.7), 0.39, 0.32, roof_part=0.8, tall_lamps=True,
    ),
}  # fmt: skip


def build_car(shape: Shape) -> MeshBuilder:
    """A car of this shape."""
    builder = MeshBuilder()
    _under(builder, shape)
    _hull(builder, shape)
    _ends(builder, shape)
    for side in (-1.0, 1.0):
        _side_details(builder, shape, side)
    _cabin(builder, shape)
    return builder


def _under(builder: MeshBuilder, shape: Shape) -> None:
    """What shows between the car and the road: tyres and darkness."""
    w, (rear, front) = shape.half_width, shape.axles
    back, nose = shape.stations[0][0] + 0.12, shape.stations[-1][0] - 0.15
    for z, out in ((back, -1.0), (nose, 1.0)):
        sill = shape.stations[0 if out < 0 else -1][2] + 0.1
        builder.face(
            [(-w * 0.8, 0.16, z), (w * 0.8, 0.16, z), (w * 0.8, sill, z), (-w * 0.8, sill, z)], (0, 0, out), "plain",
            (9, 9, 9),
        )  # fmt: skip
    for z, out in ((rear - shape.wheel, -1.0), (front + shape.wheel, 1.0)):
        for x0, x1 in ((-w + 0.02, -w + 0.23), (w - 0.23, w - 0.02)):
            builder.face([(x0, 0, z), (x1, 0, z), (x1, 0.45, z), (x0, 0.45, z)], (0, 0, out), "plain", TYRE)


def _hull(builder: MeshBuilder, shape: Shape) -> None:
    w = shape.half_width
    for (z0, p0, low0, belt0), (z1, p1, low1, belt1) in zip(shape.stations, shape.stations[1:], strict=False):
        for side in (-1.0, 1.0):
            edges = []
            for part, height in ((0.93, 0.0), (1.0, 0.42), (0.995, 0.78), (0.93, 1.0)):
                y0, y1 = low0 + height * (belt0 - low0), low1 + height * (belt1 - low1)
                edges.append(((side * w * p0 * part, y0, z0), (side * w * p1 * part, y1, z1)))
            for (a, b), (c, d), tone in zip(edges, edges[1:], (0.8, 0.96, 1.06), strict=False):
                builder.face([a, b, d, c], (side, 0, 0), "body", tone)
        x0, x1 = 0.93 * w * p0, 0.93 * w * p1
        builder.face([(-x0, belt0, z0), (x0, belt0, z0), (x1, belt1, z1), (-x1, belt1, z1)], (0, 1, 0.01), "body")


def _ends(builder: MeshBuilder, shape: Shape) -> None:
    w = shape.half_width
    for (z, part, low, belt), out in ((shape.stations[0], -1.0), (shape.stations[-1], 1.0)):
        half, bump = w * part, low + 0.4 * (belt - low)

        def flat(
            x0: float, y0: float, x1: float, y1: float, lift: float, z: float = z, out: float = out
        ) -> list[Corner]:
            at = z + out * lift
            return [(x0, y0, at), (x1, y0, at), (x1, y1, at), (x0, y1, at)]

        builder.face(flat(-half, low, half, bump, 0), (0, 0, out), "body", 0.82)
        builder.face(flat(-half, bump, half, belt, 0), (0, 0, out), "body", 0.97)
        builder.face(flat(-half * 0.96, low, half * 0.96, low + 0.13, 0.01), (0, 0, out), "plain", DARK)
        plate_y = bump + 0.02 if out < 0 else low + 0.12
        if out > 0:
            builder.face(flat(-half * 0.5, bump + 0.02, half * 0.5, belt - 0.03, 0.01), (0, 0, out), "plain", DARK)
        builder.face(flat(-half, bump - 0.02, half, bump, 0.01), (0, 0, out), "body", 0.5)
        builder.face(flat(-0.26, plate_y, 0.26, plate_y + 0.115, 0.02), (0, 0, out), "plain", PLATE)
        for x in (-0.2, -0.07, 0.06):
            builder.face(flat(x, plate_y + 0.03, x + 0.09, plate_y + 0.09, 0.03), (0, 0, out), "plain", (50, 48, 46))
        y0, y1 = (bump + 0.12, belt - 0.02) if out < 0 else (belt - 0.17, belt - 0.03)
        for side in (-1.0, 1.0):
            x0, x1 = sorted((side * half * (0.66 if out < 0 else 0.56), side * half))
            kind, lens = ("tail", LENS_RED) if out < 0 else ("head", LENS_WHITE)
            builder.face(flat(x0, y0, x1, y1, 0.015), (0, 0, out), kind, lens)  # type: ignore[arg-type]
            if out < 0:
                builder.face(flat(x0, y0, x1, y0 + 0.05, 0.02), (0, 0, out), "plain", LENS_WHITE)


def _side_details(builder: MeshBuilder, shape: Shape, side: float) -> None:
    w, x = shape.half_width, side * (shape.half_width + 0.012)
    out = (side, 0.0, 0.0)
    _, _, low, belt = shape.stations[3]
    for z in shape.axles:
        builder.disc(x, shape.wheel + 0.02, z, shape.wheel + 0.07, DARK)
        builder.disc(x * 1.004, shape.wheel, z, shape.wheel, TYRE)
        builder.disc(x * 1.008, shape.wheel, z, shape.wheel * 0.68, RIM)
        for k in range(5):
            turn = 2 * np.pi * k / 5
            y, along = shape.wheel + 0.4 * shape.wheel * np.cos(turn), z + 0.4 * shape.wheel * np.sin(turn)
            r = 0.13 * shape.wheel
            builder.face(
                [(x * 1.01, y - r, along - r), (x * 1.01, y - r, along + r), (x * 1.01, y + r, along + r),
                 (x * 1.01, y + r, along - r)], out, "plain", (58, 58, 60),
            )  # fmt: skip
    rear, front = shape.axles[0] + shape.wheel + 0.1, shape.axles[1] - shape.wheel - 0.1
    builder.face([(x, low, rear), (x, low, front), (x, low + 0.1, front), (x, low + 0.1, rear)], out, "plain", DARK)
    for z in (rear + 0.1, shape.door, front + 0.05):
        line = [(x, low + 0.1, z), (x, low + 0.1, z + 0.02), (x, belt - 0.02, z + 0.02), (x, belt - 0.02, z)]
        builder.face(line, out, "body", 0.45)
    for z in (shape.door - 0.3, front - 0.55):
        y = belt - 0.13
        builder.face([(x, y, z), (x, y, z + 0.2), (x, y + 0.035, z + 0.2), (x, y + 0.035, z)], out, "body", 1.25)
    z, y = shape.glass[-1][0] - 0.25, shape.glass[-1][1] + 0.05
    x0, x1 = side * w * 0.98, side * (w + 0.2)
    for direction, tone in ((-1.0, 0.35), (1.0, 0.95)):
        builder.face(
            [(x0, y, z), (x1, y + 0.02, z), (x1, y + 0.15, z), (x0, y + 0.14, z)], (0, 0, direction), "body", tone
        )


def _cabin(builder: MeshBuilder, shape: Shape) -> None:
    """Roof and glass."""
    base_w, roof_w = shape.half_width * 0.93, shape.half_width * shape.roof_part
    base_y = min(shape.glass[0][1], shape.glass[-1][1])
    roof_y = max(y for _, y in shape.glass)

    def half(y: float) -> float:
        return base_w + (roof_w - base_w) * max(y - base_y, 0) / (roof_y - base_y)

    for place, ((z0, y0), (z1, y1)) in enumerate(zip(shape.glass, shape.glass[1:], strict=False)):
        w0, w1 = half(y0), half(y1)
        out = (0.0, 1.0, -0.5 if place == 0 else 0.5)
        across: list[Corner] = [(-w0, y0, z0), (w0, y0, z0), (w1, y1, z1), (-w1, y1, z1)]
        builder.face(across, out, "body", 0.95)
        if place in (0, len(shape.glass) - 2):
            for a, b, tone in ((0.1, 0.55, 1.0), (0.55, 0.9, 1.7)) if place == 0 else ((0.08, 0.5, 1.4), (0.5, 0.94, 0.9)):
                pane = [_between(across, part, v) for part, v in ((0.07, a), (0.93, a), (0.93, b), (0.07, b))]
                builder.face(pane, out, "glass", tone)
    for side in (-1.0, 1.0):
        outline = [(side * half(y), y, z) for z, y in shape.glass]
        builder.face(outline, (side, 0.2, 0), "body", 0.92)
        rear, front = shape.glass[0], shape.glass[-1]
        roof_rear, roof_front = shape.glass[1], shape.glass[-2]
        panes = [((shape.door + 0.05, shape.door + 0.05), (front[0] - 0.18, roof_front[0] - 0.03))]
        if not shape.panel:
            panes.append(((rear[0] + 0.28, roof_rear[0] + 0.12), (shape.door - 0.05, shape.door - 0.05)))
        low, high = base_y + 0.05, roof_y - 0.1
        for (low0, high0), (low1, high1) in panes:
            for a, b, tone in ((0.0, 0.55, 0.8), (0.55, 1.0, 1.5)):
                corners = []
                for part, (foot, top) in ((a, (low0, high0)), (a, (low1, high1)), (b, (low1, high1)), (b, (low0, high0))):
                    y = low + (high - low) * part
                    corners.append((side * (half(y) + 0.012), y, foot + (top - foot) * part))
                builder.face(corners, (side, 0.2, 0), "glass", tone)


def _between(quad: list[Corner], across: float, along: float) -> Corner:
    a, b, c, d = (np.array(corner) for corner in quad)
    x, y, z = (a + (b - a) * across) * (1 - along) + (d + (c - d) * across) * along + np.array((0, 0.01, 0))
    return float(x), float(y), float(z)
