"""Fences, walls and hedges along the road."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from pipeline.sources.demo.camera import View
from pipeline.sources.demo.canvas import F32, Canvas
from pipeline.sources.demo.conditions import Conditions
from pipeline.sources.demo.noise import fractal
from pipeline.sources.demo.surface import draw_quad
from pipeline.sources.demo.texture import Texture, cutout, solid

BarrierName = Literal["railing", "pickets", "planks", "brick wall", "plain wall", "hedge"]

_WALL, _FENCE, _VEGETATION = 3, 4, 8
_PX_PER_M = 40
_PIECE_M = 6.4
_NEAREST_M = 1.0


@dataclass(frozen=True, slots=True)
class BarrierKind:
    """What a barrier is made of: a texture of _PIECE_M for each side of the road."""

    left: Texture
    right: Texture
    class_id: int
    height_m: float
    thick_m: float
    top_bgr: F32
    end_bgr: F32


class Barrier:
    """A piece from s0 to s1 at u, metres; s1 - s0 is at most the texture's length."""

    reach_m = 150.0

    def __init__(self, s0: float, s1: float, u: float, kind: BarrierKind) -> None:
        self.s0, self.s1, self.u = s0, s1, u
        self.key_m = s1
        self._kind = kind

    def draw(self, canvas: Canvas, view: View) -> None:
        """Draw its street side, its near end and its top."""
        kind = self._kind
        near, far = max(self.s0 - view.s_m, _NEAREST_M), self.s1 - view.s_m
        if far <= near + 0.05:
            return
        right = self.u > 0
        back_u = self.u + (kind.thick_m if right else -kind.thick_m)
        xn, xf = view.across(self.u, near), view.across(self.u, far)
        top_n, foot_n = view.down(kind.height_m, near), view.down(0, near)
        top_f, foot_f = view.down(kind.height_m, far), view.down(0, far)
        if kind.thick_m:
            end_x = view.across(back_u, near)
            end = [(xn, top_n), (end_x, top_n), (end_x, foot_n), (xn, foot_n)]
            canvas.polygon(end, view.fade(kind.end_bgr, near), kind.class_id)
            if kind.height_m < view.height_m:
                far_x = view.across(back_u, far)
                top = [(xn, top_n), (end_x, top_n), (far_x, top_f), (xf, top_f)]
                canvas.polygon(top, view.fade(kind.top_bgr, near), kind.class_id)
        length = _PIECE_M
        begins = (near - (self.s0 - view.s_m)) / length
        ends = (self.s1 - self.s0) / length
        if right:
            corners = ((xf, top_f), (xn, top_n), (xn, foot_n), (xf, foot_f))
            part = (1.0 - ends, 1.0 - begins)
        else:
            corners = ((xn, top_n), (xf, top_f), (xf, foot_f), (xn, foot_n))
            part = (begins, ends)
        if (xn - xf) * (1 if right else -1) > 0.5:
            draw_quad(canvas, view, kind.right if right else kind.left, corners, near, kind.class_id, part)


def pieces(s0: float, s1: float, u: float, kind: BarrierKind) -> list[Barrier]:
    """A barrier from s0 to s1 as pieces short enough to be sorted by distance."""
    starts = np.arange(s0, s1 - 0.2, _PIECE_M).tolist()
    return [Barrier(start, min(start + _PIECE_M, s1), u, kind) for start in starts]


def make_barriers(conditions: Conditions) -> dict[BarrierName, BarrierKind]:
    """The barriers of a world."""
    rng = conditions.rng(4)
    bars = np.array((46, 44, 42) if rng.random() < 0.6 else (168, 172, 174), np.float32)
    wood = np.array((88, 112, 136), np.float32) * rng.uniform(0.6, 1.2)
    pale = np.array((205, 210, 214), np.float32) if rng.random() < 0.6 else wood
    stone = np.array((120, 134, 146), np.float32) * rng.uniform(0.75, 1.1)
    brick = np.array((78, 92, 140), np.float32) * rng.uniform(0.7, 1.1)
    leaf = {"summer": (34, 84, 58), "autumn": (36, 78, 84), "winter": (52, 66, 66)}[conditions.season]
    return {
        "railing": _kind(conditions, _FENCE, 1.1, 0, *_bars(bars, 1.1, 0.13, 0.03, 2)),
        "pickets": _kind(conditions, _FENCE, 0.95, 0, *_bars(pale, 0.95, 0.14, 0.085, 2)),
        "planks": _kind(conditions, _FENCE, 1.8, 0.1, *_planks(rng, wood)),
        "brick wall": _kind(conditions, _WALL, 1.25, 0.3, *_masonry(rng, brick, 1.25, 0.22, 0.075)),
        "plain wall": _kind(conditions, _WALL, 2.1, 0.3, *_masonry(rng, stone, 2.1, 1.6, 0.7)),
        "hedge": _kind(conditions, _VEGETATION, 1.5, 0.7, *_hedge(rng, np.array(leaf, np.float32), 1.5)),
    }


def _kind(
    conditions: Conditions, class_id: int, height_m: float, thick_m: float, bgr: F32, alpha: F32 | None
) -> BarrierKind:
    left, right = (
        cutout(bgr * light, alpha) if alpha is not None else solid(bgr * light, class_id, keep=48)
        for light in (conditions.light_on(1, 0, 0), conditions.light_on(-1, 0, 0))
    )
    mean = bgr.reshape(-1, 3).mean(0)
    top, end = (np.minimum(mean * conditions.light_on(*normal), 250) for normal in ((0, 1, 0), (0, 0, -1)))
    return BarrierKind(left, right, class_id, height_m, thick_m, top, end)


def _bars(bgr: F32, height_m: float, pitch_m: float, bar_m: float, rails: int) -> tuple[F32, F32]:
    rows, columns = round(height_m * _PX_PER_M), round(_PIECE_M * _PX_PER_M)
    alpha = np.zeros((rows, columns), np.float32)
    for x in np.arange(0, _PIECE_M, pitch_m):
        alpha[2:, round(x * _PX_PER_M) : max(round((x + bar_m) * _PX_PER_M), round(x * _PX_PER_M) + 1)] = 1
    for rail in range(rails):
        row = 3 + rail * (rows - 10)
        alpha[row : row + 3] = 1
    for x in (0.0, _PIECE_M / 2):
        alpha[:, round(x * _PX_PER_M) : round(x * _PX_PER_M) + 4] = 1
    tone = np.tile(bgr, (rows, columns, 1)).astype(np.float32)
    tone[:, 1::5] *= 0.8
    return tone, alpha


def _planks(rng: np.random.Generator, bgr: F32) -> tuple[F32, None]:
    rows, columns = round(1.8 * _PX_PER_M), round(_PIECE_M * _PX_PER_M)
    plank = np.arange(columns) // 6
    tone = 11 * rng.standard_normal(columns // 6 + 1)[plank] + np.where(np.arange(columns) % 6 == 0, -38, 0)
    grain = 5 * rng.standard_normal((rows, columns))
    return np.asarray(bgr + (tone + grain)[..., None], np.float32), None


def _masonry(
    rng: np.random.Generator, bgr: F32, height_m: float, stone_m: float, course_m: float
) -> tuple[F32, None]:
    rows, columns = round(height_m * _PX_PER_M), round(_PIECE_M * _PX_PER_M)
    y, x = np.arange(rows)[:, None] / _PX_PER_M, np.arange(columns)[None, :] / _PX_PER_M
    course = (y / course_m).astype(int)
    along = x / stone_m + 0.5 * (course % 2)
    tone = rng.normal(0, 12, (int(course.max()) + 1, int(along.max()) + 1))[course, along.astype(int)]
    tone += np.where((y % course_m < 0.02) | (along % 1 < 0.02 / stone_m), 18, 0)
    tone += 6 * fractal(rng, 128, 256, 0.8)[:rows, :columns]
    wall = bgr + tone[..., None]
    wall *= (1 - 0.3 * np.exp((y - height_m) / 0.3))[..., None]
    wall[: round(0.09 * _PX_PER_M)] = bgr * 1.25 + 12  # the coping
    return np.asarray(wall, np.float32), None


def _hedge(rng: np.random.Generator, bgr: F32, height_m: float) -> tuple[F32, F32]:
    rows, columns = round(height_m * _PX_PER_M), round(_PIECE_M * _PX_PER_M)
    leaves = fractal(rng, 128, 256, 0.35)[:rows, :columns]
    clumps = fractal(rng, 128, 256, 1.1)[:rows, :columns]
    up = np.linspace(1, 0, rows, dtype=np.float32)[:, None]
    tone = bgr * (0.62 + 0.5 * up + 0.24 * leaves + 0.14 * clumps)[..., None]
    top = 3 + 3 * fractal(rng, 2, 256, 0.7)[0, :columns]
    alpha = (np.arange(rows)[:, None] > top).astype(np.float32)
    return np.asarray(tone, np.float32), np.asarray(cv2.blur(alpha, (3, 3)), np.float32)
