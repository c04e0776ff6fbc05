"""Facades: a wall with its windows, doors, balconies and shops, as a texture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.sources.demo.canvas import F32
from pipeline.sources.demo.conditions import Conditions
from pipeline.sources.demo.noise import fractal
from pipeline.sources.demo.texture import Texture, solid
from pipeline.sources.demo.window import (
    PX_PER_M,
    Wall,
    WindowStyle,
    paint_door,
    paint_shop,
    paint_window,
)

FacadeStyle = Literal["brick", "plaster", "office", "flats", "house", "hall"]

_BUILDING = 2


@dataclass(frozen=True, slots=True)
class Design:
    """What the sides of one building have in common."""

    style: FacadeStyle
    floors: int
    floor_m: float
    wall_bgr: F32
    window: WindowStyle
    bay_m: float
    shops: bool
    balconies: bool

    @property
    def height_m(self) -> float:
        """Ground to eaves, metres."""
        return self.floors * self.floor_m + (0.9 if self.shops else 0.5)


def make_design(rng: np.random.Generator, style: FacadeStyle, floors: int, shops: bool) -> Design:
    """A building's look."""
    if style == "brick":
        wall = np.array((72, 88, 142), np.float32) * rng.uniform(0.65, 1.15) + rng.uniform(-12, 22)
    elif style == "office":
        wall = np.array((136, 132, 128), np.float32) * rng.uniform(0.5, 1.3)
    elif style in ("flats", "hall"):
        wall = np.array((150, 158, 164), np.float32) * rng.uniform(0.75, 1.2)
    else:
        pastel = np.array(
            ((150, 186, 204), (186, 196, 200), (132, 160, 190), (158, 172, 166), (150, 150, 196), (206, 210, 214)),
            np.float32,
        )
        wall = pastel[int(rng.integers(len(pastel)))] * rng.uniform(0.75, 1.1)
    white = (214.0, 217.0, 219.0)
    frame = white if rng.random() < 0.65 else (52.0, 50.0, 48.0)
    surround = tuple(np.minimum(wall * 1.25 + 14, 225).tolist()) if rng.random() < 0.5 else None
    shutters = tuple(rng.uniform(40, 130, 3).tolist()) if style == "plaster" and rng.random() < 0.5 else None
    wide = style in ("office", "flats", "hall")
    window = WindowStyle(
        width=float(rng.uniform(1.6, 2.6) if wide else rng.uniform(0.9, 1.35)),
        height=float(rng.uniform(1.3, 2.0)),
        frame_bgr=frame,
        panes=int(rng.integers(2, 4) if wide else rng.integers(1, 3)),
        surround_bgr=surround,
        shutters_bgr=shutters,
        sky=float(rng.uniform(0.25, 1.0) if style == "office" else rng.uniform(0.05, 0.6)),
    )
    return Design(
        style=style,
        floors=floors,
        floor_m=float(rng.uniform(2.8, 3.5)),
        wall_bgr=wall.astype(np.float32),
        window=window,
        bay_m=window.width + float(rng.uniform(0.35, 0.8) if wide else rng.uniform(1.0, 1.9)),
        shops=shops,
        balconies=style in ("flats", "plaster") and rng.random() < 0.45,
    )


def paint_facade(
    rng: np.random.Generator, conditions: Conditions, design: Design, width_m: float, light: F32, blank: bool = False
) -> Texture:
    """The facade of a building, width_m wide, in light (3,) factors for B, G, R; blank: few windows."""
    rows, columns = round(design.height_m * PX_PER_M), max(round(width_m * PX_PER_M), 8)
    albedo = _bare_wall(rng, design, rows, columns)
    wall = Wall(albedo, np.zeros_like(albedo), rng, conditions.lamps_lit)
    _openings(wall, design, width_m, blank)
    wall.fill(0, 0, width_m, 0.35, tuple((design.wall_bgr * 0.62).tolist()))  # the plinth
    _weather(wall, rows, columns)
    lit = albedo * light
    return solid(np.where(wall.glow > 0, np.maximum(wall.glow, lit * 0.5), lit), _BUILDING)


def _openings(wall: Wall, design: Design, width_m: float, blank: bool) -> None:
    rng, style = wall.rng, design.window
    bays = max(int(width_m / design.bay_m), 1)
    pitch = width_m / bays
    ground = design.floor_m + (0.9 if design.shops else 0.5)
    bare = rng.random(bays) < (0.7 if blank else 0.04)
    for floor in range(design.floors):
        base = 0.5 if floor == 0 else ground + (floor - 1) * design.floor_m
        if floor and design.style in ("plaster", "brick", "office") and style.surround_bgr:
            wall.fill(0, base - 0.12, width_m, base + 0.06, style.surround_bgr)
        for bay in range(bays):
            if (floor == 0 and (design.shops or design.style == "hall")) or bare[bay]:
                continue
            middle = (bay + 0.5) * pitch
            paint_window(wall, middle, base + 0.85, style)
            if design.balconies and floor and bay % 2:
                _balcony(wall, middle, base + 0.1, pitch)
    if blank:
        return
    if design.shops:
        shops = max(round(width_m / 6.5), 1)
        for shop in range(shops):
            paint_shop(wall, width_m * shop / shops, width_m * (shop + 1) / shops, ground - 0.25)
    elif design.style == "hall":
        for gate in range(int(width_m / 6)):
            x = 1.2 + gate * 6
            wall.fill(x, 0, x + 3.6, 3.4, tuple(rng.uniform(60, 170, 3).tolist()))
            wall.albedo[-round(3.4 * PX_PER_M) :: 6, round(x * PX_PER_M) : round((x + 3.6) * PX_PER_M)] *= 0.8
    else:
        paint_door(wall, (int(rng.integers(bays)) + 0.5) * pitch, tuple(rng.uniform(30, 120, 3).tolist()))


def _balcony(wall: Wall, middle: float, base: float, pitch: float) -> None:
    half = min(pitch * 0.48, 1.3)
    wall.fill(middle - half, base, middle + half, base + 0.18, (150, 154, 158))
    wall.fill(middle - half, base + 0.95, middle + half, base + 1.02, (70, 70, 72))
    for bar in np.arange(middle - half, middle + half, 0.15):
        wall.fill(float(bar), base + 0.18, float(bar) + 0.04, base + 1.0, (78, 78, 80))
    rows = wall.albedo.shape[0]
    below = slice(rows - round(base * PX_PER_M), rows - round((base - 0.5) * PX_PER_M))
    wall.albedo[below, max(round((middle - half) * PX_PER_M), 0) : round((middle + half) * PX_PER_M)] *= 0.72


def _bare_wall(rng: np.random.Generator, design: Design, rows: int, columns: int) -> F32:
    tone = 4.0 * rng.standard_normal((rows, columns), np.float32)
    y, x = np.arange(rows)[::-1, None], np.arange(columns)[None, :]
    if design.style == "brick":
        course = y // 2
        stone = (x + 2 * (course % 2)) // 5
        tone += 10 * rng.standard_normal((rows // 2 + 2, columns // 5 + 3)).astype(np.float32)[course, stone]
        tone += np.where((x + 2 * (course % 2)) % 5 == 0, 14, 0)
    elif design.style == "flats":
        tone += np.where((y % round(design.floor_m * PX_PER_M) < 2) | (x % 72 < 1), -22, 0)
    elif design.style == "hall":
        tone += 9 * np.sin(x * 1.3)
    return np.asarray(design.wall_bgr + tone[..., None], np.float32)


def _weather(wall: Wall, rows: int, columns: int) -> None:
    """Stains that run down, dirt near the ground, the shadow under the eaves and a drainpipe."""
    rng = wall.rng
    streaks = 1 + 0.05 * fractal(rng, 32, 128, 0.9)[:, np.arange(columns) % 128][np.arange(rows) * 32 // rows]
    up = np.arange(rows, 0, -1, dtype=np.float32)[:, None] / PX_PER_M
    dirt = 1 - 0.28 * np.exp(-up / 0.8)
    wall.albedo[...] *= (streaks * dirt)[..., None]
    wall.albedo[: round(0.3 * PX_PER_M)] *= 1.12
    wall.albedo[round(0.3 * PX_PER_M) : round(0.75 * PX_PER_M)] *= 0.68
    if rng.random() < 0.7:
        pipe = int(rng.choice((4, max(columns - 6, 0))))
        wall.albedo[:, pipe : pipe + 2] *= 0.6
