"""Scalabel's JSON, and BDD100K's in it, written here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_files import write
from marked_samples import GREY, H, W, blank, said

from pipeline.datasets import open_dataset
from pipeline.errors import DataError
from pipeline.rle import encode_crop


def scalabel(root: Path, labels: list[dict[str, Any]], **frame: Any) -> Path:
    frames = [{"name": "a.jpg", "labels": labels} | frame]
    config = {
        "categories": [{"name": "vehicle", "subcategories": [{"name": "car"}, {"name": "bus"}]}, {"name": "person"}]
    }
    (root / "labels.json").write_text(json.dumps({"frames": frames, "config": config}))
    write(root / "images/a.jpg", GREY)
    return root


def test_scalabel_has_run_lengths_and_inclusive_boxes(tmp_path: Path) -> None:
    mask = blank()
    mask[1:3, 2:6] = 255
    rle = {"counts": encode_crop(mask, (0, 0), (H, W)), "size": [H, W]}
    one = {
        "id": "17",
        "category": "bus",
        "rle": rle,
        "attributes": {"crowd": True},
        "box2d": {"x1": 2, "y1": 1, "x2": 5, "y2": 2},
    }
    other = {"id": "abc", "category": "person", "rle": rle, "attributes": {"ignored": True}}
    scalabel(tmp_path, [one, other, {"id": 3, "category": "car", "box2d": {"x1": 0, "y1": 0, "x2": 1, "y2": 1}}])
    options = {"labels": "labels.json", "images": "images"}
    data = open_dataset("scalabel", tmp_path, "val", **options)
    objects = data[0].objects
    assert objects is not None
    assert [(n, p, c, i) for n, p, _, c, i in said(objects)] == [("bus", 8, True, False), ("person", 8, False, True)]
    assert objects.ids[0] == 17
    assert objects.ids[1] > 1000
    assert objects.instances.boxes_xyxy[0].tolist() == [2, 1, 6, 3]
    assert data.object_classes is not None
    assert data.object_classes.names == ("car", "bus", "person")
    scalabel(tmp_path, [one | {"category": "tram"}])
    with pytest.raises(DataError, match="unknown category 'tram'"):
        open_dataset("scalabel", tmp_path, "val", **options)[0]
    for name in ("/etc/hostname", "a\0.jpg"):
        scalabel(tmp_path, [one], name=name)
        with pytest.raises(DataError, match="the image is not in"):
            open_dataset("scalabel", tmp_path, "val", **options)
    with pytest.raises(DataError, match="the class 'car' is there twice"):
        open_dataset("scalabel", tmp_path, "val", classes=("car", "car"), **options)
    scalabel(tmp_path, [one], size={"width": 5, "height": 5})
    with pytest.raises(DataError, match=r"is 10x6, labels\.json says 5x5"):
        open_dataset("scalabel", tmp_path, "val", **options)[0]


def test_bdd100k_json_maps_other_names_as_its_tool_does(tmp_path: Path) -> None:
    rle = {"counts": encode_crop(np.full((2, 2), 255, np.uint8), (0, 0), (H, W)), "size": [H, W]}
    names = ("van", "other person", "bike", "trailer")
    labels = [{"id": str(i), "category": name, "rle": rle} for i, name in enumerate(names)]
    path = tmp_path / "labels/ins_seg/rles/ins_seg_val.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps([{"name": "a.jpg", "labels": labels}]))
    write(tmp_path / "images/10k/val/a.jpg", GREY)
    objects = open_dataset("scalabel", tmp_path, "val", task="ins_seg", kind="rles")[0].objects
    assert [(one[0], one[4]) for one in said(objects)] == [
        ("car", False), ("pedestrian", True), ("bicycle", False), ("truck", True),
    ]  # fmt: skip


def test_scalabel_polygons_are_drawn_one_over_the_other(tmp_path: Path) -> None:
    pytest.importorskip(
        "matplotlib", reason="no matplotlib, which draws Scalabel's polygons: install the extra `eval`"
    )

    def polygon(x0: float, x1: float) -> list[dict[str, Any]]:
        return [{"vertices": [[x0, 1], [x1, 1], [x1, 5], [x0, 5]], "types": "LLLL", "closed": True}]

    labels = [{"id": i, "category": "car", "poly2d": polygon(*x)} for i, x in enumerate(((1, 6), (4, 9), (4, 9)))]
    data = open_dataset("scalabel", scalabel(tmp_path, labels), "val", labels="labels.json", images="images")
    assert [(one[1], one[2]) for one in said(data[0].objects)] == [
        (12, 0),
        (20, 2),
    ]  # the second lies under the third
