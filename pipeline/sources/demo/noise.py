"""Random textures that tile."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def fractal(rng: np.random.Generator, height: int, width: int, slope: float) -> NDArray[np.float32]:
    """Noise (height, width) of mean 0 and deviation 1 whose edges meet; amplitude falls as frequency ** -slope.

    Slope 0 is white noise, 1 looks like clouds, 2 like hills. Made in the frequency domain.
    """
    white = np.fft.rfft2(rng.standard_normal((height, width), np.float32))
    down = np.fft.fftfreq(height)[:, None] * height
    across = np.fft.rfftfreq(width)[None, :] * width
    frequency = np.hypot(down, across)
    frequency[0, 0] = 1.0
    white *= frequency**-slope
    white[0, 0] = 0
    noise = np.fft.irfft2(white, (height, width)).astype(np.float32)
    return np.asarray(noise / noise.std(), np.float32)
