"""Data sets that mark objects: the official layouts, written here in the true format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from label_files import png, write
from numpy.typing import NDArray

from pipeline.datasets import Dataset, open_dataset
from pipeline.errors import DataError
from pipeline.rle import encode_crop
from pipeline.types import VOID, TrueObjects

H, W = 6, 10
GREY = np.full((H, W, 3), 90, np.uint8)
U16 = np.uint16


def blank(dtype: Any = np.uint8) -> NDArray[Any]:
    return np.zeros((H, W), dtype)


def said(objects: TrueObjects | None) -> list[tuple[str, int, int, bool, bool]]:
    """Class, pixels, id, crowd, ignore of each object."""
    assert objects is not None
    inst = objects.instances
    names = [inst.classes.names[i] if i >= 0 else "any" for i in inst.class_ids.tolist()]
    pixels = [int((inst.mask(row) != 0).sum()) for row in range(len(inst))]
    return list(
        zip(names, pixels, objects.ids.tolist(), objects.crowd.tolist(), objects.ignore.tolist(), strict=True)
    )


def full(objects: TrueObjects | None, row: int, hw: tuple[int, int] = (H, W)) -> NDArray[np.bool_]:
    assert objects is not None
    return objects.instances.full_mask(row, hw)


def test_kitti_counts_by_256_and_instance_0_is_a_group(tmp_path: Path) -> None:
    numbers = blank(U16) + U16(7 * 256)
    numbers[0, :4], numbers[1, :3], numbers[2, :2] = 26 * 256 + 1, 26 * 256 + 2, 26 * 256
    numbers[3, :5] = 29 * 256 + 1  # a caravan is none of the eight classes
    base = tmp_path / "training"
    write(base / "image_2/000000_10.png", GREY)
    write(base / "semantic/000000_10.png", (numbers // 256).astype(np.uint8))
    write(base / "instance/000000_10.png", numbers)
    sample = open_dataset("kitti-semantic", tmp_path, "training")[0]
    assert said(sample.objects) == [
        ("car", 2, 6656, True, False),
        ("car", 4, 6657, False, False),
        ("car", 3, 6658, False, False),
    ]
    assert np.array_equal(full(sample.objects, 1), numbers == 6657)
    assert (sample.labels[3, :5] == VOID).all()
    write(base / "instance/000000_10.png", blank())
    with pytest.raises(DataError, match="in 16 bit"):
        open_dataset("kitti-semantic", tmp_path, "training")[0]


def test_cityscapes_counts_by_1000_and_a_plain_id_is_a_group(tmp_path: Path) -> None:
    numbers = blank(U16) + U16(7)
    numbers[0, :4], numbers[1, :3], numbers[2, :2], numbers[5, 5:] = 24000, 33, 24, 26011
    name = "bonn/bonn_000000_000019"
    write(tmp_path / f"leftImg8bit/val/{name}_leftImg8bit.png", GREY)
    write(
        tmp_path / f"gtFine/val/{name}_gtFine_labelIds.png",
        np.where(numbers > 999, numbers // 1000, numbers).astype("u1"),
    )
    write(tmp_path / f"gtFine/val/{name}_gtFine_instanceIds.png", numbers)
    sample = open_dataset("cityscapes", tmp_path, "val")[0]
    assert said(sample.objects) == [
        ("person", 2, 24, True, False),
        ("bicycle", 3, 33, True, False),
        ("person", 4, 24000, False, False),
        ("car", 5, 26011, False, False),
    ]
    (tmp_path / f"gtFine/val/{name}_gtFine_instanceIds.png").unlink()
    assert open_dataset("cityscapes", tmp_path, "val")[0].objects is None


def mots(root: Path, numbers: NDArray[Any]) -> Path:
    write(root / "training/image_02/0002/000000.png", GREY)
    write(root / "training/instances/0002/000000.png", numbers)
    return root


def test_mots_png_and_txt_say_the_same(tmp_path: Path) -> None:
    numbers = blank(U16)
    numbers[:2, :3], numbers[3:, 4:], numbers[0, 8] = 1005, 2001, 10000
    mots(tmp_path, numbers)
    whole = [encode_crop(np.where(numbers == n, 255, 0).astype("u1"), (0, 0), (H, W)) for n in (1005, 2001, 10000)]
    lines = [f"0 {n} {n // 1000} {H} {W} {text}" for n, text in zip((1005, 2001, 10000), whole, strict=True)]
    text = tmp_path / "training/instances_txt/0002.txt"
    text.parent.mkdir()
    text.write_text("\n".join(lines) + "\n")
    wanted = [("car", 6, 1005, False, False), ("pedestrian", 18, 2001, False, False), ("any", 1, 10000, False, True)]
    for txt in (False, True):
        data = open_dataset("kitti-mots", tmp_path, "val", txt=txt)
        assert said(data[0].objects) == wanted
        assert all(np.array_equal(full(data[0].objects, i), numbers == w[2]) for i, w in enumerate(wanted))
        assert data.names == ("0002/000000",)
    with pytest.raises(DataError, match="no frames of split train"):
        open_dataset("kitti-mots", tmp_path, "train")
    text.write_text("\n".join([lines[0], lines[0].replace("1005", "1006")]))
    with pytest.raises(DataError, match=r"0002.txt: frame 0: object 1006 overlaps"):
        open_dataset("kitti-mots", tmp_path, "val", txt=True)[0]
    for wrong, says in (
        (lines[0] + "\n" + lines[0], "line 2: object 1005 is in frame 0 twice"),
        (lines[0].replace(" 1 ", " 7 "), "unknown class 7"),
        ("0 1005 1", "not of six words"),
    ):
        text.write_text(wrong)
        with pytest.raises(DataError, match=says):
            open_dataset("kitti-mots", tmp_path, "val", txt=True)
    with pytest.raises(DataError, match="no frames"):
        open_dataset("kitti-mots", tmp_path, "val", txt=True, strict=False)
    text.write_text(lines[0][:-2])
    with pytest.raises(DataError, match="run lengths"):
        open_dataset("kitti-mots", tmp_path, "val", txt=True)[0]
    mots(tmp_path, numbers + U16(3000))
    with pytest.raises(DataError, match="unknown class"):
        open_dataset("kitti-mots", tmp_path, "val")[0]


def bitmask(path: Path, rgba: NDArray[np.uint8]) -> None:
    write(path, cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA))


def test_bdd100k_bitmasks_are_category_attributes_and_instance(tmp_path: Path) -> None:
    rgba = np.zeros((H, W, 4), np.uint8)
    rgba[0, :3], rgba[1, :4], rgba[2, :5] = (3, 8, 0, 1), (1, 2, 0, 2), (8, 1, 1, 0)
    for folder, name in (("10k", "a"), ("seg_track_20", "film/film-0000001")):
        write(tmp_path / f"images/{folder}/val/{name}.jpg", GREY)
    bitmask(tmp_path / "labels/ins_seg/bitmasks/val/a.png", rgba)
    bitmask(tmp_path / "labels/seg_track_20/bitmasks/val/film/film-0000001.png", rgba)
    wanted = [
        ("car", 3, 1, False, False),
        ("pedestrian", 4, 2, True, False),
        ("bicycle", 5, 256, False, True),
    ]
    instances, tracks = (open_dataset(f"bdd100k-{kind}", tmp_path, "val") for kind in ("instances", "tracks"))
    assert said(instances[0].objects) == said(tracks[0].objects) == wanted
    assert tracks.names == ("film/film-0000001",)
    assert (instances[0].labels == VOID).all()
    rgba[5, :2] = (4, 8, 0, 1)
    bitmask(tmp_path / "labels/ins_seg/bitmasks/val/a.png", rgba)
    with pytest.raises(DataError, match="instance 1 has more than one category"):
        instances[0]
    write(tmp_path / "labels/ins_seg/bitmasks/val/a.png", GREY)
    with pytest.raises(DataError, match="3 channels of uint8, a bitmask of four"):
        instances[0]


def test_bdd100k_panoptic_has_stuff_and_things(tmp_path: Path) -> None:
    rgba = np.zeros((H, W, 4), np.uint8)
    rgba[...] = (7, 0, 0, 7)
    rgba[0, :3], rgba[1, :4], rgba[2] = (35, 0, 0, 31), (31, 2, 0, 32), 0
    write(tmp_path / "images/10k/val/a.jpg", GREY)
    bitmask(tmp_path / "labels/pan_seg/bitmasks/val/a.png", rgba)
    data = open_dataset("bdd100k-panoptic", tmp_path, "val")
    assert said(data[0].objects) == [("car", 3, 31, False, False), ("person", 4, 32, True, False)]
    named = {data.classes.names[i]: int((data[0].labels == i).sum()) for i in (6, 30, 34)}
    assert named == {"road": 43, "person": 4, "car": 3}
    assert (data[0].labels[2] == VOID).all()


def test_bdd100k_drivable_and_lanes_keep_their_numbers(tmp_path: Path) -> None:
    write(tmp_path / "images/100k/val/a.jpg", np.zeros((1, 4, 3), np.uint8))
    write(tmp_path / "labels/drivable/masks/val/a.png", np.array([[0, 1, 2, 2]], np.uint8))
    write(tmp_path / "labels/lane/masks/val/a.png", np.array([[0, 0b110110, 0b1010, 255]], np.uint8))
    assert open_dataset("bdd100k-drivable", tmp_path, "val")[0].labels.tolist() == [[0, 1, 2, 2]]
    lanes = open_dataset("bdd100k-lanes", tmp_path, "val")
    assert lanes[0].labels.tolist() == [[0, 0b110110, VOID, VOID]]
    assert lanes.classes.names[0b110110] == "single white, dashed, vertical"
    assert lanes.classes.names[0] == "crosswalk, solid, parallel"


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
    "lone": ({"annotations": [annotation(image_id=8)]}, "annotation 5 is on an image 8 that is not listed"),
}  # fmt: skip


@pytest.mark.parametrize("what", AT_ONCE)
def test_what_is_wrong_in_coco_is_named_or_left_out(what: str, tmp_path: Path) -> None:
    changes, says = AT_ONCE[what]
    coco(tmp_path, **changes)
    with pytest.raises(DataError, match=says):
        open_dataset("coco", tmp_path, "val2017")
    if what == "lone":
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
        (b"", "broken JSON"),
        (b"\xff", "broken JSON"),
    ):
        file.write_bytes(content)
        with pytest.raises(DataError, match=says) as caught:
            open_dataset("coco", tmp_path, "val2017")
        assert "instances_val2017.json" in caught.value.message
    coco(tmp_path, images=[{"id": 7, "file_name": "a.jpg", "height": W, "width": H}])
    with pytest.raises(DataError, match=r"a.jpg is 10x6, instances_val2017.json says 6x10"):
        open_dataset("coco", tmp_path, "val2017")[0]


def panoptic(root: Path, segments: list[dict[str, Any]]) -> Dataset:
    numbers = blank(np.int32)
    numbers[:3], numbers[4:, :4] = 300, 70000
    bgr = np.stack([numbers >> 16, numbers >> 8 & 255, numbers & 255], axis=-1).astype(np.uint8)
    what = {
        "images": [{"id": 9, "file_name": "a.jpg"}],
        "annotations": [{"image_id": 9, "file_name": "a.png", "segments_info": segments}],
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
    with pytest.raises(DataError, match="has other segments: 70000"):
        panoptic(tmp_path, [rug])[0]
    with pytest.raises(DataError, match="has other segments: 5"):
        panoptic(tmp_path, [rug, person, {"id": 5, "category_id": 1}])[0]
    with pytest.raises(DataError, match="segment 300 is of an unknown category 4"):
        panoptic(tmp_path, [{"id": 300, "category_id": 4}, person])[0]


def yolo(root: Path, text: str | None) -> Dataset:
    write(root / "images/val/a.png", GREY)
    (root / "labels/val").mkdir(parents=True, exist_ok=True)
    (root / "data.yaml").write_text("names: {0: car, 1: person}\nnc: 2\n")
    if text is not None:
        (root / "labels/val/a.txt").write_text(text)
    return open_dataset("yolo", root, "val")


def test_yolo_polygons_are_shares_and_no_file_is_no_object(tmp_path: Path) -> None:
    assert len(yolo(tmp_path, None)[0].objects or ()) == 0
    line = "1 0.2 0.2 0.6 0.2 0.6 0.7 0.2 0.7"
    objects = yolo(tmp_path, f"{line}\n{line}\n0 0 0 1 0 1 1\n")[0].objects  # the second is the first again
    assert [one[0] for one in said(objects)] == ["person", "car"]
    assert full(objects, 0)[1:5, 2:7].all()
    assert said(objects)[0][1] == 20
    box = yolo(tmp_path, "0 0.5 0.5 0.2 0.5\n")[0].objects
    assert box is not None
    assert box.instances.boxes_xyxy.round(3).tolist() == [[4, 1.5, 6, 4.5]]
    for text, says in (
        (line.replace("1", "2", 1), "line 1: unknown class 2"),
        (line.replace("0.6", "1.6"), "outside of 0..1"),
        (line + " 0.5", "line 1 has 10 numbers"),
        (f"{line}\n0 0.5 0.5 0.2 0.5", "line 2: boxes and polygons"),
        ("car 1 2", "cannot be read as numbers"),
    ):
        with pytest.raises(DataError, match=says):
            yolo(tmp_path, text)[0]


def voc(root: Path, names: str = "a\n") -> None:
    classes, objects = blank(), blank()
    classes[:2, :3], classes[3, :], objects[:2, :3], objects[3:, :] = 7, 15, 1, 2
    classes[0, 0] = objects[0, 0] = 255
    write(root / "JPEGImages/a.jpg", GREY)
    for folder, ids in (("SegmentationClass", classes), ("SegmentationObject", objects)):
        png(root / folder / "a.png", ids, colour_type=3, palette=bytes(768))
    (root / "ImageSets/Segmentation").mkdir(parents=True, exist_ok=True)
    (root / "ImageSets/Segmentation/val.txt").write_text(names)


def test_voc_has_palettes_and_lists(tmp_path: Path) -> None:
    voc(tmp_path)
    data = open_dataset("voc", tmp_path, "val")
    assert said(data[0].objects) == [("car", 5, 1, False, False), ("person", 30, 2, False, False)]
    assert (data.classes.names[7], data.classes.colours[7], data[0].labels[0, 0]) == ("car", (128, 128, 128), VOID)
    with pytest.raises(DataError, match="lists that are there: val"):
        open_dataset("voc", tmp_path, "train")
    for names, says in (
        ("", "is empty: the split has no images"),
        ("a\na\n", "a is there twice"),
        ("a\nb\n", "not there: b"),
    ):
        voc(tmp_path, names)
        with pytest.raises(DataError, match=says):
            open_dataset("voc", tmp_path, "val")
    assert open_dataset("voc", tmp_path, "val", strict=False).left_out[0].name == "b"


def test_davis_follows_objects_through_films(tmp_path: Path) -> None:
    ids = blank()
    ids[0, :3], ids[2, :], ids[5] = 1, 2, 255
    write(tmp_path / "JPEGImages/480p/bear/00000.jpg", GREY)
    png(tmp_path / "Annotations/480p/bear/00000.png", ids, colour_type=3, palette=bytes(768))
    (tmp_path / "ImageSets/2017").mkdir(parents=True)
    (tmp_path / "ImageSets/2017/val.txt").write_text("bear\n")
    data = open_dataset("davis", tmp_path, "val")
    assert data.names == ("bear/00000",)
    assert said(data[0].objects) == [("object", 3, 1, False, False), ("object", 10, 2, False, False)]
    assert (data[0].labels[5] == VOID).all()
    (tmp_path / "ImageSets/480p").mkdir()
    (tmp_path / "ImageSets/480p/val.txt").write_text(
        "/JPEGImages/480p/bear/00000.jpg /Annotations/480p/bear/00000.png\n"
    )
    assert said(open_dataset("davis", tmp_path, "val", year="2016")[0].objects) == [("object", 23, 1, False, False)]


def test_mapillary_names_its_classes_in_its_config(tmp_path: Path) -> None:
    labels = [
        {"name": "object--car", "readable": "Car", "color": [0, 0, 142], "instances": True, "evaluate": True},
        {"name": "sky", "readable": "Sky", "color": [70, 130, 180], "instances": False, "evaluate": True},
        {"name": "void", "readable": "Unlabeled", "color": [0, 0, 0], "instances": False, "evaluate": False},
    ]
    (tmp_path / "config_v1.2.json").write_text(json.dumps({"labels": labels}))
    ids = blank() + np.uint8(1)
    ids[0, :3], ids[1, :2], ids[5] = 0, 0, 2
    numbers = ids.astype(U16) * U16(256)
    numbers[1, :2] += 1
    write(tmp_path / "validation/images/a.jpg", GREY)
    png(tmp_path / "validation/v1.2/labels/a.png", ids, colour_type=3, palette=bytes(768))
    write(tmp_path / "validation/v1.2/instances/a.png", numbers)
    data = open_dataset("mapillary", tmp_path, "validation")
    assert said(data[0].objects) == [("Car", 3, 0, False, False), ("Car", 2, 1, False, False)]
    assert [int((data[0].labels == i).sum()) for i in (0, 1, 2, VOID)] == [5, 45, 0, 10]


def test_ade20k_begins_at_1_and_camvid32_and_kitti_road_are_painted(tmp_path: Path) -> None:
    write(tmp_path / "images/validation/ADE_val_00000001.jpg", np.zeros((1, 3, 3), np.uint8))
    write(tmp_path / "annotations/validation/ADE_val_00000001.png", np.array([[0, 1, 150]], np.uint8))
    ade = open_dataset("ade20k", tmp_path, "validation")
    assert ade[0].labels.tolist() == [[VOID, 0, 149]]
    assert (ade.classes.names[0], ade.classes.names[149], len(set(ade.classes.colours))) == ("wall", "flag", 150)
    write(tmp_path / "701_StillsRaw_full/0001TP_006690.png", np.zeros((1, 3, 3), np.uint8))
    colours = np.array([[(0, 0, 0), (128, 64, 128), (64, 0, 128)]], np.uint8)
    write(tmp_path / "LabeledApproved_full/0001TP_006690_L.png", colours[..., ::-1])
    camvid = open_dataset("camvid32", tmp_path, "all")
    assert [VOID, *map(camvid.classes.names.index, ("Road", "Car"))] == camvid[0].labels[0].tolist()
    write(tmp_path / "training/image_2/um_000000.png", np.zeros((1, 3, 3), np.uint8))
    for kind, rgb in (
        ("road", [(0, 0, 0), (255, 0, 0), (255, 0, 255)]),
        ("lane", [(255, 0, 255), (255, 0, 0), (0, 0, 0)]),
    ):
        write(tmp_path / f"training/gt_image_2/um_{kind}_000000.png", np.array([rgb], np.uint8)[..., ::-1])
    assert open_dataset("kitti-road", tmp_path, "training")[0].labels.tolist() == [[VOID, 0, 1]]
    assert open_dataset("kitti-road", tmp_path, "training", kind="lane")[0].labels.tolist() == [[1, 0, VOID]]


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
    pytest.importorskip("matplotlib", reason="Scalabel's polygons are drawn by matplotlib")

    def polygon(x0: float, x1: float) -> list[dict[str, Any]]:
        return [{"vertices": [[x0, 1], [x1, 1], [x1, 5], [x0, 5]], "types": "LLLL", "closed": True}]

    labels = [{"id": i, "category": "car", "poly2d": polygon(*x)} for i, x in enumerate(((1, 6), (4, 9), (4, 9)))]
    data = open_dataset("scalabel", scalabel(tmp_path, labels), "val", labels="labels.json", images="images")
    assert [(one[1], one[2]) for one in said(data[0].objects)] == [
        (12, 0),
        (20, 2),
    ]  # the second lies under the third


def test_an_empty_split_is_named(tmp_path: Path) -> None:
    voc(tmp_path)
    (tmp_path / "JPEGImages/a.jpg").unlink()
    for name, folder in (("camvid", "val"), ("bdd100k-instances", "images/10k/val"), ("yolo", "images/val")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / "valannot").mkdir(exist_ok=True)
        with pytest.raises(DataError, match=f"{folder} has no images: the split is empty"):
            open_dataset(name, tmp_path, "val")
    with pytest.raises(DataError, match="JPEGImages has no images"):
        open_dataset("voc", tmp_path, "val", strict=False)


def test_a_label_file_that_is_cut_off_or_of_another_kind_is_named(tmp_path: Path) -> None:
    mots(tmp_path, blank(U16) + U16(1001))
    rgba = np.full((H, W, 4), 1, np.uint8)
    write(tmp_path / "images/10k/val/a.jpg", GREY)
    bitmask(tmp_path / "labels/ins_seg/bitmasks/val/a.png", rgba)
    made = (
        ("kitti-mots", tmp_path / "training/instances/0002/000000.png"),
        ("bdd100k-instances", tmp_path / "labels/ins_seg/bitmasks/val/a.png"),
    )
    for name, path in made:
        data = open_dataset(name, tmp_path, "val")
        assert len(data[0].objects or ()) == 1
        whole = path.read_bytes()
        for content, says in ((whole[:-15], "cut off"), (b"", "empty"), (b"text", "cannot be decoded")):
            path.write_bytes(content)
            with pytest.raises(DataError, match=says) as caught:
                data[0]
            assert str(path) in caught.value.message
        png(path, blank(), colour_type=3, palette=bytes(768))
        with pytest.raises(DataError, match=r"palette|channel"):
            data[0]
        if name == "kitti-mots":
            write(path, blank(U16)[:, :4])
        else:
            bitmask(path, rgba[:, :4])
        with pytest.raises(DataError, match="is 10x6, its label"):
            data[0]
