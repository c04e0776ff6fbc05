"""Text as bitmaps: each word is drawn once and used again."""

from __future__ import annotations

import re
import unicodedata
from itertools import groupby
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
Coverage = tuple[U8, U8]  # how much of a pixel is ink, 0..255: (h, w) and (h / 2, w / 2); h and w even
K = TypeVar("K")
V = TypeVar("V")

_FINER = 4  # text is drawn so many times larger and averaged: even the stroke font of OpenCV 4 looks smooth then
_KEPT = 1024  # bitmaps kept of each kind; names, scores and rates come back, so that is all a run needs


class Font:
    """Lines of text of one size, semibold: on a class colour thin strokes drown.

    Args:
        size_px: size of the type.
    """

    def __init__(self, size_px: int) -> None:
        self.size_px = size_px
        self.line_px = _even(size_px * 1.35)  # height of a line
        self._pad_px = max(2, round(size_px * 0.3))
        self._space_px = max(2, round(size_px * 0.28))
        # OpenCV 5 brings an outline font; OpenCV 4 has only the Hershey strokes.
        self._face = cv2.FontFace("sans") if hasattr(cv2, "FontFace") else None
        self._words: dict[str, U8] = {}
        self._lines: dict[str, Coverage] = {}
        self._short: dict[tuple[str, int], str] = {}
        self._blocks: dict[tuple[tuple[str, ...], int], Coverage] = {}

    def line(self, text: str) -> Coverage:
        """One line, line_px high, with padding at both ends."""
        made = self._lines.get(text)
        if made is None:
            made = _keep(self._lines, text, _with_half(self._join(text)))
        return made

    def shortened(self, text: str, most_px: int) -> str:
        """The text where a line of it is at most so wide, else its beginning and three dots."""
        made = self._short.get((text, most_px))
        if made is None:
            made, kept = text, len(text)
            while (width := self._join(made).shape[1]) > most_px and kept > 1:
                kept = min(kept - 1, max(1, kept * most_px // width))
                made = f"{text[:kept].rstrip()}..."
            _keep(self._short, (text, most_px), made)
        return made

    def block(self, lines: tuple[str, ...], indent_px: int) -> Coverage:
        """Lines under each other, padded on all sides, with so much room before each."""
        made = self._blocks.get((lines, indent_px))
        if made is None:
            joined = [self._join(text) for text in lines]
            indent, pad = _even(indent_px), _even(self._pad_px)
            height = len(lines) * self.line_px + 2 * pad
            whole = np.zeros((height, indent + max(text.shape[1] for text in joined)), np.uint8)
            for row, text in enumerate(joined):
                top = pad + row * self.line_px
                whole[top : top + self.line_px, indent : indent + text.shape[1]] = text
            made = _keep(self._blocks, (lines, indent_px), _with_half(whole))
        return made

    def _join(self, text: str) -> U8:
        words = [self._word(word) for word in drawing_order(text).split(" ")]
        width = sum(word.shape[1] for word in words) + self._space_px * (len(words) - 1)
        whole = np.zeros((self.line_px, _even(width + 2 * self._pad_px)), np.uint8)
        x = self._pad_px
        for word in words:
            whole[:, x : x + word.shape[1]] = word
            x += word.shape[1] + self._space_px
        return whole

    def _word(self, word: str) -> U8:
        made = self._words.get(word)
        if made is None:
            made = _keep(self._words, word, self._draw(word))
        return made

    def _draw(self, word: str) -> U8:
        fine_px = self.size_px * _FINER
        # No letter is wider than 1.5 times the size; at the edge the outline font would begin a new line.
        fine = np.zeros((self.line_px * _FINER, (3 * len(word) // 2 + 1) * fine_px), np.uint8)
        start = (0, round(fine.shape[0] * 0.74))  # where the baseline begins
        if self._face is not None:
            (end, _), _ = cv2.putText(fine, word, start, (255,), self._face, fine_px, 600)
        else:
            scale, thick = fine_px / 32, max(1, fine_px // 9)
            cv2.putText(fine, word, start, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thick, cv2.LINE_AA)
            end = cv2.getTextSize(word, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)[0][0]
        width = min(-(-end // _FINER), fine.shape[1] // _FINER)
        if not width:
            return np.zeros((self.line_px, 0), np.uint8)
        fine = fine[:, : width * _FINER]
        return np.asarray(cv2.resize(fine, (width, self.line_px), interpolation=cv2.INTER_AREA), np.uint8)


def drawing_order(text: str) -> str:
    """The text as it is drawn from left to right: Hebrew and Arabic words that follow on one another turned round.

    Numbers stay as they are. Arabic letters are not joined: the font has no forms for that. What is no letter, as
    in a file's name that is not UTF-8, becomes a question mark: OpenCV would end the process.
    """
    if text.isascii():
        return text
    text = text.encode("utf-8", "replace").decode()
    words: list[str] = []
    for right_to_left, run in groupby(text.split(" "), _right_to_left):
        words += [_turned(word) for word in reversed(list(run))] if right_to_left else run
    return " ".join(words)


def _right_to_left(word: str) -> bool:
    return any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in word)


def _turned(word: str) -> str:
    return re.sub(r"[0-9]+", lambda number: number[0][::-1], word[::-1])


def unpack_font() -> None:
    """OpenCV unpacks its font at the first letter that a thread draws, 20 ms: do it now in the calling thread."""
    Font(16).line("0")


def _keep(known: dict[K, V], key: K, made: V) -> V:
    if len(known) >= _KEPT:
        known.pop(next(iter(known)))  # the oldest
    known[key] = made
    return made


def _with_half(cover: U8) -> Coverage:
    half_wh = (cover.shape[1] // 2, cover.shape[0] // 2)
    return cover, np.asarray(cv2.resize(cover, half_wh, interpolation=cv2.INTER_AREA), np.uint8)


def _even(length_px: float) -> int:
    return max(2, 2 * round(length_px / 2))
