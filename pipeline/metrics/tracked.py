"""The objects of one class in one frame, in truth and as followed: what every measure of tracking begins with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.types import Instances

Pairing = Callable[[NDArray[np.float64]], list[tuple[int, int]]]  # (n, m) gains -> pairs whose sum is the greatest
MATCHED = 0.5  # masks that do not overlap match where their IoU is larger; each has one partner at most


@dataclass(frozen=True, slots=True)
class TrackedFrame:
    """n true and m found objects of one class; a found one that is not scored is no longer among them."""

    true_ids: NDArray[np.int64]  # (n,) the same object's through a film
    found_ids: NDArray[np.int64]  # (m,) likewise
    iou: NDArray[np.float64]  # (n, m)


def shared_pixels(truth: Instances, found: Instances | None, size_hw: tuple[int, int]) -> NDArray[np.int64]:
    """(n + 1, m + 1) pixels that each two masks share; row 0 and column 0: what is in none.

    Args:
        truth, found: n and m objects whose masks do not overlap, (found) None for nothing.
        size_hw: of the frame, pixels.
    """
    columns = 1 if found is None else 1 + len(found)
    pairs = painted_rows(truth, size_hw) * columns
    if found is not None:
        pairs += painted_rows(found, size_hw)
    counts = np.bincount(pairs.ravel(), minlength=(len(truth) + 1) * columns)
    return counts.reshape(len(truth) + 1, columns).astype(np.int64)


def tracked_frames(
    shared: NDArray[np.int64],
    true_ids: NDArray[np.int64],
    true_classes: NDArray[np.int32],
    found_ids: NDArray[np.int64],
    found_classes: NDArray[np.int32],
    classes: Sequence[int],
) -> list[TrackedFrame]:
    """The frame of each class, as MOTS' evaluation prepares it.

    A found object that matches none and lies by more than half in regions that are not scored is neither right nor
    wrong (Voigtlaender et al. 2019, section 3; mots_tools, MOTS_metrics.py; TrackEval, kitti_mots.py).

    Args:
        shared: see shared_pixels.
        true_ids, true_classes: (n,); a class below 0 is a region that is not scored, whatever is found in it.
        found_ids, found_classes: (m,).
        classes: that are wanted.
    """
    inside = shared[1:, 1:]
    found_px = shared[:, 1:].sum(0)
    union = shared[1:].sum(1)[:, None] + found_px - inside
    iou = np.divide(inside, union, out=np.zeros(inside.shape), where=union > 0)
    unscored = 2 * inside[true_classes < 0].sum(0) > found_px
    frames = []
    for class_id in classes:
        rows, columns = np.flatnonzero(true_classes == class_id), np.flatnonzero(found_classes == class_id)
        matched = (iou[np.ix_(rows, columns)] > MATCHED).any(0)
        columns = columns[matched | ~unscored[columns]]
        frames.append(TrackedFrame(true_ids[rows], found_ids[columns], iou[np.ix_(rows, columns)]))
    return frames


def painted_rows(objects: Instances, size_hw: tuple[int, int]) -> NDArray[np.int32]:
    """(h, w): 1 + the object that each pixel belongs to; 0: none."""
    owner = np.zeros(size_hw, np.int32)
    for row in range(len(objects)):
        x0, y0, x1, y1 = objects.crops_px[row].tolist()
        owner[y0:y1, x0:x1][objects.mask(row) != 0] = row + 1
    return owner
