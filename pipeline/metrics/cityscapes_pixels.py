"""Cityscapes' four figures of label maps: IoU and iIoU, of classes and of categories.

As cityscapesScripts has them (evalPixelLevelSemanticLabeling.py; Cordts et al., CVPR 2016, section 3.3): in iIoU each
pixel of a true object weighs as much as the mean object of its class is larger than its own, so that small ones count
as large ones do; what is wrongly found has the weight 1. It is defined for the classes that can be counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics.semantic import ConfusionMatrix
from pipeline.types import VOID

# Label id -> pixels of the mean object, as the official script has them: person, rider, car, ..., bicycle.
MEAN_OBJECT_PX: Mapping[int, float] = MappingProxyType(
    {
        **{24: 3462.4756337644, 25: 3930.4788056518, 26: 12794.0202738185, 27: 27855.1264367816},
        **{28: 35732.1511111111, 31: 67583.7075812274, 32: 6298.7200839748, 33: 4672.3249222261},
    }
)
_LABELS = 34  # ids 0..33
_STEP = 1000
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CityscapesIoU:
    """Shares 0..1; NaN where there is nothing to measure. Means leave NaN out."""

    iou: Floats  # (classes,)
    iiou: Floats  # (classes,)
    category_iou: Floats  # (categories,)
    category_iiou: Floats  # (categories,)


class PixelScore:
    """Counts image by image, in any order.

    Args:
        label_ids: of the classes, by trainId.
        categories: label ids of each, those that are not scored in truth among them.
    """

    def __init__(self, label_ids: Sequence[int], categories: Sequence[Sequence[int]]) -> None:
        self._label_ids = np.array(label_ids)
        self._counts = ConfusionMatrix(len(label_ids), _LABELS)
        self._weighted = np.zeros((2, _LABELS))  # right and missed, of classes
        self._weighted_category = np.zeros((2, len(categories)))
        self._categories = [np.array(ids) for ids in categories]
        self._category_of = np.full(256, VOID, np.uint8)
        for index, ids in enumerate(categories):
            self._category_of[list(ids)] = index

    def add(
        self, truth: NDArray[np.uint8], numbers: NDArray[np.integer] | None, found: NDArray[np.uint8] | None
    ) -> None:
        """Count one image.

        Args:
            truth: (h, w) trainIds, VOID where nothing is scored.
            numbers: (h, w) instanceIds; None: no iIoU of this image.
            found: (h, w) label ids; above 33: nothing was found, as everywhere where it is None.
        """
        found = np.full(truth.shape, VOID, np.uint8) if found is None else found
        found = np.where(found < _LABELS, found, np.uint8(VOID))
        self._counts.add(truth, found)
        if numbers is None:
            return
        label_of = np.arange(int(numbers.max(initial=0)) + 1) // _STEP
        label_of = np.where(label_of < _LABELS, label_of, 0).astype(np.uint8)
        sizes = np.bincount(numbers.ravel())
        hits = np.bincount(numbers[label_of[numbers] == found], minlength=len(sizes))
        near = self._category_of[label_of][numbers] == self._category_of[found]
        category_hits = np.bincount(numbers[near], minlength=len(sizes))
        for number in np.flatnonzero(sizes[_STEP + 1 :]) + _STEP + 1:
            label_id = int(label_of[number])
            if label_id not in MEAN_OBJECT_PX:
                continue
            weight = MEAN_OBJECT_PX[label_id] / float(sizes[number])
            for to, at, right in (
                (self._weighted, label_id, hits[number]),
                (self._weighted_category, int(self._category_of[label_id]), category_hits[number]),
            ):
                to[:, at] += weight * right, weight * (sizes[number] - right)

    def scores(self) -> CityscapesIoU:
        """Of what was counted so far."""
        counts = self._counts.counts[:, :-1]
        truth = self._counts.counts.sum(1)
        own = np.arange(len(self._label_ids)), self._label_ids
        right, false = counts[own], counts[:, self._label_ids].sum(0) - counts[own]
        countable = np.isin(self._label_ids, list(MEAN_OBJECT_PX))
        weighted = self._weighted[:, self._label_ids]
        iiou = np.where(countable, _share(weighted[0], weighted.sum(0) + false), np.nan)
        category = np.full((2, len(self._categories)), np.nan)
        for index, ids in enumerate(self._categories):
            rows = np.isin(self._label_ids, ids)
            inside = counts[rows][:, self._label_ids[rows]].sum()
            outside = counts[~rows][:, self._label_ids[rows]].sum()
            category[0, index] = _share(inside, truth[rows].sum() + outside)
            if countable[rows].all():
                weights = self._weighted_category[:, index]
                category[1, index] = _share(weights[0], weights.sum() + counts[~rows][:, ids].sum())
        return CityscapesIoU(_share(right, truth + false), iiou, category[0], category[1])


def _share(part: NDArray[np.number] | float, whole: NDArray[np.number] | float) -> Floats:
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    return np.asarray(np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0))
