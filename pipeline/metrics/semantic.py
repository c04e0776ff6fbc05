"""Semantic segmentation: one confusion matrix, and the measures that come from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.types import VOID


@dataclass(frozen=True, slots=True)
class SemanticScores:
    """Measures of one confusion matrix of n classes; shares 0..1, NaN where there is nothing to measure."""

    iou: NDArray[np.float64]  # (n,) TP / (TP + FP + FN); NaN: neither in truth nor predicted
    dice: NDArray[np.float64]  # (n,) 2 TP / (2 TP + FP + FN), the F1 score of its pixels; NaN as for iou
    accuracy: NDArray[np.float64]  # (n,) TP / (TP + FN), the recall; NaN: not in truth
    mean_iou: float  # over the classes that are in truth or predicted
    mean_dice: float  # over the same classes
    mean_accuracy: float  # over the classes that are in truth
    frequency_weighted_iou: float  # IoU weighted with each class's share of the truth
    pixel_accuracy: float
    pixels: int  # that have a class in truth: all that counts


class ConfusionMatrix:
    """How often each class of the truth was taken for each class, in pixels, exactly.

    Pixels without a class in truth are not counted. A pixel that has a class and gets none (VOID) is an error
    of its class, a false negative, as in cityscapesScripts.

    Args:
        truth_classes: how many classes the truth has, 1..254.
        predicted_classes: how many the predictions have; None: the same.
    """

    def __init__(self, truth_classes: int, predicted_classes: int | None = None) -> None:
        predicted_classes = truth_classes if predicted_classes is None else predicted_classes
        if not (0 < truth_classes < VOID and 0 < predicted_classes < VOID):
            raise ValueError(f"{truth_classes} and {predicted_classes} classes: expected 1 to {VOID - 1}")
        # (truth_classes, predicted_classes + 1); the last column holds pixels that got no class
        self.counts: NDArray[np.int64] = np.zeros((truth_classes, predicted_classes + 1), np.int64)
        self.void_pixels = 0  # without a class in truth

    def add(self, truth: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> None:
        """Count one image.

        Args:
            truth: (h, w) uint8 class ids, VOID where nothing is said.
            predicted: (h, w) uint8 class ids, VOID where nothing was found.

        Raises:
            ValueError: the shapes differ, or there are ids that are neither a class nor VOID.
        """
        if truth.shape != predicted.shape:
            raise ValueError(f"truth is {truth.shape}, predicted {predicted.shape}: compare them at one size")
        pairs = _pairs(truth, predicted)
        rows, columns = self.counts.shape
        known = pairs[:rows, : columns - 1]
        nothing = pairs[:rows, VOID]
        void = pairs[VOID].sum()
        if known.sum() + nothing.sum() + void != truth.size:
            raise ValueError(f"ids are out of range: expected under {rows} and {columns - 1}, or {VOID}")
        self.counts[:, :-1] += known
        self.counts[:, -1] += nothing
        self.void_pixels += int(void)

    def merge(self, other: ConfusionMatrix) -> None:
        """Add what another matrix of the same classes has counted; the order of merging does not matter."""
        if other.counts.shape != self.counts.shape:
            raise ValueError(f"matrices of {self.counts.shape} and {other.counts.shape} cannot be merged")
        self.counts += other.counts
        self.void_pixels += other.void_pixels

    def folded(self, truth_to: Sequence[int], predicted_to: Sequence[int], classes: int) -> ConfusionMatrix:
        """The matrix over other classes: class i of the truth becomes truth_to[i], and likewise what was predicted.

        Args:
            truth_to, predicted_to: a class id under `classes`, or VOID, for each class of this matrix.
            classes: how many classes the new matrix has.
        """
        whole = ConfusionMatrix(classes)
        rows = np.array(truth_to)
        columns = np.array([*(classes if to == VOID else to for to in predicted_to), classes])
        counted = rows != VOID
        np.add.at(whole.counts, (rows[counted, None], columns[None]), self.counts[counted])
        whole.void_pixels = self.void_pixels + int(self.counts[~counted].sum())
        return whole

    def scores(self, not_in_mean: Sequence[int] = ()) -> SemanticScores:
        """The measures; the matrix must have the same classes on both sides.

        Args:
            not_in_mean: classes that the means leave out; what is taken for them still costs the others.

        IoU is that of PASCAL VOC and Cityscapes, over the whole data set, not a mean over images. The mean leaves
        out classes that are neither in truth nor predicted on pixels that count, as cityscapesScripts does
        (getScoreAverage skips NaN). Frequency-weighted IoU: Long et al., arXiv 1411.4038, section 5.
        """
        rows, columns = self.counts.shape
        if columns != rows + 1:
            raise ValueError(f"{rows} classes in truth, {columns - 1} predicted: fold the matrix first")
        hits = np.diagonal(self.counts).astype(np.float64)
        truth = self.counts.sum(axis=1).astype(np.float64)
        union = truth + self.counts[:, :-1].sum(axis=0) - hits
        pixels = int(self.counts.sum())
        iou, accuracy, dice = _share(hits, union), _share(hits, truth), _share(2 * hits, union + hits)
        meant = np.ones(rows, np.bool_)
        meant[list(not_in_mean)] = False
        weighted = float(np.nansum(iou * truth) / pixels) if pixels else float("nan")
        return SemanticScores(
            iou=iou,
            dice=dice,
            accuracy=accuracy,
            mean_iou=_mean(iou[meant]),
            mean_dice=_mean(dice[meant]),
            mean_accuracy=_mean(accuracy[meant]),
            frequency_weighted_iou=weighted,
            pixel_accuracy=float(hits.sum() / pixels) if pixels else float("nan"),
            pixels=pixels,
        )


def _pairs(truth: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(256, 256) counts of each pair of ids."""
    # truth * 256 + predicted, as the bytes lie in memory on a little-endian machine
    both = cv2.merge((np.ascontiguousarray(predicted), np.ascontiguousarray(truth))).view("<u2")
    return np.bincount(both.ravel(), minlength=65536).reshape(256, 256)


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    share = np.full(len(whole), np.nan)
    np.divide(part, whole, out=share, where=whole > 0)
    return share


def _mean(values: NDArray[np.float64]) -> float:
    """Mean of what is not NaN; NaN of nothing."""
    present = values[~np.isnan(values)]
    return float(present.mean()) if len(present) else float("nan")
