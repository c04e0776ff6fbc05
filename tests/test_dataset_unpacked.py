"""Data sets as archives, file managers and people leave them on a disk are read all the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from command import dashmask
from label_files import GREY, HW, write
from unpacked_layouts import LAYOUTS, MAPILLARY, ONES, Layout, opened, unpacked

from pipeline.datasets import open_dataset
from pipeline.datasets.idd import IDD
from pipeline.errors import DataError
from pipeline.types import VOID


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda one: f"{one.name} {one.label}")
def test_an_unpacked_archive_is_read_with_all_that_lies_about_in_it(layout: Layout, tmp_path: Path) -> None:
    root = unpacked(tmp_path / "data", layout)
    assert len(opened(root, layout)) == 1
    for place in (layout.image, layout.label):
        for folder in list((root / layout.inside / place).parents)[: len(Path(place).parents)]:
            for name in (".DS_Store", "Thumbs.db", "desktop.ini", "README", "license.txt", "all.zip"):
                if (name, layout.name) != ("license.txt", "yolo"):  # whose labels are .txt
                    (folder / name).write_bytes(b"\0")
            for name in ("__MACOSX", ".ipynb_checkpoints", "@eaDir"):
                (folder / name).mkdir(exist_ok=True)
                shutil.copy(root / layout.inside / place, folder / name / Path(place).name)
        (root / layout.inside / place).with_name(f"._{Path(place).name}").write_bytes(b"\0\5\x16\7")
    data = opened(root, layout)
    assert (len(data), list(data.left_out)) == (1, [])
    assert data[0].labels.shape == HW


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda one: f"{one.name} {one.label}")
def test_folders_and_files_may_be_links_to_another_disk(layout: Layout, tmp_path: Path) -> None:
    root = unpacked(tmp_path / "data", layout)
    for count, place in enumerate((layout.image, layout.label)):
        folder = (root / layout.inside / place).parent
        elsewhere = tmp_path / f"disk {count}"
        folder.rename(elsewhere)
        folder.symlink_to(elsewhere, target_is_directory=True)
        (elsewhere / Path(place).name).rename(tmp_path / f"file {count}")
        (elsewhere / Path(place).name).symlink_to(tmp_path / f"file {count}")
        (elsewhere / "back").symlink_to(elsewhere, target_is_directory=True)
    assert len(opened(root, layout)) == 1


@pytest.mark.parametrize("layout", [one for one in LAYOUTS if one.inside], ids=lambda one: f"{one.name} {one.label}")
def test_a_folder_around_that_holds_nothing_else_is_looked_through(layout: Layout, tmp_path: Path) -> None:
    unpacked(tmp_path / "Downloads/archive", layout)
    (tmp_path / "Downloads/archive.zip").touch()
    assert len(opened(tmp_path, layout)) == 1
    (tmp_path / "Downloads/more").mkdir()
    with pytest.raises(DataError):
        opened(tmp_path, layout)


def test_names_may_end_in_capitals_and_a_link_may_lead_back(tmp_path: Path) -> None:
    layout = Layout("bdd100k", "val", "", "images/10k/val/a.JPG", "labels/sem_seg/masks/val/a.PNG")
    root = unpacked(tmp_path, layout)
    assert opened(root, layout).names == ("a",)
    with pytest.raises(DataError, match=r"is not there.*has the folders 10k"):
        open_dataset("bdd100k-drivable", root, "val")


def test_what_is_not_unpacked_yet_is_named(tmp_path: Path) -> None:
    (tmp_path / "gtFine_trainvaltest.zip").touch()
    (tmp_path / "leftImg8bit").mkdir()
    with pytest.raises(
        DataError, match=r"gtFine/val is not there.*archives that are not unpacked: gtFine_trainvaltest"
    ):
        open_dataset("cityscapes", tmp_path, "val")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "val2017").mkdir()
    nothing = {"images": [], "annotations": [], "categories": []}
    (tmp_path / "annotations/panoptic_val2017.json").write_text(json.dumps(nothing))
    (tmp_path / "annotations/panoptic_val2017.zip").touch()  # as it lies in the official archive
    with pytest.raises(DataError, match=r"panoptic_val2017 is not there \(unpack panoptic_val2017.zip there\)"):
        open_dataset("coco-panoptic", tmp_path, "val")
    (tmp_path / "annotations/stuff_val2017.json").write_text(json.dumps(nothing))
    with pytest.raises(DataError, match=r"--option annotations=annotations/panoptic_val2017.json"):
        open_dataset("coco", tmp_path, "val")
    (tmp_path / "gtFine/val/1").mkdir(parents=True)
    (tmp_path / "gtFine/val/1/a_gtFine_polygons.json").touch()
    with pytest.raises(
        DataError, match=r"no \*_gtFine_labellevel3Ids.png \(make them of the polygons: createLabels.py"
    ):
        open_dataset("idd", tmp_path, "val")


def test_idd_has_26_classes_and_idd_lite_leaves_its_instance_files_aside(tmp_path: Path) -> None:
    assert (len(IDD), IDD.names[12], IDD.names[25], len(set(IDD.names))) == (26, "vehicle fallback", "sky", 26)
    layout = next(one for one in LAYOUTS if one.name == "idd")
    unpacked(tmp_path, layout._replace(holds=np.array([[0, 25, 255]], np.uint8).repeat(2, 0)))
    write(tmp_path / layout.inside / layout.image, GREY[:2, :3])
    assert opened(tmp_path, layout)[0].labels[0].tolist() == [0, 25, VOID]
    lite = next(one for one in LAYOUTS if one.name == "idd-lite")
    unpacked(tmp_path / "lite", lite)
    write(tmp_path / "lite" / lite.inside / "gtFine/val/3/a_inst_label.png", ONES)
    assert opened(tmp_path / "lite", lite).names == ("3/a",)


def test_another_version_of_mapillary_than_the_one_there_is_refused(tmp_path: Path) -> None:
    layout = Layout(
        "mapillary",
        "validation",
        "",
        "validation/images/a.jpg",
        "validation/labels/a.png",
        ONES,
        {"config.json": MAPILLARY},
    )
    unpacked(tmp_path, layout)
    assert len(opened(tmp_path, layout)) == 1  # the first edition, which had no folder v1.2
    with pytest.raises(
        DataError, match=r"config_v2.0.json is not there \(it names the classes of version 2.0: config.json"
    ):
        open_dataset("mapillary", tmp_path, "validation", version=2.0)
    unpacked(
        tmp_path, layout._replace(split="training", image="training/images/b.jpg", label="training/labels/b.png")
    )
    assert open_dataset("mapillary", tmp_path, "training+validation").names == ("b", "a")


def test_numbers_are_text_where_an_option_is_text(tmp_path: Path) -> None:
    layout = next(one for one in LAYOUTS if one.options.get("version"))
    unpacked(tmp_path, layout)
    said = dashmask(
        "data",
        "check",
        "--dataset",
        "mapillary",
        "--root",
        tmp_path,
        "--split",
        "validation",
        "--option",
        "version=2.0",
    )
    assert said.code == 0, said.err
    davis = next(one for one in LAYOUTS if one.name == "davis")
    unpacked(tmp_path / "d", davis)
    assert len(open_dataset("davis", tmp_path / "d", "val", year=2017)) == 1
