"""The sky and what lies behind the town: a panorama that turns with the camera."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.sources.demo.camera import View
from pipeline.sources.demo.canvas import F32, U8, Canvas
from pipeline.sources.demo.conditions import Conditions
from pipeline.sources.demo.noise import fractal

_SKY, _BUILDING, _VEGETATION, _TERRAIN = 10, 2, 8, 9


class Sky:
    """A panorama (rows, columns, 4) of B, G, R and class id, whose ends meet; its last row is the horizon."""

    def __init__(self, conditions: Conditions, size_hw: tuple[int, int]) -> None:
        rng = conditions.rng(3)
        height, width = size_hw
        rows, columns = round(0.56 * height) + 16, 2 * width
        bgr = _clouds(rng, conditions, rows, columns)
        ident = np.full((rows, columns), _SKY, np.uint8)
        for far_m, class_id in ((2600.0, _VEGETATION), (1400.0, _TERRAIN), (900.0, _VEGETATION)):
            _ridge(rng, conditions, bgr, ident, far_m, class_id, 0.045 * height)
        if conditions.place != "country":
            _skyline(rng, conditions, bgr, ident, 0.11 * height)
        _ridge(rng, conditions, bgr, ident, 330.0, _VEGETATION, 0.03 * height)
        panorama = np.empty((rows, columns, 4), np.uint8)
        panorama[..., :3] = np.clip(bgr, 0, 255)
        panorama[..., 3] = ident
        self._panorama: U8 = np.hstack([panorama, panorama[:, :width]])

    def draw(self, canvas: Canvas, view: View) -> None:
        """Everything above the horizon, and the row it falls in."""
        rows, columns = self._panorama.shape[:2]
        period = columns - canvas.width
        left = round(view.turned_rad * view.focal_px) % period
        bottom = min(int(view.horizon_px) + 1, canvas.height)
        top = max(bottom - rows, 0)
        canvas.pixels[:top] = self._panorama[0, left]
        canvas.pixels[top:bottom] = self._panorama[rows - (bottom - top) :, left : left + canvas.width]


def _clouds(rng: np.random.Generator, conditions: Conditions, rows: int, columns: int) -> F32:
    up = np.linspace(1, 0, rows, dtype=np.float32)[:, None, None]  # 0 at the horizon
    zenith, horizon = {
        "sunny": ((196, 132, 74), (238, 214, 184)),
        "overcast": ((222, 218, 213), (246, 245, 243)),
        "dusk": ((112, 84, 66), (132, 160, 196)),
    }[conditions.weather]
    glow = rng.uniform(0.85, 1.12)
    sky = np.array(horizon, np.float32) + (np.array(zenith, np.float32) - horizon) * up**0.7
    sky = np.minimum(sky * glow, 252)
    # Clouds lie on a ceiling: towards the horizon they crowd together.
    noise = fractal(rng, 512, 1024, 1.5)
    rows_of = (np.linspace(0.05, 1, rows) ** -0.6 * 90 % 512).astype(np.float32)
    columns_of = np.linspace(0, 1024, columns, endpoint=False, dtype=np.float32)
    map_x, map_y = np.meshgrid(columns_of, rows_of[::-1])
    field = cv2.remap(noise, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)[..., None]
    amount = {"sunny": rng.uniform(-0.9, 0.5), "overcast": 0.9, "dusk": rng.uniform(-0.3, 0.7)}[conditions.weather]
    cover = np.clip((field + amount) * 0.75, 0, 1) * (0.35 + 0.65 * up**0.4)
    lit = {"sunny": (252, 250, 248), "overcast": (250, 250, 249), "dusk": (120, 122, 146)}[conditions.weather]
    dark = {"sunny": (206, 200, 196), "overcast": (196, 193, 190), "dusk": (78, 70, 72)}[conditions.weather]
    shade = np.clip(0.5 + 0.35 * field, 0, 1)
    cloud = np.array(lit, np.float32) * (1 - shade) + np.array(dark, np.float32) * shade
    return np.asarray(sky * (1 - cover) + cloud * cover, np.float32)


def _ridge(
    rng: np.random.Generator,
    conditions: Conditions,
    bgr: F32,
    ident: U8,
    far_m: float,
    class_id: int,
    height_px: float,
) -> None:
    """A line of hills or woods at some distance."""
    bgr, ident = bgr[-round(3 * height_px) - 8 :], ident[-round(3 * height_px) - 8 :]
    rows, columns = ident.shape
    line = fractal(rng, 2, columns, 1.5)[0] * 0.5 + (0.12 * fractal(rng, 2, columns, 0.5)[0] if far_m < 1000 else 0)
    tops = rows - np.clip((line + rng.uniform(0.1, 0.7)) * height_px, 0, None).astype(int)
    inside = np.arange(rows)[:, None] >= tops
    green = {"summer": (48, 92, 70), "autumn": (46, 86, 98), "winter": (74, 84, 88)}[conditions.season]
    if class_id == _TERRAIN:
        green = (70, 140, 136)
    haze = 1 - np.exp(-far_m / (conditions.haze_m * 1.6))
    albedo = np.array(green, np.float32) * conditions.light_on(0, 0.7, -0.7)
    colour = albedo * (1 - haze) + conditions.haze_bgr * haze
    rough = 9 * (1 - haze) * rng.standard_normal((rows, columns)).astype(np.float32)
    bgr[inside] = (colour + rough[..., None])[inside]
    ident[inside] = class_id


def _skyline(rng: np.random.Generator, conditions: Conditions, bgr: F32, ident: U8, height_px: float) -> None:
    """Roofs and towers behind the street."""
    rows, columns = ident.shape
    light = conditions.light_on(0, 0, -1)
    for _ in range(90 if conditions.place == "city" else 45):
        width = int(rng.uniform(0.15, 0.7) * height_px)
        tall = int(height_px * rng.uniform(0.2, 0.55) * (1.8 if rng.random() < 0.08 else 1))
        left = int(rng.integers(0, max(columns - width, 1)))
        haze = 1 - np.exp(-rng.uniform(300, 900) / (conditions.haze_m * 1.3))
        albedo = rng.uniform(70, 190) * np.array((rng.uniform(0.8, 1.05), 0.95, rng.uniform(0.95, 1.1)), np.float32)
        colour = albedo * light * (1 - haze) + conditions.haze_bgr * haze
        block = bgr[rows - tall :, left : left + width]
        block[:] = colour
        step = max(int(height_px * 0.035), 3)
        dark = 0.72 + 0.28 * haze
        for row in range(2, tall, step):
            block[row : row + max(step // 2, 1), 1:-1:step] *= dark
            block[row : row + max(step // 2, 1), 2:-1:step] *= dark
        ident[rows - tall :, left : left + width] = _BUILDING
