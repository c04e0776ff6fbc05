"""Pictures that are put on surfaces, reduced and faded as far as they will be seen."""

from __future__ import annotations

import math

import cv2
import numpy as np

from pipeline.sources.demo.canvas import F32, U8


class Texture:
    """A picture (h, w, 4): B, G, R and, in a cut-out, how far it is there (0..255).

    In a solid texture the fourth byte is the class id, ready to be copied with the colour.
    """

    __slots__ = ("cutout", "pixels", "_keep", "_seen")

    def __init__(self, pixels: U8, cutout: bool, keep: int = 2) -> None:
        self.pixels = pixels
        self.cutout = cutout
        self._keep = keep  # how many reduced copies to hold
        self._seen: dict[tuple[int, int, bool, int], U8] = {}

    def seen(self, across_px: float, down_px: float, fade: U8 | None, mirrored: bool = False) -> U8:
        """The texture for a surface of this size in the picture, at most 1.5 times as large as that.

        Args:
            across_px, down_px: the size of the whole texture in the picture.
            fade: a table of fade_tables, or None for no haze.
            mirrored: left and right exchanged.
        """
        height, width = self.pixels.shape[:2]
        halve_x = min(max(round(math.log2(width / max(across_px, 1.0))), 0), int(math.log2(width)))
        halve_y = min(max(round(math.log2(height / max(down_px, 1.0))), 0), int(math.log2(height)))
        key = (halve_x, halve_y, mirrored, id(fade))
        found = self._seen.get(key)
        if found is None:
            found = self.pixels
            if halve_x or halve_y:
                smaller = (max(width >> halve_x, 1), max(height >> halve_y, 1))
                found = np.asarray(cv2.resize(found, smaller, interpolation=cv2.INTER_AREA), np.uint8)
            if mirrored:
                found = np.asarray(cv2.flip(found, 1), np.uint8)
            if fade is not None:
                found = np.asarray(cv2.LUT(found, fade), np.uint8)
            if len(self._seen) >= self._keep:
                del self._seen[next(iter(self._seen))]
            self._seen[key] = found
        return found


def solid(bgr: F32, class_id: int, keep: int = 2) -> Texture:
    """A texture without holes from colours (h, w, 3), 0..255, of one class."""
    pixels = np.empty((*bgr.shape[:2], 4), np.uint8)
    pixels[..., :3] = np.clip(bgr, 0, 255)
    pixels[..., 3] = class_id
    return Texture(pixels, cutout=False, keep=keep)


def cutout(bgr: F32, alpha: F32, keep: int = 48) -> Texture:
    """A texture with holes from colours (h, w, 3), 0..255, and alpha (h, w), 0..1.

    Colours bleed into the holes, so that edges do not turn dark when it is reduced.
    """
    weight = np.maximum(alpha, 1e-3)[..., None]
    near = cv2.blur(bgr * weight, (9, 9)) / np.maximum(cv2.blur(weight[..., 0], (9, 9)), 1e-4)[..., None]
    pixels = np.empty((*bgr.shape[:2], 4), np.uint8)
    pixels[..., :3] = np.clip(np.where(weight > 0.5, bgr, near), 0, 255)
    pixels[..., 3] = np.clip(alpha * 255, 0, 255)
    return Texture(pixels, cutout=True, keep=keep)
