"""Objects on the road, in the official layouts of KITTI, Cityscapes, MOTS and BDD100K, written here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from label_files import write
from marked_samples import GREY, U16, H, W, bitmask, blank, full, mots, said

from pipeline.datasets import open_dataset
from pipeline.errors import DataError
from pipeline.rle import encode_crop
from pipeline.types import VOID


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
        (lines[0].replace(f" {H} ", " 2000000000 "), "line 1: an image of 10x2000000000 pixels"),
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
