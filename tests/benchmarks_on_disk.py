"""Small benchmarks in their official layouts: pictures of coloured squares, a person and a car in most of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.rle import encode_crop

SIDE = 64
PERSON, CAR = (8, 20, 30, 44), (34, 10, 60, 50)
COLOURS = np.array([(0, 0, 255), (0, 255, 0), (255, 0, 0)], np.uint8)  # BGR: red, green, blue
Box = tuple[int, int, int, int]
U8 = NDArray[np.uint8]


def put(path: Path, picture: NDArray[Any]) -> None:
    """Write a PNG, whatever the name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())


def squares(seed: int) -> tuple[U8, U8]:
    """A picture, and what a tenth of its pixels differ from: class 0, 1 or 2."""
    random = np.random.default_rng(seed)
    cells = random.integers(0, 3, (8, 8))
    seen = np.kron(cells, np.ones((8, 8), int)).astype(np.uint8)
    wrong = random.random(seen.shape) < 0.1
    truth = np.where(wrong, random.integers(0, 3, seen.shape), seen).astype(np.uint8)
    return COLOURS[seen], truth


def objects(index: int) -> list[tuple[int, Box]]:
    """Class (0 person, 1 car) and box of what is really there: sometimes nothing, or a little aside."""
    dx = index % 3
    found = [(0, PERSON), (1, (CAR[0] - dx, CAR[1] + 2 * dx, CAR[2] - dx, CAR[3] + 2 * dx))]
    return [] if index == 4 else found[1:] if index == 2 else found


def inside(box: Box) -> tuple[slice, slice]:
    """The pixels of a box."""
    return slice(box[1], box[3]), slice(box[0], box[2])


def cityscapes(root: Path, count: int = 5) -> None:
    """Label ids of road, sky and car, and instance ids of persons and cars."""
    for index in range(count):
        name = f"val/bonn/bonn_{index:06}_000019"
        picture, truth = squares(index)
        put(root / "leftImg8bit" / f"{name}_leftImg8bit.png", picture)
        put(root / "gtFine" / f"{name}_gtFine_labelIds.png", np.array([7, 23, 26], np.uint8)[truth])
        numbers = np.zeros((SIDE, SIDE), np.uint16)
        for number, (kind, box) in enumerate(objects(index)):
            numbers[inside(box)] = (24, 26)[kind] * 1000 + number
        put(root / "gtFine" / f"{name}_gtFine_instanceIds.png", numbers)


def kitti(root: Path, count: int = 5) -> None:
    """As cityscapes, in KITTI's way."""
    for index in range(count):
        picture, truth = squares(index)
        put(root / f"training/image_2/{index:06}_10.png", picture)
        put(root / f"training/semantic/{index:06}_10.png", np.array([7, 23, 26], np.uint8)[truth])
        numbers = np.zeros((SIDE, SIDE), np.uint16)
        for number, (kind, box) in enumerate(objects(index), 1):
            numbers[inside(box)] = (24, 26)[kind] * 256 + number
        put(root / f"training/instance/{index:06}_10.png", numbers)


def bdd100k(root: Path, count: int = 5) -> None:
    """TrainIds of road, sky and car, and bitmasks of pedestrians and cars."""
    for index in range(count):
        picture, truth = squares(index)
        put(root / f"images/10k/val/{index:04}.jpg", picture)
        put(root / f"labels/sem_seg/masks/val/{index:04}.png", np.array([0, 10, 13], np.uint8)[truth])
        bitmask = np.zeros((SIDE, SIDE, 4), np.uint8)  # B, G, R, A: R category, A number
        for number, (kind, box) in enumerate(objects(index), 1):
            bitmask[inside(box)] = (0, 0, (1, 3)[kind], number)
        put(root / f"labels/ins_seg/bitmasks/val/{index:04}.png", bitmask)


def coco(root: Path, count: int = 5) -> None:
    """Persons (category 3) and cars (90) in annotations/instances_val2017.json."""
    what: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": [], "categories": []}
    what["categories"] = [{"id": 3, "name": "person"}, {"id": 90, "name": "car"}]
    for index in range(count):
        put(root / f"val2017/{index:012}.jpg", squares(index)[0])
        about = {"id": index + 7, "file_name": f"{index:012}.jpg", "height": SIDE, "width": SIDE}
        what["images"].append(about)
        for kind, (x0, y0, x1, y1) in objects(index):
            outline = [x0, y0, x1, y0, x1, y1, x0, y1]
            one = {"id": len(what["annotations"]) + 1, "image_id": index + 7, "category_id": (3, 90)[kind]}
            box = {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0), "iscrowd": 0}
            what["annotations"].append({**one, **box, "segmentation": [outline]})
    (root / "annotations").mkdir()
    (root / "annotations/instances_val2017.json").write_text(json.dumps(what))


def coco_upside_down(root: Path, count: int = 5) -> None:
    """As coco, the images listed by falling number: COCO's own lists are in no order."""
    coco(root, count)
    path = root / "annotations/instances_val2017.json"
    what = json.loads(path.read_text())
    what["images"].reverse()
    path.write_text(json.dumps(what))


def scalabel(root: Path, count: int = 5) -> None:
    """Persons and cars in frames.json, pictures in images/."""
    frames = []
    for index in range(count):
        put(root / f"images/{index:04}.png", squares(index)[0])
        labels = [
            {
                "id": str(number),
                "category": ("person", "car")[kind],
                "box2d": {"x1": box[0], "y1": box[1], "x2": box[2] - 1, "y2": box[3] - 1},
                "rle": {"counts": run_lengths(box), "size": [SIDE, SIDE]},
            }
            for number, (kind, box) in enumerate(objects(index))
        ]
        frames.append({"name": f"{index:04}.png", "size": {"width": SIDE, "height": SIDE}, "labels": labels})
    config = {"categories": [{"name": "person"}, {"name": "car"}]}
    (root / "frames.json").write_text(json.dumps({"frames": frames, "config": config}))


def mots(root: Path, count: int = 5) -> None:
    """Pedestrians and cars of one sequence."""
    for index in range(count):
        put(root / f"training/image_02/0002/{index:06}.png", squares(index)[0])
        numbers = np.zeros((SIDE, SIDE), np.uint16)
        for kind, box in objects(index):
            numbers[inside(box)] = (2001, 1001)[kind]
        put(root / f"instances/0002/{index:06}.png", numbers)


def davis(root: Path, count: int = 5) -> None:
    """Cars of one film."""
    (root / "ImageSets/2017").mkdir(parents=True)
    (root / "ImageSets/2017/val.txt").write_text("bus\n")
    for index in range(count):
        put(root / f"JPEGImages/480p/bus/{index:05}.jpg", squares(index)[0])
        numbers = np.zeros((SIDE, SIDE), np.uint8)
        for kind, box in objects(index):
            if kind == 1:
                numbers[inside(box)] = 1
        put(root / f"Annotations/480p/bus/{index:05}.png", numbers)


def run_lengths(box: Box) -> str:
    """A box as COCO's text."""
    mask = np.ones((box[3] - box[1], box[2] - box[0]), np.bool_)
    return encode_crop(mask, (box[0], box[1]), (SIDE, SIDE))
