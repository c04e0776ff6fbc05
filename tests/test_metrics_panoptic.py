"""Panoptic quality is that of panopticapi's definition, in a plain loop over segments."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.metrics.panoptic import PanopticQuality
from pipeline.postprocess.panoptic import merge_panoptic
from pipeline.types import VOID, Classes, Instances, Labels, Panoptic

NO_CLASSES = Classes((), ())
SIZE = (60, 80)


def plain(pairs: list[tuple[Panoptic, Panoptic]], classes: int) -> tuple[list[float], list[tuple[int, int, int]]]:
    """IoU sums and (TP, FP, FN) of each class, as panopticapi/evaluation.py states them, segment by segment."""
    sums, counts = [0.0] * classes, [[0, 0, 0] for _ in range(classes)]
    for truth, found in pairs:
        void = truth.segments == 0
        matched_truth, matched_found = set(), set()
        for t in range(len(truth)):
            for f in range(len(found)):
                if truth.crowd[t] or truth.class_ids[t] != found.class_ids[f]:
                    continue
                a, b = truth.segments == t + 1, found.segments == f + 1
                union = (a | b).sum() - (b & void).sum()
                iou = (a & b).sum() / union if union else 0
                if iou > 0.5:
                    sums[truth.class_ids[t]] += iou
                    counts[truth.class_ids[t]][0] += 1
                    matched_truth.add(t)
                    matched_found.add(f)
        crowd_of = {}
        for t in range(len(truth)):
            if t not in matched_truth:
                if truth.crowd[t]:
                    crowd_of[truth.class_ids[t]] = t + 1
                else:
                    counts[truth.class_ids[t]][2] += 1
        for f in range(len(found)):
            if f not in matched_found:
                b = found.segments == f + 1
                forgiven = (b & void).sum()
                if found.class_ids[f] in crowd_of:
                    forgiven += (b & (truth.segments == crowd_of[found.class_ids[f]])).sum()
                if forgiven / b.sum() <= 0.5:
                    counts[found.class_ids[f]][1] += 1
    return sums, [(tp, fp, fn) for tp, fp, fn in counts]


def random_segments(seed: int, classes: int, crowds: bool) -> Panoptic:
    random = np.random.default_rng(seed)
    segments = np.zeros(SIZE, np.int32)
    for number in range(1, 10):
        y, x = random.integers(0, SIZE[0] - 10), random.integers(0, SIZE[1] - 10)
        segments[y : y + random.integers(8, 40), x : x + random.integers(8, 50)] = number
    alive = np.unique(segments[segments > 0])
    segments = np.searchsorted(np.append(0, alive), segments).astype(np.int32)
    crowd = (random.random(len(alive)) < 0.25) & crowds
    return Panoptic(segments, random.integers(0, classes, len(alive)).astype(np.int32), crowd, NO_CLASSES)


def near(truth: Panoptic, seed: int, classes: int) -> Panoptic:
    """A middling answer: moved a little, some classes wrong."""
    random = np.random.default_rng(seed)
    segments = np.roll(truth.segments, tuple(random.integers(-2, 3, 2)), (0, 1))
    wrong = random.random(len(truth)) < 0.2
    class_ids = np.where(wrong, random.integers(0, classes, len(truth)), truth.class_ids).astype(np.int32)
    alive = np.unique(segments[segments > 0])
    assert len(alive) == len(truth)
    return Panoptic(segments, class_ids, np.zeros(len(truth), bool), NO_CLASSES)


@pytest.mark.parametrize("seed", range(8))
def test_seeded_random_cases_equal_the_plain_definition(seed: int) -> None:
    classes = 4
    pairs = []
    for index in range(4):
        truth = random_segments(10 * seed + index, classes, crowds=True)
        other = random_segments(1000 + seed + index, classes, crowds=False)
        pairs.append((truth, other if index == 0 else near(truth, seed + index, classes)))
    counted = PanopticQuality([True, True, False, False])
    for truth, found in pairs:
        counted.add(truth, found)
    scores = counted.scores()
    sums, counts = plain(pairs, classes)
    ours = zip(scores.matched.tolist(), scores.false.tolist(), scores.missed.tolist(), strict=True)
    assert list(ours) == counts
    expected = [s / (tp + fp / 2 + fn / 2) for s, (tp, fp, fn) in zip(sums, counts, strict=True)]
    assert scores.pq.tolist() == pytest.approx(expected, abs=1e-12)
    assert scores.all.pq == pytest.approx(np.mean(expected), abs=1e-12)
    assert scores.things.pq == pytest.approx(np.mean(expected[:2]), abs=1e-12)
    np.testing.assert_allclose(scores.pq, scores.sq * scores.rq, atol=1e-12)


def test_nothing_found_misses_everything_and_classes_that_are_nowhere_are_no_part_of_the_mean() -> None:
    truth = random_segments(3, 2, crowds=False)
    counted = PanopticQuality([True, True, False])
    counted.add(truth, None)
    scores = counted.scores()
    assert scores.missed.sum() == len(truth)
    assert (scores.all.pq, scores.all.classes) == (0, 2)
    assert np.isnan(scores.stuff.pq)


def read_sample(folder: Path) -> tuple[list[Panoptic], list[bool]]:
    """panopticapi's sample: ids are R + 256 G + 65536 B."""
    data = json.loads((folder / "sample_data/panoptic_examples.json").read_text())
    categories = json.loads((folder / "panoptic_coco_categories.json").read_text())
    place = {one["id"]: index for index, one in enumerate(categories)}
    read = []
    for one in data["annotations"]:
        bgr = cv2.imread(str(folder / "sample_data/panoptic_examples" / one["file_name"])).astype(np.int64)
        ids = bgr @ [65536, 256, 1]
        known = np.array([0, *(segment["id"] for segment in one["segments_info"])])
        order = np.argsort(known)
        segments = order[np.searchsorted(known[order], ids)].astype(np.int32)
        infos = one["segments_info"]
        class_ids = np.array([place[info["category_id"]] for info in infos], np.int32)
        read.append(Panoptic(segments, class_ids, np.array([info["iscrowd"] for info in infos], bool), NO_CLASSES))
        assert [info["area"] for info in infos] == np.bincount(segments.ravel())[1:].tolist()
    return read, [bool(one["isthing"]) for one in categories]


def test_panopticapis_sample_scored_against_itself_and_against_a_worse_answer(shared: Path) -> None:
    truths, things = read_sample(shared / "data/panopticapi-sample")
    perfect, middling = PanopticQuality(things), PanopticQuality(things)
    pairs = []
    for truth in truths:
        perfect.add(truth, Panoptic(truth.segments, truth.class_ids, np.zeros(len(truth), bool), NO_CLASSES))
        moved = np.roll(truth.segments, (6, 9), (0, 1))
        found = Panoptic(moved, truth.class_ids, np.zeros(len(truth), bool), NO_CLASSES)
        middling.add(truth, found)
        pairs.append((truth, found))
    scores = perfect.scores()
    assert (scores.all.pq, scores.all.sq, scores.all.rq) == (1, 1, 1)
    sums, counts = plain(pairs, len(things))
    scores = middling.scores()
    ours = zip(scores.matched.tolist(), scores.false.tolist(), scores.missed.tolist(), strict=True)
    assert list(ours) == counts
    expected = [s / (tp + fp / 2 + fn / 2) for s, (tp, fp, fn) in zip(sums, counts, strict=True) if tp + fp + fn]
    assert scores.all.pq == pytest.approx(np.mean(expected), abs=1e-12)
    assert 0 < scores.all.pq < 1


def objects(crops: list[tuple[int, int, int, int]], scores: list[float], class_ids: list[int]) -> Instances:
    boxes = np.array(crops, np.int32).reshape(-1, 4)
    sizes = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in crops]
    return Instances(
        boxes.astype(np.float32),
        np.array(scores, np.float32),
        np.array(class_ids, np.int32),
        boxes,
        np.full(sum(sizes), 255, np.uint8),
        np.cumsum([0, *sizes], dtype=np.int64),
        Classes(("car", "dog"), ((0, 0, 0),) * 2),
    )


def test_merging_puts_objects_over_stuff_and_the_best_on_top() -> None:
    classes = Classes(("car", "road", "sky"), ((0, 0, 0),) * 3)
    ground = np.zeros((40, 60), np.uint8)
    ground[:10] = 1
    ground[39, :3] = 2  # three pixels of a class that is a thing in the label map
    labels = Labels(ground, Classes(("road", "sky", "car"), ((0, 0, 0),) * 3))
    found = objects(
        [(0, 15, 20, 35), (15, 15, 30, 35), (2, 16, 12, 37), (40, 20, 50, 30), (40, 20, 50, 30)],
        [0.9, 0.8, 0.7, 0.6, 0.3],
        [0, 0, 0, 1, 0],
    )
    merged = merge_panoptic(found, labels, (0, VOID), (1, 2, VOID), classes, frame_hw=(40, 60), least_stuff_px=10)
    assert merged.class_ids.tolist() == [0, 0, 1, 2]  # little of the third is free, the dog and the last are none
    assert (merged.segments[15:35, 0:20] == 1).all()
    assert (merged.segments[15:35, 20:30] == 2).all()
    assert (merged.segments[:10] == 4).all()
    assert (merged.segments[39, :3] == 0).all()
    assert merged.segments[25, 45] == 3
    none = merge_panoptic(None, labels, (), (1, 2, VOID), classes, frame_hw=(40, 60), least_stuff_px=700)
    assert none.class_ids.tolist() == [1]
