"""Label maps beside the truth: one confusion matrix over all frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.mapping import Mapping
from pipeline.evaluation.scoring.boundaries import BoundaryScore
from pipeline.evaluation.scoring.numbers import number
from pipeline.metrics.bdd100k import bdd100k_scores
from pipeline.metrics.matching import Rules
from pipeline.metrics.semantic import ConfusionMatrix
from pipeline.types import VOID


class LabelScore:
    """Counts label maps as the frames pass.

    Args:
        truth_names, network_names: classes of the two sides, in the order of their ids.
        mapping: between them.
        not_in_mean: compared classes that count in the IoU of the others but not in the mean, such as a background.
        boundaries: compare the borders too, which takes far longer.
        rules: bdd100k: that package's own figures too.
    """

    def __init__(
        self,
        truth_names: Sequence[str],
        network_names: Sequence[str],
        mapping: Mapping,
        not_in_mean: Sequence[str] = (),
        boundaries: bool = False,
        rules: Rules = "coco",
    ) -> None:
        self.mapping = mapping
        self._rules = rules
        self._boundaries = BoundaryScore(mapping) if boundaries else None
        self.counted = ConfusionMatrix(len(truth_names), len(network_names))
        self._names = tuple(truth_names), tuple(network_names)
        lower = {name.lower() for name in not_in_mean}
        self._not_in_mean = tuple(i for i, name in enumerate(mapping.classes) if name.lower() in lower)

    def add(self, truth: NDArray[np.uint8], found: NDArray[np.uint8] | None) -> float:
        """Count one frame.

        Args:
            truth: (h, w) class ids of the truth.
            found: (h, w) class ids of the network; None: it said nothing, every pixel is missed.

        Returns:
            The frame's own mean IoU, NaN where none of its pixels count.
        """
        one = ConfusionMatrix(*(len(names) for names in self._names))
        found = np.full(truth.shape, VOID, np.uint8) if found is None else found
        one.add(truth, found)
        if self._boundaries is not None:
            self._boundaries.add(truth, found)
        self.counted.merge(one)
        return self._folded(one).scores(self._not_in_mean).mean_iou

    def merge(self, other: LabelScore) -> None:
        """Add what another one of the same classes has counted; the order of merging does not matter."""
        self.counted.merge(other.counted)
        if self._boundaries is not None and other._boundaries is not None:
            self._boundaries.merge(other._boundaries)

    @property
    def confusion(self) -> ConfusionMatrix:
        """Over the compared classes."""
        return self._folded(self.counted)

    def _folded(self, matrix: ConfusionMatrix) -> ConfusionMatrix:
        return matrix.folded(self.mapping.dataset, self.mapping.network, len(self.mapping.classes))

    def unmapped(self) -> dict[str, dict[str, int]]:
        """Pixels of the classes that the mapping leaves out, where there are any: in the truth, and as predicted.

        The first are not scored. The second are errors of the class that the truth has there.
        """
        mapping, counts, (true_names, found_names) = self.mapping, self.counted.counts, self._names
        scored = [row for row, to in enumerate(mapping.dataset) if to != VOID]
        truth = zip(true_names, mapping.dataset, counts.sum(axis=1).tolist(), strict=True)
        predicted = zip(found_names, mapping.network, counts[scored, :-1].sum(axis=0).tolist(), strict=True)
        return {
            side: {name: pixels for name, to, pixels in rows if to == VOID and pixels}
            for side, rows in (("truth", truth), ("predicted", predicted))
        }

    def report(self) -> dict[str, Any]:
        """Shares 0..1, None where there is nothing to measure."""
        confusion = self.confusion
        scores = confusion.scores(self._not_in_mean)
        return {
            "mIoU": number(scores.mean_iou),
            "frequency_weighted_IoU": number(scores.frequency_weighted_iou),
            "mean_Dice": number(scores.mean_dice),
            "pixel_accuracy": number(scores.pixel_accuracy),
            "class_accuracy": number(scores.mean_accuracy),
            "classes": {
                name: {"IoU": number(iou), "Dice": number(dice), "accuracy": number(accuracy), "pixels": pixels}
                for name, iou, dice, accuracy, pixels in zip(
                    self.mapping.classes,
                    scores.iou.tolist(),
                    scores.dice.tolist(),
                    scores.accuracy.tolist(),
                    confusion.counts.sum(axis=1).tolist(),
                    strict=True,
                )
            },
            **({} if self._boundaries is None else self._boundaries.report(self._not_in_mean)),
            **({} if self._rules != "bdd100k" else {"bdd100k": self._bdd100k(confusion)}),
            "not_in_mean": [self.mapping.classes[index] for index in self._not_in_mean],
            "pixels": {"scored": scores.pixels, "void": self.counted.void_pixels, "unmapped": self.unmapped()},
            "confusion": confusion.counts.tolist(),  # rows truth, columns predicted; the last: no class
        }

    def _bdd100k(self, confusion: ConfusionMatrix) -> dict[str, Any]:
        scores = bdd100k_scores(confusion, self._not_in_mean[0] if self._not_in_mean else None)
        return {
            "mIoU": number(scores.mean_iou),
            "mAcc": number(scores.mean_accuracy),
            "fIoU": number(scores.frequency_weighted_iou),
            "pAcc": number(scores.pixel_accuracy),
        }
