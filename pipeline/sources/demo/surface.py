"""Textures drawn in perspective, or upright and facing the camera."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.sources.demo.camera import View
from pipeline.sources.demo.canvas import SUBPIXEL_BITS, SUBPIXELS, U8, Canvas
from pipeline.sources.demo.texture import Texture

Point = tuple[float, float]

_THERE = 110  # a cut-out pixel counts from this alpha on; under one half, so that thin bars do not vanish


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
    elif across < 1.4 * columns and down < 1.4 * rows:
        how = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        cv2.warpPerspective(pixels, back, (width, height), below, how, cv2.BORDER_TRANSPARENT)
    else:
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        warped = cv2.warpPerspective(pixels, back, (width, height), flags=how, borderMode=cv2.BORDER_REPLICATE)
        inside = np.zeros((height, width), np.uint8)
        fixed = np.clip(there * SUBPIXELS, -200_000, 200_000).astype(np.int32)
        cv2.fillConvexPoly(inside, fixed, 255, cv2.LINE_8, SUBPIXEL_BITS)
        cv2.copyTo(warped, inside, below)


def draw_upright(
    canvas: Canvas,
    view: View,
    texture: Texture,
    box_px: tuple[float, float, float, float],
    z: float,
    ident: int,
    mirrored: bool = False,
) -> None:
    """Draw a cut-out that faces the camera, into the box x0, y0, x1, y1, pixels."""
    x0, y0, x1, y1 = box_px
    left, top, right, bottom = round(x0), round(y0), round(x1), round(y1)
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    if left >= canvas.width or right <= 0 or top >= canvas.height or bottom <= 0:
        return
    pixels = texture.seen(x1 - x0, y1 - y0, view.fade_table(z), mirrored)
    rows, columns = pixels.shape[:2]
    if left >= 0 and top >= 0 and right <= canvas.width and bottom <= canvas.height:
        scaled = cv2.resize(pixels, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
        _blend(canvas.pixels[top:bottom, left:right], scaled, ident)  # type: ignore[arg-type]
        return
    # Only what falls into the picture is scaled.
    scale_x, scale_y = columns / (right - left), rows / (bottom - top)
    seen_left, seen_top = max(left, 0), max(top, 0)
    size = (min(right, canvas.width) - seen_left, min(bottom, canvas.height) - seen_top)
    first = (seen_left - left + 0.5) * scale_x - 0.5
    back = np.array(
        [
            [scale_x, 0, first],
            [0, scale_y, (seen_top - top + 0.5) * scale_y - 0.5],
        ]
    )
    scaled = cv2.warpAffine(pixels, back, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    below = canvas.pixels[seen_top : seen_top + size[1], seen_left : seen_left + size[0]]
    _blend(below, scaled, ident)  # type: ignore[arg-type]


def _blend(below: U8, above: U8, ident: int) -> None:
    """Copy the pixels of `above` that are there; its alpha gives way to the id."""
    _, inside = cv2.threshold(cv2.extractChannel(above, 3), _THERE, 255, cv2.THRESH_BINARY)
    above[..., 3] = ident
    cv2.copyTo(above, inside, below)
