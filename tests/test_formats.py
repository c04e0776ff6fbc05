"""Official result formats, read back the way the official tools do it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.classes import DRIVING
from pipeline.errors import ConfigError, SinkError
from pipeline.formats import FORMATS, Prediction, open_writer
from pipeline.formats.davis import voc_palette
from pipeline.rle import decode
from pipeline.types import VOID, Classes, Instances

SIZE = (40, 60)


def found(classes: Classes | None, seed: int = 0, count: int = 5) -> Instances:
    """Objects whose masks overlap, best score first."""
    rng = np.random.default_rng(seed)
    kinds = classes if classes is not None and len(classes) else Classes(("car", "dog", "kite"), ())
    crops, parts = [], []
    for _ in range(count):
        (x0, x1), (y0, y1) = sorted(rng.choice(SIZE[1], 2, False)), sorted(rng.choice(SIZE[0], 2, False))
        crops.append((x0, y0, x1, y1))
        parts.append((rng.random((y1 - y0, x1 - x0)) < 0.8).astype(np.uint8).ravel() * 255)
    return Instances(
        np.asarray(crops, np.float32),
        np.sort(rng.random(count)).astype(np.float32)[::-1].copy(),
        rng.integers(0, len(kinds), count).astype(np.int32),
        np.asarray(crops, np.int32),
        np.concatenate(parts),
        np.cumsum([0, *map(len, parts)]),
        kinds,
    )


def labels(seed: int = 0) -> NDArray[np.uint8]:
    ids = np.random.default_rng(seed).integers(0, len(DRIVING) + 1, SIZE).astype(np.uint8)
    return np.where(ids == len(DRIVING), np.uint8(VOID), ids)


def without_overlap(objects: Instances) -> list[NDArray[np.bool_]]:
    """Each mask without the pixels of better ones."""
    taken, masks = np.zeros(SIZE, np.bool_), []
    for i in range(len(objects)):
        masks.append(objects.full_mask(i, SIZE) & ~taken)
        taken |= masks[-1]
    return masks


@pytest.mark.parametrize("name", FORMATS)
def test_every_line_of_the_table_writes_what_it_says(name: str, tmp_path: Path) -> None:
    writer = open_writer(name, tmp_path / "out")
    for index in range(2):
        truth = labels(index) if writer.labels is not None else None
        objects = found(writer.things, index) if writer.things is not None else None
        writer.add(Prediction(f"0001/00000{index}", index, SIZE, truth, objects))
    made = writer.close()
    assert made
    assert all(path.exists() for path in made)
    assert not list((tmp_path / "out").rglob("*.part"))


def test_an_unknown_format_gets_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean cityscapes"):
        open_writer("citiscapes", tmp_path)


@pytest.mark.parametrize(("name", "folder", "ending"), [("cityscapes", "labels", "_pred"), ("kitti", "semantic", "")])
def test_label_maps_hold_label_ids(name: str, folder: str, ending: str, tmp_path: Path) -> None:
    truth = labels()
    writer = open_writer(name, tmp_path)
    writer.add(Prediction("bonn_000000_000019", 0, SIZE, truth))
    written = cv2.imread(str(tmp_path / folder / f"bonn_000000_000019{ending}.png"), cv2.IMREAD_UNCHANGED)
    assert written.dtype == np.uint8
    assert set(written[truth == 13]) == {26}
    assert set(written[truth == 18]) == {33}
    assert set(written[truth == VOID]) == {0}


@pytest.mark.parametrize(
    ("name", "text"), [("cityscapes", "instances/a_pred.txt"), ("kitti", "instance/pred_list/a.txt")]
)
def test_a_list_names_masks_ids_and_scores(name: str, text: str, tmp_path: Path) -> None:
    writer = open_writer(name, tmp_path)
    objects = found(writer.things)
    writer.add(Prediction("a", 0, SIZE, None, objects))
    lines = (tmp_path / text).read_text().splitlines()
    assert len(lines) == len(objects)
    assert writer.things is not None
    for i, line in enumerate(lines):
        file, label_id, score = line.split()
        mask = cv2.imread(str((tmp_path / text).parent / file), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(mask != 0, objects.full_mask(i, SIZE))
        assert int(label_id) in (24, 25, 26, 27, 28, 31, 32, 33)
        assert writer.things.names[objects.class_ids[i]] == {24: "person", 25: "rider", 26: "car", 27: "truck",
            28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle"}[int(label_id)]  # fmt: skip
        assert float(score) == pytest.approx(objects.scores[i], abs=1e-6)


def test_bdd100k_bitmasks_hold_category_and_number(tmp_path: Path) -> None:
    writer = open_writer("bdd100k", tmp_path)
    objects, truth = found(writer.things), labels()
    writer.add(Prediction("b1c66a42", 0, SIZE, truth, objects))
    writer.close()
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "sem_seg/b1c66a42.png"), cv2.IMREAD_UNCHANGED), truth)
    b, g, r, a = np.moveaxis(
        cv2.imread(str(tmp_path / "ins_seg/bitmasks/b1c66a42.png"), cv2.IMREAD_UNCHANGED).astype(int), 2, 0
    )
    (frame,) = json.loads((tmp_path / "ins_seg/scores.json").read_text())
    assert frame["name"] == "b1c66a42.jpg"
    assert not g.any()
    for label, mask, class_id in zip(frame["labels"], without_overlap(objects), objects.class_ids, strict=True):
        np.testing.assert_array_equal((b << 8) + a == label["index"], mask)
        assert set(r[mask]) <= {class_id + 1}
    assert not r[b + a == 0].any()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools with NumPy 2
def test_coco_results_are_what_pycocotools_reads(tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco", reason="no pycocotools here: install the extra `eval`")
    classes = Classes(tuple(f"class {i}" for i in range(80)), ())
    objects = found(classes)
    writer = open_writer("coco", tmp_path)
    writer.add(Prediction("val2017/000000000139", 0, SIZE, None, objects))
    writer.close()
    truth = coco.COCO()
    truth.dataset = {
        "images": [{"id": 139, "height": SIZE[0], "width": SIZE[1]}],
        "categories": [],
        "annotations": [],
    }
    truth.createIndex()
    read = truth.loadRes(str(tmp_path / "results.json"))
    assert len(read.anns) == len(objects)
    for i, row in enumerate(read.loadAnns(read.getAnnIds())):
        np.testing.assert_array_equal(read.annToMask(row) != 0, objects.full_mask(i, SIZE))
        assert (row["category_id"] == 90) == (objects.class_ids[i] == 79)
        x, y, width, height = row["bbox"]
        np.testing.assert_allclose((x, y, x + width, y + height), objects.boxes_xyxy[i], atol=0.01)


@pytest.mark.parametrize("name", ["bdd100k", "cityscapes", "coco", "kitti"])
def test_images_whose_names_differ_in_their_folder_alone_are_not_written_over_each_other(
    name: str, tmp_path: Path
) -> None:
    writer = open_writer(name, tmp_path)
    first = Prediction("bear/00000", 0, SIZE, labels(), found(writer.things))
    writer.add(first)
    with pytest.raises(SinkError, match="bear/00000 and dog/00000 would be one file"):
        writer.add(replace(first, name="dog/00000"))


@pytest.mark.parametrize("name", ["cityscapes", "kitti"])
def test_a_name_that_a_list_of_masks_cannot_hold_is_refused(name: str, tmp_path: Path) -> None:
    writer = open_writer(name, tmp_path)
    writer.add(Prediction("my road", 0, SIZE, labels()))  # a label map can be called so
    with pytest.raises(SinkError, match="my road: a list of masks cannot hold a name with a space"):
        writer.add(Prediction("my road", 0, SIZE, None, found(writer.things)))


def test_coco_asks_for_numbers(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="numbers its images"):
        open_writer("coco", tmp_path).add(Prediction("front", 0, SIZE, None, found(None)))


def test_mots_lines_do_not_overlap(tmp_path: Path) -> None:
    writer = open_writer("mots", tmp_path)
    objects = found(writer.things)
    writer.add(Prediction("0002/000017", 5, SIZE, None, objects))
    (file,) = writer.close()
    assert file.name == "0002.txt"
    masks = [mask for mask in without_overlap(objects) if mask.any()]
    lines = file.read_text().splitlines()
    assert len(lines) == len(masks)
    for line, mask in zip(lines, masks, strict=True):
        frame, number, kind, height, width, counts = line.split(" ")
        assert (frame, int(height), int(width)) == ("17", *SIZE)
        assert int(number) // 1000 == int(kind) in (1, 2)
        np.testing.assert_array_equal(decode(counts, SIZE), mask)
    assert len({line.split(" ")[1] for line in lines}) == len(lines)


def test_scalabel_boxes_hold_their_last_pixel(tmp_path: Path) -> None:
    writer = open_writer("scalabel", tmp_path)
    objects = found(None)
    writer.add(Prediction("drive/frame-7", 7, SIZE, None, objects))
    (file,) = writer.close()
    whole = json.loads(file.read_text())
    (frame,) = whole["frames"]
    assert (frame["name"], frame["videoName"], frame["frameIndex"]) == ("frame-7", "drive", 7)
    assert frame["size"] == {"width": 60, "height": 40}
    assert [c["name"] for c in whole["config"]["categories"]] == list(objects.classes.names)
    for i, label in enumerate(frame["labels"]):
        x0, _, x1, _ = objects.boxes_xyxy[i]
        assert label["box2d"]["x2"] - label["box2d"]["x1"] + 1 == pytest.approx(x1 - x0, abs=0.01)
        np.testing.assert_array_equal(decode(label["rle"]["counts"], SIZE), objects.full_mask(i, SIZE))


def test_davis_frames_are_palette_pictures(tmp_path: Path) -> None:
    writer = open_writer("davis", tmp_path)
    objects = found(None)
    writer.add(Prediction("bus/00003", 3, SIZE, None, objects))
    file = tmp_path / "bus" / "00003.png"
    assert file.read_bytes()[25] == 3  # colour type: palette
    colours = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)
    expected = np.zeros(SIZE, int)
    for i, mask in enumerate(without_overlap(objects)):
        expected[mask] = i + 1
    np.testing.assert_array_equal(colours, voc_palette()[expected])
    assert voc_palette()[:4].tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]


def test_davis_numbers_are_those_of_objects_that_are_followed(tmp_path: Path) -> None:
    writer = open_writer("davis", tmp_path)
    objects = found(None)
    tracks = np.arange(7, 7 + len(objects))
    tracks[1] = 0  # not followed
    for frame, order in enumerate((slice(None), slice(None, None, -1))):
        writer.add(Prediction(f"bus/{frame:05}", frame, SIZE, None, replace(objects, track_ids=tracks[order])))
    pictures = [cv2.imread(str(tmp_path / f"bus/{frame:05}.png")) for frame in range(2)]
    numbers = [1, 0, *range(2, len(objects))]
    for picture, order in zip(pictures, (numbers, numbers[::-1]), strict=True):
        expected = np.zeros(SIZE, int)
        for number, mask in zip(order, without_overlap(objects), strict=True):
            expected[mask] = number
        np.testing.assert_array_equal(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), voc_palette()[expected])
    first = objects.take(np.array([0]))
    for frame in range(254):
        one = replace(first, track_ids=np.array([frame + 1]))
        writer.add(Prediction(f"cow/{frame:05}", frame, SIZE, None, one))
    with pytest.raises(SinkError, match="more than 254 objects"):
        writer.add(Prediction("cow/00254", 254, SIZE, None, replace(first, track_ids=np.array([999]))))


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="is a file, expected a folder"):
        open_writer("kitti", tmp_path / "file" / "out")
