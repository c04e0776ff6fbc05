"""BDD100K's rules: the figures of the official package, on files written here."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from references import run_reference

from pipeline.metrics.bdd100k import bdd100k_scores
from pipeline.metrics.instance import AveragePrecision, Regions
from pipeline.metrics.lanes import LaneScore
from pipeline.metrics.panoptic import PanopticQuality
from pipeline.metrics.semantic import ConfusionMatrix
from pipeline.rle import encode_crop
from pipeline.types import VOID, Classes, Panoptic

U8 = NDArray[np.uint8]
SIZE = (60, 90)


def blobs(random: np.random.Generator, values: list[int], count: int = 12) -> U8:
    """A map of overlapping rectangles."""
    labels = np.full(SIZE, values[-1], np.uint8)
    for _ in range(count):
        y, x = random.integers(0, SIZE[0] - 8), random.integers(0, SIZE[1] - 8)
        labels[y : y + random.integers(4, 30), x : x + random.integers(4, 40)] = random.choice(values)
    return labels


def shaken(random: np.random.Generator, labels: U8, values: list[int]) -> U8:
    """The map as a middling network would see it."""
    moved = np.roll(labels, tuple(random.integers(-3, 4, 2)), (0, 1))
    noise = random.random(SIZE) < 0.05
    moved[noise] = random.choice(values, int(noise.sum()))
    return moved


def written(folder: Path, images: list[U8 | None]) -> list[Path]:
    folder.mkdir(parents=True)
    paths = []
    for index, image in enumerate(images):
        if image is not None:
            paths.append(folder / f"{index:03}.png")
            picture = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGBA2BGRA)
            cv2.imwrite(str(paths[-1]), picture)
    return paths


SEGMENTATION = """
import json, sys, glob
from bdd100k.eval.seg import evaluate_segmentation
truth, found = (sorted(glob.glob(folder + "/*.png")) for folder in sys.argv[2:4])
print(json.dumps(json.loads(evaluate_segmentation(truth, found, sys.argv[1], nproc=1).json())))
"""


@pytest.mark.parametrize(("mode", "classes", "ground"), [("sem_seg", 19, None), ("drivable", 3, 2)])
def test_segmentation_is_that_of_the_package_with_missing_predictions_as_misses(
    mode: str, classes: int, ground: int | None, tmp_path: Path
) -> None:
    random = np.random.default_rng(classes)
    values = [0, 1, 2] if ground is not None else [0, 1, 2, 5, 8, 13, VOID]
    truths = [blobs(random, values) for _ in range(4)]
    founds: list[U8 | None] = [shaken(random, truth, [0, 1, 2, 9][: classes + 1]) for truth in truths]
    if ground is not None:
        founds = [shaken(random, truth, values) for truth in truths]
    founds[2] = None
    written(tmp_path / "truth", list(truths))
    written(tmp_path / "found", founds)
    said = run_reference("bdd100k", SEGMENTATION, mode, tmp_path / "truth", tmp_path / "found")
    matrix = ConfusionMatrix(classes)
    for truth, found in zip(truths, founds, strict=True):
        matrix.add(truth, np.full(SIZE, VOID, np.uint8) if found is None else found)
    ours = bdd100k_scores(matrix, ground)
    assert list(said["IoU"][0].values()) == pytest.approx((ours.iou * 100).tolist(), abs=1e-9)
    assert list(said["Acc"][0].values()) == pytest.approx((ours.accuracy * 100).tolist(), abs=1e-9)
    assert said["IoU"][-1]["AVERAGE"] == pytest.approx(ours.mean_iou * 100, abs=1e-9)
    assert said["Acc"][-1]["AVERAGE"] == pytest.approx(ours.mean_accuracy * 100, abs=1e-9)
    assert said["fIoU"] == pytest.approx(ours.frequency_weighted_iou * 100, abs=1e-9)
    assert said["pAcc"] == pytest.approx(ours.pixel_accuracy * 100, abs=1e-9)


LANES = """
import json, sys, glob
from bdd100k.eval.lane import evaluate_lane_marking
truth, found = (sorted(glob.glob(folder + "/*.png")) for folder in sys.argv[1:3])
print(json.dumps(json.loads(evaluate_lane_marking(truth, found, nproc=1).json())))
"""


def test_lanes_are_those_of_the_package_at_1_2_and_5_pixels(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    bytes_ = [0b00000000, 0b00010110, 0b00100111, 0b00110010, 0b00000100]

    def drawn() -> U8:
        lanes = np.full(SIZE, 255, np.uint8)
        for value in random.choice(bytes_, 4):
            ends = random.integers(0, SIZE[0], 4)
            cv2.line(lanes, (int(ends[0]), int(ends[1])), (int(ends[2]), int(ends[3])), int(value), 2)
        return lanes

    truths = [drawn() for _ in range(3)]
    founds: list[U8 | None] = [np.roll(truths[0], 2, 1), drawn(), None]
    written(tmp_path / "truth", list(truths))
    written(tmp_path / "found", founds)
    said = run_reference("bdd100k", LANES, tmp_path / "truth", tmp_path / "found")
    ours = LaneScore()
    for truth, found in zip(truths, founds, strict=True):
        ours.add(truth, found)
    scores = ours.scores()
    for index, pixels in enumerate((1, 2, 5)):
        parts = said[f"F1_pix{pixels}"]
        for number, task in enumerate(scores.classes):
            expected = {name: values[index] * 100 for name, values in scores.classes[task].items()}
            assert parts[number] == pytest.approx(expected, abs=1e-9)
        assert parts[-2] == pytest.approx({k.upper(): v[index] * 100 for k, v in scores.tasks.items()}, abs=1e-9)
        assert parts[-1]["AVERAGE"] == pytest.approx(scores.mean[index] * 100, abs=1e-9)


Objects = list[tuple[U8, int, int, float]]  # mask, class, attributes, score


def bitmask(objects: Objects) -> U8:
    picture = np.zeros((*SIZE, 4), np.uint8)
    for number, (mask, class_id, attributes, _) in enumerate(objects, 1):
        picture[mask > 0] = (class_id, attributes, number >> 8, number & 255)
    return picture


def scattered(random: np.random.Generator, classes: list[int], attributes: list[int]) -> Objects:
    """Objects that do not overlap."""
    free = np.ones(SIZE, np.uint8)
    objects: Objects = []
    for _ in range(14):
        mask = np.zeros(SIZE, np.uint8)
        y, x = random.integers(0, SIZE[0] - 6), random.integers(0, SIZE[1] - 6)
        mask[y : y + random.integers(4, 45), x : x + random.integers(4, 45)] = 1
        mask &= free
        if mask.sum() > 12:
            free &= 1 - mask
            score = round(float(random.random()), 3)
            objects.append((mask, int(random.choice(classes)), int(random.choice(attributes)), score))
    return objects


def seen(random: np.random.Generator, truth: Objects) -> Objects:
    """The objects as a middling network would find them: moved, some missing, some of another class."""
    taken = np.zeros(SIZE, np.uint8)
    found: Objects = []
    for mask, class_id, _, _ in truth:
        moved = np.roll(mask, tuple(random.integers(-2, 3, 2)), (0, 1)) & (1 - taken)
        if random.random() < 0.15 or moved.sum() < 6:
            continue
        taken |= moved
        other = int(random.choice([1, 3])) if random.random() < 0.1 else class_id
        found.append((moved, other, 0, round(float(random.random()), 3)))
    return found


INSTANCES = """
import json, sys, glob
import numpy as np
np.float = float
from bdd100k.common.utils import load_bdd100k_config
from bdd100k.eval.ins_seg import evaluate_ins_seg
truth, found = (sorted(glob.glob(folder + "/*.png")) for folder in sys.argv[1:3])
config = load_bdd100k_config("ins_seg").scalabel
result = evaluate_ins_seg(truth, found, sys.argv[3], config, nproc=1)
print(json.dumps({key: value if value == value else None for key, value in result.summary().items()}))
"""


def test_instances_are_those_of_the_package_with_crowds_and_ignored_ones(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools", reason="no pycocotools here: install the extra `eval`")
    random = np.random.default_rng(12)
    truths = [scattered(random, [1, 3, 8], [0, 0, 0, 1, 2, 3]) for _ in range(6)]
    founds = [seen(random, truth) for truth in truths]
    written(tmp_path / "truth", [bitmask(one) for one in truths])
    written(tmp_path / "found", [bitmask(one) for one in founds])
    frames = [
        {
            "name": f"{index:03}.jpg",
            "labels": [{"index": number, "score": one[3]} for number, one in enumerate(found, 1)],
        }
        for index, found in enumerate(founds)
    ]
    (tmp_path / "scores.json").write_text(json.dumps(frames))
    said = run_reference("bdd100k", INSTANCES, tmp_path / "truth", tmp_path / "found", tmp_path / "scores.json")
    ours = AveragePrecision("mask", 9, rules="bdd100k")
    coco = AveragePrecision("mask", 9)
    for truth, found in zip(truths, founds, strict=True):
        for one in (ours, coco):
            one.add(regions(truth), regions(found))
    stats = ours.scores().stats
    for name in ("AP", "AP50", "AP75", "APs", "APm", "AR1", "AR10", "AR100", "ARs", "ARm"):
        assert said[name] == pytest.approx(stats[name] * 100, abs=1e-9), name
    assert coco.scores().stats["AP"] != pytest.approx(stats["AP"], abs=1e-6)  # the rules do differ


def regions(objects: Objects) -> Regions:
    return Regions(
        class_ids=np.array([one[1] for one in objects], np.int32),
        shapes=[{"size": list(SIZE), "counts": encode_crop(one[0], (0, 0), SIZE)} for one in objects],
        area_px=np.array([one[0].sum() for one in objects], np.float64),
        scores=np.array([one[3] for one in objects], np.float64),
        crowd=np.array([one[2] & 2 for one in objects], bool),
        ignore=np.array([one[2] & 1 for one in objects], bool),
    )


PANOPTIC = """
import json, sys, glob
from bdd100k.eval.pan_seg import evaluate_pan_seg
truth, found = (sorted(glob.glob(folder + "/*.png")) for folder in sys.argv[1:3])
print(json.dumps(json.loads(evaluate_pan_seg(truth, found, nproc=1).json())))
"""
THING_IDS = range(31, 41)  # of BDD100K's panoptic classes 1..40


def test_panoptic_quality_is_that_of_the_package(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    truths = [scattered(random, [7, 10, 31, 35, 33], [0, 0, 0, 3, 1]) for _ in range(5)]
    founds = [seen(random, truth) for truth in truths]
    founds = [[(m, c if c > 4 else 31, a, s) for m, c, a, s in found] for found in founds]
    pictures: list[U8 | None] = [bitmask(one) for one in founds]
    pictures[3] = None
    written(tmp_path / "truth", [bitmask(one) for one in truths])
    written(tmp_path / "found", pictures)
    said = run_reference("bdd100k", PANOPTIC, tmp_path / "truth", tmp_path / "found")
    ours = PanopticQuality([index in THING_IDS for index in range(41)], rules="bdd100k")
    for index, (truth, found) in enumerate(zip(truths, founds, strict=True)):
        ours.add(panoptic(truth), None if pictures[index] is None else panoptic(found))
    scores = ours.scores()
    whole = said["PQ"][2]["OVERALL"], said["SQ"][2]["OVERALL"], said["RQ"][2]["OVERALL"], said["N"][2]["OVERALL"]
    assert whole == pytest.approx(
        (scores.all.pq * 100, scores.all.sq * 100, scores.all.rq * 100, scores.all.classes), abs=1e-9
    )
    assert said["PQ"][1]["THING"] == pytest.approx(scores.things.pq * 100, abs=1e-9)
    assert said["PQ"][1]["STUFF"] == pytest.approx(scores.stuff.pq * 100, abs=1e-9)


def panoptic(objects: Objects) -> Panoptic:
    segments = np.zeros(SIZE, np.int32)
    for number, one in enumerate(objects, 1):
        segments[one[0] > 0] = number
    return Panoptic(
        segments,
        np.array([one[1] for one in objects], np.int32),
        np.array([one[2] & 3 for one in objects], bool),
        Classes((), ()),
    )


def test_a_class_that_is_only_found_costs_the_others_but_is_not_in_the_mean() -> None:
    matrix = ConfusionMatrix(3)
    truth = np.zeros((4, 4), np.uint8)
    found = truth.copy()
    found[0] = 2
    matrix.add(truth, found)
    assert bdd100k_scores(matrix).mean_iou == 0.75
    assert matrix.scores().mean_iou == 0.375
