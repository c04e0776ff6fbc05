"""The bonnet of our own car at the lower edge of the picture: void."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.sources.demo.canvas import U8, Canvas
from pipeline.sources.demo.conditions import Conditions
from pipeline.sources.demo.noise import fractal
from pipeline.types import VOID


class Bonnet:
    """A strip (rows, w, 4) and where it is there; empty where the camera does not see the bonnet."""

    def __init__(self, conditions: Conditions, size_hw: tuple[int, int]) -> None:
        rng = conditions.rng(13)
        height, width = size_hw
        share = float(rng.uniform(0.05, 0.11)) if rng.random() < 0.7 else 0.0
        rows = round(share * height)
        x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
        y = np.arange(rows, dtype=np.float32)[:, None] / max(rows, 1)
        edge = 0.05 + 0.75 * np.abs(x + float(rng.uniform(-0.15, 0.15))) ** 2.2
        self._inside: U8 = np.where(y >= edge, 255, 0).astype(np.uint8)
        paint = np.array((40, 38, 36), np.float32) * rng.uniform(0.4, 3.5) * conditions.light_on(0, 0.9, -0.3)
        mirrored = conditions.haze_bgr * (0.42 * np.exp(-3.2 * (y - edge)))[..., None]
        self._pixels: U8 = np.empty((rows, width, 4), np.uint8)
        self._pixels[..., 3] = VOID
        if rows:
            smear = cv2.resize(fractal(rng, 64, 128, 1.2), (width, rows), interpolation=cv2.INTER_CUBIC)
            crease = 1 - 0.25 * np.exp(-(((np.abs(x) - 0.55 + 0.2 * y) / 0.02) ** 2))
            shine = mirrored * (1 + 0.25 * smear[..., None])
            rim = np.clip((y - edge) * 8, 0.35, 1)
            self._pixels[..., :3] = np.clip((paint + shine) * (crease * rim)[..., None], 0, 240)

    def draw(self, canvas: Canvas) -> None:
        """Draw it over everything."""
        rows = len(self._pixels)
        if rows:
            cv2.copyTo(self._pixels, self._inside, canvas.pixels[canvas.height - rows :])
