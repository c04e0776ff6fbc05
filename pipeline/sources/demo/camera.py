"""Where the camera is, and where a point of the road's world falls in its picture.

The world is measured along the road: s metres ahead, u metres to the right of the middle line, y metres up.
A bend shifts each cross-section sideways by the road's offset at its distance, so that all points of one
picture row of the ground have the same s. Heights and widths are in true perspective (a pinhole).
"""

from __future__ import annotations

import math

import numpy as np

from pipeline.sources.demo.canvas import F32, U8
from pipeline.sources.demo.conditions import Conditions

KNOT_M = 2.0
FAR_M = 320.0
NEAR_M = 0.5
HAZE_STEPS = 32


class View:
    """One picture's projection. Pixel i has its centre at i."""

    def __init__(
        self,
        conditions: Conditions,
        focal_px: float,
        middle_px: float,
        horizon_px: float,
        height_m: float,
        s_m: float,
        time_s: float,
        turned_rad: float,
        offsets_m: F32,
        fades: list[U8 | None],
    ) -> None:
        self.conditions = conditions
        self.focal_px = focal_px
        self.middle_px = middle_px
        self.horizon_px = horizon_px
        self.height_m = height_m
        self.s_m = s_m
        self.time_s = time_s
        self.turned_rad = turned_rad  # to the right since the start; turns the far distance
        self.offsets_m = offsets_m  # of the middle line to the right of the optical axis, every KNOT_M
        self.fades = fades
        self.haze_bgr = conditions.haze_bgr
        self.lamps_lit = conditions.lamps_lit
        self._haze_m = conditions.haze_m
        self._shift: list[float] = offsets_m.tolist()

    def offset(self, z: float) -> float:
        """The middle line to the right of the optical axis at distance z, metres."""
        place = max(z, 0.0) / KNOT_M
        knot = min(int(place), len(self._shift) - 2)
        before = self._shift[knot]
        return before + (self._shift[knot + 1] - before) * (place - knot)

    def heading(self, z: float) -> float:
        """The road's direction at distance z, radians to the right of the optical axis."""
        knot = min(int(max(z, 0.0) / KNOT_M), len(self._shift) - 2)
        return math.atan((self._shift[knot + 1] - self._shift[knot]) / KNOT_M)

    def across(self, u: float, z: float) -> float:
        """The picture column of a point, pixels."""
        return self.middle_px + self.focal_px * (self.offset(z) + u) / z

    def down(self, y: float, z: float) -> float:
        """The picture row of a point, pixels."""
        return self.horizon_px + self.focal_px * (self.height_m - y) / z

    def haze(self, z: float) -> float:
        """How much of a thing at distance z is haze, 0..1."""
        return 1.0 - math.exp(-z / self._haze_m)

    def fade_table(self, z: float) -> U8 | None:
        """The lookup (1, 256, 4) that fades pixels at distance z, or None where there is no haze to see."""
        return self.fades[int(self.haze(z) * HAZE_STEPS + 0.5)]

    def fade(self, bgr: F32, z: float) -> tuple[float, float, float]:
        """A colour (3,) as it is seen at distance z."""
        haze = self.haze(z)
        blue, green, red = (bgr * (1.0 - haze) + self.haze_bgr * haze).tolist()
        return blue, green, red


class Camera:
    """A dashcam on its way: 1.4 m high, looking along the road, swaying a little."""

    def __init__(self, conditions: Conditions, size_hw: tuple[int, int]) -> None:
        rng = conditions.rng(1)
        self._conditions = conditions
        height, width = size_hw
        self._focal_px = width * rng.uniform(0.70, 0.86)
        self._middle_px = (width - 1) / 2
        self._horizon_px = height * rng.uniform(0.43, 0.5)
        self._phase = rng.uniform(0, 2 * math.pi, 12)
        self._bend = 1 / rng.uniform(110, 330)  # 1 / metres
        self._length = rng.uniform(90, 260, 3)
        self._bumpiness = rng.uniform(0.5, 1.2)
        self._fades = fade_tables(conditions)
        self._at_m, self._turned_rad = 0.0, 0.0
        self._ahead = np.arange(0, FAR_M + 3 * KNOT_M, KNOT_M)

    def curvature(self, s_m: np.ndarray[tuple[int], np.dtype[np.float64]]) -> F32:
        """1 / radius of the road at places s, positive to the right."""
        shape = zip(self._length, self._phase[:3], strict=True)
        waves = [np.sin(s_m * (2 * math.pi / length) + phase) for length, phase in shape]
        return np.asarray(self._bend * waves[0] * (0.55 + 0.45 * waves[1]) * np.tanh(1.6 * waves[2]), np.float32)

    def look(self, s_m: float, u_m: float, time_s: float) -> View:
        """The view from a place at a time."""
        phase, bumpy = self._phase, self._bumpiness
        # A car body rocks at 1 to 2 Hz; the driver corrects every few seconds.
        pitch = 0.0011 * math.sin(8.3 * time_s + phase[3]) * math.sin(0.9 * time_s + phase[4])
        pitch += 0.0007 * math.sin(0.61 * s_m + phase[5]) + 0.0006 * math.sin(1.73 * s_m + phase[6])
        yaw = 0.006 * math.sin(0.83 * time_s + phase[7]) + 0.004 * math.sin(0.37 * time_s + phase[8])
        drift = 0.14 * math.sin(0.41 * time_s + phase[9]) + 0.05 * math.sin(1.3 * time_s + phase[10])
        curvature = self.curvature(s_m + self._ahead)
        heading = np.cumsum(curvature) * KNOT_M - curvature[0] * KNOT_M - yaw
        offsets = np.cumsum(heading) * KNOT_M - heading[0] * KNOT_M - (u_m + drift)
        self._turned_rad += float(curvature[0]) * (s_m - self._at_m)
        self._at_m = s_m
        return View(
            self._conditions,
            self._focal_px,
            self._middle_px,
            self._horizon_px + self._focal_px * bumpy * pitch,
            1.4 + 0.012 * bumpy * math.sin(9.1 * time_s + phase[11]),
            s_m,
            time_s,
            self._turned_rad + yaw,
            offsets.astype(np.float32),
            self._fades,
        )


def fade_tables(conditions: Conditions) -> list[U8 | None]:
    """Lookups (1, 256, 4) that move B, G and R towards the haze, in HAZE_STEPS steps; the fourth byte stays."""
    ramp = np.arange(256, dtype=np.float32)[:, None]
    tables: list[U8 | None] = [None]
    for step in range(1, HAZE_STEPS + 1):
        haze = step / HAZE_STEPS
        table = np.empty((1, 256, 4), np.uint8)
        table[0, :, :3] = ramp * (1 - haze) + conditions.haze_bgr * haze + 0.5
        table[0, :, 3] = ramp[:, 0]
        tables.append(table)
    return tables
