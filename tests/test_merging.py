"""What was counted in parts and added up is, to the last digit, what is counted at once."""

from __future__ import annotations

import pickle
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.classes import colours_for
from pipeline.metrics.exact import ExactSums
from pipeline.types import Classes, Panoptic

NAMES = ("road", "car", "person")
CLASSES = Classes(NAMES, colours_for(NAMES))


@settings(deadline=None)
@given(st.lists(st.floats(-1e300, 1e300, allow_subnormal=True), max_size=30), st.randoms())
def test_sums_do_not_depend_on_order_or_parts(values: list[float], random: Any) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)
    whole, left, right = (ExactSums(1) for _ in range(3))
    whole.add_at([0] * len(values), values)
    left.add_at([0] * (len(values) // 2), shuffled[: len(values) // 2])
    for value in shuffled[len(values) // 2 :]:
        right.add(0, value)
    right.merge(left)
    assert right.values().tolist() == whole.values().tolist()


def test_a_sum_that_floating_point_gets_wrong() -> None:
    sums = ExactSums(1)
    sums.add_at([0] * 10, [0.1] * 10)
    assert sums.values()[0] == 1.0 != reduce(add, [0.1] * 10)  # sum() itself is exact here from Python 3.12 on


def panoptic(random: np.random.Generator) -> Panoptic:
    count = 5
    segments = np.kron(random.integers(0, count + 1, (6, 8)), np.ones((4, 4), int)).astype(np.int32)
    return Panoptic(segments, random.integers(0, 3, count).astype(np.int32), np.zeros(count, np.bool_), CLASSES)


def halves(make: Any, add: Any, count: int = 12) -> tuple[Any, Any]:
    """One that has counted everything, and one that was added up, from a pickled half."""
    whole, first, second = make(), make(), make()
    for index in range(count):
        add(whole, index)
        add(first if index < count // 2 else second, index)
    first.merge(pickle.loads(pickle.dumps(second)))
    return whole, first


def test_panoptic_quality() -> None:
    from pipeline.metrics.panoptic import PanopticQuality

    def add(quality: PanopticQuality, index: int) -> None:
        random = np.random.default_rng(index)
        truth = panoptic(random)
        segments = np.roll(truth.segments, random.integers(0, 3), 1)
        quality.add(truth, Panoptic(segments, truth.class_ids, truth.crowd, CLASSES))

    whole, merged = (half.scores() for half in halves(lambda: PanopticQuality([False, True, True]), add))
    assert merged.pq.tolist() == whole.pq.tolist()
    assert merged.all == whole.all
    assert whole.all.pq > 0


def test_boundaries() -> None:
    from pipeline.evaluation.mapping import Mapping
    from pipeline.evaluation.scoring.boundaries import BoundaryScore

    def labels(seed: int) -> NDArray[np.uint8]:
        return np.kron(np.random.default_rng(seed).integers(0, 3, (6, 8)), np.ones((8, 8), int)).astype(np.uint8)

    same = Mapping("same", NAMES, (0, 1, 2), (0, 1, 2))

    def add(score: BoundaryScore, index: int) -> None:
        score.add(labels(index), np.roll(labels(index), index % 3, 0))

    whole, merged = (half.report(()) for half in halves(lambda: BoundaryScore(same), add))
    assert merged == whole


def test_average_precision_with_ties_in_the_order_of_the_images() -> None:
    pytest.importorskip("pycocotools", reason="no pycocotools here: install the extra `eval`")
    from pipeline.metrics.instance import AveragePrecision, Regions

    def add(precision: AveragePrecision, index: int) -> None:
        random = np.random.default_rng(index)
        boxes = random.uniform(0, 80, (9, 4)).round()
        ids = random.integers(0, 3, 9).astype(np.int32)
        moved = boxes + random.integers(-9, 9, boxes.shape)
        moved[:, 2:] = np.maximum(moved[:, 2:], 1)
        scores = random.integers(1, 4, 9) / 4  # many are equal
        truth = Regions(ids, boxes.tolist(), boxes[:, 2] * boxes[:, 3], np.ones(9))
        precision.add(truth, Regions(ids, moved.tolist(), moved[:, 2] * moved[:, 3], scores))

    whole, merged = (half.scores() for half in halves(lambda: AveragePrecision("box", 3), add))
    assert str(merged.stats) == str(whole.stats)  # some are NaN, which is not equal to itself
    assert merged.precision50.tolist() == whole.precision50.tolist()
    assert 0 < whole.stats["AP"] < 1
