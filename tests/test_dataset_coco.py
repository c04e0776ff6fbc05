"""COCO's instances and panoptic segments, written here, and what is named where they are wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_files import write
from marked_samples import GREY, H, W, blank, full, said

from pipeline.datasets import Dataset, open_dataset
from pipeline.errors import DataError
from pipeline.types import VOID


def coco(root: Path, **changes: Any) -> Path:
    """One image of two objects; `changes` replace parts of the file."""
    what: dict[str, Any] = {
        "images": [{"id": 7, "file_name": "a.jpg", "height": H, "width": W}],
        "categories": [{"id": 90, "name": "bus"}, {"id": 3, "name": "car"}],
        "annotations": [
            {"id": 5, "image_id": 7, "category_id": 90, "segmentation": [[1, 1, 5, 1, 5, 4, 1, 4]], "area": 11.5,
             "bbox": [1, 1, 4, 3], "iscrowd": 0},
            {"id": 6, "image_id": 7, "category_id": 3, "segmentation": {"counts": [2, 3, 55], "size": [H, W]},
             "area": 3, "bbox": [0, 2, 1, 3], "iscrowd": 1},
        ],
    } | changes  # fmt: skip
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    (root / "annotations/instances_val2017.json").write_text(json.dumps(what))
    write(root / "val2017/a.jpg", GREY)
    return root


def test_coco_has_polygons_run_lengths_and_groups(tmp_path: Path) -> None:
    data: Any = open_dataset("coco", coco(tmp_path), "val2017")
    sample = data[0]
    assert said(sample.objects) == [("bus", 12, 5, False, False), ("car", 3, 6, True, False)]
    assert full(sample.objects, 0)[1:4, 1:5].all()
    assert full(sample.objects, 1)[2:5, 0].all()
    assert sample.objects.area_px.tolist() == [11.5, 3]
    assert sample.objects.instances.boxes_xyxy.tolist() == [[1, 1, 5, 4], [0, 2, 1, 5]]
    assert (sample.image_id, data.category_ids, len(data.classes)) == (7, (3, 90), 0)
    assert len(open_dataset("coco", tmp_path, "val")) == 1  # the only year that is there
    with pytest.raises(DataError, match=r"instances_train.json.*val2017"):
        open_dataset("coco", tmp_path, "train")


def annotation(**changes: Any) -> dict[str, Any]:
    return {"id": 5, "image_id": 7, "category_id": 3, "segmentation": [[1, 1, 5, 1, 5, 4]]} | changes


AT_ONCE: dict[str, tuple[dict[str, Any], str]] = {
    "annotation ids": ({"annotations": [annotation(), annotation()]}, "annotation id 5 is there twice"),
    "image ids": (
        {"images": [{"id": 7, "file_name": "a.jpg", "height": H, "width": W}] * 2},
        "image id 7 is there twice",
    ),
    "category": ({"annotations": [annotation(category_id=4)]}, "annotation 5 is of an unknown category 4"),
    "image": ({"images": [{"id": 7, "file_name": "b.jpg", "height": H, "width": W}]}, "b.jpg: the image is not in"),
    "mixed": (
        {"annotations": [annotation(image_id="7")]},
        "annotation 5 is on an image 7 that is not listed: ids are numbers in one place and text in the other",
    ),
    "lone": ({"annotations": [annotation(image_id=8)]}, "annotation 5 is on an image 8 that is not listed"),
}  # fmt: skip


@pytest.mark.parametrize("what", AT_ONCE)
def test_what_is_wrong_in_coco_is_named_or_left_out(what: str, tmp_path: Path) -> None:
    changes, says = AT_ONCE[what]
    coco(tmp_path, **changes)
    with pytest.raises(DataError, match=says):
        open_dataset("coco", tmp_path, "val2017")
    if what in ("lone", "mixed"):
        data = open_dataset("coco", tmp_path, "val2017", strict=False)
        assert (len(data), data.left_out[0].reason) == (1, says)
        return
    with pytest.raises(DataError, match="no image of"):
        open_dataset("coco", tmp_path, "val2017", strict=False)


WHEN_READ: dict[str, tuple[dict[str, Any], str]] = {
    "polygon": ({"segmentation": [[1, 1, 5, 1]]}, "annotation 5: a polygon of 4 numbers"),
    "numbers": ({"segmentation": [["a"]]}, "annotation 5: "),
    "counts": ({"segmentation": {"counts": [1, 2], "size": [H, W]}}, "do not fill 60 pixels"),
    "text": ({"segmentation": {"counts": "04", "size": [H, W]}}, "annotation 5: run lengths"),
    "size": ({"segmentation": {"counts": [2, 58], "size": [W, H]}}, "run lengths of 6x10 on an image of 10x6"),
}


@pytest.mark.parametrize("what", WHEN_READ)
def test_a_broken_mask_is_named_when_it_is_read(what: str, tmp_path: Path) -> None:
    changes, says = WHEN_READ[what]
    data = open_dataset("coco", coco(tmp_path, annotations=[annotation(**changes)]), "val2017")
    with pytest.raises(DataError, match=says) as caught:
        data[0]
    assert "instances_val2017.json" in caught.value.message


def test_json_that_is_cut_off_or_something_else_is_named(tmp_path: Path) -> None:
    file = coco(tmp_path) / "annotations/instances_val2017.json"
    whole = file.read_bytes()
    for content, says in (
        (whole[:-9], "broken JSON"),
        (b"[]", "expected"),
        (b"", "is empty"),
        (b"\xff", "broken JSON"),
        (
            whole[:-1] + b', "more": ' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}",
            "broken JSON: .*(recursion|overflow)",
        ),
        (json.dumps(json.loads(whole) | {"categories": []}).encode(), "lists no categories"),
        (
            json.dumps(json.loads(whole) | {"categories": [{"id": 3, "name": "car"}] * 2}).encode(),
            "id 3 is there twice",
        ),
    ):
        file.write_bytes(content)
        with pytest.raises(DataError, match=says) as caught:
            open_dataset("coco", tmp_path, "val2017")
        assert "instances_val2017.json" in caught.value.message
    file.write_bytes(b"\xef\xbb\xbf" + whole)  # as some programs of Windows write it
    assert len(open_dataset("coco", tmp_path, "val2017")) == 1
    coco(tmp_path, images=[{"id": 7, "file_name": "a.jpg", "height": W, "width": H}])
    with pytest.raises(DataError, match=r"a.jpg is 10x6, instances_val2017.json says 6x10"):
        open_dataset("coco", tmp_path, "val2017")[0]


def panoptic(root: Path, segments: list[dict[str, Any]], image_id: int | str = 9) -> Dataset:
    numbers = blank(np.int32)
    numbers[:3], numbers[4:, :4] = 300, 70000
    bgr = np.stack([numbers >> 16, numbers >> 8 & 255, numbers & 255], axis=-1).astype(np.uint8)
    what = {
        "images": [{"id": image_id, "file_name": "a.jpg"}],
        "annotations": [{"image_id": image_id, "file_name": "a.png", "segments_info": segments}],
        "categories": [{"id": 1, "name": "person", "isthing": 1}, {"id": 200, "name": "rug", "isthing": 0}],
    }
    (root / "annotations").mkdir(exist_ok=True)
    (root / "annotations/panoptic_val2017.json").write_text(json.dumps(what))
    write(root / "annotations/panoptic_val2017/a.png", bgr)
    write(root / "val2017/a.jpg", GREY)
    return open_dataset("coco-panoptic", root, "val2017")


def test_coco_panoptic_numbers_every_pixel(tmp_path: Path) -> None:
    rug, person = {"id": 300, "category_id": 200}, {"id": 70000, "category_id": 1, "iscrowd": 1, "area": 7}
    sample = panoptic(tmp_path, [rug, person])[0]
    assert said(sample.objects) == [("person", 8, 70000, True, False)]
    assert [int((sample.labels == i).sum()) for i in (0, 1, VOID)] == [8, 30, 22]
    assert sample.image_id == 9
    assert panoptic(tmp_path, [rug, person], "ulm_000000_000019")[0].image_id == "ulm_000000_000019"  # of Cityscapes
    with pytest.raises(DataError, match="has other segments: 70000"):
        panoptic(tmp_path, [rug])[0]
    with pytest.raises(DataError, match="has other segments: 5"):
        panoptic(tmp_path, [rug, person, {"id": 5, "category_id": 1}])[0]
    with pytest.raises(DataError, match="segment 300 is of an unknown category 4"):
        panoptic(tmp_path, [{"id": 300, "category_id": 4}, person])[0]
