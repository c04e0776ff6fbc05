"""`dashmask score --format cityscapes` says what cityscapesScripts says: AP of objects, IoU and iIoU of labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from command import dashmask
from numpy.typing import NDArray
from references import run_reference

from pipeline.classes import DRIVING
from pipeline.datasets.label_ids import CATEGORIES, DRIVING_THINGS

pytest.importorskip("pycocotools", reason="no pycocotools here: install the extra `eval`")

SIZE = (120, 200)
OBJECTS = """
import contextlib, glob, io, json, os, sys
import numpy as np
np.in1d = getattr(np, "in1d", np.isin)
from cityscapesscripts.evaluation import evalInstanceLevelSemanticLabeling as official
found, truth, work = sys.argv[1:4]
args = official.args
args.quiet, args.JSONOutput, args.predictionPath = True, False, os.path.abspath(found)
args.gtInstancesFile = os.path.join(work, "none.json")
official.writeDict2JSON = lambda what, path: None  # it cannot write what a new NumPy counts
labels = sorted(glob.glob(truth + "/*_instanceIds.png"))
with contextlib.redirect_stdout(io.StringIO()):
    said = official.evaluateImgLists([official.getPrediction(one, args) for one in labels], labels, args)
print(json.dumps(said["averages"]))
"""
PIXELS = """
import contextlib, glob, io, json, sys
import numpy as np
np.in1d = getattr(np, "in1d", np.isin)
from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as official
official.args.quiet, official.args.JSONOutput, official.args.predictionPath = True, False, sys.argv[1]
truth = sorted(glob.glob(sys.argv[2] + "/*_labelIds.png"))
with contextlib.redirect_stdout(io.StringIO()):
    found = [official.getPrediction(official.args, one) for one in truth]
    said = official.evaluateImgLists(found, truth, official.args)
print(json.dumps({key: value for key, value in said.items() if "core" in key}))
"""


def scene(random: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Label ids and instance ids: ground, scored and not, and objects, groups, small ones and caravans on it."""
    labels = np.kron(random.choice([0, 3, 7, 8, 9, 11, 14, 21, 23], (4, 5)), np.ones((30, 40))).astype(np.uint8)
    numbers = labels.astype(np.uint16)
    for place in range(int(random.integers(6, 14))):
        label_id = int(random.choice([24, 24, 25, 26, 26, 26, 27, 29, 30, 33]))
        y, x = int(random.integers(0, 100)), int(random.integers(0, 170))
        h, w = random.integers(5, 40, 2)
        labels[y : y + h, x : x + w] = label_id
        numbers[y : y + h, x : x + w] = label_id if random.random() < 0.2 else label_id * 1000 + place
    return labels, numbers


def seen(random: np.random.Generator, numbers: NDArray[np.uint16]) -> list[tuple[int, float, NDArray[np.bool_]]]:
    """Label id, score and mask: near the true ones, twice, of another class, on nothing, and overlapping."""
    found = []
    for number in np.unique(numbers[numbers >= 24]).tolist():
        label_id = number // 1000 or number
        for _ in range(int(random.integers(0, 3))):
            mask = np.roll(numbers == number, random.integers(-2, 3, 2), (0, 1))
            other = label_id if random.random() < 0.9 else int(random.choice([24, 26, 7]))
            found.append((other, round(float(random.random()), 1), mask))
    for _ in range(4):
        y, x = random.integers(0, 100, 2)
        mask = np.zeros(SIZE, np.bool_)
        mask[y : y + 15, x : x + 25] = True
        found.append((int(random.choice([24, 26, 33])), round(float(random.random()), 1), mask))
    return found


def scored(found: Path, truth: Path, *words: str) -> dict[str, Any]:
    said = dashmask("score", found, truth, "--format", "cityscapes", "--json", truth / "o.json", "--strict", *words)
    assert said.code == 0, said.err
    what: dict[str, Any] = json.loads((truth / "o.json").read_text())
    (truth / "o.json").unlink()
    return what["cityscapes"]


def put(path: Path, picture: NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture)


@pytest.mark.parametrize("seed", range(3))
def test_ap_is_that_of_cityscapes_scripts(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    for index in range(8):
        name = f"bonn_{index:06}_000019"
        labels, numbers = scene(random)
        put(tmp_path / f"gt/{name}_gtFine_labelIds.png", labels)
        put(tmp_path / f"gt/{name}_gtFine_instanceIds.png", numbers)
        lines = []
        for place, (label_id, score, mask) in enumerate(seen(random, numbers)):
            put(tmp_path / f"out/masks/{name}_{place}.png", mask.astype(np.uint8) * 255)
            number = f"{label_id}.0" if place % 3 else label_id  # as some write it, and as the script reads it
            lines.append(f"masks/{name}_{place}.png {number} {score}\n")
        (tmp_path / f"out/{name}_pred.txt").write_text("".join(lines))
    said = run_reference("cityscapes", OBJECTS, tmp_path / "out", tmp_path / "gt", tmp_path)
    ours = scored(tmp_path / "out", tmp_path / "gt")
    assert [ours["AP"], ours["AP50%"]] == pytest.approx([said["allAp"], said["allAp50%"]], abs=1e-12)
    assert 0.05 < ours["AP"] < 0.9
    for name in DRIVING_THINGS.names:
        theirs = [
            None if np.isnan(said["classes"][name][key]) else said["classes"][name][key] for key in ("ap", "ap50%")
        ]
        mine = [ours["objects"][name][key] for key in ("AP", "AP50%")]
        assert mine == pytest.approx(theirs, abs=1e-12), name


@pytest.mark.parametrize("seed", range(2))
def test_iou_and_iiou_of_classes_and_categories_are_those_of_cityscapes_scripts(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    for index in range(5):
        name = f"bonn_{index:06}_000019"
        labels, numbers = scene(random)
        found = np.roll(labels, random.integers(-4, 5, 2), (0, 1))
        wrong = random.random(SIZE) < 0.1
        found[wrong] = random.choice([0, 7, 9, 24, 25, 26, 29, 30, 33], int(wrong.sum()))
        put(tmp_path / f"gt/{name}_gtFine_labelIds.png", labels)
        put(tmp_path / f"gt/{name}_gtFine_instanceIds.png", numbers)
        put(tmp_path / f"out/{name}_pred.png", found)
    said = run_reference("cityscapes", PIXELS, tmp_path / "out", tmp_path / "gt")
    ours = scored(tmp_path / "out", tmp_path / "gt")
    keys = {
        **{"IoU_class": "averageScoreClasses", "iIoU_class": "averageScoreInstClasses"},
        **{"IoU_category": "averageScoreCategories", "iIoU_category": "averageScoreInstCategories"},
    }
    assert {key: ours[key] for key in keys} == pytest.approx(
        {key: said[other] for key, other in keys.items()}, abs=1e-12
    )
    for group, names, iou, iiou in (
        ("classes", DRIVING.names, "classScores", "classInstScores"),
        ("categories", tuple(CATEGORIES), "categoryScores", "categoryInstScores"),
    ):
        for name in names:
            theirs = [None if np.isnan(said[kind][name]) else said[kind][name] for kind in (iou, iiou)]
            assert list(ours[group][name].values()) == pytest.approx(theirs, abs=1e-12), name


def test_without_instance_ids_there_is_no_iiou(tmp_path: Path) -> None:
    labels, _ = scene(np.random.default_rng(0))
    put(tmp_path / "gt/bonn_000000_000019_gtFine_labelIds.png", labels)
    put(tmp_path / "out/bonn_000000_000019.png", labels)
    ours = scored(tmp_path / "out", tmp_path / "gt")
    assert ours["IoU_class"] == ours["IoU_category"] == 1
    assert ours["iIoU_class"] is None
    assert "AP" not in ours


def test_ap_of_one_image_worked_by_hand(tmp_path: Path) -> None:
    numbers = np.full(SIZE, 7, np.uint16)
    numbers[10:30, 10:30] = 26001  # found
    numbers[50:55, 10:15] = 26002  # too small to count; what is found there is forgiven
    numbers[60:80, 60:100] = 26  # a group: what lies on it, too
    numbers[90:110, 10:40] = 0  # nor is this ground scored
    put(tmp_path / "gt/a_0_1_gtFine_labelIds.png", np.where(numbers > 1000, 26, numbers).astype(np.uint8))
    put(tmp_path / "gt/a_0_1_gtFine_instanceIds.png", numbers)
    found = [
        ((10, 30, 10, 30), 0.9),  # right
        ((10, 30, 100, 120), 0.95),  # wrong, and surer
        ((50, 56, 10, 14), 0.8),
        ((62, 70, 60, 75), 0.8),
        ((95, 105, 10, 20), 0.8),
    ]
    lines = []
    for place, ((y0, y1, x0, x1), score) in enumerate(found):
        mask = np.zeros(SIZE, np.uint8)
        mask[y0:y1, x0:x1] = 255
        put(tmp_path / f"out/m{place}.png", mask)
        lines.append(f"m{place}.png 26 {score}\n")
    (tmp_path / "out/a_0_1.txt").write_text("".join(lines))
    # Precision and recall at 0.9: 1/2 and 1; at 0.95: 0 and 0; the end of the curve: 1 and 0. Widths 1/2, 1/2, 0.
    assert scored(tmp_path / "out", tmp_path / "gt")["AP"] == pytest.approx(0.25)


def test_in_iiou_a_small_object_weighs_as_much_as_a_large_one(tmp_path: Path) -> None:
    numbers = np.full(SIZE, 7, np.uint16)
    numbers[10:20, 10:20], numbers[40:60, 10:30] = 24001, 24002
    labels = np.where(numbers > 1000, 24, numbers).astype(np.uint8)
    put(tmp_path / "gt/a_0_1_gtFine_labelIds.png", labels)
    put(tmp_path / "gt/a_0_1_gtFine_instanceIds.png", numbers)
    put(tmp_path / "out/a_0_1.png", np.where(numbers == 24002, 7, labels).astype(np.uint8))
    person = scored(tmp_path / "out", tmp_path / "gt")["classes"]["person"]
    assert person["IoU"] == pytest.approx(100 / 500)
    assert person["iIoU"] == pytest.approx(1 / 2)
