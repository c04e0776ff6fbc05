"""Non-maximum suppression against a greedy one in plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.postprocess import nms as module
from pipeline.postprocess.nms import BLOCK, CLASS_OFFSET_PX, nms

Boxes = NDArray[np.float32]


def greedy(boxes: Boxes, scores: Boxes, class_ids: NDArray[np.int32] | None, iou: float, max_det: int) -> list[int]:
    """Best first; drop what overlaps a kept one by more than iou. One pair at a time, in float32."""
    if class_ids is not None:
        boxes = boxes + class_ids[:, None].astype(np.float32) * np.float32(CLASS_OFFSET_PX)
    kept: list[int] = []
    for i in sorted(range(len(scores)), key=lambda index: -scores[index]):
        if all(not overlap(boxes[i], boxes[j]) > iou for j in kept):
            kept.append(i)
    return kept[:max_det]


def overlap(a: Boxes, b: Boxes) -> float:
    zero = np.float32(0)
    inter = max(min(a[2], b[2]) - max(a[0], b[0]), zero) * max(min(a[3], b[3]) - max(a[1], b[1]), zero)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter
    return float(inter / union) if union else float("nan")


def clusters(count: int, objects: int, seed: int) -> tuple[Boxes, Boxes, NDArray[np.int32]]:
    """Boxes that scatter about a few objects, as a network gives them."""
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(0, 600, (objects, 2)), rng.uniform(8, 150, (objects, 2))
    which = rng.integers(0, objects, count)
    boxes = np.hstack([corner, corner + size])[which] + rng.normal(0, 6, (count, 4))
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2])
    return boxes.astype(np.float32), rng.random(count).astype(np.float32), rng.integers(0, 80, count).astype(np.int32)


@pytest.mark.parametrize("count", [1, 2, 20, BLOCK, BLOCK + 1, 400])
@pytest.mark.parametrize("iou", [0.0, 0.3, 0.45, 0.7, 1.0])
@pytest.mark.parametrize("agnostic", [False, True])
def test_it_keeps_what_a_greedy_one_keeps(count: int, iou: float, agnostic: bool) -> None:
    boxes, scores, class_ids = clusters(count, 12, seed=count)
    ids = None if agnostic else class_ids % 3
    found = nms(boxes, scores, ids, iou=iou, max_det=300)
    assert found.tolist() == greedy(boxes, scores, ids, iou, 300)


def test_the_best_come_first_and_there_are_no_more_than_asked_for() -> None:
    boxes, scores, class_ids = clusters(500, 60, seed=1)
    whole = nms(boxes, scores, class_ids, iou=0.5, max_det=500).tolist()
    assert scores[whole].tolist() == sorted(scores[whole].tolist(), reverse=True)
    for most in (1, 7, BLOCK, 300):
        assert nms(boxes, scores, class_ids, iou=0.5, max_det=most).tolist() == whole[:most]


def test_of_equal_scores_the_earlier_row_wins() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 0, 60, 10], [51, 0, 61, 10]], np.float32)
    scores = np.full(4, 0.5, np.float32)
    assert nms(boxes, scores, None, iou=0.5, max_det=10).tolist() == [0, 2]
    apart = np.arange(0, 1200, 4, dtype=np.float32)[:, None] * 100 + np.array([0, 0, 9, 9], np.float32)
    equal = np.repeat(np.array([0.2, 0.4, 0.3], np.float32), 100)
    expected = [*range(100, 200), *range(200, 300), *range(100)]
    assert nms(apart, equal, None, iou=0.5, max_det=300).tolist() == expected


def test_an_overlap_of_just_the_limit_is_allowed() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 7]], np.float32)  # they share 70 of 100
    scores = np.array([0.9, 0.8], np.float32)
    assert nms(boxes, scores, None, iou=0.7, max_det=10).tolist() == [0, 1]
    assert nms(boxes, scores, None, iou=0.69, max_det=10).tolist() == [0]


@pytest.mark.parametrize("tenths", range(1, 10))
def test_the_limit_is_compared_as_it_was_given(tenths: int) -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, tenths]], np.float32)
    scores = np.array([0.9, 0.8], np.float32)
    limit = tenths / 10  # its float32, which the overlap is, lies a little above or below
    assert nms(boxes, scores, None, iou=limit, max_det=10).tolist() == greedy(boxes, scores, None, limit, 10)


def test_two_classes_do_not_suppress_each_other() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10]], np.float32)
    scores = np.array([0.8, 0.9], np.float32)
    class_ids = np.array([0, 1], np.int32)
    assert nms(boxes, scores, class_ids, iou=0.5, max_det=10).tolist() == [1, 0]
    assert nms(boxes, scores, None, iou=0.5, max_det=10).tolist() == [1]


def test_boxes_without_area_are_no_trouble() -> None:
    boxes = np.array([[5, 5, 5, 5], [5, 5, 5, 5], [0, 0, 10, 10], [9, 9, 3, 3], [0, 0, 1e38, 1e38]], np.float32)
    scores = np.linspace(0.9, 0.5, 5).astype(np.float32)
    assert nms(boxes, scores, None, iou=0.5, max_det=10).tolist() == [0, 1, 2, 3, 4]


def test_nothing_in_nothing_out() -> None:
    found = nms(np.empty((0, 4), np.float32), np.empty(0, np.float32), None, iou=0.5, max_det=10)
    assert found.tolist() == []


def test_only_the_best_candidates_go_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CANDIDATES", 10)
    boxes = np.arange(80, dtype=np.float32).reshape(20, 4) * 100  # far apart: all would stay
    boxes[:, 2:] = boxes[:, :2] + 5
    scores = np.linspace(0.1, 0.9, 20).astype(np.float32)
    assert nms(boxes, scores, None, iou=0.5, max_det=300).tolist() == list(range(19, 9, -1))
