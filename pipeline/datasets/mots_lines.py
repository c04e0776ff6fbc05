"""MOTS' text files: a line for each object of each frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.datasets.objects import Mask
from pipeline.errors import DataError
from pipeline.rle import decode_crop

_HINT = "lines are `frame id class height width rle`; class 1 is a car, 2 a pedestrian, 10 is not scored"
_KINDS = (1, 2, 10)
_MOST_PX = 65535  # of a side


class MotsLine(NamedTuple):
    """An object of one frame."""

    number: int
    kind: int
    size: tuple[int, int]  # height, width of the frame
    counts: str

    def crop(self, where: str) -> Mask:
        """Its mask; DataError, beginning with `where`, if its run lengths are broken."""
        try:
            return decode_crop(self.counts, self.size)
        except ValueError as error:
            raise DataError(f"{where}: object {self.number}: {error}", hint=_HINT) from error


def apart(lines: Sequence[MotsLine], where: str) -> list[Mask]:
    """The masks and crops of the objects of one frame.

    Raises:
        DataError: begins with `where`; two masks overlap, are of two sizes, or broken.
    """
    taken = np.zeros(lines[0].size if lines else (0, 0), np.bool_)
    found = []
    for line in lines:
        mask, crop = line.crop(where)
        x0, y0, x1, y1 = crop
        here = taken[y0:y1, x0:x1]
        if line.size != taken.shape or (here & (mask != 0)).any():
            raise DataError(
                f"{where}: object {line.number} overlaps another one, or its mask is of another size",
                hint="this format allows one object a pixel",
            )
        here |= mask != 0
        found.append((mask, crop))
    return found


def read_mots(path: Path) -> dict[int, list[MotsLine]]:
    """The objects of a film by frame; masks are decoded later.

    Raises:
        DataError: missing, a line of something else, an unknown class, an id twice in a frame.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}", hint=_HINT) from error
    frames: dict[int, list[MotsLine]] = {}
    for place, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        if len(words) != 6 or not all(word.isdecimal() for word in words[:5]):
            raise DataError(f"{path}: line {place} is not of six words, five of them numbers", hint=_HINT)
        frame, number, kind, height, width = map(int, words[:5])
        if not (0 < height <= _MOST_PX and 0 < width <= _MOST_PX):
            raise DataError(f"{path}: line {place}: an image of {width}x{height} pixels", hint=_HINT)
        if kind not in _KINDS:
            raise DataError(f"{path}: line {place}: unknown class {kind}", hint=_HINT)
        if any(other.number == number for other in frames.setdefault(frame, [])):
            raise DataError(f"{path}: line {place}: object {number} is in frame {frame} twice", hint=_HINT)
        frames[frame].append(MotsLine(number, kind, (height, width), words[5]))
    return frames
