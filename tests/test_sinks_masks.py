"""Masks and pictures on disk."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from sinks_parts import HEIGHT, WIDTH, boxes, ground, in_child, picture

from pipeline.classes import DRIVING, LABEL_IDS
from pipeline.image import Image
from pipeline.sinks.masks import MaskSink
from pipeline.sinks.pictures import PictureSink
from pipeline.types import Classes, Picture


def read(path: Path) -> np.ndarray:
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    return pixels


def test_label_masks_hold_the_models_own_classes(tmp_path: Path) -> None:
    sink = MaskSink(tmp_path / "new" / "masks")
    sink.write(picture(12, None, ground()))
    sink.close(whole=True)
    mask = read(tmp_path / "new/masks/labels/000012.png")
    assert mask.dtype == np.uint8
    assert np.array_equal(mask, ground().map)
    legend = json.loads((tmp_path / "new/masks/classes.json").read_text())
    assert legend["labels"]["classes"][1] == {"id": 1, "name": "road", "colour": [128, 64, 128]}
    assert "instances" not in legend
    assert not (tmp_path / "new/masks/instances").exists()


def test_instance_masks_hold_class_and_rank_with_the_best_on_top(tmp_path: Path) -> None:
    sink = MaskSink(tmp_path)
    sink.write(picture(0, boxes([1, 0, 2], [(0, 0, 20, 20), (10, 10, 40, 40), (50, 0, 50, 9)]), ground()))
    mask = read(tmp_path / "instances/000000.png")
    truth = np.zeros((HEIGHT, WIDTH), np.uint16)
    truth[10:40, 10:40] = 2
    truth[:20, :20] = 1001
    assert mask.dtype == np.uint16
    assert np.array_equal(mask, truth)
    legend = json.loads((tmp_path / "classes.json").read_text())
    assert legend["instances"]["divisor"] == 1000
    assert set(legend) == {"ids", "labels", "instances"}


def test_classes_that_a_thousand_does_not_fit_are_multiples_of_256(tmp_path: Path) -> None:
    many = Classes(tuple(f"c{i}" for i in range(80)), ((0, 0, 0),) * 80)
    crops = [(0, 0, 4, 4)] * 300
    crops[0] = (30, 30, 40, 40)
    sink = MaskSink(tmp_path)
    sink.write(picture(0, boxes([79] * 300, crops, many)))
    sink.close(whole=True)
    mask = read(tmp_path / "instances/000000.png")
    assert mask[35, 35] // 256 == 79
    assert mask[35, 35] % 256 == 1
    assert json.loads((tmp_path / "classes.json").read_text())["instances"]["divisor"] == 256
    assert "45 objects did not fit" in sink.notes[0]


@pytest.mark.parametrize("ids", ["trainId", "labelId"])
def test_masks_can_have_cityscapes_numbers(tmp_path: Path, ids: str) -> None:
    number = {name: i if ids == "trainId" else LABEL_IDS[i] for i, name in enumerate(DRIVING.names)}
    nothing = 255 if ids == "trainId" else 0
    sink = MaskSink(tmp_path, ids)  # type: ignore[arg-type]
    sink.write(picture(0, boxes([2, 1, 0], [(0, 0, 9, 9), (0, 0, 20, 20), (40, 0, 50, 9)]), ground()))
    labels, instances = read(tmp_path / "labels/000000.png"), read(tmp_path / "instances/000000.png")
    assert [labels[y, 0] for y in (0, 15, 25, 42)] == [number["sky"], nothing, number["road"], nothing]
    assert instances[0, 0] == number["car"] * 1000 + 2  # the kite in front of it has no number
    assert instances[0, 45] == number["person"] * 1000 + 3
    assert f"no {ids}: river" in sink.notes[0]
    legend = json.loads((tmp_path / "classes.json").read_text())
    assert [row["id"] for row in legend["labels"]["classes"]] == [number["sky"], number["road"], None]


def test_pictures_keep_their_transparency(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 4)).astype(np.uint8)
    pixels[:, :32, 3] = 0
    cutout = picture(3, image=Image((pixels,), "bgra32"))
    PictureSink(tmp_path).write(cutout)
    assert np.array_equal(read(tmp_path / "000003.png"), pixels)


def test_planar_pictures_are_written_in_colour(tmp_path: Path) -> None:
    red = Image(
        (
            np.full((HEIGHT, WIDTH), 81, np.uint8),
            np.full((HEIGHT // 2, WIDTH // 2), 90, np.uint8),
            np.full((HEIGHT // 2, WIDTH // 2), 240, np.uint8),
        ),
        "yuv420p",
    )
    PictureSink(tmp_path).write(picture(0, image=red))
    assert np.abs(read(tmp_path / "000000.png").astype(int) - [0, 0, 255]).max() <= 2


def test_a_picture_that_was_not_drawn_is_a_defect(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not drawn"):
        PictureSink(tmp_path).write(Picture(picture().scene, None))


def test_a_full_disk_of_masks_and_pictures_keeps_what_is_whole(tmp_path: Path) -> None:
    noise = (
        "Picture(picture().scene, Image((np.random.default_rng(0).integers(0, 255, (48, 64, 3), 'u1'),), 'bgr24'))"
    )
    code = f"""
import resource, sys
from pathlib import Path
from test_sinks_masks import *
from pipeline.errors import SinkError
sink = PictureSink(Path(sys.argv[1]))
sink.write(picture(7))
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
try:
    sink.write({noise})
except SinkError as error:
    print(error)
"""
    child = in_child(code, str(tmp_path / "out"))
    assert "File too large" in child.stdout, child.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["000007.png"]
