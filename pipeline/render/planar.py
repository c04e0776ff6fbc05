"""From a frame in any format to the planes that are drawn on."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.image import Image, PixelFormat

U8 = NDArray[np.uint8]


class Planar:
    """Gives every frame as yuv420p, or yuv444p where 4:2:0 cannot hold it (odd sizes).

    yuv420p of even size and yuv444p pass as they are. The rest is converted once, into memory
    that the next call uses again: the planes are for reading, until then. One thread at a time.
    """

    def __init__(self) -> None:
        self._memory = np.empty(0, np.uint8)

    def __call__(self, image: Image) -> Image:
        """The same picture, (h, w) luma and chroma of the same or half the size.

        bgr24 and bgra32 become ITU-R BT.601 of limited range, as everyone expects of small video.
        """
        height, width = image.size_hw
        odd = bool(height % 2 or width % 2)
        if image.format == "yuv444p" or (image.format == "yuv420p" and not odd):
            return image
        form: PixelFormat = "yuv444p" if odd else "yuv420p"
        self._memory = buffer_of(form, (height, width), self._memory)
        planes = split(self._memory, form, (height, width))
        if image.format in ("bgr24", "bgra32"):
            bgr = image.bgr()
            if odd:
                _bgr_to_444(bgr, planes)
            else:
                cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420, self._memory.reshape(height * 3 // 2, width))
                # OpenCV takes each chroma from one of four pixels: fine patterns would change their colour.
                _chroma(cv2.resize(bgr, (width // 2, height // 2), interpolation=cv2.INTER_AREA), planes[1:])
            return Image(planes, form, "bt601", full_range=False)
        chroma = list(image.planes[1:])
        if image.format == "nv12":
            if not odd:
                cv2.split(chroma[0], planes[1:])
                return _with_chroma(image, planes, form)
            chroma = [np.asarray(plane, np.uint8) for plane in cv2.split(chroma[0])]
        for plane, target in zip(chroma, planes[1:], strict=True):
            # nearest takes sample x // 2 for pixel x, also where the last one stands alone
            cv2.resize(plane, (width, height), target, interpolation=cv2.INTER_NEAREST)
        return _with_chroma(image, planes, form)


def _with_chroma(image: Image, planes: tuple[U8, ...], form: PixelFormat) -> Image:
    return Image((image.planes[0], *planes[1:]), form, image.matrix, image.full_range)


def buffer_of(form: PixelFormat, size_hw: tuple[int, int], old: U8 | None = None) -> U8:
    """Memory for the planes of a yuv420p (even size), yuv444p or bgra32 picture, flat; `old` where it fits."""
    height, width = size_hw
    size = {"yuv420p": height * width * 3 // 2, "yuv444p": height * width * 3, "bgra32": height * width * 4}[form]
    return old if old is not None and old.size == size else np.empty(size, np.uint8)


def split(buffer: U8, form: PixelFormat, size_hw: tuple[int, int]) -> tuple[U8, ...]:
    """The planes in a buffer of buffer_of, one behind the other."""
    height, width = size_hw
    luma = height * width
    if form == "yuv444p":
        return tuple(buffer.reshape(3, height, width))
    if form == "bgra32":
        return (buffer.reshape(height, width, 4),)
    quarter = luma // 4
    half_hw = (height // 2, width // 2)
    return (
        buffer[:luma].reshape(height, width),
        buffer[luma : luma + quarter].reshape(half_hw),
        buffer[luma + quarter :].reshape(half_hw),
    )


def _bgr_to_444(bgr: U8, planes: tuple[U8, ...]) -> None:
    """BGR to limited-range BT.601 planes; OpenCV's YCrCb is the full-range one of JPEG, narrowed here."""
    cv2.convertScaleAbs(_chroma(bgr, planes[1:]), planes[0], 219 / 255, 16.0)


def _chroma(bgr: cv2.typing.MatLike, planes: tuple[U8, ...]) -> U8:
    """Fill the two planes of chroma of a picture of their size; gives its full-range luma."""
    y, cr, cb = cv2.split(cv2.cvtColor(bgr, cv2.COLOR_BGR2YCrCb))
    for plane, target in ((cb, planes[0]), (cr, planes[1])):
        cv2.convertScaleAbs(plane, target, 224 / 255, 128 * 31 / 255)
    return np.asarray(y, np.uint8)
