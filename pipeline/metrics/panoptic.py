"""Panoptic quality: every pixel's class and object in one measure, PQ = SQ * RQ.

Kirillov et al., CVPR 2019, arXiv 1801.00868: segments of one class that overlap by more than half are a match, which
makes it the only one. SQ is the mean IoU of the matches, RQ = TP / (TP + FP / 2 + FN / 2). What is not said there is
as in panopticapi (evaluation.py), or as in the bdd100k package (eval/pan_seg.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics.exact import ExactSums
from pipeline.types import Panoptic

# coco:    pixels that nobody marked are no part of a found segment; a found one is forgiven if more than half of it
#          is on such pixels or on a crowd of its class
# bdd100k: IoU over all pixels; crowds of any class forgive
Rules = Literal["coco", "bdd100k"]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Quality:
    """Means over some classes, 0..1; NaN without a class."""

    pq: float
    sq: float
    rq: float
    classes: int  # that have a segment in truth or found


@dataclass(frozen=True, slots=True)
class PanopticScores:
    """Of n classes; NaN where a class is neither in truth nor found, SQ 0 where nothing matches."""

    all: Quality
    things: Quality
    stuff: Quality
    pq: Floats  # (n,)
    sq: Floats  # (n,)
    rq: Floats  # (n,)
    matched: NDArray[np.int64]  # (n,) TP
    false: NDArray[np.int64]  # (n,) FP
    missed: NDArray[np.int64]  # (n,) FN


class PanopticQuality:
    """Counts image by image, in any order; keeps four numbers a class.

    Args:
        things: for each class whether its objects are told apart.
        rules: whose.
    """

    def __init__(self, things: Sequence[bool], rules: Rules = "coco") -> None:
        self._things = np.array(things, np.bool_)
        self._rules = rules
        self._iou = ExactSums(len(things))
        self._counts = np.zeros((3, len(things)), np.int64)  # matched, false, missed

    def add(self, truth: Panoptic, found: Panoptic | None) -> None:
        """Count one image; `found` None: nothing was found, every segment is missed.

        Raises:
            ValueError: the sizes differ.
        """
        if found is None:
            nothing = np.zeros_like(truth.segments)
            found = Panoptic(nothing, np.empty(0, np.int32), np.empty(0, np.bool_), truth.classes)
        if truth.segments.shape != found.segments.shape:
            raise ValueError(f"truth is {truth.segments.shape}, found {found.segments.shape}")
        rows, columns = len(truth) + 1, len(found) + 1
        pairs = truth.segments.astype(np.int64) * columns + found.segments
        # (rows, columns) pixels that each two segments share; row 0 and column 0: nothing is said
        shared = np.bincount(pairs.ravel(), minlength=rows * columns).reshape(rows, columns).astype(np.float64)
        true_px, found_px = shared.sum(1)[1:], shared.sum(0)[1:]
        inside = shared[1:, 1:]
        union = true_px[:, None] + found_px - inside
        if self._rules == "coco":
            union -= shared[0, 1:]
        same = truth.class_ids[:, None] == found.class_ids
        iou = np.divide(inside, union, out=np.zeros_like(inside), where=(union > 0) & same)
        match = (iou > 0.5) & ~truth.crowd[:, None] & ~found.crowd
        unsure = self._unsure(shared, truth, found)
        false = ~match.any(0) & ~found.crowd & (found_px > 0) & ~(unsure > found_px / 2)
        missed = ~match.any(1) & ~truth.crowd & (true_px > 0)
        self._iou.add_at(truth.class_ids.tolist(), np.where(match, iou, 0).sum(1).tolist())
        np.add.at(self._counts[0], truth.class_ids, match.any(1))
        np.add.at(self._counts[1], found.class_ids, false)
        np.add.at(self._counts[2], truth.class_ids, missed)

    def _unsure(self, shared: Floats, truth: Panoptic, found: Panoptic) -> Floats:
        """Pixels of each found segment where it cannot be told that it is wrong."""
        if self._rules == "bdd100k":
            return np.asarray(shared[0, 1:] + shared[1:, 1:][truth.crowd].sum(0))
        unsure = shared[0, 1:].copy()
        # Of several crowds of a class panopticapi looks at the last.
        last = {int(truth.class_ids[row]): row for row in np.flatnonzero(truth.crowd)}
        for class_id, row in last.items():
            unsure += np.where(found.class_ids == class_id, shared[row + 1, 1:], 0)
        return unsure

    def merge(self, other: PanopticQuality) -> None:
        """Add what another one of the same classes has counted; the order of merging does not matter."""
        self._iou.merge(other._iou)
        self._counts += other._counts

    def scores(self) -> PanopticScores:
        """The measures of what was counted so far."""
        matched, false, missed = self._counts
        overlap = self._iou.values()
        half = matched + false / 2 + missed / 2
        seen = half > 0
        pq, rq = np.full(len(half), np.nan), np.full(len(half), np.nan)
        np.divide(overlap, half, out=pq, where=seen)
        np.divide(matched, half, out=rq, where=seen)
        sq = np.where(seen, 0.0, np.nan)
        np.divide(overlap, matched, out=sq, where=matched > 0)

        def mean(chosen: NDArray[np.bool_]) -> Quality:
            counted = chosen & seen
            if not counted.any():
                return Quality(float("nan"), float("nan"), float("nan"), 0)
            means = [float(values[counted].mean()) for values in (pq, sq, rq)]
            return Quality(means[0], means[1], means[2], int(counted.sum()))

        return PanopticScores(
            all=mean(np.ones_like(seen)),
            things=mean(self._things),
            stuff=mean(~self._things),
            pq=pq,
            sq=sq,
            rq=rq,
            matched=matched.copy(),
            false=false.copy(),
            missed=missed.copy(),
        )
