"""The masks of instances over the picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.render.canvas import Canvas
from pipeline.render.colours import Rgb, level, object_colours, varied
from pipeline.types import Instances

U8 = NDArray[np.uint8]

_EDGE = 0.95  # weight of the outline's colour
_HALO = 0.35  # and of its soft outer pixel
_THIN_PX = 0.5  # a pixel of the mask counts as so deep inside at least: what is thinner than its outline is drawn too


class MaskPainter:
    """Tints masks inside their boxes, with a smooth outline, in one blend per plane.

    The mask is softened by a box filter of 2 * line_px + 1 pixels. The filter's value tells how far
    inside a pixel is, so one table per plane gives both the tint and a smooth outline of line_px:

        weight(soft) = alpha deep inside, _EDGE on the line_px pixels inside the edge, _HALO on the one outside
        out = picture * (1 - weight) + colour * weight

    The outline has the colour of the class. The tint has it lighter or darker by where the object is
    (see colours.level), so that neighbours part. Without outline the mask is not softened in luma.

    Args:
        alpha: weight of the tint, 0..1.
        line_px: width of the outline; 0: none.
        by_track: objects with a number have a colour of their own.
    """

    def __init__(self, alpha: float, line_px: int, by_track: bool = False) -> None:
        self._alpha, self._line_px, self._by_track = alpha, line_px, by_track
        self._least = round(255 * (line_px + _THIN_PX) / (2 * line_px + 1))
        self._fill, self._line = _weights(alpha, line_px)
        total = self._fill + self._line
        self._kept = np.rint(255 * (1 - total)).astype(np.uint8)
        # What is added weighs what is not kept, after rounding: a colour on itself stays the same.
        exact = np.divide(1 - self._kept / 255, total, out=np.ones(256), where=total > 0)
        self._fill, self._line = self._fill * exact, self._line * exact
        self._tables: dict[tuple[Rgb, int], tuple[U8, ...]] = {}
        self._memory = [np.empty(0, np.uint8) for _ in range(3)]

    def paint(self, canvas: Canvas, found: Instances) -> None:
        """Draw all masks, the largest first, so that no small one is hidden."""
        frame_hw = canvas.size_hw
        if self._memory[0].size < frame_hw[0] * frame_hw[1]:
            self._memory = [np.empty(frame_hw[0] * frame_hw[1], np.uint8) for _ in range(3)]
        crops = found.crops_px
        areas = (crops[:, 2] - crops[:, 0]) * (crops[:, 3] - crops[:, 1])
        colours = object_colours(found, self._by_track)
        boxes = crops.tolist()
        for i in np.argsort(-areas, kind="stable").tolist():
            x0, y0, x1, y1 = boxes[i]
            if x1 > x0 and y1 > y0:
                rgb = colours[i]
                add = self._adds(canvas, rgb, level((x0 + x1) / 2, (y0 + y1) / 2, frame_hw))
                self._blend(canvas, found.mask(i), x0, y0, add)

    def _blend(self, canvas: Canvas, mask: U8, x0: int, y0: int, adds: tuple[U8, ...]) -> None:
        height, width = mask.shape
        # Softened masks lie in memory at the parity that they have in the frame, so that halving meets the chroma.
        odd_x, odd_y = (x0 & 1, y0 & 1) if any(canvas.halved) else (0, 0)
        full_w, full_h = width + odd_x, height + odd_y
        if any(canvas.halved):
            full_w, full_h = full_w + (full_w & 1), full_h + (full_h & 1)
        whole = self._memory[0][: full_h * full_w].reshape(full_h, full_w)
        if full_w != width:
            whole[:, 0] = whole[:, -1] = 0
        if full_h != height:
            whole[0] = whole[-1] = 0
        soft = whole[odd_y : odd_y + height, odd_x : odd_x + width]
        if self._line_px:
            side = 2 * self._line_px + 1
            cv2.blur(mask, (side, side), soft, borderType=cv2.BORDER_CONSTANT)
            cv2.max(soft, self._floor(mask), soft)
        else:
            np.copyto(soft, mask)
        kept = added = soft
        drawn: bool | None = None  # the size that kept and added have now
        for plane, half, add in zip(canvas.planes, canvas.halved, adds, strict=True):
            if half is not drawn:
                drawn = half
                if half:
                    half_wh = (full_w // 2, full_h // 2)
                    soft = np.asarray(cv2.resize(whole, half_wh, interpolation=cv2.INTER_AREA), np.uint8)
                kept, added = self._room(soft.shape)
                cv2.LUT(soft, self._kept, kept)
            top, left = y0 >> half, x0 >> half
            under = plane[top : top + soft.shape[0], left : left + soft.shape[1]]
            cv2.multiply(under, kept, under, 1 / 255)
            cv2.add(under, cv2.LUT(soft, add, added), under)

    def _floor(self, mask: U8) -> U8:
        floor, _ = self._room(mask.shape)
        np.bitwise_and(mask, self._least, out=floor)
        return floor

    def _room(self, shape: tuple[int, ...]) -> tuple[U8, U8]:
        height, width = shape
        return (
            self._memory[1][: height * width].reshape(height, width),
            self._memory[2][: height * width].reshape(height, width),
        )

    def _adds(self, canvas: Canvas, rgb: Rgb, step: int) -> tuple[U8, ...]:
        made = self._tables.get((rgb, step))
        if made is None:
            fill, line = canvas.palette(varied(rgb, step)), canvas.palette(rgb)
            made = tuple(
                np.rint(f * self._fill + e * self._line).astype(np.uint8) for f, e in zip(fill, line, strict=True)
            )
            self._tables[rgb, step] = made
        return made


def _weights(alpha: float, line_px: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """By softened mask 0..255: the weight of the tint's colour and of the outline's."""
    soft = np.arange(256) / 255
    if not line_px:
        return alpha * soft, np.zeros(256)
    # At a straight edge the box filter gives (line + depth) / (2 line + 1) at the depth-th pixel inside.
    depth = soft * (2 * line_px + 1) - line_px
    line = np.interp(depth, [-1, 0, 1, line_px, line_px + 1], [0, _HALO, _EDGE, _EDGE, 0])
    fill = np.interp(depth, [line_px, line_px + 1], [0, alpha])
    return fill, line
