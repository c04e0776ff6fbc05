"""Light, weather, season and kind of place: what a seed decides for a whole world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Weather = Literal["sunny", "overcast", "dusk"]
Season = Literal["summer", "autumn", "winter"]
Place = Literal["city", "suburb", "country"]

WEATHERS: tuple[Weather, ...] = ("sunny", "overcast", "dusk")
SEASONS: tuple[Season, ...] = ("summer", "autumn", "winter")
PLACES: tuple[Place, ...] = ("city", "suburb", "country")


@dataclass(frozen=True, slots=True)
class Conditions:
    """Directions are (right, up, ahead); light is a factor per channel (B, G, R), 1 at noon in the sun."""

    seed: int
    weather: Weather
    season: Season
    place: Place
    to_sun: NDArray[np.float32]  # (3,) unit vector
    sun_bgr: NDArray[np.float32]  # (3,) light of the sun on a surface that faces it
    ambient_bgr: NDArray[np.float32]  # (3,) light of the sky on a surface that faces up
    haze_bgr: NDArray[np.float32]  # (3,) 0..255, what distance fades to
    haze_m: float  # distance over which 63 % fades
    lamps_lit: bool
    noise: float  # standard deviation of the sensor noise, 0..255
    side: int  # 1: right-hand traffic, -1: left-hand traffic

    @property
    def shade(self) -> float:
        """How dark a cast shadow is: the opacity of black over the lit ground, 0..1."""
        sun = float(self.sun_bgr.mean() * self.to_sun[1])
        return 0.9 * sun / (sun + float(self.ambient_bgr.mean()))

    def light(self, normals: NDArray[np.float32]) -> NDArray[np.float32]:
        """Light on surfaces by their normals (n, 3): factors (n, 3) for B, G, R.

        Lambert's law for the sun; the sky's share falls from 1 facing up to 0.55 facing down.
        """
        facing = np.clip(normals @ self.to_sun, 0, None)[:, None]
        sky = (0.775 + 0.225 * normals[:, 1])[:, None]
        return np.asarray(facing * self.sun_bgr + sky * self.ambient_bgr, np.float32)

    def light_on(self, right: float, up: float, ahead: float) -> NDArray[np.float32]:
        """Light on one surface by its normal: (3,) factors for B, G, R."""
        return np.asarray(self.light(np.array([[right, up, ahead]], np.float32))[0])

    def rng(self, *purpose: int) -> np.random.Generator:
        """Random numbers for one purpose: always the same for the same seed and purpose."""
        return np.random.default_rng((self.seed, *purpose))


def _bgr(blue: float, green: float, red: float) -> NDArray[np.float32]:
    return np.array([blue, green, red], np.float32)


def conditions_of(seed: int) -> Conditions:
    """The conditions of a world. Seeds in a row go through weathers and places in turn."""
    rng = np.random.default_rng((seed, 0))
    weather = WEATHERS[seed % 3]
    azimuth = rng.uniform(0, 2 * np.pi)
    if weather == "sunny":
        elevation = rng.uniform(0.45, 0.95)
        warm = 1.1 - 0.35 * elevation
        sun = rng.uniform(0.85, 1.05) * _bgr(0.9 - 0.12 * warm, 0.99, 1.06)
        ambient = rng.uniform(0.5, 0.62) * _bgr(1.13, 1.0, 0.9)
        haze, haze_m, noise = _bgr(225, 212, 200), rng.uniform(350, 1100), 2.2
    elif weather == "overcast":
        elevation = 1.0
        sun = rng.uniform(0.06, 0.16) * _bgr(1, 1, 1)
        ambient = rng.uniform(0.98, 1.16) * _bgr(1.03, 1.0, 0.97)
        haze, haze_m, noise = _bgr(224, 222, 218) * rng.uniform(0.9, 1.05), rng.uniform(160, 450), 3.0
    else:
        elevation = rng.uniform(0.12, 0.25)
        sun = rng.uniform(0.1, 0.22) * _bgr(0.55, 0.8, 1.15)
        ambient = rng.uniform(0.48, 0.66) * _bgr(1.18, 1.0, 0.9)
        haze, haze_m, noise = _bgr(122, 108, 104) * rng.uniform(0.8, 1.15), rng.uniform(260, 600), 5.5
    to_sun = np.array(
        [np.cos(elevation) * np.sin(azimuth), np.sin(elevation), np.cos(elevation) * np.cos(azimuth)], np.float32
    )
    return Conditions(
        seed=seed,
        weather=weather,
        season=SEASONS[int(rng.choice(3, p=(0.55, 0.3, 0.15)))],
        place=PLACES[(seed // 3 + seed) % 3],
        to_sun=to_sun,
        sun_bgr=sun.astype(np.float32),
        ambient_bgr=ambient.astype(np.float32),
        haze_bgr=np.clip(haze, 0, 250).astype(np.float32),
        haze_m=float(haze_m),
        lamps_lit=weather == "dusk",
        noise=noise,
        side=1 if rng.random() < 0.8 else -1,
    )
