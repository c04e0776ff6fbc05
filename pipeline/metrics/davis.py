"""DAVIS' J and F: how well regions and outlines of objects are found through films.

Perazzi et al., CVPR 2016; Pont-Tuset et al. 2017, arXiv 1704.00675. As davis2017-evaluation has it (davis2017/
evaluation.py, metrics.py, utils.py): J is the IoU of an object in a frame, F the F measure of its outline with a
tolerance of 0.008 of the diagonal; both are 1 where it is neither there nor found. Of each object the mean over the
frames, the recall (share of frames over 0.5) and the decay (mean of the first quarter less that of the last) are
taken; the figures are the means over all objects of all films. Objects are those that the first frame numbers, from
1 to the highest.

    semi-supervised   the first frame is given, so that it and the last one do not count; an object is found under
                      its own number
    unsupervised      every frame counts; objects and what is found are paired, a film at a time, so that the means
                      of J and F are greatest; what is found are the numbers up to the highest, and as many as there
                      are objects, those that are nowhere among them
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics.boundary import F_SHARE, Mask, f_measure, outline
from pipeline.metrics.tracked import Pairing

Floats = NDArray[np.float64]
MOST_PROPOSALS = 20  # of a film, unsupervised
_BINS = 4


@dataclass(frozen=True, slots=True)
class FilmObject:
    """An object of one film; mean, recall and decay of J and of F."""

    j: tuple[float, float, float]
    f: tuple[float, float, float]


class JAndF:
    """J and F of the objects of one film, frame by frame; keeps two numbers for each pair in each frame.

    Args:
        objects: how many; they are numbered from 1.
        pairing: the best pairs, such as track.assignment's, for unsupervised results; None: semi-supervised.
    """

    def __init__(self, objects: int, pairing: Pairing | None = None) -> None:
        self._objects = objects
        self._pairing = pairing
        self._proposals = objects if pairing is None else MOST_PROPOSALS
        self._frames: list[Floats] = []  # of (2, objects, proposals); the pairs that are not asked for are 0
        self._highest = 0  # number that was found

    def add(self, truth: NDArray[np.uint8], found: NDArray[np.uint8]) -> None:
        """Count one frame: (h, w) numbers of objects each, 0 for none; numbers that are none do not count."""
        pairs = np.bincount((truth.astype(np.int32) << 8 | found).ravel(), minlength=1 << 16).reshape(256, 256)
        true_px, found_px = pairs.sum(1), pairs.sum(0)
        self._highest = max(self._highest, *np.flatnonzero(found_px[: self._proposals + 1]).tolist(), 0)
        there, said = _Outlines(truth), _Outlines(found)
        tolerance_px = math.ceil(F_SHARE * math.hypot(*truth.shape))
        values = np.zeros((2, self._objects, self._proposals))
        for row in range(self._objects):
            columns = (row,) if self._pairing is None else range(self._proposals)
            for column in columns:
                a, b = row + 1, column + 1
                union = int(true_px[a] + found_px[b] - pairs[a, b])
                values[0, row, column] = pairs[a, b] / union if union else 1
                if true_px[a] or found_px[b]:
                    values[1, row, column] = f_measure(there[a], said[b], tolerance_px)
                else:
                    values[1, row, column] = 1
        self._frames.append(values)

    def objects(self) -> list[FilmObject]:
        """Of each object, by its number; none where no frame was counted."""
        if not self._frames:
            return []
        j, f = np.stack(self._frames, axis=-1)  # (objects, proposals, frames) each
        partner = dict(enumerate(range(self._objects)))
        if self._pairing is not None:
            paired = max(self._highest, min(self._objects, self._proposals))
            partner = dict(self._pairing((j.mean(-1) + f.mean(-1))[:, :paired] / 2))
        nothing = np.zeros(len(self._frames))
        rows = [
            (j[row, partner[row]], f[row, partner[row]]) if row in partner else (nothing, nothing)
            for row in range(self._objects)
        ]
        return [FilmObject(_over_time(one), _over_time(other)) for one, other in rows]


class _Outlines:
    """Outlines of the objects of one frame, each made when it is asked for."""

    def __init__(self, numbers: NDArray[np.uint8]) -> None:
        self._numbers = numbers
        self._lines: dict[int, Mask] = {}

    def __getitem__(self, number: int) -> Mask:
        if number not in self._lines:
            self._lines[number] = outline(self._numbers == number)
        return self._lines[number]


def _over_time(values: Floats) -> tuple[float, float, float]:
    """Mean, recall and decay; (n,) values, n at least 1. Neighbouring quarters share a frame."""
    ends = np.round(np.linspace(1, len(values), _BINS + 1) + 1e-10).astype(np.intp) - 1
    decay = values[: ends[1] + 1].mean() - values[ends[_BINS - 1] : ends[_BINS] + 1].mean()
    return float(values.mean()), float((values > 0.5).mean()), float(decay)
