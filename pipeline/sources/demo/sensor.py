"""From the drawn canvas to what a camera delivers: soft edges, darker corners, drifting exposure, noise."""

from __future__ import annotations

import math

import cv2
import numpy as np

from pipeline.sources.demo.canvas import U8, Canvas
from pipeline.sources.demo.conditions import Conditions

_MARGIN_PX = 64


class Sensor:
    """The lens and the sensor of one camera."""

    def __init__(self, conditions: Conditions, size_hw: tuple[int, int]) -> None:
        rng = conditions.rng(8)
        height, width = size_hw
        y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        falloff = 1 - rng.uniform(0.06, 0.2) * np.clip((x * x + 0.6 * y * y), 0, 1.6) ** 1.3
        # 200 stands for 1, so that the exposure can also rise.
        self._falloff: U8 = np.repeat(np.clip(200 * falloff, 0, 255).astype(np.uint8)[..., None], 3, 2)
        grain = rng.standard_normal((height + _MARGIN_PX, width + _MARGIN_PX, 3), np.float32)
        # Demosaicing smooths the noise a little.
        grain = cv2.GaussianBlur(grain, (3, 3), 0.5)
        self._centre = 24
        self._grain: U8 = np.clip(grain * (1.35 * conditions.noise) + self._centre + 0.5, 0, 48).astype(np.uint8)
        self._rng = rng
        self._phase = rng.uniform(0, 2 * math.pi, 3)
        self._softness = rng.uniform(0.45, 0.7)
        self._soft: U8 = np.empty((height, width, 3), np.uint8)
        self._bgr: U8 = np.empty((height, width, 3), np.uint8)

    def expose(self, canvas: Canvas, time_s: float) -> U8:
        """The picture, (h, w, 3) BGR; new memory."""
        height, width = canvas.height, canvas.width
        cv2.cvtColor(canvas.pixels, cv2.COLOR_BGRA2BGR, dst=self._bgr)
        cv2.GaussianBlur(self._bgr, (3, 3), self._softness, dst=self._soft)
        gain = 1 + 0.05 * math.sin(0.7 * time_s + self._phase[0]) + 0.03 * math.sin(1.9 * time_s + self._phase[1])
        cv2.multiply(self._soft, self._falloff, self._bgr, gain / 200)
        x, y = self._rng.integers(0, _MARGIN_PX, 2).tolist()
        grain = self._grain[y : y + height, x : x + width]
        picture = np.empty((height, width, 3), np.uint8)
        cv2.addWeighted(self._bgr, 1, grain, 1, -self._centre, dst=picture)
        return picture
