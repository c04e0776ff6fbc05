"""A picture as its planes, and the one conversion between YUV and RGB."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

PixelFormat = Literal["bgr24", "bgra32", "yuv420p", "yuv444p", "nv12"]
Matrix = Literal["bt601", "bt709", "bt2020"]

LUMA: dict[Matrix, tuple[float, float]] = {  # Kr, Kb of ITU-R BT.601, BT.709 and BT.2020
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
}


def rgb_to_yuv(matrix: Matrix, full_range: bool) -> NDArray[np.float64]:
    """The (3, 4) affine map from (R, G, B, 1), each 0..255, to (Y, U, V), each 0..255 (ITU-R BT.601, 709, 2020)."""
    kr, kb = LUMA[matrix]
    luma = np.array([kr, 1 - kr - kb, kb])
    rows = np.stack([luma, ([0, 0, 1] - luma) / (2 * (1 - kb)), ([1, 0, 0] - luma) / (2 * (1 - kr))])
    if not full_range:
        rows *= np.array([[219], [224], [224]]) / 255
    offset = [[0.0 if full_range else 16.0], [128.0], [128.0]]
    return np.hstack([rows, offset])


def yuv_to_rgb(matrix: Matrix, full_range: bool) -> NDArray[np.float64]:
    """The (3, 4) affine map from (Y, U, V, 1) to (R, G, B): the inverse of rgb_to_yuv."""
    forward = rgb_to_yuv(matrix, full_range)
    inverse = np.linalg.inv(forward[:, :3])
    return np.hstack([inverse, -inverse @ forward[:, 3:]])


@dataclass(frozen=True, slots=True)
class Image:
    """A picture as planes of uint8; nobody writes to them once it has been handed on.

    Planes by format, for a picture of h x w pixels (chroma sizes rounded up):
        bgr24    one, (h, w, 3)
        bgra32   one, (h, w, 4), alpha not multiplied in
        yuv420p  three, (h, w), (h/2, w/2), (h/2, w/2); rows may lie apart (strides)
        yuv444p  three, (h, w) each
        nv12     two, (h, w) and (h/2, w/2, 2) with U before V
    """

    planes: tuple[NDArray[np.uint8], ...]
    format: PixelFormat
    matrix: Matrix = "bt601"  # of the YUV formats
    full_range: bool = False  # of the YUV formats: 0..255, else 16..235 and 16..240
    _bgr: list[NDArray[np.uint8]] = field(default_factory=list, repr=False, compare=False)

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width, pixels."""
        height, width = self.planes[0].shape[:2]
        return height, width

    def bgr(self) -> NDArray[np.uint8]:
        """The picture as (h, w, 3) BGR; converted once, when first asked for. Read only."""
        if self.format == "bgr24":
            return self.planes[0]
        if not self._bgr:
            self._bgr.append(_to_bgr(self))
        return self._bgr[0]


def _to_bgr(image: Image) -> NDArray[np.uint8]:
    import cv2

    if image.format == "bgra32":
        return np.asarray(cv2.cvtColor(image.planes[0], cv2.COLOR_BGRA2BGR), np.uint8)
    height, width = image.size_hw
    luma = image.planes[0]
    if image.format == "nv12":
        chroma = list(cv2.split(image.planes[1]))
    else:
        chroma = list(image.planes[1:])
    if image.format != "yuv444p":
        # Chroma is repeated, as FFmpeg's scaler does by default: sample i covers luma 2i and 2i+1.
        chroma = [np.repeat(np.repeat(plane, 2, 0), 2, 1)[:height, :width] for plane in chroma]
    # The rows of the map are R, G, B; turned round they give BGR.
    table = yuv_to_rgb(image.matrix, image.full_range)[::-1]
    merged = cv2.merge([luma, *chroma])
    return np.asarray(cv2.transform(merged, np.ascontiguousarray(table)), np.uint8)
