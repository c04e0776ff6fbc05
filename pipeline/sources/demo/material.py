"""What the ground is made of: tiles of each material at every level of the ground's detail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from pipeline.sources.demo.canvas import F32, U8
from pipeline.sources.demo.conditions import Conditions
from pipeline.sources.demo.noise import fractal
from pipeline.types import VOID

MaterialName = Literal["asphalt", "worn", "cobbles", "kerb", "slabs", "pavers", "grass", "earth", "yard"]

LEVELS = 5
TEXEL_U_M = 0.0125  # across the road at level 0; doubles with each level
TEXEL_S_M = 0.025  # along the road at level 0; four times as long with each level: rows foreshorten
TILE = 512  # texels at level 0, so 6.4 m across and 12.8 m along

_ROAD, _SIDEWALK, _TERRAIN = 0, 1, 9


@dataclass(frozen=True, slots=True)
class Material:
    """A ground material: (rows, columns, 4) tiles, B, G, R and class id, lit, one per level."""

    tiles: tuple[U8, ...]


def make_materials(conditions: Conditions) -> dict[MaterialName, Material]:
    """All materials of a world."""
    rng = conditions.rng(2)
    light = conditions.light_on(0, 1, 0)
    season_bgr = {"summer": (38, 96, 78), "autumn": (38, 88, 96), "winter": (66, 96, 98)}[conditions.season]
    earth = rng.uniform(0.85, 1.1) * np.array((78, 104, 126), np.float32)
    tone = rng.uniform(78, 122)
    tint = rng.uniform(-4, 5)
    paving = rng.uniform(122, 152) * np.array((0.97, 1.0, rng.uniform(1.0, 1.06)), np.float32)
    brick = np.array((88, 104, rng.uniform(122, 148)), np.float32) * rng.uniform(0.9, 1.2)
    drawn: dict[MaterialName, tuple[F32, int]] = {
        "asphalt": (_asphalt(rng, tone, tint), _ROAD),
        "worn": (_asphalt(rng, tone * rng.uniform(1.04, 1.2), tint + 3), _ROAD),
        "cobbles": (_stones(rng, paving * 0.72, 0.14, 0.14, 0.02, 15), _ROAD),
        "kerb": (_stones(rng, paving * 1.12, 8.0, 0.9, 0.02, 8), _SIDEWALK),
        "slabs": (_stones(rng, paving, 0.48, 0.64, 0.02, 7), _SIDEWALK),
        "pavers": (_stones(rng, brick, 0.2, 0.1, 0.012, 7), _SIDEWALK),
        "grass": (_grass(rng, np.array(season_bgr, np.float32) * rng.uniform(0.9, 1.2)), _TERRAIN),
        "earth": (_earth(rng, earth), _TERRAIN),
        "yard": (_earth(rng, np.array((128, 136, 140), np.float32)), VOID),
    }
    return {name: Material(_levels(bgr * light, ident)) for name, (bgr, ident) in drawn.items()}


def _levels(bgr: F32, ident: int) -> tuple[U8, ...]:
    tiles = []
    for level in range(LEVELS):
        size = (TILE >> level, max(TILE >> 2 * level, 1))
        reduced = bgr if level == 0 else cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)
        tile = np.empty((*reduced.shape[:2], 4), np.uint8)
        tile[..., :3] = np.clip(reduced, 0, 255)
        tile[..., 3] = ident
        tiles.append(tile)
    return tuple(tiles)


def _asphalt(rng: np.random.Generator, tone: float, tint: float) -> F32:
    grain = 8.5 * rng.standard_normal((TILE, TILE), np.float32) + 5.5 * fractal(rng, TILE, TILE, 0.7)
    grain += 4.0 * fractal(rng, TILE, TILE, 1.4)
    grain += np.where(rng.random((TILE, TILE), np.float32) < 0.012, 26, 0)  # bright stones in the binder
    return np.asarray(tone + grain[..., None] + np.array((tint, 0, -tint * 0.4), np.float32), np.float32)


def _stones(
    rng: np.random.Generator, bgr: F32, across_m: float, along_m: float, joint_m: float, uneven: float
) -> F32:
    """Stones in rows, each row shifted by half a stone, with dark joints."""
    rows = max(round(TILE * TEXEL_S_M / along_m), 1)
    columns = max(round(TILE * TEXEL_U_M / across_m), 1)
    along = np.arange(TILE) * rows / TILE
    row = along.astype(int)
    across = np.arange(TILE)[None, :] * columns / TILE + 0.5 * (row % 2)[:, None]
    column = across.astype(int) % columns
    tone = uneven * rng.standard_normal((rows, columns)).astype(np.float32)[row[:, None], column]
    joint_s = (along % 1 < joint_m / along_m)[:, None]
    joint_u = across % 1 < joint_m / across_m
    tone += np.where(joint_s | joint_u, -3.0 * uneven - 8, 0) + 4 * rng.standard_normal((TILE, TILE), np.float32)
    tone += 5 * fractal(rng, TILE, TILE, 1.0)
    return np.asarray(bgr + tone[..., None], np.float32)


def _grass(rng: np.random.Generator, bgr: F32) -> F32:
    blades = 15 * rng.standard_normal((TILE, TILE), np.float32) + 9 * fractal(rng, TILE, TILE, 0.6)
    dry = np.clip(fractal(rng, TILE, TILE, 1.2) * 0.35, -0.3, 0.7)[..., None]
    return np.asarray(bgr + blades[..., None] * (0.7, 1.0, 0.8) + dry * (8, 30, 52), np.float32)


def _earth(rng: np.random.Generator, bgr: F32) -> F32:
    grain = 11 * rng.standard_normal((TILE, TILE), np.float32) + 10 * fractal(rng, TILE, TILE, 0.9)
    return np.asarray(bgr + grain[..., None], np.float32)
