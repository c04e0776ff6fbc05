"""The borders of label maps beside the true ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.mapping import Mapping
from pipeline.evaluation.scoring.numbers import number
from pipeline.metrics.boundary import BoundaryIoU, boundary_f
from pipeline.metrics.exact import ExactSums
from pipeline.types import VOID


class BoundaryScore:
    """Boundary IoU over all images, and the mean of the images' boundary F, of each compared class."""

    def __init__(self, mapping: Mapping) -> None:
        self._names = mapping.classes
        self._tables = [_table(to) for to in (mapping.dataset, mapping.network)]
        self._iou = BoundaryIoU(len(mapping.classes))
        self._f = ExactSums(len(mapping.classes))
        self._images = np.zeros(len(mapping.classes), np.int64)  # that have the class, in truth or found

    def add(self, truth: NDArray[np.uint8], found: NDArray[np.uint8]) -> None:
        """Count one image: (h, w) class ids of the data set and of the network."""
        true, said = (table[labels] for table, labels in zip(self._tables, (truth, found), strict=True))
        self._iou.add(true, said)
        said = np.where(true == VOID, np.uint8(VOID), said)
        present = np.bincount(true.ravel(), minlength=256) + np.bincount(said.ravel(), minlength=256)
        for class_id in np.flatnonzero(present[: len(self._names)]).tolist():
            self._f.add(class_id, boundary_f(true == class_id, said == class_id))
            self._images[class_id] += 1

    def merge(self, other: BoundaryScore) -> None:
        """Add what another one has counted; the order of merging does not matter."""
        self._iou.merge(other._iou)
        self._f.merge(other._f)
        self._images += other._images

    def report(self, not_in_mean: tuple[int, ...]) -> dict[str, Any]:
        """Shares 0..1."""
        f = np.full(len(self._images), np.nan)
        np.divide(self._f.values(), self._images, out=f, where=self._images > 0)
        iou = self._iou.scores()
        meant = np.ones(len(f), np.bool_)
        meant[list(not_in_mean)] = False
        return {
            "boundary": {
                "IoU": _mean(iou[meant]),
                "F": _mean(f[meant]),
                "classes": {
                    name: {"IoU": number(one), "F": number(other)}
                    for name, one, other in zip(self._names, iou.tolist(), f.tolist(), strict=True)
                },
            }
        }


def _table(to: tuple[int, ...]) -> NDArray[np.uint8]:
    table = np.full(256, VOID, np.uint8)
    table[: len(to)] = to
    return table


def _mean(values: NDArray[np.float64]) -> float | None:
    present = values[~np.isnan(values)]
    return float(present.mean()) if len(present) else None
