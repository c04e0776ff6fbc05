"""Pictures that are put on surfaces, reduced and faded as far as they will be seen."""

from __future__ import annotations

import math

import cv2
import numpy as np

from pipeline.sources.demo.canvas import F32, U8

THERE = 110  # a cut-out pixel counts from this alpha on; under one half, so that thin bars do not vanish

_Key = tuple[int, int, bool, int]


class Texture:
    """A picture (h, w, 4): B, G, R and, in a cut-out, how far it is there (0..255).

    In a solid texture the fourth byte is the class id, ready to be copied with the colour.
    """

    __slots__ = ("_keep", "_seen", "cutout", "mean_bgr", "pixels")

    def __init__(self, pixels: U8, cutout: bool, keep: int) -> None:
        self.pixels = pixels
        self.cutout = cutout
        self.mean_bgr: F32 = pixels[::4, ::4, :3].reshape(-1, 3).mean(0, np.float32)
        self._keep = keep  # how many copies to hold
        self._seen: dict[_Key, U8] = {}

    def seen(self, across_px: float, down_px: float, fade: U8 | None) -> U8:
        """The texture for a surface of this size in the picture, about as large as that.

        Solid textures are enlarged up to twice, cut-outs are not.

        Args:
            across_px, down_px: the size of the whole texture in the picture.
            fade: a table of fade_tables, or None for no haze.
        """
        halve_x, halve_y = _halvings(self.pixels, across_px, down_px, 0 if self.cutout else -1)
        key = (halve_x, halve_y, False, id(fade))
        found = self._seen.get(key)
        if found is None:
            found = _made(self.pixels, key, fade)
            if len(self._seen) >= self._keep:
                del self._seen[next(iter(self._seen))]
            self._seen[key] = found
        return found


class Stencil:
    """A cut-out of one class that is drawn large and often: colour with the class id, and where it is."""

    __slots__ = ("_class_id", "_keep", "_pixels", "_seen")

    def __init__(self, cut: Texture, class_id: int, keep: int) -> None:
        self._pixels = cut.pixels
        self._class_id = class_id
        self._keep = keep
        self._seen: dict[_Key, tuple[U8, U8]] = {}

    def seen(self, across_px: float, down_px: float, fade: U8 | None, mirrored: bool) -> tuple[U8, U8]:
        """Pixels (h, w, 4) of B, G, R and class id, and where they are, (h, w), 0 or 255; else like Texture.seen."""
        halve_x, halve_y = _halvings(self._pixels, across_px, down_px, 0)
        key = (halve_x, halve_y, mirrored, id(fade))
        found = self._seen.get(key)
        if found is None:
            pixels = _made(self._pixels, key, fade)
            inside = np.where(pixels[..., 3] > THERE, 255, 0).astype(np.uint8)
            if pixels is self._pixels:
                pixels = pixels.copy()
            pixels[..., 3] = self._class_id
            if len(self._seen) >= self._keep:
                del self._seen[next(iter(self._seen))]
            found = self._seen[key] = (pixels, inside)
        return found


def _halvings(pixels: U8, across_px: float, down_px: float, least: int) -> tuple[int, int]:
    """How often to halve the width and the height; -1: double."""
    height, width = pixels.shape[:2]
    halve_x = round(math.log2(width / max(across_px, 1.0)))
    halve_y = round(math.log2(height / max(down_px, 1.0)))
    return min(max(halve_x, least), int(math.log2(width))), min(max(halve_y, least), int(math.log2(height)))


def _made(pixels: U8, key: _Key, fade: U8 | None) -> U8:
    """Pixels reduced or enlarged, mirrored and faded; the same array where nothing is to be done."""
    halve_x, halve_y, mirrored, _ = key
    height, width = pixels.shape[:2]
    if halve_x > 0 or halve_y > 0:
        width, height = max(width >> max(halve_x, 0), 1), max(height >> max(halve_y, 0), 1)
        pixels = np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    if halve_x < 0 or halve_y < 0:
        larger = (width << max(-halve_x, 0), height << max(-halve_y, 0))
        pixels = np.asarray(cv2.resize(pixels, larger, interpolation=cv2.INTER_LINEAR), np.uint8)
    if mirrored:
        pixels = np.asarray(cv2.flip(pixels, 1), np.uint8)
    return pixels if fade is None else np.asarray(cv2.LUT(pixels, fade), np.uint8)


def solid(bgr: F32, class_id: int, keep: int = 2) -> Texture:
    """A texture without holes from colours (h, w, 3), 0..255, of one class."""
    pixels = np.empty((*bgr.shape[:2], 4), np.uint8)
    pixels[..., :3] = np.clip(bgr, 0, 255)
    pixels[..., 3] = class_id
    return Texture(pixels, cutout=False, keep=keep)


def cutout(bgr: F32, alpha: F32) -> Texture:
    """A texture with holes from colours (h, w, 3), 0..255, and alpha (h, w), 0..1.

    Colours bleed into the holes, so that edges do not turn dark when it is reduced.
    """
    weight = np.maximum(alpha, 1e-3)[..., None]
    near = cv2.blur(bgr * weight, (9, 9)) / np.maximum(cv2.blur(weight[..., 0], (9, 9)), 1e-4)[..., None]
    pixels = np.empty((*bgr.shape[:2], 4), np.uint8)
    pixels[..., :3] = np.clip(np.where(weight > 0.5, bgr, near), 0, 255)
    pixels[..., 3] = np.clip(alpha * 255, 0, 255)
    return Texture(pixels, cutout=True, keep=16)


def halvings(pixels: U8, count: int) -> tuple[U8, ...]:
    """Pixels (h, w, 4) and the same reduced by half each time, `count` in all."""
    sizes = [pixels]
    while len(sizes) < count:
        height, width = sizes[-1].shape[:2]
        size = (max(width // 2, 1), max(height // 2, 1))
        sizes.append(np.asarray(cv2.resize(sizes[-1], size, interpolation=cv2.INTER_AREA), np.uint8))
    return tuple(sizes)
