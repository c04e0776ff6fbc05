"""Files that we write, scored by the official tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from references import run_reference
from test_formats import SIZE, found, labels, without_overlap

from pipeline.formats import Prediction, open_writer
from pipeline.formats.mask_lists import LABEL_ID_OF, THING_LABEL_IDS
from pipeline.types import VOID, Classes, Instances

SCRIPT = Path(__file__).with_name("official_formats.py")


def official(package: str, what: str, folder: Path) -> dict[str, Any]:
    """What an official tool says of a folder."""
    answer: dict[str, Any] = run_reference(package, SCRIPT.read_text(encoding="utf-8"), what, folder)
    return answer


def halves(classes: Classes | None, seed: int) -> Instances:
    """Two objects left and right, none too small to be scored, and ground between them."""
    assert classes is not None
    crops = np.array([[0, 0, 28, 40], [32, 0, 60, 40]], np.int32)
    ids = np.random.default_rng(seed).choice(len(classes), 2, False).astype(np.int32)
    arena, offset = np.full(2 * 28 * 40, 255, np.uint8), np.array([0, 1120, 2240])
    return Instances(crops.astype(np.float32), np.array([0.9, 0.4], np.float32), ids, crops, arena, offset, classes)


def test_cityscapes_scripts_find_and_score_our_files(tmp_path: Path) -> None:
    writer = open_writer("cityscapes", tmp_path / "out")
    (tmp_path / "gt").mkdir()
    for index in range(3):
        name = f"bonn_{index:06}_000019"
        truth = labels(index)
        objects = halves(writer.things, index)
        writer.add(Prediction(f"bonn/{name}", index, SIZE, truth, objects))
        ids = LABEL_ID_OF[truth]
        cv2.imwrite(str(tmp_path / "gt" / f"{name}_gtFine_labelIds.png"), ids)
        instance_ids = np.zeros(SIZE, np.uint16)
        for i, mask in enumerate(without_overlap(objects)):
            instance_ids[mask] = THING_LABEL_IDS[objects.class_ids[i]] * 1000 + i
        cv2.imwrite(str(tmp_path / "gt" / f"{name}_gtFine_instanceIds.png"), instance_ids)
    writer.close()
    said = official("cityscapes", "cityscapes", tmp_path)
    assert said["mean_iou"] == pytest.approx(1)
    assert said["AP"] == pytest.approx(1)


def test_bdd100k_reads_our_bitmasks_and_scores_them_one(tmp_path: Path) -> None:
    writer = open_writer("bdd100k", tmp_path / "out")
    (tmp_path / "gt").mkdir()
    for index in range(3):
        objects = halves(writer.things, index)
        writer.add(Prediction(f"b1c66a42-{index}", index, SIZE, None, objects))
        written = cv2.imread(str(tmp_path / f"out/ins_seg/bitmasks/b1c66a42-{index}.png"), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(tmp_path / f"gt/b1c66a42-{index}.png"), written)
    writer.close()
    assert official("bdd100k", "bdd100k", tmp_path)["AP"] == pytest.approx(100)


def test_scalabel_reads_our_frames(tmp_path: Path) -> None:
    writer = open_writer("scalabel", tmp_path / "out")
    objects = [found(None, seed) for seed in range(2)]
    for index, one in enumerate(objects):
        writer.add(Prediction(f"drive/{index}", index, SIZE, None, one))
    writer.close()
    said = official("bdd100k", "scalabel", tmp_path)
    assert (said["frames"], said["labels"]) == (2, 10)
    assert said["pixels"] == sum(np.count_nonzero(one.arena) for one in objects)
    assert said["widths"] == pytest.approx(
        sum((one.boxes_xyxy[:, 2] - one.boxes_xyxy[:, 0]).sum() for one in objects)
    )


def test_labels_of_nothing_are_unlabeled() -> None:
    assert LABEL_ID_OF[VOID] == 0
