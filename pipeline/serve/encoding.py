"""Pictures for a browser: small JPEGs of the live picture, PNGs of one."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.image import Image

U8 = NDArray[np.uint8]


def shrunk(image: Image, width: int) -> Image:
    """A copy of a picture, at most so wide; new memory.

    Planes of YUV stay planes: they are shrunk before they are converted. A picture with transparency loses it;
    what was transparent is black.

    Args:
        image: any format.
        width: pixels; made even, as is the height.
    """
    if image.format == "bgra32":
        bgra = image.planes[0]
        opaque = np.asarray(cv2.bitwise_and(image.bgr(), cv2.merge([bgra[..., 3]] * 3)), np.uint8)
        return shrunk(Image((opaque,), "bgr24"), width)
    full_h, full_w = image.size_hw
    if full_w <= width:
        return Image(tuple(plane.copy() for plane in image.planes), image.format, image.matrix, image.full_range)
    target_w = max(2, width & ~1)
    target_h = max(2, round(full_h * target_w / full_w) & ~1)
    planes = []
    for number, plane in enumerate(image.planes):
        half = number > 0 and image.format in ("yuv420p", "nv12")
        planes.append(_resized(plane, (target_w >> half, target_h >> half)))
    return Image(tuple(planes), image.format, image.matrix, image.full_range)


def _resized(plane: U8, size_wh: tuple[int, int]) -> U8:
    """Halved while it is twice as large or more, then linear: an eighth of the time of one step by area."""
    while plane.shape[1] >= 2 * size_wh[0] and plane.shape[0] >= 2 * size_wh[1]:
        half_wh = (plane.shape[1] // 2, plane.shape[0] // 2)
        plane = np.asarray(cv2.resize(plane, half_wh, interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.resize(plane, size_wh, interpolation=cv2.INTER_LINEAR), np.uint8)


def copied(image: Image) -> Image:
    """A copy of a picture at its own size; new memory."""
    return Image(tuple(plane.copy() for plane in image.planes), image.format, image.matrix, image.full_range)


def jpeg(image: Image, quality: int) -> bytes:
    """A JPEG of a picture without transparency; quality 1 to 100."""
    return cv2.imencode(".jpg", image.bgr(), [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def png(image: Image) -> bytes:
    """A PNG of a picture, with its transparency if it has any."""
    return cv2.imencode(".png", image.planes[0] if image.format == "bgra32" else image.bgr())[1].tobytes()
