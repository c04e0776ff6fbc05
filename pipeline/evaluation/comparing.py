"""Compare decoded results of two backends on the same frames, for engines.verify."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics.semantic import ConfusionMatrix
from pipeline.types import VOID, Card, Instances, Labels

SURE = 0.1  # above the least score: an object of that score does not come and go with the rounding
SEEN = 1e-3  # share of pixels from which a class is judged by itself
_MATCH = 0.5  # IoU of boxes, and of masks, from which two objects are the same
_CLEARLY = 0.8  # labels lie aside where moving them removes a fifth of the differences
_SHIFTS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]


class LabelComparison:
    """Labels (semantic networks) of the same frames from two backends."""

    def __init__(self, classes: int) -> None:
        # VOID counts as a class of its own, the last: a pixel that loses its class differs.
        self._matrix = ConfusionMatrix(classes + 1)
        self._void = classes
        self._worst = np.nan
        self._unlike = np.zeros(len(_SHIFTS), np.int64)  # pixels that differ, for each shift

    def add(self, expected: Labels, found: Labels) -> float:
        """Count a frame; the share of its pixels that have the same label."""
        table = np.arange(256, dtype=np.uint8)
        table[VOID] = self._void
        a, b = table[expected.map], table[found.map]
        self._matrix.add(a, b)
        agreement = float(np.mean(a == b))
        self._worst = np.fmin(self._worst, agreement)
        if agreement < 1:
            height, width = a.shape
            inner = a[1 : height - 1, 1 : width - 1]
            for at, (dy, dx) in enumerate(_SHIFTS):
                moved = b[1 + dy : height - 1 + dy, 1 + dx : width - 1 + dx]
                self._unlike[at] += np.count_nonzero(inner != moved)
        return agreement

    def measures(self) -> Mapping[str, float]:
        """See engines.checks.CHECKS; classes with under SEEN of the pixels are not judged by themselves."""
        counts = self._matrix.counts[:, :-1]
        scores = self._matrix.scores()
        seen = counts.sum(axis=1) >= SEEN * max(1, counts.sum())
        kept = scores.accuracy[seen]
        # IoU of classes that neither backend shows on a thousandth of the pixels is noise.
        either = np.maximum(counts.sum(axis=1), counts.sum(axis=0)) >= SEEN * max(1, counts.sum())
        dy, dx = _SHIFTS[int(self._unlike.argmin())]
        moved = self._unlike.min() < _CLEARLY * self._unlike[_SHIFTS.index((0, 0))]
        return {
            "classes_seen": float(seen.sum()),
            "label_agreement": scores.pixel_accuracy,
            "worst_frame": float(self._worst),
            "label_iou": float(scores.iou[either].mean()) if either.any() else np.nan,
            "class_kept": float(kept.min()) if kept.size else np.nan,
            "label_shift_px": float(max(abs(dy), abs(dx))) if moved else 0.0,
        }


class ObjectComparison:
    """Instances of the same frames from two backends.

    Two objects are the same where their boxes have an IoU of 0.5 or more; those of the same class go first, then the
    largest IoU. Objects are called missing or extra only where they are sure: with a score SURE above the least.

    Args:
        conf: the least score of the decoder, 0..1.
    """

    def __init__(self, conf: float) -> None:
        self._sure = conf + SURE
        self._counts = dict.fromkeys(("expected", "matched", "sure", "missing", "extra", "flips", "kept"), 0)
        self._boxes: list[float] = []
        self._masks: list[float] = []
        self._scores: list[float] = []
        self._shifts: list[tuple[float, float]] = []

    def add(self, expected: Instances, found: Instances) -> float:
        """Count a frame; the share of its sure objects that are there with their class and mask."""
        iou = box_iou(expected.boxes_xyxy, found.boxes_xyxy)
        same_class = expected.class_ids[:, None] == found.class_ids[None]
        pairs = match(iou, same_class)
        sure_a, sure_b = expected.scores >= self._sure, found.scores >= self._sure
        kept = 0
        for i, j in pairs:
            masks = mask_iou(expected, i, found, j)
            same = bool(same_class[i, j])
            kept += bool(sure_a[i]) and same and masks >= _MATCH
            self._counts["flips"] += not same
            self._boxes.append(float(iou[i, j]))
            self._masks.append(masks)
            self._scores.append(abs(float(expected.scores[i]) - float(found.scores[j])))
            (xa, ya), (xb, yb) = _centre(expected, i), _centre(found, j)
            self._shifts.append((xb - xa, yb - ya))
        there, claimed = ({pair[side] for pair in pairs} for side in (0, 1))
        missing = sum(index not in there for index in np.flatnonzero(sure_a).tolist())
        extra = sum(index not in claimed for index in np.flatnonzero(sure_b).tolist())
        more = {"expected": len(expected), "matched": len(pairs), "sure": int(sure_a.sum())}
        for name, count in {**more, "missing": missing, "extra": extra, "kept": kept}.items():
            self._counts[name] += count
        of = int(sure_a.sum()) + extra
        return kept / of if of else 1.0

    def measures(self) -> Mapping[str, float]:
        """See engines.checks.CHECKS."""
        count = self._counts
        sure = count["sure"] or np.nan
        shift = np.median(np.array(self._shifts), axis=0) if self._shifts else np.array([np.nan])
        return {
            "instances": float(count["expected"]),
            "missing": count["missing"] / sure,
            "extra": count["extra"] / (count["sure"] or 1) if count["extra"] else 0 / sure,
            "class_flips": count["flips"] / (count["matched"] or np.nan),
            "objects_kept": count["kept"] / sure,
            "box_iou": _mean(self._boxes),
            "mask_iou": _mean(self._masks),
            "score_difference": _mean(self._scores),
            "mask_shift_px": float(np.abs(shift).max()),
        }


def comparison(card: Card, conf: float) -> LabelComparison | ObjectComparison:
    """What compares the results of a network of that family."""
    return LabelComparison(len(card.classes)) if card.family == "semantic" else ObjectComparison(conf)


def match(iou: NDArray[np.float32], same_class: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Pairs of row and column, each at most once: same class first, then the largest IoU; at least 0.5.

    Args:
        iou: (n, m) of each object of one side with each of the other.
        same_class: (n, m), whether their classes are the same.
    """
    rows, columns = np.nonzero(iou >= _MATCH)
    order = np.lexsort((columns, rows, -iou[rows, columns], ~same_class[rows, columns]))
    taken_rows: set[int] = set()
    taken_columns: set[int] = set()
    pairs = []
    for i, j in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if i not in taken_rows and j not in taken_columns:
            taken_rows.add(i)
            taken_columns.add(j)
            pairs.append((i, j))
    return pairs


def box_iou(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """IoU of every box of a (n, 4) with every box of b (m, 4), x0, y0, x1, y1: (n, m)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(2)
    areas = [np.clip(x[:, 2:] - x[:, :2], 0, None).prod(1) for x in (a, b)]
    union = areas[0][:, None] + areas[1][None] - both
    iou: NDArray[np.float32] = np.divide(both, union, out=np.zeros_like(both), where=union > 0)
    return iou


def mask_iou(one: Instances, i: int, other: Instances, j: int) -> float:
    """IoU of two masks, pixel by pixel; 1 where both are empty."""
    a, b = one.mask(i), other.mask(j)
    (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) = one.crops_px[i].tolist(), other.crops_px[j].tolist()
    x0, y0, x1, y1 = max(ax0, bx0), max(ay0, by0), min(ax1, bx1), min(ay1, by1)
    both = 0
    if x1 > x0 and y1 > y0:
        inside = a[y0 - ay0 : y1 - ay0, x0 - ax0 : x1 - ax0] & b[y0 - by0 : y1 - by0, x0 - bx0 : x1 - bx0]
        both = int(np.count_nonzero(inside))
    union = int(np.count_nonzero(a)) + int(np.count_nonzero(b)) - both
    return both / union if union else 1.0


def _centre(instances: Instances, index: int) -> tuple[float, float]:
    """Centre of mass of a mask, frame pixels."""
    mask = instances.mask(index)
    x0, y0 = instances.crops_px[index, :2].tolist()
    weights: Any = mask != 0
    total = max(1, int(weights.sum()))
    across, down = weights.sum(0), weights.sum(1)
    return x0 + float(across @ np.arange(len(across))) / total, y0 + float(down @ np.arange(len(down))) / total


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else np.nan
