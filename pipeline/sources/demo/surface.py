"""Textures drawn in perspective, or upright and facing the camera."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.sources.demo.camera import View
from pipeline.sources.demo.canvas import SUBPIXEL_BITS, SUBPIXELS, U8, Canvas
from pipeline.sources.demo.texture import THERE, Stencil, Texture

Point = tuple[float, float]
PixelBox = tuple[float, float, float, float]  # x0, y0, x1, y1

_TINY_PX = 7  # narrower than this a surface is drawn in one colour
_TOO_COARSE = 2.6  # a texel this many pixels large is smoothed


def draw_quad(
    canvas: Canvas,
    view: View,
    texture: Texture,
    corners_px: tuple[Point, Point, Point, Point],
    z: float,
    class_id: int,
    part: tuple[float, float] = (0.0, 1.0),
) -> None:
    """Draw part of a texture on a flat surface.

    Args:
        corners_px: where its top left, top right, bottom right and bottom left fall.
        z: distance for the haze, metres.
        part: from where to where across the texture, 0..1.
    """
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = corners_px
    left, right = max(int(min(ax, bx, cx, dx)), 0), min(int(max(ax, bx, cx, dx)) + 2, canvas.width)
    top, bottom = max(int(min(ay, by, cy, dy)), 0), min(int(max(ay, by, cy, dy)) + 2, canvas.height)
    width, height = right - left, bottom - top
    if width < 1 or height < 1:
        return
    if width < _TINY_PX or height < _TINY_PX:
        canvas.polygon(list(corners_px), view.fade(texture.mean_bgr, z), class_id)
        return
    across = 0.5 * (abs(bx - ax) + abs(cx - dx)) / (part[1] - part[0])
    down = 0.5 * (abs(dy - ay) + abs(cy - by))
    pixels = texture.seen(across, down, view.fade_table(z))
    rows, columns = pixels.shape[:2]
    u0, u1, v1 = part[0] * columns - 0.5, part[1] * columns - 0.5, rows - 0.5
    there = np.array(corners_px, np.float32) - np.array((left, top), np.float32)
    back = cv2.getPerspectiveTransform(there, np.array(((u0, -0.5), (u1, -0.5), (u1, v1), (u0, v1)), np.float32))
    below = canvas.pixels[top:bottom, left:right]
    if texture.cutout:
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        _blend(below, cv2.warpPerspective(pixels, back, (width, height), flags=how), class_id)  # type: ignore[arg-type]
    elif across < _TOO_COARSE * columns and down < _TOO_COARSE * rows:
        how = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        cv2.warpPerspective(pixels, back, (width, height), below, how, cv2.BORDER_TRANSPARENT)
    else:
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        warped = cv2.warpPerspective(pixels, back, (width, height), flags=how, borderMode=cv2.BORDER_REPLICATE)
        inside = np.zeros((height, width), np.uint8)
        fixed = np.clip(there * SUBPIXELS, -200_000, 200_000).astype(np.int32)
        cv2.fillConvexPoly(inside, fixed, 255, cv2.LINE_8, SUBPIXEL_BITS)
        cv2.copyTo(warped, inside, below)


def draw_upright(canvas: Canvas, view: View, sizes: tuple[U8, ...], box_px: PixelBox, z: float, ident: int) -> None:
    """Draw a cut-out that faces the camera into a box of the picture, smoothly scaled.

    sizes: the cut-out (h, w, 4), and reduced by half each time.
    """
    place = _Place(canvas, box_px)
    if place.empty:
        return
    tall = box_px[3] - box_px[1]
    level = 0
    while level + 1 < len(sizes) and tall < 0.7 * len(sizes[level]):
        level += 1
    scaled = place.scale(sizes[level], cv2.INTER_LINEAR)
    fade = view.fade_table(z)
    if fade is not None:
        cv2.LUT(scaled, fade, dst=scaled)
    _blend(place.below, scaled, ident)


def draw_stencil(canvas: Canvas, view: View, stencil: Stencil, box_px: PixelBox, z: float, mirrored: bool) -> None:
    """Draw a stencil that faces the camera into a box of the picture."""
    place = _Place(canvas, box_px)
    if place.empty:
        return
    fade = view.fade_table(z)
    pixels, inside = stencil.seen(box_px[2] - box_px[0], box_px[3] - box_px[1], fade, mirrored)
    scaled, there = place.scale(pixels, cv2.INTER_NEAREST), place.scale(inside, cv2.INTER_NEAREST)
    cv2.copyTo(scaled, there, place.below)


class _Place:
    """Where an upright picture falls on the canvas."""

    __slots__ = ("_box", "_seen", "below", "empty")

    def __init__(self, canvas: Canvas, box_px: PixelBox) -> None:
        left, top = round(box_px[0]), round(box_px[1])
        right, bottom = max(round(box_px[2]), left + 1), max(round(box_px[3]), top + 1)
        self._box = (left, top, right, bottom)
        x0, y0, x1, y1 = max(left, 0), max(top, 0), min(right, canvas.width), min(bottom, canvas.height)
        self._seen = (x0, y0, x1, y1)
        self.empty = x0 >= x1 or y0 >= y1
        self.below: U8 = canvas.pixels[y0:y1, x0:x1]

    def scale(self, pixels: U8, how: int) -> U8:
        """What of pixels falls on the canvas, at its size there; new memory."""
        left, top, right, bottom = self._box
        x0, y0, x1, y1 = self._seen
        if self._box == self._seen:
            return cv2.resize(pixels, (right - left, bottom - top), interpolation=how)  # type: ignore[return-value]
        rows, columns = pixels.shape[:2]
        scale_x, scale_y = columns / (right - left), rows / (bottom - top)
        back = np.array(
            [
                [scale_x, 0, (x0 - left + 0.5) * scale_x - 0.5],
                [0, scale_y, (y0 - top + 0.5) * scale_y - 0.5],
            ]
        )
        how |= cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(pixels, back, (x1 - x0, y1 - y0), flags=how, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[return-value]


def _blend(below: U8, above: U8, ident: int) -> None:
    """Copy the pixels of `above` that are there; its alpha gives way to the id."""
    _, inside = cv2.threshold(cv2.extractChannel(above, 3), THERE, 255, cv2.THRESH_BINARY)
    above[..., 3] = ident
    cv2.copyTo(above, inside, below)
