"""Real networks on real data: the accuracy that others measure for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command import Said, dashmask

pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
pytest.importorskip("pycocotools", reason="no pycocotools here: install the extra `eval`")

pytestmark = pytest.mark.timeout(600)  # five seconds of work each, on cores that may be shared


def scored(folder: Path, *words: object) -> tuple[Said, dict[str, Any]]:
    out = folder / "o.json"
    said = dashmask("eval", *words, "--json", out, "--backend", "onnxruntime-cpu")
    assert said.code == 0, said.err
    return said, json.loads(out.read_text())


def test_yolo11n_seg_on_coco_has_the_ap_that_ultralytics_measures(shared: Path, tmp_path: Path) -> None:
    words = ("--dataset", "coco", "--root", shared / "data/tiny-coco", "--split", "val2017")
    said, what = scored(tmp_path, *words, "-m", shared / "weights/yolo11n-seg.onnx")
    # Ultralytics 8.4.190 and pycocotools: 640, input shaped to each image, conf 0.001, IoU 0.7, masks at image size.
    assert (what["box"]["AP"], what["box"]["AP50"]) == pytest.approx((0.458, 0.587), abs=0.002)
    assert (what["mask"]["AP"], what["mask"]["AP50"]) == pytest.approx((0.360, 0.567), abs=0.002)
    assert 0.3 < what["mIoU"] < 0.6
    assert (what["images"], what["left_out"]["count"], what["objects"]["crowd"]) == (50, 0, 5)
    assert what["age_ms"]["p90"] > what["age_ms"]["p50"] > 0
    assert "45.8" in said.out


def test_a_coco_network_is_scored_on_other_labels_through_a_table(shared: Path, tmp_path: Path) -> None:
    words = ("--dataset", "coco", "--root", shared / "data/coad-instseg", "--split", "valid", "--frames", 12)
    _, what = scored(tmp_path, *words, "-m", shared / "weights/yolo11n-seg.onnx", "--mapping", "coco-on-coad")
    assert what["mask"]["classes"]["Vehiculo"]["AP50"] > 0.3
    assert what["objects"]["unmapped"]["truth"]["Pista"] > 0


def test_kitti_is_scored_with_both_kinds_of_network(shared: Path, tmp_path: Path) -> None:
    models = ("-m", shared / "weights/yolo11n-seg.onnx", "-m", shared / "weights/enet_cityscapes_512x1024.onnx")
    words = ("--dataset", "kitti-semantic", "--root", shared / "data/kitti-semantics", "--split", "training")
    _, what = scored(tmp_path, *words, *models, "--mapping", "coco-on-cityscapes", "--frames", 2)
    assert what["mapping"] == ["same names", "coco-on-cityscapes"]
    assert what["mIoU_of"] == "label maps"
    assert len(what["classes"]) == 19
    assert what["mask"]["classes"]["car"]["AP50"] > 0.3
    assert what["panoptic"]["things"]["classes"] > 1
    assert what["panoptic"]["stuff"]["PQ"] > 0
