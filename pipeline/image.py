"""A picture as its planes, and the one conversion between YUV and RGB."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

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

    planes, height, width = image.planes, *image.size_hw
    even = height % 2 == 0 and width % 2 == 0
    if image.format == "bgra32":
        bgr = cv2.cvtColor(planes[0], cv2.COLOR_BGRA2BGR)
    elif image.format != "yuv444p" and image.matrix == "bt601" and not image.full_range and even:
        # OpenCV's own converter knows only this case: twice as fast, the same within a level, but for
        # luma under 16, which it takes for 16.
        chroma = planes[1] if image.format == "nv12" else cv2.merge(planes[1:])
        bgr = cv2.cvtColorTwoPlane(planes[0], chroma, cv2.COLOR_YUV2BGR_NV12)
    else:
        # The rows of the map are R, G, B; turned round they give BGR.
        table = np.ascontiguousarray(yuv_to_rgb(image.matrix, image.full_range)[::-1])
        if image.format == "yuv444p":
            bgr = cv2.transform(cv2.merge(planes), table)
        else:
            u, v = planes[1:] if image.format == "yuv420p" else cv2.split(planes[1])
            bgr = _transform_420(planes[0], u, v, table)
    converted = np.asarray(bgr, np.uint8)
    converted.flags.writeable = False
    return converted


def _transform_420(luma: Any, u: Any, v: Any, table: NDArray[np.float64]) -> Any:
    """Apply a (3, 4) map from (Y, U, V, 1), chroma repeated, as FFmpeg's scaler does by default.

    Sample i of chroma covers luma 2i and 2i + 1, so a widened row of it serves two rows of luma: even and
    odd rows are converted apart, and chroma is never laid out at full size.
    """
    import cv2

    height, width = luma.shape
    shape = (u.shape[0], 2 * u.shape[1])
    wide_u, wide_v = (cv2.merge((plane, plane)).reshape(shape)[:, :width] for plane in (u, v))
    bgr = np.empty((height, width, 3), np.uint8)
    for first in (0, 1):
        rows = luma[first::2]
        count = len(rows)
        if count:
            cv2.transform(cv2.merge((rows, wide_u[:count], wide_v[:count])), table, bgr[first::2])
    return bgr
