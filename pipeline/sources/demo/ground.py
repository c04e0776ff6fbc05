"""The ground: rings of texels that are painted ahead of the camera and looked up row by row.

Five levels of detail, each for one range of distances (Losasso and Hoppe, Geometry Clipmaps, 2004). A
picture row shows one s, so the lookup is a straight run through one texel row.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Protocol

import cv2
import numpy as np

from pipeline.sources.demo.camera import FAR_M, HAZE_STEPS, KNOT_M, View
from pipeline.sources.demo.canvas import F32, U8, Canvas
from pipeline.sources.demo.decal import Decal
from pipeline.sources.demo.material import LEVELS, TEXEL_S_M, TEXEL_U_M, Material, MaterialName

COLUMNS = 2048
_TO_M = (10.0, 20.0, 40.0, 80.0, FAR_M)  # where each level ends
_RING = (512, 128, 64, 32, 64)  # rows held; a power of two, longer than the range by a chunk at least
_MARGIN_M = 0.3  # painted before it comes into range
_CLEAR_M = 14.0  # no haze is drawn on the ground nearer than this
_CHUNK = (64, 16, 8, 4, 2)  # rows painted at a time

Strip = tuple[float, float, MaterialName]  # from u to u, metres


class Plan(Protocol):
    """What lies where on the ground."""

    def stretches(self, s0: float, s1: float) -> list[tuple[float, float, tuple[Strip, ...]]]:
        """What covers s0 to s1: stretches (from s, to s, strips from left to right)."""
        ...

    def decals(self, s0: float, s1: float) -> list[Decal]:
        """What lies on it, bottom first."""
        ...

    def shadows(self, s0: float, s1: float) -> list[Decal]:
        """The shadows on it."""
        ...


class Level:
    """One ring of texels."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.texel_u = TEXEL_U_M * 2**number
        self.texel_s = TEXEL_S_M * 4**number
        self.u_edge = -self.texel_u * COLUMNS / 2
        self.pixels: U8 = np.zeros((_RING[number], COLUMNS, 4), np.uint8)
        self._columns = np.arange(COLUMNS)
        self._next: int | None = None  # the row to paint next

    def advance(self, plan: Plan, materials: dict[MaterialName, Material], s_m: float) -> None:
        """Paint what has come into range, seen from s_m."""
        begins = _TO_M[self.number - 1] if self.number else 0.0
        chunk = _CHUNK[self.number]
        if self._next is None:
            self._next = math.floor((s_m + begins) / self.texel_s) // chunk * chunk
        while self._next * self.texel_s < s_m + _TO_M[self.number] + _MARGIN_M:
            self._paint(plan, materials, self._next, chunk)
            self._next += chunk

    def _paint(self, plan: Plan, materials: dict[MaterialName, Material], first: int, count: int) -> None:
        s0, s1 = first * self.texel_s, (first + count) * self.texel_s
        at = first % len(self.pixels)
        target = self.pixels[at : at + count]
        words = target.view(np.uint32)[..., 0]
        for begin, end, strips in plan.stretches(s0, s1):
            a = min(max(round(begin / self.texel_s) - first, 0), count)
            b = min(max(round(end / self.texel_s) - first, 0), count)
            if a >= b:
                continue
            for left, right, name in strips:
                c0, c1 = self._column(left), self._column(right)
                if c0 < c1:
                    tile = materials[name].tiles[self.number].view(np.uint32)[..., 0]
                    # A chunk begins at a multiple of its length, which divides the tile's: its rows do not wrap.
                    row = first % tile.shape[0]
                    words[a:b, c0:c1] = tile[row + a : row + b].take(self._columns[c0:c1], axis=1, mode="wrap")
        for decal in plan.decals(s0, s1):
            self._lay(target, decal, s0, count)
        shadows = plan.shadows(s0, s1)
        if shadows:
            shade = np.zeros(target.shape[:2], np.float32)
            for shadow in shadows:
                c0, c1 = self._column(shadow.u0), self._column(shadow.u1) + 1
                part = shade[:, c0:c1]
                if part.size:
                    cover = self._cover(shadow, s0, count, c0, part.shape[1])
                    np.maximum(part, cover, out=part)
            kept = (255.5 - 255 * shade).astype(np.uint8)
            cv2.multiply(target, cv2.merge([kept, kept, kept, np.full_like(kept, 255)]), dst=target, scale=1 / 255)

    def _lay(self, target: U8, decal: Decal, s0: float, count: int) -> None:
        a = max(math.floor((decal.s0 - s0) / self.texel_s), 0)
        b = min(math.ceil((decal.s1 - s0) / self.texel_s), count)
        c0, c1 = self._column(decal.u0), min(self._column(decal.u1) + 1, COLUMNS)
        if a < b and c0 < c1:
            cover = self._cover(decal, s0 + a * self.texel_s, b - a, c0, c1 - c0)[..., None]
            part = target[a:b, c0:c1, :3]
            part[...] = part * (1 - cover) + np.array(decal.bgr, np.float32) * cover

    def _cover(self, decal: Decal, s_edge: float, rows: int, column: int, columns: int) -> F32:
        return decal.cover(s_edge, self.texel_s, rows, self.u_edge + column * self.texel_u, self.texel_u, columns)

    def _column(self, u: float) -> int:
        return int(min(max(math.floor((u - self.u_edge) / self.texel_u), 0), COLUMNS))


class Ground:
    """Paints the ground as it comes and draws it."""

    def __init__(self, materials: dict[MaterialName, Material], plan: Plan, size_hw: tuple[int, int]) -> None:
        self._materials = materials
        self._plan = plan
        self._levels = [Level(number) for number in range(LEVELS)]
        height, width = size_hw
        self._columns_px = np.arange(width, dtype=np.float32)
        self._map_x = np.empty((height, width), np.float32)
        self._map_y = np.empty((height, width), np.float32)

    def draw(self, canvas: Canvas, view: View) -> None:
        """Everything below the horizon."""
        for level in self._levels:
            level.advance(self._plan, self._materials, view.s_m)
        first = max(math.floor(view.horizon_px) + 1, 0)
        if first >= canvas.height:
            return
        below_px = np.arange(first, canvas.height) - view.horizon_px
        z = np.minimum(view.focal_px * view.height_m / below_px, FAR_M)
        offsets = np.interp(z, np.arange(len(view.offsets_m)) * KNOT_M, view.offsets_m)
        for level in self._levels:
            nearest = _TO_M[level.number - 1] if level.number else 0.0
            of_level = np.flatnonzero((z > nearest) & (z <= _TO_M[level.number]))
            if len(of_level):
                a, b = int(of_level[0]), int(of_level[-1]) + 1
                self._look_up(canvas, view, level, first + a, z[a:b], offsets[a:b])
        self._fade(canvas, view, first, z)

    def _look_up(
        self,
        canvas: Canvas,
        view: View,
        level: Level,
        top: int,
        z: np.ndarray[tuple[int], np.dtype[np.float64]],
        offsets: np.ndarray[tuple[int], np.dtype[np.float64]],
    ) -> None:
        rows = slice(top, top + len(z))
        map_x, map_y = self._map_x[rows], self._map_y[rows]
        step = z / (view.focal_px * level.texel_u)
        start = -step * view.middle_px - (offsets + level.u_edge) / level.texel_u - 0.5
        np.multiply(step.astype(np.float32)[:, None], self._columns_px, out=map_x)
        map_x += start.astype(np.float32)[:, None]
        ring_rows = np.floor((view.s_m + z) / level.texel_s) % len(level.pixels)
        map_y[...] = ring_rows.astype(np.float32)[:, None]
        cv2.remap(
            level.pixels, map_x, map_y, cv2.INTER_NEAREST, dst=canvas.pixels[rows], borderMode=cv2.BORDER_REPLICATE
        )

    def _fade(self, canvas: Canvas, view: View, first: int, z: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
        """Haze over the rows that are far enough to show it."""
        z = z[z > _CLEAR_M]
        steps = (HAZE_STEPS * (1 - np.exp(-z / view.conditions.haze_m)) + 0.5).astype(int)
        edges = [0, *(np.flatnonzero(np.diff(steps)) + 1).tolist(), len(z)]
        for a, b in pairwise(edges):
            table = view.fades[int(steps[a])]
            if table is not None:
                rows = canvas.pixels[first + a : first + b]
                cv2.LUT(rows, table, dst=rows)
