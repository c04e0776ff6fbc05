"""Which colour a class and an object have in a picture."""

from __future__ import annotations

from functools import lru_cache

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


def varied(rgb: Rgb, step: int) -> Rgb:
    """A colour moved towards white (step > 0) or black (step < 0); step as level gives it."""
    return _mixed(rgb, 255.0 if step > 0 else 0.0, abs(step) / _LEVELS * _SPAN)


def level(x: float, y: float, frame_hw: tuple[int, int]) -> int:
    """The step of lightness for an object centred at (x, y), so that neighbours of one class part.

    A triangle wave over the frame, four periods across and two down. There are no track ids here, and an object's
    rank changes from frame to frame. Its place changes slowly, so its colour neither jumps nor flickers.
    """
    height, width = frame_hw
    phase = (4 * x / width + 2 * y / height) % 1
    return round(_LEVELS * (4 * abs(phase - 0.5) - 1))


def ink_on(paper: Rgb) -> Rgb:
    """Dark or light, whichever reads better on a colour."""
    return DARK if luma(paper) > 140 else LIGHT


def luma(rgb: tuple[float, float, float]) -> float:
    """Brightness 0..255 (ITU-R BT.601)."""
    red, green, blue = rgb
    return 0.299 * red + 0.587 * green + 0.114 * blue


def _mixed(rgb: tuple[float, float, float], goal: float, share: float) -> Rgb:
    red, green, blue = (round(c + (goal - c) * share) for c in rgb)
    return red, green, blue
