"""`dashmask data check`: what is there, what is missing, what is wrong, and a sheet to look at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from label_files import GREY, HW, IDS, write
from marked_images import NONE, marked
from typer.testing import CliRunner, Result

from pipeline.cli.data import data
from pipeline.data_check.check import check_split, usual_splits
from pipeline.data_check.contact_sheet import thumbnail
from pipeline.datasets import DATASETS, Sample
from pipeline.errors import DataError
from pipeline.types import VOID


def check(*words: object) -> Result:
    return CliRunner().invoke(data, ["check", *map(str, words)])


def camvid(root: Path) -> Path:
    for number in range(3):
        write(root / f"val/0016E5_{number:05}.png", GREY)
        write(root / f"valannot/0016E5_{number:05}.png", np.full(HW, number, np.uint8))
    return root


def test_every_class_is_counted_in_pixels_and_in_images(tmp_path: Path) -> None:
    write(camvid(tmp_path) / "valannot/0016E5_00002.png", IDS)
    found = check_split("camvid", tmp_path, "val")
    report = found.report()
    assert report["images"] == 3
    assert report["classes"]["Sky"] == {"pixels": 48 + int((IDS == 0).sum()), "images": 2}
    assert report["classes"]["Bicyclist"] == {"pixels": int((IDS == 10).sum()), "images": 1}
    assert report["classes"]["void"] == {"pixels": int((IDS == 11).sum()), "images": 1}
    assert report["sizes"] == {"8x6": 3}
    assert sum(one["pixels"] for one in report["classes"].values()) == 3 * IDS.size


def test_everything_that_is_wrong_is_named_at_once(tmp_path: Path) -> None:
    camvid(tmp_path)
    write(tmp_path / "val/0016E5_00009.png", GREY)
    write(tmp_path / "valannot/0016E5_00001.png", IDS[:, :4])
    write(tmp_path / "valannot/0016E5_00002.png", IDS + np.uint8(5))
    out = tmp_path / "report.json"
    done = check("--dataset", "camvid", "--root", tmp_path, "--json", out)
    assert done.exit_code == 1
    for says in ("1 images are whole, 2 wrong, 1 without a partner", "8x6, its label 0016E5_00001.png 4x6"):
        assert says in done.output
    assert "out of range" in done.output
    assert "0016E5_00009.png: image without a label" in done.output
    assert "camvid train: nothing" in done.output  # a split that is missing is no error
    (val,) = (one for one in json.loads(out.read_text())["splits"] if one["split"] == "val")
    assert [one["name"] for one in val["wrong"]] == ["0016E5_00001", "0016E5_00002"]
    assert val["left_out"] == [{"name": "0016E5_00009.png", "reason": "image without a label"}]


def test_a_whole_data_set_is_no_error_and_an_absent_one_is(tmp_path: Path) -> None:
    done = check("--dataset", "camvid", "--root", camvid(tmp_path), "--split", "val")
    assert (done.exit_code, "3 images are whole, 0 wrong" in done.output) == (0, True)
    assert check("--dataset", "camvid", "--root", tmp_path / "nowhere").exit_code == 1
    assert isinstance(check("--dataset", "camvid", "--root", tmp_path, "--split", "vall").exception, DataError)
    assert "did you mean camvid" in str(check("--dataset", "canvid", "--root", tmp_path).exception)


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_says_which_splits_it_may_have(name: str) -> None:
    assert usual_splits(name)


def test_objects_are_counted_and_drawn_on_the_sheet(tmp_path: Path) -> None:
    corners = [[10 * i, 5, 10 * i + 8, 5, 10 * i + 8, 25, 10 * i, 25] for i in range(3)]
    marks = [
        {"id": i, "image_id": 1, "category_id": 1, "segmentation": [corners[i]], "iscrowd": int(i == 2)}
        for i in range(3)
    ]
    images = [{"id": 1, "file_name": "a.png", "height": 30, "width": 40}]
    what: dict[str, Any] = {"images": images, "annotations": marks, "categories": [{"id": 1, "name": "car"}]}
    what["categories"].append({"id": 2, "name": "bus"})
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/instances_val.json").write_text(json.dumps(what))
    write(tmp_path / "val/a.png", np.full((30, 40, 3), 80, np.uint8))
    sheet = tmp_path / "sheet.png"
    done = check("--dataset", "coco", "--root", tmp_path, "--split", "val", "--sheet", sheet)
    assert done.exit_code == 0, done.output
    assert "no object of 1 classes: bus" in done.output
    found = check_split("coco", tmp_path, "val")
    assert found.objects["car"] == {"objects": 2, "crowd": 1, "ignored": 0, "images": 1}
    drawn = cv2.imread(str(sheet))
    colours = {tuple(c) for c in drawn.reshape(-1, 3).tolist()}
    assert len(colours) > 3  # paper, ink, image, and objects blended in
    for name in ("no/x.png", "x.sheet"):
        refused = check("--dataset", "coco", "--root", tmp_path, "--split", "val", "--sheet", tmp_path / name)
        assert refused.exit_code
        assert "car" not in refused.output  # before the work


def test_real_data_is_whole(shared: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    done = check("--dataset", "kitti-semantic", "--root", shared / "data/kitti-semantics", "--sheet", sheet)
    assert done.exit_code == 0, done.output
    assert "5 images are whole" in done.output
    assert cv2.imread(str(sheet)).shape[1] > 1600


def test_a_file_name_that_is_no_utf8_is_drawn_and_told(tmp_path: Path) -> None:
    odd = os.fsdecode(b"caf\xe9")  # as old Windows archives hold it
    write(tmp_path / "masks/a.png", np.zeros(HW, np.uint8)).rename(tmp_path / f"masks/{odd}.png")
    write(tmp_path / "images/a.png", GREY).rename(tmp_path / f"images/{odd}.png")
    (tmp_path / f"images/{odd}2.png").write_bytes(b"no picture")
    write(tmp_path / "masks/b.png", np.zeros(HW, np.uint8)).rename(tmp_path / f"masks/{odd}2.png")
    (tmp_path / "classes.txt").write_text("road\n")
    words = ("--dataset", "folders", "--root", tmp_path, "--split", "all", "--sheet", tmp_path / "s.png", "--json")
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", "data", "check", *words, tmp_path / "r"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert (done.returncode, b"1 images are whole, 1 wrong" in done.stdout) == (1, True), done.stderr
    assert rb"wrong: caf\udce92: " in done.stdout
    assert b"contact sheet: " in done.stderr
    assert json.loads((tmp_path / "r").read_text())["splits"][0]["wrong"][0]["name"] == f"{odd}2"


def test_a_caption_is_never_cut_off() -> None:
    grey, objects = np.full((30, 40, 3), 80, np.uint8), marked([(0, 0, 9, 9)], [0])
    void = np.full((30, 40), VOID, np.uint8)
    for name in ("M" * 53, "W/" * 100, "a.png"):
        card = thumbnail(Sample(name, grey, void, objects), NONE)
        below = card[-20:]
        assert (below[:, -4:] == below[0, 0]).all()
        assert (below != below[0, 0]).any()
