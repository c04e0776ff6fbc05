"""The faces of a car: hull, ends, wheels, cabin."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.sources.demo.car_shapes import Shape
from pipeline.sources.demo.mesh import Corner, FaceKind, MeshBuilder, Paint

TYRE: Paint = (26, 26, 27)
RIM: Paint = (150, 150, 152)
DARK: Paint = (18, 18, 19)
PLATE: Paint = (205, 212, 214)
LENS_RED: Paint = (28, 22, 150)
LENS_WHITE: Paint = (205, 205, 200)


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
        sill = shape.stations[0 if out < 0 else -1][2] + 0.05
        builder.face(
            [(-w * 0.8, 0.19, z), (w * 0.8, 0.19, z), (w * 0.8, sill, z), (-w * 0.8, sill, z)], (0, 0, out), "plain",
            (9, 9, 9),
        )  # fmt: skip
    for z, out in ((rear - 0.7 * shape.wheel, -1.0), (front + 0.7 * shape.wheel, 1.0)):
        for x0, x1 in ((-w + 0.01, -w + 0.2), (w - 0.2, w - 0.01)):
            builder.face([(x0, 0, z), (x1, 0, z), (x1, 0.34, z), (x0, 0.34, z)], (0, 0, out), "plain", TYRE)


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
    for station, out in ((shape.stations[0], -1.0), (shape.stations[-1], 1.0)):
        z, part, low, belt = station
        half, tall = shape.half_width * part, belt - low

        def flat(
            x0: float,
            y0: float,
            x1: float,
            y1: float,
            kind: FaceKind,
            paint: float | Paint,
            lift: float = 0.01,
            at: float = z,
            out: float = out,
        ) -> None:
            """A rectangle on this end; widths in parts of its half width, heights in metres."""
            z = at + out * lift
            builder.face([(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)], (0, 0, out), kind, paint)

        bump = low + 0.42 * tall
        for y0, y1, tone in ((low, bump - 0.1, 0.8), (bump - 0.1, bump, 1.06), (bump, belt, 0.95)):
            flat(-half, y0, half, y1, "body", tone, 0.0)
        flat(-half, bump - 0.015, half, bump + 0.01, "body", 0.45)
        flat(-half * 0.9, low, half * 0.9, low + 0.14 * tall, "plain", DARK)
        if out > 0:
            _face_of_the_front(flat, half, bump, belt)
        else:
            _face_of_the_rear(flat, shape, half, bump, belt)
        plate_y = bump + 0.04 if out < 0 and not shape.tall_lamps else low + 0.2 * tall
        flat(-0.26, plate_y, 0.26, plate_y + 0.115, "plain", PLATE, 0.02)
        for x in (-0.2, -0.07, 0.06):
            flat(x, plate_y + 0.03, x + 0.09, plate_y + 0.09, "plain", (50, 48, 46), 0.03)


def _face_of_the_front(flat: Callable[..., None], half: float, bump: float, belt: float) -> None:
    flat(-half * 0.52, bump + 0.03, half * 0.52, belt - 0.03, "plain", DARK)
    for k in range(1, 3):
        y = bump + 0.03 + (belt - bump - 0.06) * k / 3
        flat(-half * 0.5, y, half * 0.5, y + 0.014, "plain", (128, 130, 132), 0.02)
    flat(-0.05, belt - 0.13, 0.05, belt - 0.05, "plain", (188, 190, 192), 0.03)
    for side in (-1.0, 1.0):
        x0, x1 = sorted((side * half * 0.56, side * half * 0.99))
        flat(x0, belt - 0.17, x1, belt - 0.02, "plain", (44, 44, 46), 0.015)
        flat(x0 + 0.03, belt - 0.15, x1 - 0.03, belt - 0.04, "head", LENS_WHITE, 0.02)
        x0, x1 = sorted((side * half * 0.66, side * half * 0.9))
        flat(x0, bump - 0.16, x1, bump - 0.08, "plain", DARK, 0.02)


def _face_of_the_rear(flat: Callable[..., None], shape: Shape, half: float, bump: float, belt: float) -> None:
    if shape.tall_lamps:
        flat(-half * 0.62, bump + 0.2, half * 0.62, bump + 0.32, "body", 0.82)
    flat(-half * 0.7, belt - 0.05, half * 0.7, belt - 0.03, "body", 0.5)
    flat(-0.05, belt - 0.16, 0.05, belt - 0.08, "plain", (188, 190, 192), 0.02)
    for side in (-1.0, 1.0):
        x0, x1 = sorted((side * half * (0.72 if shape.tall_lamps else 0.56), side * half))
        y0, y1 = (bump + 0.06, belt) if shape.tall_lamps else (belt - 0.22, belt - 0.05)
        flat(x0, y0, x1, y1, "plain", (34, 26, 70), 0.012)
        flat(x0 + 0.015, y0 + 0.4 * (y1 - y0), x1 - 0.015, y1 - 0.015, "tail", LENS_RED, 0.018)
        flat(x0 + 0.015, y0 + 0.06, x1 - 0.015, y0 + 0.36 * (y1 - y0), "plain", (150, 170, 196), 0.018)
        x0, x1 = sorted((side * half * 0.6, side * half * 0.78))
        flat(x0, bump - 0.2, x1, bump - 0.15, "plain", (30, 24, 120), 0.02)


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
            for a, b, tone in (
                ((0.1, 0.55, 1.0), (0.55, 0.9, 1.7)) if place == 0 else ((0.08, 0.5, 1.4), (0.5, 0.94, 0.9))
            ):
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
                for part, (foot, top) in (
                    (a, (low0, high0)),
                    (a, (low1, high1)),
                    (b, (low1, high1)),
                    (b, (low0, high0)),
                ):
                    y = low + (high - low) * part
                    corners.append((side * (half(y) + 0.012), y, foot + (top - foot) * part))
                builder.face(corners, (side, 0.2, 0), "glass", tone)


def _between(quad: list[Corner], across: float, along: float) -> Corner:
    a, b, c, d = (np.array(corner) for corner in quad)
    x, y, z = (a + (b - a) * across) * (1 - along) + (d + (c - d) * across) * along + np.array((0, 0.01, 0))
    return float(x), float(y), float(z)
