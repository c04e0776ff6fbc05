"""Training pictures as they might have been: other scales, light, weather, cameras. Labels move along.

What comes out depends on the seed alone, so an interrupted training goes on with the very same pictures,
and it does not matter which process makes them.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.training.config import AugmentConfig
from pipeline.types import VOID

Pixels = NDArray[np.uint8]
_STYLE_BINS = 256
_SOFT_PX = 5  # how wide the edge between two lights is


class Augment:
    """Pictures (h, w, 3) RGB uint8 with labels (h, w) uint8 -> the same at `size_hw`, changed by chance.

    Args:
        config: probabilities and strengths.
        size_hw: of what comes out, pixels. Where the picture does not reach, it is gray and labelled void.
        styles: training pictures that lend their histograms.
    """

    def __init__(self, config: AugmentConfig, size_hw: tuple[int, int], styles: Sequence[Pixels] = ()) -> None:
        self.config = config
        self._styles = [_cumulative(picture) for picture in styles]
        self._geometry, self._camera = _compose(config, size_hw)

    def __call__(self, image: Pixels, labels: Pixels, seed: Sequence[int]) -> tuple[Pixels, Pixels]:
        """One picture of many; the same seed gives the same."""
        rng = np.random.default_rng(seed)
        chance = random.Random(int(rng.integers(2**63)))
        # Not set_random_seed: it gives every transform the same numbers, so that they all act at once.
        self._geometry.set_random_state(rng, chance)
        self._camera.set_random_state(rng, chance)
        moved = self._geometry(image=image, mask=labels)
        picture, mask = moved["image"], moved["mask"]
        if self._styles and rng.random() < self.config.style:
            picture = match_histogram(picture, self._styles[rng.integers(len(self._styles))], rng.uniform(0.3, 1))
        if rng.random() < self.config.light:
            picture = relight(picture, rng, self.config.light_strength)
        if self.config.regions and rng.random() < self.config.regions:  # off, it draws nothing: older seeds hold
            picture = relight_regions(picture, mask, rng, self.config.light_strength)
        return np.ascontiguousarray(self._camera(image=picture)["image"]), np.ascontiguousarray(mask)


def relight(image: Pixels, rng: np.random.Generator, strength: float) -> Pixels:
    """The scene at another time of day: exposure, white balance, gamma and contrast, in one table.

    Exposure within 1.2 stops down and 0.8 up, in linear light (gamma 2.2); white balance by up to a
    quarter and redder or bluer as a whole; at full strength. Darker is likelier, since films of dusk are
    rarer among training films than among the roads.
    """
    linear = (np.arange(256, dtype=np.float32) / 255) ** 2.2
    gain = 2.0 ** (rng.uniform(-1.2, 0.8) * strength)
    warmth = rng.normal(0, 0.12 * strength)
    balance = np.exp(rng.normal(0, 0.06 * strength, 3) + np.array([warmth, 0, -warmth]))
    gamma = np.exp(rng.uniform(-0.35, 0.35) * strength)
    contrast = np.exp(rng.uniform(-0.35, 0.25) * strength)
    curve = (linear[:, None] * (gain * balance)[None]) ** (gamma / 2.2)
    middle = rng.uniform(0.3, 0.6)
    curve = (curve - middle) * contrast + middle
    table = np.clip(curve * 255 + 0.5, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table[None]), np.uint8)


def relight_regions(image: Pixels, labels: Pixels, rng: np.random.Generator, strength: float) -> Pixels:
    """About half of the classes in the picture, each in a light of its own: colour alone does not tell it any more.

    Args:
        image: (h, w, 3) uint8.
        labels: (h, w) class ids; what is VOID stays as it is.
        rng: decides which classes, and their light.
        strength: as of `relight`.
    """
    for number in np.unique(labels[::4, ::4]).tolist():  # what is smaller may be left out
        if number == VOID or rng.random() < 0.5:
            continue
        inside = np.multiply(labels == number, 255, dtype=np.uint8)
        weight = cv2.merge([cv2.blur(inside, (_SOFT_PX, _SOFT_PX))] * 3)
        lit = cv2.multiply(relight(image, rng, strength), weight, scale=1 / 255)
        image = np.asarray(cv2.add(cv2.multiply(image, cv2.bitwise_not(weight), scale=1 / 255), lit), np.uint8)
    return image


def match_histogram(image: Pixels, target: NDArray[np.float32], strength: float) -> Pixels:
    """Each channel's levels moved towards those of another picture (Gonzalez and Woods, histogram matching).

    Args:
        image: (h, w, 3) uint8.
        target: (3, 256) cumulative histograms, 0..1, of the other picture.
        strength: 0 leaves the picture as it is, 1 takes on the other's levels.
    """
    levels = np.arange(_STYLE_BINS, dtype=np.float32)
    table = np.empty((1, _STYLE_BINS, 3), np.uint8)
    for channel, own in enumerate(_cumulative(image)):
        middle = (own + np.append(np.float32(0), own[:-1])) / 2  # of each level's share: never past the last one
        moved = np.searchsorted(target[channel], middle)
        table[0, :, channel] = np.clip(levels + strength * (moved - levels) + 0.5, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table), np.uint8)


def _cumulative(image: Pixels) -> NDArray[np.float32]:
    """(3, 256) cumulative histograms, 0..1; every second pixel is enough."""
    few = np.ascontiguousarray(image[::2, ::2])
    counts = [cv2.calcHist([few], [channel], None, [_STYLE_BINS], [0, 256]).ravel() for channel in range(3)]
    sums = np.cumsum(np.asarray(counts, np.float32), axis=1)
    shares: NDArray[np.float32] = sums / sums[:, -1:]
    return shares


def _compose(config: AugmentConfig, size_hw: tuple[int, int]) -> tuple[Any, Any]:
    """What moves pixels (with the labels), and what a lens, a sensor, a codec and the weather do to them."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import would ask the network for a newer one
    import albumentations as A  # type: ignore[import-untyped]  # noqa: N812 - the name everybody knows

    height, width = size_hw
    low, high = config.scale
    geometry = A.Compose(
        [
            A.RandomScale(
                (low - 1, high - 1),
                mask_interpolation=cv2.INTER_NEAREST_EXACT,  # the plain one moves labels by up to half a pixel
                area_for_downscale="image",
                p=1.0 if (low, high) != (1, 1) else 0.0,
            ),
            A.PadIfNeeded(height, width, position="random", fill=114, fill_mask=VOID),
            A.RandomCrop(height, width),
            A.HorizontalFlip(p=config.flip),
        ]
    )
    near = max(height // 12, 8)
    weather = A.OneOf(
        [
            A.RandomFog(fog_coef_range=(0.05, 0.25), alpha_coef=0.12),
            A.RandomRain(blur_value=3, brightness_coefficient=0.85, drop_length=near // 2, rain_type="default"),
            A.RandomSunFlare(src_radius=near * 2, num_flare_circles_range=(3, 6)),
            A.RandomShadow(shadow_roi=(0, 0.3, 1, 1), shadow_intensity_range=(0.2, 0.6)),
            A.Illumination(intensity_range=(0.05, 0.2)),
        ],
        p=config.weather,
    )
    camera = A.Compose(
        [
            weather,
            A.HueSaturationValue(10, (-60, 30), 0, p=config.colour),
            A.ToGray(p=config.gray),
            A.OneOf([A.GaussianBlur((3, 5)), A.MotionBlur((3, 7)), A.Downscale((0.5, 0.8))], p=config.blur),
            A.OneOf(
                [A.GaussNoise((0.01, 0.06)), A.MultiplicativeNoise((0.8, 1.2), elementwise=True)], p=config.noise
            ),
            A.ImageCompression(quality_range=(35, 90), p=config.jpeg),
        ]
    )
    return geometry, camera
