"""Two runs beside each other: their records, frame by frame, read in step; memory does not grow with the frames."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.evaluation.comparing import box_iou, mask_iou, match
from pipeline.metrics.semantic import ConfusionMatrix
from pipeline.record_lines import Line, read_lines
from pipeline.records import Record
from pipeline.types import VOID, Instances, Labels

MEASURES = ("frames", "labels", "objects", "flips", "masks", "boxes", "scores")
_MOST_CLASSES = 254  # ids in a label map
_NAMED = 5


class FrameDifference(NamedTuple):
    """How far two records of one frame are apart; None: neither has such a thing.

    0 is the same; of all but `scores` 1 is nothing in common.
    """

    frame: int
    labels: float | None  # 1 - mean IoU over the classes that either has
    objects: float | None  # share of objects without a partner (boxes with an IoU of 0.5)
    flips: float | None  # share of the pairs that have different classes
    masks: float | None  # 1 - IoU of the worst pair
    boxes: float | None  # 1 - IoU of the worst pair
    scores: float | None  # greatest difference of a pair
    counts: tuple[int, int]  # objects in a and in b

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in MEASURES[1:])


@dataclass(slots=True)
class Difference:
    """What two files come to."""

    both: int = 0  # frames that are in both
    only: list[int] = field(default_factory=lambda: [0, 0])  # frames that are only in a, only in b
    elsewhere: int = 0  # frames in both that are shown at another time
    elsewhere_first: tuple[int, float, float] | None = None  # the first: its index, its time in a and in b, seconds
    only_named: tuple[list[int], list[int]] = field(default_factory=lambda: ([], []))  # the first few of them
    first: int | None = None  # the first frame that is not the same in both, or in one only
    worst: dict[str, tuple[float, int]] = field(default_factory=dict)  # measure -> greatest difference, frame
    objects: tuple[Counter[str], Counter[str]] = field(default_factory=lambda: (Counter(), Counter()))
    flips: Counter[tuple[str, str]] = field(default_factory=Counter)  # class in a, class in b
    pairs: int = 0
    sums: dict[str, tuple[float, int]] = field(default_factory=dict)  # measure -> sum, frames
    pixels: int = 0
    changed_pixels: int = 0
    named: list[tuple[float, int]] = field(default_factory=list)  # 1 - label IoU and frame, the worst few, a heap

    @property
    def measures(self) -> dict[str, float]:
        """Each of MEASURES at its worst frame, 0 where nothing differs; `frames` is a share of all."""
        frames = self.both + sum(self.only)
        worst = {name: self.worst.get(name, (0.0, 0))[0] for name in MEASURES[1:]}
        return {"frames": sum(self.only) / frames if frames else 0.0, **worst}

    def beyond(self, tolerance: Mapping[str, float]) -> list[str]:
        """The measures that are greater than allowed; what is not named may not differ at all."""
        return [name for name, value in self.measures.items() if value > tolerance.get(name, 0.0)]

    def report(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "frames": {"both": self.both, "only_a": self.only[0], "only_b": self.only[1]},
            "elsewhere": self.elsewhere,
            "first_difference": self.first,
            "measures": self.measures,
            "worst_frames": {name: frame for name, (_, frame) in self.worst.items()},
            "mean": {name: total / count for name, (total, count) in self.sums.items()},
            "pixels": {"compared": self.pixels, "changed": self.changed_pixels},
            "objects": {
                "a": dict(sorted(self.objects[0].items())),
                "b": dict(sorted(self.objects[1].items())),
                "pairs": self.pairs,
                "flips": [[one, other, count] for (one, other), count in sorted(self.flips.items())],
            },
        }


def differences(a: Path, b: Path, whole: Difference) -> Iterator[FrameDifference]:
    """Compare two files of records; gives every frame that is in both, and counts all in `whole`.

    Measured times and drop counts are not compared: a frame that was dropped is one that is in one file only. That
    frames of one index are shown at different times is counted, and no difference.

    Raises:
        DataError: a file cannot be read, holds no record, or a line is none or does not follow on the one before:
            names it.
    """
    compare = _Compare(whole)
    lefts, rights = read_lines(a), read_lines(b)
    left, right = next(lefts, None), next(rights, None)
    while left is not None or right is not None:
        if left is not None and right is not None and left.frame == right.frame:
            whole.both += 1
            if left.pts_s is not None and right.pts_s is not None and left.pts_s != right.pts_s:
                whole.elsewhere += 1
                whole.elsewhere_first = whole.elsewhere_first or (left.frame, left.pts_s, right.pts_s)
            found = compare.frame(left, right)
            if found:
                _note_first(whole, found.frame)
            yield found
            left, right = next(lefts, None), next(rights, None)
        elif right is None or (left is not None and left.frame < right.frame):
            assert left is not None
            _lone(whole, 0, left)
            left = next(lefts, None)
        else:
            _lone(whole, 1, right)
            right = next(rights, None)


def _note_first(whole: Difference, index: int) -> None:
    if whole.first is None:
        whole.first = index


def _lone(whole: Difference, side: int, line: Line) -> None:
    record = line.record()  # it may be broken
    _count(whole.objects[side], record.instances)
    whole.only[side] += 1
    if len(whole.only_named[side]) < _NAMED:
        whole.only_named[side].append(line.frame)
    _note_first(whole, line.frame)


def _count(counter: Counter[str], instances: Instances | None) -> None:
    if instances is not None:
        counter.update(instances.classes.names[class_id] for class_id in instances.class_ids.tolist())


_Objects = tuple[float | None, float | None, float | None, float | None, float | None]


class _Compare:
    def __init__(self, whole: Difference) -> None:
        self._whole = whole
        self._ids: dict[str, int] = {}  # of the names of label classes in both files, in the order they come

    def frame(self, left: Line, right: Line) -> FrameDifference:
        one = left.record()
        # What is the same to the byte need not be decoded twice.
        same_labels, same_objects = left.labels == right.labels, left.instances == right.instances
        other = one if same_labels and same_objects else right.record()
        labels = self._labels(one, other, same_labels, right.where)
        counts = (len(one.instances or ()), len(other.instances or ()))
        found = FrameDifference(left.frame, labels, *self._objects(one, other, same_objects), counts=counts)
        for name in MEASURES[1:]:
            value = getattr(found, name)
            if value is not None:
                total, count = self._whole.sums.get(name, (0.0, 0))
                self._whole.sums[name] = total + value, count + 1
                if value > self._whole.worst.get(name, (0.0, 0))[0]:
                    self._whole.worst[name] = value, left.frame
        if labels:
            heapq.heappush(self._whole.named, (labels, -left.frame))
            if len(self._whole.named) > _NAMED:
                heapq.heappop(self._whole.named)
        return found

    def _labels(self, one: Record, other: Record, same: bool, where: str) -> float | None:
        if one.labels is None and other.labels is None:
            return None
        if one.labels is None or other.labels is None:
            return 1.0
        whole = self._whole
        whole.pixels += one.labels.map.size
        if same:
            return 0.0
        a, b = self._map(one.labels), self._map(other.labels)
        if not a.size or not b.size:  # every pixel is void, and the record does not say of how many
            a, b = _as_large(a, b), _as_large(b, a)
            whole.pixels += a.size - one.labels.map.size
        if a.shape != b.shape:
            raise DataError(
                f"{where}: labels of {b.shape[1]}x{b.shape[0]}, {a.shape[1]}x{a.shape[0]} in the other file",
                hint="compare runs over the same footage",
            )
        # VOID is a class of its own here: a pixel that loses its class differs.
        void = len(self._ids)
        table = np.arange(256, dtype=np.uint8)
        table[VOID] = void
        matrix = ConfusionMatrix(void + 1)
        matrix.add(np.asarray(cv2.LUT(a, table), np.uint8), np.asarray(cv2.LUT(b, table), np.uint8))
        whole.changed_pixels += int(matrix.counts.sum() - np.diagonal(matrix.counts).sum())
        return 1 - matrix.scores().mean_iou

    def _map(self, labels: Labels) -> NDArray[np.uint8]:
        """The label map in ids that both files share."""
        table = np.full(256, VOID, np.uint8)
        for own, name in enumerate(labels.classes.names):
            table[own] = self._ids.setdefault(name, len(self._ids))
        if len(self._ids) >= _MOST_CLASSES:
            raise DataError(f"{len(self._ids)} different classes of labels", hint="compare runs of like networks")
        return np.asarray(cv2.LUT(labels.map, table), np.uint8) if labels.map.size else labels.map

    def _objects(self, one: Record, other: Record, same: bool) -> _Objects:
        a, b, whole = one.instances, other.instances, self._whole
        _count(whole.objects[0], a)
        _count(whole.objects[1], b)
        if a is None and b is None:
            return None, None, None, None, None
        if a is None or b is None:
            return 1.0, None, None, None, None
        if same:
            whole.pairs += len(a)
            return 0.0, 0.0, 0.0, 0.0, 0.0
        names_a = [a.classes.names[class_id] for class_id in a.class_ids.tolist()]
        names_b = [b.classes.names[class_id] for class_id in b.class_ids.tolist()]
        iou = box_iou(a.boxes_xyxy, b.boxes_xyxy)
        same_class = np.array([[name == other for other in names_b] for name in names_a], bool).reshape(iou.shape)
        pairs = match(iou, same_class)
        whole.pairs += len(pairs)
        lone = len(a) + len(b) - 2 * len(pairs)
        if not pairs:
            return float(lone > 0), 0.0, 0.0, 0.0, 0.0
        flips = [(names_a[i], names_b[j]) for i, j in pairs if names_a[i] != names_b[j]]
        whole.flips.update(flips)
        return (
            lone / (len(a) + len(b)),
            len(flips) / len(pairs),
            1 - min(mask_iou(a, i, b, j) for i, j in pairs),
            1 - min(_share(iou[i, j]) for i, j in pairs),
            max(round(abs(float(a.scores[i]) - float(b.scores[j])), 6) for i, j in pairs),
        )


def _share(iou: np.float32) -> float:
    return min(1.0, float(iou))


def _as_large(labels: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return labels if labels.size else np.full(other.shape, VOID, np.uint8)
