"""Other data sets that mark objects: the official layouts, written here in the true format."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from label_files import png, write
from marked_samples import GREY, U16, H, W, bitmask, blank, full, mots, said

from pipeline.datasets import Dataset, open_dataset
from pipeline.errors import DataError
from pipeline.types import VOID


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
    (tmp_path / "data.yaml").unlink()
    (tmp_path / "labels/val/classes.txt").write_text("lorry\n")  # as LabelImg leaves it
    assert open_dataset("yolo", tmp_path, "val").object_classes.names == ("lorry",)  # type: ignore[union-attr]
    for names, says in (("car\ncar\n", "the class 'car' is there twice"), ("\n", "there are no names")):
        (tmp_path / "labels/val/classes.txt").write_text(names)
        with pytest.raises(DataError, match=says):
            open_dataset("yolo", tmp_path, "val")
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
    (tmp_path / "ImageSets/2017").rename(tmp_path / "ImageSets/aside")
    with pytest.raises(DataError, match=r"ImageSets/2017 is not there .*say year=2016"):
        open_dataset("davis", tmp_path, "val")
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
