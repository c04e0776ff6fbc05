"""HOTA: how well objects are found, and how well they are followed, in equal parts, for the objects of one class.

Luiten et al., IJCV 2021, arXiv 2009.07736. At each of 19 thresholds alpha: DetA = TP / (TP + FN + FP); AssA is the
mean over the matches of TPA / (TPA + FNA + FPA), which compares the frames of the two tracks that meet there; HOTA is
the root of their product. The figures are the means over alpha, as TrackEval (metrics/hota.py) prints them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics.tracked import Pairing, TrackedFrame

ALPHAS = np.arange(0.05, 0.99, 0.05)
Floats = NDArray[np.float64]
_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class HotaScores:
    """Means over alpha, 0..1; NaN where there is no object in truth or found."""

    hota: float
    det_a: float
    ass_a: float
    det_re: float
    det_pr: float
    ass_re: float
    ass_pr: float
    loc_a: float  # mean IoU of the matches


class Hota:
    """Keeps the frames of one film, as numbers; counts it at its `end`, for only then tracks are known whole.

    Args:
        pairing: the best pairs, such as track.assignment's.
    """

    def __init__(self, pairing: Pairing) -> None:
        self._pairing = pairing
        self._frames: list[TrackedFrame] = []
        self._tp, self._overlap = np.zeros(len(ALPHAS)), np.zeros(len(ALPHAS))
        self._association = np.zeros((3, len(ALPHAS)))  # sums over the matches, for AssA, AssRe and AssPr
        self._true = self._found = 0

    def add(self, frame: TrackedFrame) -> None:
        """Count one frame of a film, in any order."""
        if len(frame.true_ids) or len(frame.found_ids):
            self._frames.append(frame)

    def end(self) -> None:
        """The film is over."""
        frames, self._frames = self._frames, []
        true_of, found_of = defaultdict[int, int](int), defaultdict[int, int](int)  # frames of each object
        alike: dict[tuple[int, int], float] = defaultdict(float)
        for frame in frames:
            for counts, ids in ((true_of, frame.true_ids), (found_of, frame.found_ids)):
                for one in ids.tolist():
                    counts[one] += 1
            total = frame.iou.sum(0) + frame.iou.sum(1)[:, None] - frame.iou
            part = np.divide(frame.iou, total, out=np.zeros_like(frame.iou), where=total > _EPSILON)
            for row, column in zip(*np.nonzero(part), strict=True):
                alike[int(frame.true_ids[row]), int(frame.found_ids[column])] += float(part[row, column])
        aligned = {(a, b): sum_ / (true_of[a] + found_of[b] - sum_) for (a, b), sum_ in alike.items()}
        self._true += sum(true_of.values())
        self._found += sum(found_of.values())
        met: list[dict[tuple[int, int], int]] = [defaultdict(int) for _ in ALPHAS]
        for frame in frames:
            self._match(frame, aligned, met)
        for index, pairs in enumerate(met):
            for (true, found), count in pairs.items():
                ways = (true_of[true] + found_of[found] - count, true_of[true], found_of[found])
                self._association[:, index] += [count * count / way for way in ways]

    def _match(
        self, frame: TrackedFrame, aligned: dict[tuple[int, int], float], met: list[dict[tuple[int, int], int]]
    ) -> None:
        if not frame.iou.any():
            return
        gain = np.zeros_like(frame.iou)
        for row, column in zip(*np.nonzero(frame.iou), strict=True):
            pair = int(frame.true_ids[row]), int(frame.found_ids[column])
            gain[row, column] = aligned[pair] * frame.iou[row, column]
        for row, column in self._pairing(gain):
            iou = float(frame.iou[row, column])
            pair = int(frame.true_ids[row]), int(frame.found_ids[column])
            for index in np.flatnonzero(iou >= ALPHAS - _EPSILON).tolist():
                self._tp[index] += 1
                self._overlap[index] += iou
                met[index][pair] += 1

    def merge(self, other: Hota) -> None:
        """Add the films of another one, which have ended."""
        self._tp += other._tp
        self._overlap += other._overlap
        self._association += other._association
        self._true += other._true
        self._found += other._found

    def scores(self) -> HotaScores:
        """Of all films that have ended."""
        if not self._true and not self._found:
            return HotaScores(*(math.nan,) * 8)
        tp = self._tp
        det_a = tp / np.maximum(1, self._true + self._found - tp)
        ass_a, ass_re, ass_pr = self._association / np.maximum(1, tp)
        loc_a = np.divide(self._overlap, tp, out=np.ones(len(tp)), where=tp > 0)
        shares = tp / max(1, self._true), tp / max(1, self._found)
        means = [float(one.mean()) for one in (np.sqrt(det_a * ass_a), det_a, ass_a, *shares, ass_re, ass_pr, loc_a)]
        return HotaScores(*means)
