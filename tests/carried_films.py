"""Textures that move, what is on them, and what is seen of it where networks leave frames out."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.config import TrackConfig
from pipeline.image import Image
from pipeline.track import Keys, OverTime
from pipeline.types import Classes, Frame, Instances, Scene, Truth

CLASSES = Classes(("road", "car"), ((120, 60, 120), (40, 80, 200)))
HW = (240, 320)
NOISE = np.random.default_rng(0).integers(0, 256, (600, 800)).astype(np.uint8)
TEXTURE = cv2.normalize(cv2.GaussianBlur(NOISE, (0, 0), 3), np.zeros_like(NOISE), 40, 220, cv2.NORM_MINMAX)


def picture(index: int, matrix: NDArray[np.float64], name: str = "") -> Frame:
    """The texture as `matrix` (2, 3) brings it into the picture."""
    grey = cv2.warpAffine(TEXTURE, matrix, HW[::-1], flags=cv2.INTER_LINEAR)
    image = Image((cv2.merge([grey] * 3),), "bgr24")
    return Frame(index, index, Fraction(1, 10), 0.0, image, Truth(name=name) if name else None)


def shifted(pixels: float) -> NDArray[np.float64]:
    """To the left."""
    return np.array([[1, 0, -100 - pixels], [0, 1, -100]], np.float64)


def zoomed(by: float) -> NDArray[np.float64]:
    """Towards the middle of the picture."""
    return np.array([[by, 0, 160 - by * 260], [0, by, 120 - by * 220]], np.float64)


def square(x: float, y: float, side: float) -> NDArray[np.uint8]:
    labels = np.zeros(HW, np.uint8)
    labels[round(y) : round(y + side), max(0, round(x)) : max(0, round(x + side))] = 1
    return labels


def one_object(x: int, y: int, side: int) -> Instances:
    box = np.array([[x, y, x + side, y + side]], np.int32)
    inside = cv2.circle(np.zeros((side, side), np.uint8), (side // 2, side // 2), side // 2 - 1, 255, -1)
    offset = np.array([0, inside.size])
    found = np.array([0.9], np.float32), np.array([1], np.int32)
    return Instances(box.astype(np.float32), *found, box, inside.reshape(-1), offset, CLASSES)


def watched(frames: Sequence[Frame], scene: Any, **settings: Any) -> list[Scene]:
    """The scenes of frames, of which `scene(frame)` is asked only where networks look."""
    config = TrackConfig(**settings)
    keys, over_time = Keys(config), OverTime(config, lambda: 0.25)
    marked = [keys(frame) for frame in frames]
    return [over_time(Scene(frame) if frame.carried else scene(frame)) for frame in marked]


def numbers(scenes: Sequence[Scene]) -> list[list[int]]:
    found = [scene.instances for scene in scenes]
    return [one.track_ids.tolist() for one in found if one is not None and one.track_ids is not None]
