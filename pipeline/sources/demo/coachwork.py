"""Lorries, buses and trams: boxes with windows, lamps and wheels."""

from __future__ import annotations

from pipeline.sources.demo.bodywork import DARK, LENS_RED, LENS_WHITE, PLATE, RIM, TYRE
from pipeline.sources.demo.mesh import Corner, MeshBuilder, Paint

BoxSize = tuple[float, float, float, float, float]  # half width, foot, top, back, front; metres


def _box(builder: MeshBuilder, size: BoxSize, paint: float | Paint = 1.0) -> None:
    """The six sides of a box, the long ones in three courses."""
    w, y0, y1, z0, z1 = size
    kind = "plain" if isinstance(paint, tuple) else "body"
    for x in (-w, w):
        cuts = (y0, y0 + 0.25 * (y1 - y0), y0 + 0.9 * (y1 - y0), y1)
        for low, high, tone in zip(cuts, cuts[1:], (0.88, 1.0, 1.05), strict=False):
            shade = tone if not isinstance(paint, tuple) else paint
            builder.face([(x, low, z0), (x, low, z1), (x, high, z1), (x, high, z0)], (x, 0, 0), kind, shade)  # type: ignore[arg-type]
    builder.face([(-w, y1, z0), (w, y1, z0), (w, y1, z1), (-w, y1, z1)], (0, 1, 0), kind, paint)  # type: ignore[arg-type]
    for z, out in ((z0, -1.0), (z1, 1.0)):
        builder.face([(-w, y0, z), (w, y0, z), (w, y1, z), (-w, y1, z)], (0, 0, out), kind, paint)  # type: ignore[arg-type]


def _panel(
    builder: MeshBuilder,
    z: float,
    out: float,
    rect: tuple[float, float, float, float],
    kind: str,
    paint: float | Paint,
) -> None:
    """A rectangle x0, y0, x1, y1 on an end."""
    x0, y0, x1, y1 = rect
    at = z + 0.02 * out
    corners: list[Corner] = [(x0, y0, at), (x1, y0, at), (x1, y1, at), (x0, y1, at)]
    builder.face(corners, (0, 0, out), kind, paint)  # type: ignore[arg-type]


def _strip(
    builder: MeshBuilder, w: float, rect: tuple[float, float, float, float], kind: str, paint: float | Paint
) -> None:
    """A rectangle z0, y0, z1, y1 on both sides."""
    z0, y0, z1, y1 = rect
    for x in (-w - 0.02, w + 0.02):
        builder.face([(x, y0, z0), (x, y0, z1), (x, y1, z1), (x, y1, z0)], (x, 0, 0), kind, paint)  # type: ignore[arg-type]


def _wheels(builder: MeshBuilder, w: float, axles: tuple[float, ...], radius: float) -> None:
    for x in (-w - 0.01, w + 0.01):
        for z in axles:
            builder.disc(x, radius + 0.03, z, radius + 0.1, DARK)
            builder.disc(x * 1.004, radius, z, radius, TYRE)
            builder.disc(x * 1.008, radius, z, radius * 0.55, RIM)
            builder.disc(x * 1.01, radius, z, radius * 0.25, (70, 70, 72))


def _feet(builder: MeshBuilder, w: float, axles: tuple[float, ...], radius: float, ends: tuple[float, float]) -> None:
    """Tyres and darkness under the body."""
    for z, out in ((ends[0] + 0.3, -1.0), (ends[1] - 0.3, 1.0)):
        _panel(builder, z - 0.02 * out, out, (-w * 0.85, 0.3, w * 0.85, 1.0), "plain", (10, 10, 10))
    for z, out in ((axles[0] - radius, -1.0), (axles[-1] + radius, 1.0)):
        for x0, x1 in ((-w + 0.03, -w + 0.5), (w - 0.5, w - 0.03)):
            builder.face(
                [(x0, 0, z), (x1, 0, z), (x1, 2 * radius, z), (x0, 2 * radius, z)], (0, 0, out), "plain", TYRE
            )


def _rear_lamps(builder: MeshBuilder, w: float, z: float, y: float, tall: float) -> None:
    for x0, x1 in ((-w * 0.97, -w * 0.78), (w * 0.78, w * 0.97)):
        _panel(builder, z, -1, (x0, y, x1, y + tall), "tail", LENS_RED)
        _panel(builder, z - 0.01, -1, (x0, y, x1, y + 0.06), "plain", LENS_WHITE)
    _panel(builder, z, -1, (-0.26, y + 0.02, 0.26, y + 0.14), "plain", PLATE)


def _front_lamps(builder: MeshBuilder, w: float, z: float, y: float) -> None:
    for x0, x1 in ((-w * 0.95, -w * 0.62), (w * 0.62, w * 0.95)):
        _panel(builder, z, 1, (x0, y, x1, y + 0.22), "head", LENS_WHITE)
    _panel(builder, z, 1, (-w * 0.55, y - 0.05, w * 0.55, y + 0.3), "plain", DARK)
    _panel(builder, z + 0.01, 1, (-0.26, y - 0.12, 0.26, y), "plain", PLATE)


def build_lorry(length: float, height: float, box_paint: Paint) -> MeshBuilder:
    """A box lorry: cab in the vehicle's colour, box in its own."""
    builder = MeshBuilder()
    w, back, front = 1.22, -length / 2, length / 2
    cab = front - 1.9
    axles = (back + 1.6, front - 1.1) if length < 8 else (back + 1.3, back + 2.6, front - 1.2)
    _feet(builder, w, axles, 0.48, (back, front))
    _box(builder, (w * 0.95, 0.55, 0.98, back + 0.1, front - 0.3), (34, 34, 36))
    _wheels(builder, w, axles, 0.48)
    _rear_lamps(builder, w, back + 0.1, 0.62, 0.22)
    builder.end_part()
    _box(builder, (w, 0.98, height, back, cab - 0.12), box_paint)
    dim = (box_paint[0] * 0.6, box_paint[1] * 0.6, box_paint[2] * 0.6)
    for x in (-0.02, -w * 0.98, w * 0.95):
        _panel(builder, back, -1, (x, 1.0, x + 0.035, height - 0.05), "plain", dim)
    for x in (-0.35, 0.3):
        _panel(builder, back, -1, (x, 1.1, x + 0.04, height - 0.1), "plain", (120, 122, 124))
    _strip(builder, w, (back + 0.6, 1.7, cab - 0.8, 2.35), "body", 1.0)
    _strip(builder, w, (back, 1.0, cab - 0.12, 1.08), "plain", dim)
    builder.end_part()
    roof = min(height - 0.4, 2.75)
    _box(builder, (w * 0.97, 0.5, roof, cab, front))
    _panel(builder, front, 1, (-w * 0.88, 1.55, w * 0.88, roof - 0.25), "glass", 1.6)
    _strip(builder, w * 0.97, (cab + 0.5, 1.6, front - 0.25, roof - 0.35), "glass", 1.2)
    _front_lamps(builder, w * 0.97, front, 0.7)
    return builder


def build_bus(length: float, stripe: Paint) -> MeshBuilder:
    """A city bus."""
    builder = MeshBuilder()
    w, back, front, top = 1.26, -length / 2, length / 2, 3.05
    axles = (back + 3.0, front - 2.7)
    _feet(builder, w, axles, 0.48, (back, front))
    _box(builder, (w, 0.34, top, back, front))
    _strip(builder, w, (back + 0.1, 0.36, front - 0.1, 0.62), "plain", stripe)
    _strip(builder, w, (back + 0.1, 1.12, front - 0.1, 1.24), "plain", stripe)
    pitch = (length - 0.8) / 8
    for k in range(8):
        z = back + 0.45 + k * pitch
        _strip(builder, w, (z, 1.38, z + pitch - 0.12, 2.0), "glass", 0.9)
        _strip(builder, w, (z, 2.0, z + pitch - 0.12, 2.55), "glass", 1.7)
    for z in (front - 1.6, back + 0.45 * length):
        _strip(builder, w + 0.01, (z, 0.42, z + 1.2, 2.5), "glass", 1.1)
        _strip(builder, w + 0.02, (z + 0.57, 0.42, z + 0.63, 2.5), "plain", DARK)
    _wheels(builder, w, axles, 0.48)
    _panel(builder, back, -1, (-w * 0.8, 1.75, w * 0.8, 2.1), "glass", 0.8)
    _panel(builder, back, -1, (-w * 0.8, 2.1, w * 0.8, 2.55), "glass", 1.8)
    _panel(builder, back, -1, (-w * 0.7, 0.75, w * 0.7, 1.45), "body", 0.86)
    for y in (0.85, 0.97, 1.09, 1.21):
        _panel(builder, back - 0.01, -1, (-w * 0.5, y, w * 0.5, y + 0.05), "plain", DARK)
    _panel(builder, back, -1, (-w * 0.96, 0.36, w * 0.96, 0.5), "plain", stripe)
    _panel(builder, back, -1, (-0.3, 2.66, 0.3, 2.9), "plain", (20, 60, 70))
    _rear_lamps(builder, w, back, 0.55, 0.55)
    _panel(builder, front, 1, (-w * 0.92, 1.1, w * 0.92, 2.45), "glass", 1.3)
    _panel(builder, front, 1, (-w * 0.75, 2.55, w * 0.75, 2.9), "plain", (14, 90, 110))
    _front_lamps(builder, w, front, 0.6)
    return builder


def build_tram(length: float, stripe: Paint) -> MeshBuilder:
    """A tram of three sections on one line."""
    builder = MeshBuilder()
    w, back, front, top = 1.2, -length / 2, length / 2, 3.4
    _feet(builder, w, (back + 2.2, front - 2.2), 0.3, (back, front))
    section = length / 3
    for k in range(3):
        z0, z1 = back + k * section, back + (k + 1) * section
        _box(builder, (w, 0.3, top, z0 + 0.25, z1 - 0.25))
        _strip(builder, w, (z0 + 0.3, 0.34, z1 - 0.3, 0.8), "plain", stripe)
        for pane in range(4):
            z = z0 + 0.4 + pane * (section - 0.8) / 4
            _strip(builder, w, (z, 1.2, z + (section - 0.8) / 4 - 0.12, 1.9), "glass", 0.9)
            _strip(builder, w, (z, 1.9, z + (section - 0.8) / 4 - 0.12, 2.6), "glass", 1.7)
        if k < 2:
            _box(builder, (w * 0.9, 0.5, top - 0.2, z1 - 0.25, z1 + 0.25), (40, 40, 42))
    for z, out in ((back + 0.25, -1.0), (front - 0.25, 1.0)):
        _panel(builder, z, out, (-w * 0.9, 1.15, w * 0.9, 2.6), "glass", 1.2)
        _panel(builder, z, out, (-w * 0.6, 2.75, w * 0.6, 3.1), "plain", (14, 90, 110))
        _panel(builder, z, out, (-w, 0.3, w, 0.75), "plain", stripe)
    _front_lamps(builder, w, front - 0.25, 0.8)
    _rear_lamps(builder, w, back + 0.25, 0.8, 0.25)
    return builder
