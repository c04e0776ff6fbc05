"""Windows, doors and shop fronts, painted on a facade's wall."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.sources.demo.canvas import F32

PX_PER_M = 20


@dataclass(frozen=True, slots=True)
class Wall:
    """A wall in the making, (rows, columns, 3) each, 0..255; row 0 is the top."""

    albedo: F32
    glow: F32  # light of its own; 0 where there is none
    rng: np.random.Generator
    lamps_lit: bool

    def fill(self, x0: float, y0: float, x1: float, y1: float, bgr: tuple[float, float, float] | F32) -> None:
        """Fill a rectangle given in metres; y upwards from the ground."""
        rows = self.albedo.shape[0]
        top, bottom = rows - round(y1 * PX_PER_M), rows - round(y0 * PX_PER_M)
        left, right = round(x0 * PX_PER_M), round(x1 * PX_PER_M)
        self.albedo[max(top, 0) : max(bottom, top + 1, 0), max(left, 0) : max(right, left + 1, 0)] = bgr

    def shine(self, x0: float, y0: float, x1: float, y1: float, bgr: F32) -> None:
        """Let a rectangle shine by itself."""
        rows = self.albedo.shape[0]
        top, bottom = max(rows - round(y1 * PX_PER_M), 0), max(rows - round(y0 * PX_PER_M), 0)
        self.glow[top:bottom, max(round(x0 * PX_PER_M), 0) : max(round(x1 * PX_PER_M), 0)] = bgr


@dataclass(frozen=True, slots=True)
class WindowStyle:
    """How the windows of one building look; sizes in metres."""

    width: float
    height: float
    frame_bgr: tuple[float, float, float]
    panes: int
    surround_bgr: tuple[float, float, float] | None
    shutters_bgr: tuple[float, float, float] | None
    sky: float  # how much of the sky its glass mirrors, 0..1


def paint_window(wall: Wall, middle: float, sill: float, style: WindowStyle) -> None:
    """One window, its lower edge at height `sill`, metres."""
    rng = wall.rng
    x0, x1 = middle - style.width / 2, middle + style.width / 2
    y0, y1 = sill, sill + style.height
    if style.surround_bgr is not None:
        wall.fill(x0 - 0.15, y0 - 0.15, x1 + 0.15, y1 + 0.2, style.surround_bgr)
    wall.fill(x0 - 0.1, y0 - 0.12, x1 + 0.1, y0, (176, 180, 184))  # the sill and the shadow under it
    wall.albedo[_rows(wall, y0 - 0.3, y0 - 0.12), _columns(x0, x1)] *= 0.8
    if style.shutters_bgr is not None:
        for side in (x0 - 0.5, x1 + 0.02):
            wall.fill(side, y0, side + 0.48, y1, style.shutters_bgr)
            wall.albedo[_rows(wall, y0, y1), _columns(side, side + 0.48)][::3] *= 0.8
    wall.fill(x0, y0, x1, y1, style.frame_bgr)
    _glass(wall, x0 + 0.07, y0 + 0.07, x1 - 0.07, y1 - 0.07, style.sky)
    for pane in range(1, style.panes):
        bar = x0 + style.width * pane / style.panes
        wall.fill(bar - 0.03, y0, bar + 0.03, y1, style.frame_bgr)
    if style.height > 1.3 and style.panes > 1:
        wall.fill(x0, y1 - 0.5, x1, y1 - 0.44, style.frame_bgr)
    wall.albedo[_rows(wall, y1 - 0.12, y1), _columns(x0, x1)] *= 0.55  # the lintel's shadow
    if rng.random() < 0.12:
        wall.fill(x0 + 0.05, y0 + 0.6 * style.height * rng.random(), x1 - 0.05, y1 - 0.05, (196, 204, 208))


def paint_door(wall: Wall, middle: float, bgr: tuple[float, float, float]) -> None:
    """A house door."""
    wall.fill(middle - 0.65, 0, middle + 0.65, 2.45, (190, 194, 198))
    wall.fill(middle - 0.5, 0, middle + 0.5, 2.3, bgr)
    wall.fill(middle - 0.42, 1.35, middle + 0.42, 2.1, tuple(c * 0.6 for c in bgr))  # type: ignore[arg-type]
    wall.fill(middle - 0.8, 0, middle + 0.8, 0.14, (150, 152, 155))


def paint_shop(wall: Wall, x0: float, x1: float, height: float) -> None:
    """A shop front with its sign, as wide as x0..x1."""
    rng = wall.rng
    bgr = tuple(np.clip(rng.uniform(28, 165) + rng.normal(0, 32, 3), 14, 215).tolist())
    wall.fill(x0 + 0.15, 0, x1 - 0.15, height, tuple(0.6 * c for c in bgr))
    panes = max(round((x1 - x0) / 2.2), 1)
    step = (x1 - x0 - 0.6) / panes
    for pane in range(panes):
        left = x0 + 0.3 + pane * step
        foot = 0.05 if pane == panes // 2 else 0.5
        _glass(wall, left + 0.08, foot, left + step - 0.08, height - 0.9, 0.25, shop=True)
    wall.fill(x0 + 0.1, height - 0.8, x1 - 0.1, height - 0.05, bgr)
    wall.albedo[_rows(wall, height - 0.9, height - 0.8), _columns(x0, x1)] *= 0.5
    word = "".join(rng.choice(list("AABCDEEFGHIKLMNOOPRSTUV"), int(rng.integers(4, 10))))
    board = wall.albedo[_rows(wall, height - 0.8, height - 0.05), _columns(x0 + 0.3, x1 - 0.3)]
    letters = np.zeros(board.shape[:2], np.uint8)
    cv2.putText(letters, word, (3, len(letters) - 4), cv2.FONT_HERSHEY_DUPLEX, 0.42, 255, 1, cv2.LINE_AA)
    ink = 236.0 if sum(bgr) < 330 else 26.0
    board += (ink - board) * (letters / np.float32(255))[..., None]
    if wall.lamps_lit and rng.random() < 0.7:
        wall.shine(x0 + 0.2, height - 0.75, x1 - 0.2, height - 0.7, np.array((150, 200, 235), np.float32))
    if rng.random() < 0.4:  # an awning
        stripes = np.arange(round((x1 - x0 - 0.2) * PX_PER_M)) // 8 % 2 == 0
        rows = _rows(wall, height - 1.35, height - 0.8)
        columns = slice(round((x0 + 0.1) * PX_PER_M), round((x0 + 0.1) * PX_PER_M) + len(stripes))
        part = wall.albedo[rows, columns]
        cloth = np.where(stripes[:, None], np.array(bgr) * 0.9, (215, 220, 222)).astype(np.float32)
        part[...] = cloth[: part.shape[1]]


def _glass(wall: Wall, x0: float, y0: float, x1: float, y1: float, sky: float, shop: bool = False) -> None:
    rng = wall.rng
    part = wall.albedo[_rows(wall, y0, y1), _columns(x0, x1)]
    rows, columns = part.shape[:2]
    if not rows or not columns:
        return
    up = np.linspace(1, 0, rows, dtype=np.float32)[:, None, None]
    inside = np.array((34, 33, 32), np.float32) * rng.uniform(0.6, 1.7)
    mirrored = np.array((150, 138, 126), np.float32) * sky * rng.uniform(0.5, 1.2)
    part[...] = inside + mirrored * (0.35 + 0.65 * up)
    if shop:
        for _ in range(int(columns * 0.35)):
            x, y = int(rng.integers(0, columns)), int(rng.integers(0, rows))
            w, h = int(rng.integers(2, 9)), int(rng.integers(2, 12))
            part[y : y + h, x : x + w] = np.clip(rng.uniform(15, 170) + rng.normal(0, 22, 3), 8, 230)
    elif rng.random() < 0.45:  # a curtain or a blind
        fall = int(rows * rng.uniform(0.25, 1.0))
        part[:fall] = part[:fall] * 0.35 + rng.uniform(95, 150)
    if wall.lamps_lit and rng.random() < (0.85 if shop else 0.3):
        warm = np.array((rng.uniform(90, 165), rng.uniform(165, 205), rng.uniform(205, 245)), np.float32)
        # What stands behind the glass is seen against the light.
        things = np.clip(0.55 + part.mean(axis=2, keepdims=True) / 160, 0.5, 1.1)
        wall.shine(x0, y0, x1, y1, warm * rng.uniform(0.55, 1.0) * (0.8 + 0.2 * up) * things)


def _rows(wall: Wall, y0: float, y1: float) -> slice:
    rows = wall.albedo.shape[0]
    return slice(max(rows - round(y1 * PX_PER_M), 0), max(rows - round(y0 * PX_PER_M), 0))


def _columns(x0: float, x1: float) -> slice:
    return slice(max(round(x0 * PX_PER_M), 0), max(round(x1 * PX_PER_M), 0))
