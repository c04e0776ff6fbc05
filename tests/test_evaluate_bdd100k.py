"""`dashmask eval` on BDD100K's layouts keeps BDD100K's rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import pytest
from command import dashmask
from marked_images import Quiet, config
from tiny_models import yolo_seg

from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.labelled import Wanted, open_labelled
from pipeline.evaluation.scoring import Scores
from pipeline.types import Picture

pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")

TABLE = """
classes: [direct, alternative, background]
network: {red: direct, green: alternative, blue: background}
dataset: {direct: direct, alternative: alternative, background: background}
"""


def scored(folder: Path, *words: object) -> dict[str, Any]:
    out = folder / "o.json"
    said = dashmask("eval", "--root", folder, "--split", "val", "--json", out, "--backend", "onnxruntime-cpu", *words)
    assert said.code == 0, said.err
    what: dict[str, Any] = json.loads(out.read_text())
    return what


def put(path: Path, picture: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture, (cv2.IMWRITE_JPEG_QUALITY, 100))


def test_drivable_background_costs_the_others_but_is_not_in_the_mean(
    models: tuple[Path, Path], tmp_path: Path
) -> None:
    truth = np.kron(np.array([[0, 1], [2, 2]]), np.ones((64, 64))).astype(np.uint8)
    seen = truth.copy()
    seen[64:, 96:] = 0  # background that is taken for the own lane
    seen[:32, 64:] = 2
    put(tmp_path / "images/100k/val/a.jpg", np.eye(3, dtype=np.uint8)[[2, 1, 0]][seen] * 255)
    put(tmp_path / "labels/drivable/masks/val/a.png", truth)
    (tmp_path / "t.yaml").write_text(TABLE)
    what = scored(tmp_path, "--dataset", "bdd100k-drivable", "-m", models[0], "--mapping", tmp_path / "t.yaml")
    assert what["classes"]["direct"]["IoU"] == pytest.approx(64 / 96)
    assert what["classes"]["alternative"]["IoU"] == pytest.approx(1 / 2)
    assert what["mIoU"] == pytest.approx((64 / 96 + 1 / 2) / 2)
    assert what["not_in_mean"] == ["background"]
    # The package counts nothing where the truth is background.
    assert what["bdd100k"]["mIoU"] == pytest.approx((1 + 1 / 2) / 2)


def test_ignored_objects_and_crowds_of_a_bitmask_are_not_misses(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools", reason="no pycocotools here: install the extra `eval`")
    other, car = (1, 1, 5, 5), (34, 10, 60, 50)
    model = yolo_seg(tmp_path / "m.onnx", np.array([other, car]), [0, 1], [0, 0.9], names=("pedestrian", "car"))
    bitmask = np.zeros((64, 64, 4), np.uint8)  # B, G, R, A of the file; R class, G attributes, B and A instance
    bitmask[10:50, 34:60] = (0, 0, 3, 1)
    bitmask[0:20, 0:20] = (0, 0b01, 3, 2)  # ignored
    put(tmp_path / "images/10k/val/a.jpg", np.full((64, 64, 3), 90, np.uint8))
    put(tmp_path / "labels/ins_seg/bitmasks/val/a.png", bitmask)
    (tmp_path / "t.yaml").write_text("classes: [car]\nnetwork: {car: car}\ndataset: {car: car}\n")
    what = scored(tmp_path, "--dataset", "bdd100k-instances", "-m", model, "--mapping", tmp_path / "t.yaml")
    assert what["objects"]["rules"] == "bdd100k"
    assert (what["objects"]["truth"], what["objects"]["ignored"]) == (2, 1)
    assert what["mask"]["AP"] == pytest.approx(1)
    assert what["objects"]["shown"]["missed"] == 0


def test_memory_stays_flat_over_files(models: tuple[Path, Path], tmp_path: Path) -> None:
    """The short form of benchmarks/eval_memory.py."""
    truth = np.kron(np.array([[0, 1], [2, 2]]), np.ones((180, 320))).astype(np.uint8)
    put(tmp_path / "a.jpg", np.eye(3, dtype=np.uint8)[[2, 1, 0]][truth] * 255)
    put(tmp_path / "a.png", truth)
    count = 300
    for folder, suffix in (("images/100k/val", ".jpg"), ("labels/drivable/masks/val", ".png")):
        (tmp_path / folder).mkdir(parents=True)
        for index in range(count):
            (tmp_path / folder / f"{index}{suffix}").symlink_to(tmp_path / f"a{suffix}")
    (tmp_path / "t.yaml").write_text(TABLE)
    process = psutil.Process()
    resident: list[int] = []

    def look(picture: Picture, quality: float, scores: Scores) -> None:
        if picture.scene.frame.index % 100 == 99:
            resident.append(process.memory_info().rss)

    configuration = config(models[0])
    data = open_labelled(Wanted("bdd100k-drivable", str(tmp_path)), configuration)
    evaluation = evaluate(data, configuration, Quiet(), (str(tmp_path / "t.yaml"),), seen=look)
    assert evaluation.summary.processed == count
    # An image is 0.7 MB: keeping those of the last 200 would be 138 MB.
    assert resident[-1] - resident[0] < 10e6
