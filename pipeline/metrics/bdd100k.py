"""BDD100K's own rules where they differ from those of the field, as its package `bdd100k` has them (eval/seg.py)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics.semantic import ConfusionMatrix


@dataclass(frozen=True, slots=True)
class BddScores:
    """Shares 0..1; a class that is not there has 0."""

    iou: NDArray[np.float64]  # (n,)
    accuracy: NDArray[np.float64]  # (n,) TP / (TP + FP): what the package calls accuracy is the precision
    mean_iou: float  # over the classes that are in truth: one that is only found costs the others, not the mean
    mean_accuracy: float  # over the same
    frequency_weighted_iou: float
    pixel_accuracy: float


def bdd100k_scores(matrix: ConfusionMatrix, ground: int | None = None) -> BddScores:
    """Semantic segmentation (sem_seg), or drivable area with its background as `ground`.

    Args:
        matrix: of one set of classes; an image without a prediction counts as one where nothing was found.
        ground: a class that is no part of the results. Where the truth has it nothing is counted; where it is found
            in place of another class, that one is missed. (The package does so since its first release, though its
            documentation says that the background counts.)
    """
    counts = matrix.counts.astype(np.float64)
    if ground is not None:
        counts = np.delete(counts, ground, axis=0)
        counts[:, -1] += counts[:, ground]
        counts = np.delete(counts, ground, axis=1)
    hits, truth, found = np.diagonal(counts), counts.sum(1), counts[:, :-1].sum(0)
    union = truth + found - hits
    iou = np.divide(hits, union, out=np.zeros_like(hits), where=union > 0)
    accuracy = np.divide(hits, found, out=np.zeros_like(hits), where=found > 0)
    present = truth > 0
    pixels = counts.sum()
    return BddScores(
        iou=iou,
        accuracy=accuracy,
        mean_iou=float(iou[present].mean()) if pixels else float("nan"),
        mean_accuracy=float(accuracy[present].mean()) if pixels else float("nan"),
        frequency_weighted_iou=float((iou * truth).sum() / pixels) if pixels else float("nan"),
        pixel_accuracy=float(hits.sum() / pixels) if pixels else float("nan"),
    )
