"""Which colour a class and an object have in a picture."""

from __future__ import annotations

import colorsys
from functools import lru_cache

from pipeline.types import Instances

Rgb = tuple[int, int, int]

DARK: Rgb = (14, 16, 20)
LIGHT: Rgb = (255, 255, 255)
_DIM = 64.0  # colours with less luma than this are lifted
_LEVELS = 8  # steps of lightness up and down
_SPAN = 0.2  # how far the last step goes towards white or black


@lru_cache(maxsize=1024)
def legible(rgb: Rgb) -> Rgb:
    """A class colour as it is drawn: the same hue, lifted where it would drown in a dark street or on black.

    Cityscapes' navy blues have a luma of 8 to 30 of 255. They become stronger, then lighter, to a luma of at
    least 48; the darker one stays the darker one. Colours of a luma from 64 on stay as they are.
    """
    if luma(rgb) >= _DIM:
        return rgb
    goal = 0.75 * _DIM + 0.25 * luma(rgb)
    factor = min(1.5, 255 / max(*rgb, 1), goal / max(luma(rgb), 1.0))
    strong = (rgb[0] * factor, rgb[1] * factor, rgb[2] * factor)
    return _mixed(strong, 255.0, max(0.0, (goal - luma(strong)) / (255 - luma(strong))))


@lru_cache(maxsize=4096)
def track_colour(number: int) -> Rgb:
    """A colour for the object with this number: hues that follow on one another lie a golden angle apart."""
    hue = number * 0.6180339887498949 % 1
    lightness = (0.62, 0.5, 0.74)[number % 3]
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.85)
    return round(255 * red), round(255 * green), round(255 * blue)


def object_colours(found: Instances, by_track: bool) -> list[Rgb]:
    """The colour of each object, legible: that of its class, or its own where it has a number and `by_track`."""
    colours = [legible(found.classes.colours[class_id]) for class_id in found.class_ids.tolist()]
    if by_track and found.track_ids is not None:
        numbers = found.track_ids.tolist()
        colours = [track_colour(n) if n else rgb for n, rgb in zip(numbers, colours, strict=True)]
    return colours


def varied(rgb: Rgb, step: int) -> Rgb:
    """A colour moved towards white (step > 0) or black (step < 0); step as level gives it."""
    return _mixed(rgb, 255.0 if step > 0 else 0.0, abs(step) / _LEVELS * _SPAN)


def level(x: float, y: float, frame_hw: tuple[int, int]) -> int:
    """The step of lightness for an object centred at (x, y), so that neighbours of one class part.

    A triangle wave over the frame, four periods across and two down. Numbers are not always there, and an object's
    rank changes from frame to frame. Its place changes slowly, so its colour neither jumps nor flickers.
    """
    height, width = frame_hw
    phase = (4 * x / width + 2 * y / height) % 1
    return round(_LEVELS * (4 * abs(phase - 0.5) - 1))


@lru_cache(maxsize=4096)
def ink_on(paper: Rgb) -> Rgb:
    """Dark or light, whichever has the greater contrast with a colour."""
    return max(DARK, LIGHT, key=lambda ink: contrast(ink, paper))


def contrast(one: Rgb, other: Rgb) -> float:
    """How well two colours part, 1 to 21 (WCAG 2.2, contrast ratio)."""
    darker, lighter = sorted(_luminance(rgb) for rgb in (one, other))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(rgb: Rgb) -> float:
    """Relative luminance 0..1 of sRGB (WCAG 2.2)."""
    red, green, blue = (c / 3294.6 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def luma(rgb: tuple[float, float, float]) -> float:
    """Brightness 0..255 (ITU-R BT.601)."""
    red, green, blue = rgb
    return 0.299 * red + 0.587 * green + 0.114 * blue


def _mixed(rgb: tuple[float, float, float], goal: float, share: float) -> Rgb:
    red, green, blue = (round(c + (goal - c) * share) for c in rgb)
    return red, green, blue
