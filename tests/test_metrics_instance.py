"""Average precision is that of pycocotools, counted image by image."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.metrics.instance import STATS, AveragePrecision, InstanceScores, Kind, Regions
from pipeline.rle import encode_crop

coco = pytest.importorskip("pycocotools.coco", reason="no pycocotools here: install the extra `eval`")
cocoeval = pytest.importorskip("pycocotools.cocoeval", reason="no pycocotools here: install the extra `eval`")

Objects = list[dict[str, Any]]  # as COCO writes them
SIZE = (120, 150)
TYPES = {"box": "bbox", "mask": "segm"}


def random_objects(random: np.random.Generator, images: int, classes: Sequence[int], scored: bool) -> Objects:
    """Rectangles of all sizes; crowds in truth; found ones with equal scores, over 100 of a class in an image."""
    objects: Objects = []
    for image_id in range(1, images + 1):
        for _ in range(int(random.integers(*((420, 450) if scored and image_id == 1 else (0, 9))))):
            height, width = (int(random.integers(3, side)) for side in SIZE)
            y, x = int(random.integers(0, SIZE[0] - height + 1)), int(random.integers(0, SIZE[1] - width + 1))
            mask = (random.random((height, width)) < 0.9).view(np.uint8)
            one: dict[str, Any] = {
                "id": len(objects) + 1,
                "image_id": image_id,
                "category_id": int(random.choice(classes)),
                "bbox": [x, y, width, height],
                "segmentation": {"size": list(SIZE), "counts": encode_crop(mask, (x, y), SIZE)},
                "area": int(mask.sum()),
            }
            if scored:
                one["score"] = round(float(random.random()), 1)
            else:
                one["iscrowd"] = int(random.random() < 0.15)
            objects.append(one)
    return objects


def found_again(random: np.random.Generator, truth: Objects, classes: Sequence[int]) -> Objects:
    """Truth as a network would see it, and things that are not there."""
    found = random_objects(random, 2, classes, scored=True)
    for one in truth:
        if random.random() < 0.7:
            x, y, width, height = one["bbox"]
            shift = int(random.integers(0, 3))
            box = [min(x + shift, SIZE[1] - width), y, width, height]
            mask = np.ones((height, width), np.uint8)
            counts = encode_crop(mask, (box[0], y), SIZE)
            found.append(
                {
                    "image_id": one["image_id"],
                    "category_id": one["category_id"],
                    "bbox": box,
                    "segmentation": {"size": list(SIZE), "counts": counts},
                    "score": round(float(random.random()), 2),
                }
            )
    return found


def official(kind: Kind, truth: Objects, found: Objects, images: int, classes: Sequence[int]) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        data = coco.COCO()
        data.dataset = {
            "images": [{"id": number, "height": SIZE[0], "width": SIZE[1]} for number in range(1, images + 1)],
            "annotations": [dict(one) for one in truth],
            "categories": [{"id": number} for number in classes],
        }
        data.createIndex()
        keys = ("image_id", "category_id", "score", "bbox" if kind == "box" else "segmentation")
        results = data.loadRes([{key: one[key] for key in keys} for one in found])
        run = cocoeval.COCOeval(data, results, TYPES[kind])
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run


def ours(kind: Kind, truth: Objects, found: Objects, images: Sequence[int], classes: Sequence[int]) -> InstanceScores:
    counted = AveragePrecision(kind, len(classes))
    for image_id in images:
        counted.add(
            *(regions(kind, [one for one in side if one["image_id"] == image_id], classes) for side in (truth, found))
        )
    return counted.scores()


def regions(kind: Kind, objects: Objects, classes: Sequence[int]) -> Regions:
    from pycocotools import mask as masks

    shapes = [one["bbox" if kind == "box" else "segmentation"] for one in objects]
    areas = [one.get("area") for one in objects]
    if objects and "score" in objects[0]:  # COCO.loadRes counts it anew
        areas = [shape[2] * shape[3] if kind == "box" else float(masks.area(shape)) for shape in shapes]
    return Regions(
        class_ids=np.array([list(classes).index(one["category_id"]) for one in objects], np.int32),
        shapes=shapes,
        area_px=np.array(areas, np.float64),
        scores=np.array([one.get("score", 1) for one in objects], np.float64),
        crowd=np.array([one.get("iscrowd", 0) for one in objects], bool),
    )


@pytest.mark.parametrize("kind", ["box", "mask"])
@pytest.mark.parametrize("seed", range(6))
def test_seeded_random_cases_equal_pycocotools(kind: Kind, seed: int) -> None:
    random = np.random.default_rng(seed)
    classes = (3, 7, 11, 90)
    truth = random_objects(random, 8, classes[:3], scored=False)
    found = found_again(random, truth, classes)
    expected = official(kind, truth, found, 8, classes)
    scores = ours(kind, truth, found, range(1, 9), classes)
    stats = [scores.stats[name] for name in STATS]
    np.testing.assert_allclose(stats, np.where(expected.stats < 0, np.nan, expected.stats), rtol=0, atol=1e-12)
    precision = np.where(expected.eval["precision"] < 0, np.nan, expected.eval["precision"])
    np.testing.assert_allclose(scores.ap, precision[..., 0, 2].mean((0, 1)), atol=1e-12)
    np.testing.assert_allclose(scores.ap_by_size, precision[..., 1:, 2].mean((0, 1)), atol=1e-12)
    np.testing.assert_allclose(scores.precision50, precision[0, :, :, 0, 2].T, atol=1e-12)
    assert scores.truths[:3].sum() == sum(not one["iscrowd"] for one in truth)
    assert np.isnan(scores.ap[3])  # found, but never in truth: no part of the mean


@pytest.mark.parametrize("kind", ["box", "mask"])
def test_the_official_reference_evaluation_to_six_digits(kind: Kind, shared: Path) -> None:
    folder = shared / "data/eval-coco"
    expected = json.loads((folder / "expected.json").read_text())[TYPES[kind]]
    with contextlib.redirect_stdout(io.StringIO()):
        data = coco.COCO(str(folder / "faster_coco_eval/dataset/cocoapi/instances_val2014_100.json"))
        results = data.loadRes(str(folder / expected["dt"]))
    classes = sorted(data.getCatIds())
    counted = AveragePrecision(kind, len(classes))

    def read(source: Any, image_id: int) -> Regions:
        objects = source.loadAnns(source.getAnnIds([image_id]))
        return Regions(
            np.array([classes.index(one["category_id"]) for one in objects], np.int32),
            [one["bbox"] if kind == "box" else source.annToRLE(one) for one in objects],
            np.array([one["area"] for one in objects], np.float64),
            np.array([one.get("score", 1) for one in objects], np.float64),
            np.array([one.get("iscrowd", 0) for one in objects], bool),
        )

    for image_id in sorted(data.getImgIds()):
        counted.add(read(data, image_id), read(results, image_id))
    stats = counted.scores().stats
    assert [stats[name] for name in STATS] == pytest.approx(expected["stats"], abs=1e-6)


def test_an_image_without_a_found_object_counts() -> None:
    truth = random_objects(np.random.default_rng(1), 2, [1], scored=False)
    for one in truth:
        one["iscrowd"] = 0
    found = [{**one, "score": 0.9} for one in truth if one["image_id"] == 1]
    scores = ours("box", truth, found, [1, 2], [1])
    half = len(found) / len(truth)
    assert scores.stats["AR100"] == pytest.approx(half)
    assert scores.found[0] == len(found)


def test_the_order_of_the_images_does_not_matter_where_scores_differ() -> None:
    random = np.random.default_rng(5)
    truth = random_objects(random, 6, [1, 2], scored=False)
    found = found_again(random, truth, [1, 2])
    for one, score in zip(found, random.permutation(len(found)), strict=True):
        one["score"] = float(score + 1) / 1000
    forth, back = (
        ours("mask", truth, found, order, [1, 2]).stats for order in ([1, 2, 3, 4, 5, 6], [6, 4, 5, 2, 1, 3])
    )
    np.testing.assert_equal(forth, back)


def test_an_ignored_object_is_neither_found_nor_missed() -> None:
    box = [10, 10, 30, 30]

    def one(shapes: list[list[int]], scores: list[float], ignore: list[bool]) -> Regions:
        ids, areas = np.zeros(len(shapes), np.int32), np.array([s[2] * s[3] for s in shapes], float)
        return Regions(ids, shapes, areas, np.array(scores), ignore=np.array(ignore))

    counted = AveragePrecision("box", 1)
    both = one([box, [60, 10, 30, 30]], [1, 1], [True, False])
    matches = counted.add(both, one([box, [60, 10, 30, 30]], [0.9, 0.8], [False, False]))
    assert (matches.hits, matches.false, matches.missed) == (1, 0, 0)
    assert counted.scores().stats["AP"] == pytest.approx(1)
    assert counted.add(both, one([], [], [])).missed == 1


def test_nothing_at_all_is_nothing_to_measure() -> None:
    scores = AveragePrecision("mask", 2).scores()
    assert all(np.isnan(value) for value in scores.stats.values())
    assert scores.found.tolist() == [0, 0]
