"""The faces of traffic signs, as cut-outs."""

from __future__ import annotations

import math

import cv2
import numpy as np

from pipeline.sources.demo.canvas import F32, U8
from pipeline.sources.demo.conditions import Conditions
from pipeline.sources.demo.texture import cutout, halvings

_SIZE = 96
_RED, _BLUE, _WHITE = (38, 30, 196), (170, 84, 20), (236, 238, 238)
_YELLOW, _BLACK, _GREEN = (40, 196, 240), (24, 24, 26), (80, 118, 20)

Face = tuple[tuple[U8, ...], float, float]  # the cut-out, its width and height in metres


def make_signs(conditions: Conditions) -> list[Face]:
    """The signs of a world."""
    light = conditions.light_on(0, 0.1, -0.95)
    # Sign faces send light back to its source: at dusk they stand out.
    light = np.maximum(light, 0.62)
    round_size = (0.65, 0.65)
    faces = [(_ring(text), *round_size) for text in ("30", "50", "40", "60")]
    faces += [(_no_stopping(), *round_size), (_ahead(), *round_size), (_no_entry(), *round_size)]
    faces += [(_triangle(False), 0.85, 0.75), (_triangle(True), 0.85, 0.75), (_stop(), 0.75, 0.75)]
    faces += [(_plate(_BLUE, "P", _WHITE, 1.0), 0.6, 0.6), (_diamond(), 0.75, 0.75)]
    faces += [(_plate(_GREEN, "CENTRE", _WHITE, 2.6), 1.9, 0.7), (_plate(_WHITE, "NORD 7", _BLACK, 2.6), 1.5, 0.55)]
    faces += [(_plate(_BLUE, "A 23", _WHITE, 1.7), 2.2, 1.3), (_plate(_YELLOW, "BUS", _BLACK, 0.8), 0.5, 0.62)]
    return [(halvings(cutout(bgr * light, alpha).pixels, 4), width, height) for (bgr, alpha), width, height in faces]


def _blank(aspect: float = 1.0) -> tuple[U8, F32]:
    columns = round(_SIZE * aspect)
    return np.full((_SIZE, columns, 3), 120, np.uint8), np.zeros((_SIZE, columns), np.float32)


def _text(bgr: U8, text: str, colour: tuple[int, int, int], scale: float) -> None:
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, scale, 3)
    at = ((bgr.shape[1] - width) // 2, (bgr.shape[0] + height) // 2)
    cv2.putText(bgr, text, at, cv2.FONT_HERSHEY_DUPLEX, scale, colour, 3, cv2.LINE_AA)


def _disc(colour: tuple[int, int, int], rim: tuple[int, int, int]) -> tuple[U8, F32]:
    bgr, alpha = _blank()
    cv2.circle(alpha, (48, 48), 46, 1.0, -1, cv2.LINE_AA)
    cv2.circle(bgr, (48, 48), 47, rim, -1)
    cv2.circle(bgr, (48, 48), 36, colour, -1, cv2.LINE_AA)
    return bgr, alpha


def _ring(text: str) -> tuple[U8, F32]:
    bgr, alpha = _disc(_WHITE, _RED)
    _text(bgr, text, _BLACK, 1.35)
    return bgr, alpha


def _no_stopping() -> tuple[U8, F32]:
    bgr, alpha = _disc(_BLUE, _RED)
    cv2.line(bgr, (20, 20), (76, 76), _RED, 9, cv2.LINE_AA)
    cv2.line(bgr, (76, 20), (20, 76), _RED, 9, cv2.LINE_AA)
    return bgr, alpha


def _no_entry() -> tuple[U8, F32]:
    bgr, alpha = _disc(_RED, _RED)
    cv2.rectangle(bgr, (20, 40), (76, 56), _WHITE, -1)
    return bgr, alpha


def _ahead() -> tuple[U8, F32]:
    bgr, alpha = _disc(_BLUE, _BLUE)
    cv2.arrowedLine(bgr, (48, 78), (48, 20), _WHITE, 9, cv2.LINE_AA, tipLength=0.4)
    return bgr, alpha


def _polygon(corners: list[tuple[float, float]], colour: tuple[int, int, int]) -> tuple[U8, F32]:
    bgr, alpha = _blank()
    shape = np.array(corners, np.int32)
    cv2.fillConvexPoly(bgr, shape, colour)
    cv2.fillConvexPoly(alpha, shape, 1.0, cv2.LINE_AA)
    return bgr, alpha


def _triangle(down: bool) -> tuple[U8, F32]:
    tip, base = (94, 4) if down else (4, 92)
    bgr, alpha = _polygon([(48, tip), (2, base), (94, base)], _RED)
    middle = (base + tip * 0.42) / 1.42
    inner = np.array(
        [(48, tip + (base - tip) * 0.26), (20, base + (tip - base) * 0.15), (76, base + (tip - base) * 0.15)]
    )
    cv2.fillConvexPoly(bgr, inner.astype(np.int32), _WHITE, cv2.LINE_AA)
    if not down:
        cv2.rectangle(bgr, (44, int(middle) - 20), (52, int(middle) + 8), _BLACK, -1)
    return bgr, alpha


def _stop() -> tuple[U8, F32]:
    turns = [math.pi * (0.125 + 0.25 * k) for k in range(8)]
    bgr, alpha = _polygon([(48 + 46 * math.cos(turn), 48 + 46 * math.sin(turn)) for turn in turns], _RED)
    _text(bgr, "STOP", _WHITE, 0.95)
    return bgr, alpha


def _diamond() -> tuple[U8, F32]:
    bgr, alpha = _polygon([(48, 1), (95, 48), (48, 95), (1, 48)], _WHITE)
    cv2.fillConvexPoly(bgr, np.array([(48, 18), (78, 48), (48, 78), (18, 48)], np.int32), _YELLOW, cv2.LINE_AA)
    return bgr, alpha


def _plate(colour: tuple[int, int, int], text: str, ink: tuple[int, int, int], aspect: float) -> tuple[U8, F32]:
    bgr, alpha = _blank(aspect)
    bgr[:] = colour
    alpha[:] = 1
    cv2.rectangle(bgr, (4, 4), (bgr.shape[1] - 5, 91), ink, 3)
    _text(bgr, text, ink, 1.5 if len(text) < 4 else 1.3)
    return bgr, alpha
