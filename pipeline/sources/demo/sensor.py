"""From the drawn canvas to what a camera delivers: soft edges, darker corners, drifting exposure, noise."""

from __future__ import annotations

import math

import cv2
import numpy as np

from pipeline.sources.demo.canvas import F32, U8, Canvas
from pipeline.sources.demo.conditions import Conditions

_CENTRE = 56


_BANK = 6  # pictures of noise


class Sensor:
    """The lens and the sensor of one camera."""

    def __init__(self, conditions: Conditions, size_hw: tuple[int, int]) -> None:
        rng = conditions.rng(8)
        height, width = size_hw
        y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        # The falloff towards the corners is taken off a middling brightness: one pass less than a product.
        falloff = rng.uniform(6, 20) * np.clip(x * x + 0.6 * y * y, 0, 1.6).astype(np.float32) ** 1.3
        self._bank = [_noise(rng, conditions, falloff) for _ in range(_BANK)]
        self._rng = rng
        self._phase = rng.uniform(0, 2 * math.pi, 3)
        self._softness = rng.uniform(0.45, 0.7)
        self._bright = {"sunny": 112.0, "overcast": 124.0, "dusk": 66.0}[conditions.weather] * rng.uniform(0.9, 1.12)
        self._gain = 0.0  # not yet measured
        self._seconds = 0.0
        self._soft: U8 = np.empty((height, width, 3), np.uint8)
        self._bgr: U8 = np.empty((height, width, 3), np.uint8)

    def expose(self, canvas: Canvas, time_s: float) -> U8:
        """The picture, (h, w, 3) BGR; new memory."""
        cv2.cvtColor(canvas.pixels, cv2.COLOR_BGRA2BGR, dst=self._bgr)
        cv2.GaussianBlur(self._bgr, (3, 3), self._softness, dst=self._soft)
        gain = self._measure(time_s)
        noise = self._bank[int(self._rng.integers(_BANK))]
        picture = np.empty_like(self._soft)
        cv2.addWeighted(self._soft, gain, noise, 1, -_CENTRE, dst=picture)
        return picture

    def _measure(self, time_s: float) -> float:
        """The gain: it follows the scene's brightness with a lag of a second, and drifts a little."""
        mean = float(self._soft[::24, ::24].mean())
        wanted = min(max((self._bright / max(mean, 1.0)) ** 0.7, 0.8), 1.7)
        follow = 1 - math.exp(self._seconds - time_s) if self._gain else 1.0
        self._gain += (wanted - self._gain) * follow
        self._seconds = time_s
        drift = 0.03 * math.sin(0.7 * time_s + self._phase[0]) + 0.02 * math.sin(1.9 * time_s + self._phase[1])
        return self._gain * (1 + drift)


def _noise(rng: np.random.Generator, conditions: Conditions, falloff: F32) -> U8:
    """A picture of noise around _CENTRE, darker where the lens is."""
    grain = rng.standard_normal((*falloff.shape, 3), np.float32)
    cv2.GaussianBlur(grain, (3, 3), 0.5, dst=grain)  # as demosaicing does
    grain *= 1.35 * conditions.noise
    grain += _CENTRE + 0.5
    grain -= falloff[..., None]
    return np.clip(grain, 0, 255).astype(np.uint8)
