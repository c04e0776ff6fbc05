"""Good predictions and truth of every format that is scored, and what can be wrong in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import benchmarks_on_disk as on_disk
import cv2
import numpy as np
from benchmarks_on_disk import CAR, SIDE, inside, put, run_lengths, squares

from pipeline.rle import encode_crop

IDS = np.array([7, 23, 26], np.uint8)


def city(root: Path) -> tuple[Path, Path, str]:
    """Good label maps for Cityscapes: predictions, truth, format."""
    on_disk.cityscapes(root / "data")
    for index in range(5):
        put(root / f"out/bonn_{index:06}_000019_pred.png", IDS[squares(index)[1]])
    return root / "out", root / "data/gtFine/val", "cityscapes"


def bitmasks(root: Path) -> tuple[Path, Path, str]:
    """Good bitmasks for BDD100K."""
    on_disk.bdd100k(root / "data")
    truth = root / "data/labels/ins_seg/bitmasks/val"
    frames = []
    for path in sorted(truth.iterdir()):
        put(root / "out/ins_seg/bitmasks" / path.name, cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
        frames.append({"name": f"{path.stem}.jpg", "labels": [{"index": n, "score": 0.5} for n in (1, 2)]})
    (root / "out/ins_seg/scores.json").write_text(json.dumps(frames))
    return root / "out", truth, "bdd100k"


def coco(root: Path) -> tuple[Path, Path, str]:
    """Good rows for COCO."""
    (root / "data").mkdir()
    on_disk.coco(root / "data")
    rows = [car(image_id) for image_id in range(7, 12)]
    (root / "results.json").write_text(json.dumps(rows))
    return root / "results.json", root / "data/annotations/instances_val2017.json", "coco"


def car(image_id: int) -> dict[str, Any]:
    masks = {"segmentation": {"size": [SIDE, SIDE], "counts": run_lengths(CAR)}}
    return {"image_id": image_id, "category_id": 90, "score": 0.5, **masks}


def mots(root: Path) -> tuple[Path, Path, str]:
    """Good lines for MOTS."""
    on_disk.mots(root / "data")
    lines = [f"{frame} 1001 1 {SIDE} {SIDE} {run_lengths(CAR)}" for frame in range(5)]
    (root / "out").mkdir()
    (root / "out/0002.txt").write_text("\n".join(lines) + "\n")
    return root / "out", root / "data", "mots"


def mots_pictures(root: Path) -> tuple[Path, Path, str]:
    """The same as PNGs."""
    on_disk.mots(root / "data")
    for frame in range(5):
        numbers = np.zeros((SIDE, SIDE), np.uint16)
        numbers[inside(CAR)] = 1001
        put(root / f"out/0002/{frame:06}.png", numbers)
    return root / "out", root / "data", "mots"


def lanes(root: Path) -> tuple[Path, Path, str]:
    """Good lane markings for BDD100K."""
    picture = np.full((SIDE, SIDE), 255, np.uint8)
    picture[20:24] = 0b00010110
    for index in range(3):
        put(root / f"data/lane/masks/val/{index:04}.png", picture)
        put(root / f"out/{index:04}.png", picture)
    return root / "out", root / "data/lane/masks/val", "bdd100k"


def panoptic(root: Path) -> tuple[Path, Path, str]:
    """Good bitmasks of panoptic segmentation for BDD100K."""
    for index in range(3):
        put(root / f"data/pan_seg/bitmasks/val/{index:04}.png", ROAD)
        put(root / f"out/{index:04}.png", ROAD)
    return root / "out", root / "data/pan_seg/bitmasks/val", "bdd100k"


def add_row(**other: object) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        rows = json.loads((root / "results.json").read_text())
        (root / "results.json").write_text(json.dumps([*rows, car(7) | other]))

    return change


def add_line(line: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        with (root / "out/0002.txt").open("a") as file:
            file.write(line + "\n")

    return change


def json_changed(name: str, change: Callable[[Any], object]) -> Callable[[Path], None]:
    def changed(root: Path) -> None:
        what = json.loads((root / name).read_text())
        change(what)
        (root / name).write_text(json.dumps(what))

    return changed


annotated = partial(json_changed, "data/annotations/instances_val2017.json")
frames = partial(json_changed, "out/ins_seg/scores.json")


def cut(path: str) -> Callable[[Path], None]:
    return lambda root: (root / path).write_bytes((root / path).read_bytes()[:-20]) and None


class Case(NamedTuple):
    """What is broken, and the words that say so."""

    good: Callable[[Path], tuple[Path, Path, str]]
    broken: Callable[[Path], object]
    says: tuple[str, ...]


PRED = "out/bonn_000001_000019_pred.png"
TRUE = "data/gtFine/val/bonn/bonn_000001_000019_gtFine_labelIds.png"
TWO_IN_ONE = np.ones((SIDE, SIDE, 4), np.uint8) * np.array([0, 0, 1, 1], np.uint8)  # B, G, R, A
TWO_IN_ONE[:9, :, 2] = 3
ROAD = np.ones((SIDE, SIDE, 4), np.uint8) * np.array([0, 0, 7, 1], np.uint8)  # B, G, R, A: category 7, segment 1
SMALL = np.full((8, 8), 7, np.uint8)
CASES = {
    "a truncated prediction": Case(city, cut(PRED), ("000001_000019_pred.png", "cut off")),
    "a truncated label": Case(city, cut(TRUE), ("000001_000019_gtFine_labelIds.png", "cut off")),
    "a prediction of another size": Case(city, lambda r: put(r / PRED, SMALL), ("_pred.png is 8x8", "64x64")),
    "colours": Case(city, lambda r: put(r / PRED, squares(1)[0]), ("_pred.png", "3 channels")),
    "an unknown class in a label map": Case(
        city, lambda r: put(r / PRED, np.full((SIDE, SIDE), 77, np.uint8)), ("_pred.png", "unknown class 77")
    ),
    "a missing prediction": Case(city, lambda r: (r / PRED).unlink(), ("bonn_000001_000019", "refuses")),
    "a missing label": Case(city, lambda r: (r / TRUE).unlink(), ("bonn_000001_000019_pred.png", "no truth")),
    "two predictions for an image": Case(
        city, lambda r: put(r / "out/bonn_000001_000019_other.png", IDS[squares(1)[1]]), ("_other.png", "both for it")
    ),
    "an unknown class in a list": Case(
        city,
        lambda r: (r / "out/bonn_000001_000019.txt").write_text("m.png 99 0.5\n"),
        ("bonn_000001_000019.txt", "line 1", "unknown class 99"),
    ),
    "a mask that is not there": Case(
        city, lambda r: (r / "out/bonn_000001_000019.txt").write_text("m.png 26 0.5\n"), ("m.png", "cannot be read")
    ),
    "a mask that is named twice": Case(
        city,
        lambda r: [
            put(r / "out/m.png", squares(1)[1]),
            (r / "out/bonn_000001_000019.txt").write_text("m.png 26 0.5\nm.png 26 0.9\n"),
        ],
        ("bonn_000001_000019.txt", "line 2: m.png is named twice"),
    ),
    "a line of something else": Case(
        city, lambda r: (r / "out/bonn_000001_000019.txt").write_text("26 m.png\n"), ("line 1", "mask, label id")
    ),
    "an instance of two categories": Case(
        bitmasks,
        lambda r: put(r / "out/ins_seg/bitmasks/0001.png", TWO_IN_ONE),
        ("0001.png", "more than one category"),
    ),
    "an object without a score": Case(bitmasks, frames(lambda f: f[1]["labels"].pop()), ("0001.png", "no score")),
    "an object with two scores": Case(
        bitmasks,
        frames(lambda f: f[1]["labels"].append({"index": 1, "score": 1})),
        ("scores.json", "object 1"),
    ),
    "a row of an unknown category": Case(coco, add_row(category_id=4), ("row 5", "unknown category 4")),
    "a row of an unknown image": Case(coco, add_row(image_id=4), ("image 4", "no truth")),
    "a row without a score": Case(coco, add_row(score=None), ("results.json", "row 5", "score")),
    "a row of another size": Case(
        coco, add_row(segmentation={"size": [9, 9], "counts": "9"}), ("results.json", "row 5", "9x9")
    ),
    "broken run lengths": Case(
        coco, add_row(segmentation={"size": [SIDE, SIDE], "counts": "9"}), ("results.json", "row 5", "run lengths")
    ),
    "an annotation id twice": Case(
        coco, annotated(lambda w: w["annotations"][1].update(id=1)), ("000000000000.jpg", "annotation id 1", "twice")
    ),
    "an annotation of an unknown category": Case(
        coco,
        annotated(lambda w: w["annotations"][0].update(category_id=5)),
        ("000000000000.jpg", "unknown category 5"),
    ),
    "a lane of no kind": Case(
        lanes,
        lambda r: put(r / "out/0001.png", np.full((SIDE, SIDE), 77, np.uint8)),
        ("0001.png", "unknown class 77"),
    ),
    "lanes of another size": Case(lanes, lambda r: put(r / "out/0001.png", SMALL), ("0001.png is 8x8",)),
    "missing lanes": Case(lanes, lambda r: (r / "out/0001.png").unlink(), ("0001", "counts as nothing found")),
    "a segment of an unknown category": Case(
        panoptic,
        lambda r: put(r / "out/0001.png", ROAD * np.array([1, 1, 7, 1], np.uint8)),
        ("0001.png", "unknown category 49"),
    ),
    "a segment of two categories": Case(
        panoptic, lambda r: put(r / "out/0001.png", TWO_IN_ONE), ("0001.png", "more than one category")
    ),
    "segments of another size": Case(panoptic, lambda r: put(r / "out/0001.png", ROAD[:8, :8]), ("0001.png is 8x8",)),
    "an object that changes its class": Case(
        mots,
        add_line(f"7 1001 2 {SIDE} {SIDE} {run_lengths(CAR)}"),
        ("0002.txt", "frame 7: object 1001 is of class 2", "in frame 0 of class 1"),
    ),
    "a frame of another size": Case(
        mots,
        add_line(f"4 1002 1 9 9 {encode_crop(np.ones((3, 3)), (0, 0), (9, 9))}"),
        ("0002.txt", "frame 4", "size"),
    ),
    "a sequence that is missing": Case(
        mots, lambda r: (r / "out/0002.txt").rename(r / "out/0003.txt"), ("0002/000000", "refuses")
    ),
    "a picture of an unknown class": Case(
        mots_pictures,
        lambda r: put(r / "out/0002/000001.png", np.full((SIDE, SIDE), 7001, np.uint16)),
        ("0002/000001.png", "object 7001", "unknown class 7"),
    ),
    "a picture of another size": Case(
        mots_pictures, lambda r: put(r / "out/0002/000001.png", np.zeros((8, 8), np.uint16)), ("000001.png is 8x8",)
    ),
    "a missing picture": Case(
        mots_pictures, lambda r: (r / "out/0002/000001.png").unlink(), ("0002/000001", "refuses")
    ),
    "masks that overlap": Case(
        mots, add_line(f"1 1002 1 {SIDE} {SIDE} {run_lengths(CAR)}"), ("0002.txt", "frame 1", "overlaps")
    ),
    "an id twice in a frame": Case(
        mots, add_line(f"1 1001 1 {SIDE} {SIDE} {run_lengths(CAR)}"), ("0002.txt", "line 6", "twice")
    ),
    "a class that MOTS does not have": Case(
        mots, add_line(f"1 3001 3 {SIDE} {SIDE} {run_lengths(CAR)}"), ("0002.txt", "line 6", "unknown class 3")
    ),
}
