"""Cityscapes' average precision of objects, as cityscapesScripts has it (evalInstanceLevelSemanticLabeling.py).

Cordts et al., CVPR 2016, section 4.2. It differs from COCO's: true objects under 100 pixels do not count; a found
object that matches nothing is forgiven if a larger share of it than the overlap asked for lies on ground that is not
scored, on a group or on an object too small to count; precision is not made monotonous, and the curve is integrated
at every score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.types import Instances

OVERLAPS = np.arange(0.5, 1.0, 0.05)  # an IoU has to be larger; with the rounding of the official script
LEAST_PX = 100
_STEP = 1000  # numbers below stand for a label id alone: a group, or what cannot be counted
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CityscapesAP:
    """Shares 0..1; NaN for a class that has no object in truth."""

    ap: float  # mean over classes and overlaps
    ap50: float
    classes: Floats  # (classes, 2) AP and AP50


class _Share(NamedTuple):
    """A found object."""

    score: float
    px: int
    by_number: NDArray[np.int64]  # its pixels on each number of the truth


class InstanceScore:
    """Counts image by image, in any order; keeps a score for each found object and overlap.

    Args:
        label_ids: of the classes, in the order of their ids in Instances.
        void: label ids of ground that is not scored.
    """

    def __init__(self, label_ids: Sequence[int], void: Sequence[int]) -> None:
        self._label_ids = tuple(label_ids)
        self._void = np.array(sorted(void))
        # class -> overlap -> scores of right and of wrong objects
        self._scores: list[list[tuple[list[float], list[float]]]] = [
            [([], []) for _ in OVERLAPS] for _ in self._label_ids
        ]
        self._missed = np.zeros((len(self._label_ids), len(OVERLAPS)), np.int64)
        self._there = np.zeros(len(self._label_ids), np.bool_)
        self._found = np.zeros(len(self._label_ids), np.bool_)

    def add(self, numbers: NDArray[np.integer], found: Instances | None) -> None:
        """Count one image.

        Args:
            numbers: (h, w) instanceIds: label id * 1000 + instance, or a label id alone.
            found: masks may overlap; None: nothing was found.
        """
        true_px = np.bincount(numbers.ravel(), minlength=_STEP)
        ids = np.flatnonzero(true_px)
        labels = np.where(ids < _STEP, ids, ids // _STEP)
        shares = {} if found is None else _shares(numbers, found, len(true_px))
        for class_id, label_id in enumerate(self._label_ids):
            self._class(class_id, ids[labels == label_id], true_px, shares.get(class_id, []))

    def _class(
        self,
        class_id: int,
        ids: NDArray[np.intp],
        true_px: NDArray[np.intp],
        found: list[_Share],
    ) -> None:
        """Count the objects of one class in one image; `ids`: groups, small objects and others."""
        small, group = true_px[ids] < LEAST_PX, ids < _STEP
        counted = ~small & ~group
        self._there[class_id] |= counted.any()
        self._found[class_id] |= bool(found)
        scores = np.array([one.score for one in found])
        found_px = np.array([one.px for one in found], np.int64)
        both = np.array([one.by_number[ids] for one in found], np.int64).reshape(len(found), len(ids))
        iou = both / (true_px[ids] + found_px[:, None] - both)
        ignored = np.array([one.by_number[self._void].sum() for one in found], np.int64).reshape(len(found))
        ignored = ignored + both @ group.astype(np.int64) + both @ small.astype(np.int64)  # a small group twice
        for index, overlap in enumerate(OVERLAPS):
            right, wrong = self._scores[class_id][index]
            matches = iou > overlap
            for column in np.flatnonzero(counted):
                own = np.sort(scores[matches[:, column]]).tolist()
                if own:  # the best is right, the others are wrong
                    right.append(own.pop())
                    wrong += own
                else:
                    self._missed[class_id, index] += 1
            false = ~matches.any(1) & ~(ignored / np.maximum(found_px, 1) > overlap)
            wrong += scores[false].tolist()

    def scores(self) -> CityscapesAP:
        """Of what was counted so far."""
        ap = np.full((len(self._label_ids), len(OVERLAPS)), np.nan)
        for class_id in np.flatnonzero(self._there):
            for index in range(len(OVERLAPS)):
                right, wrong = self._scores[class_id][index]
                ap[class_id, index] = _average(right, wrong, int(self._missed[class_id, index]))
        classes = np.stack([ap.mean(1), ap[:, 0]], axis=1)
        if not self._there.any():
            return CityscapesAP(float("nan"), float("nan"), classes)
        return CityscapesAP(float(np.nanmean(ap)), float(np.nanmean(ap[:, 0])), classes)


def _shares(numbers: NDArray[np.integer], found: Instances, length: int) -> dict[int, list[_Share]]:
    """Objects that have a pixel, by class; their pixels on numbers under `length`."""
    shares: dict[int, list[_Share]] = {}
    for row in range(len(found)):
        x0, y0, x1, y1 = found.crops_px[row].tolist()
        inside = numbers[y0:y1, x0:x1][found.mask(row) != 0]
        if inside.size:
            one = _Share(
                float(found.scores[row]), inside.size, np.bincount(inside, minlength=length).astype(np.int64)
            )
            shares.setdefault(int(found.class_ids[row]), []).append(one)
    return shares


def _average(right: list[float], wrong: list[float], missed: int) -> float:
    """Precision over recall; a point for each score, and one for none. 0 where nothing counts as found."""
    if not right and not wrong:
        return 0.0
    least = np.unique([*right, *wrong])
    hits = len(right) - np.searchsorted(np.sort(right), least)
    false = len(wrong) - np.searchsorted(np.sort(wrong), least)
    precision = np.append(hits / (hits + false), 1.0)
    recall = np.append(hits / max(1, len(right) + missed), 0.0)
    before, behind = np.append(recall[0], recall[:-1]), np.append(recall[1:], 0.0)
    return float(precision @ ((before - behind) / 2))
