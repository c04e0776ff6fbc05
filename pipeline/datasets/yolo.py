"""YOLO's folders of polygons: a text file an image, a line an object.

Layout: `{root}/images/{split}/a.jpg` and `{root}/labels/{split}/a.txt`, or `{root}/{split}/images/` and
`{root}/{split}/labels/` (Roboflow). A line is `class x y x y ...` in shares of width and height; or `class x y w h`,
boxes without masks, in all lines of a file. An image without a file, or with an empty one, has no objects. Names are
in data.yaml (or any one .yaml with `names`), obj.names or classes.txt, which LabelImg puts beside the labels.
Ultralytics, data/utils.py and data/dataset.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.classes import colours_for
from pipeline.datasets.base import SPARE, LeftOut, Sample
from pipeline.datasets.decoding import read_image
from pipeline.datasets.listing import IMAGE_SUFFIXES, files
from pipeline.datasets.name_lists import own_names, read_lines
from pipeline.datasets.objects import NO_CLASSES, Marked, nothing_said, true_objects
from pipeline.errors import DataError
from pipeline.types import Classes

_POINTS = 1000  # that Ultralytics spreads along a polygon before it draws it
_SLACK = 0.01  # so far outside of the image a corner may lie, as a share
_HINT = "lines are `class x y x y x y ...`, in shares of the image's width and height"


class Yolo:
    """Images with objects; there are no label maps.

    Args:
        root: the folder with `images/` and `labels/`, or with the splits.
        split: a folder in them, or around them.
        strict: see open_dataset.
        classes: names in the order of their numbers, instead of the files'.
        terms: what the data may be used for.

    Raises:
        DataError: see open_dataset.
    """

    def __init__(
        self,
        root: Path,
        split: str,
        strict: bool = True,
        classes: Sequence[str] = (),
        terms: str = "as its owner says",
    ) -> None:
        self.name, self.terms, self.classes = "yolo", terms, NO_CLASSES
        around = (root / split / "images").is_dir()
        image_folder = root / split / "images" if around else root / "images" / split
        label_folder = root / split / "labels" if around else root / "labels" / split
        images, labels = files(image_folder, IMAGE_SUFFIXES), files(label_folder, (".txt",))
        if "classes" not in images:
            labels.pop("classes", None)  # the names, as LabelImg writes them beside the labels
        names = own_names(classes or _names(root, label_folder), str(root))
        self.object_classes = Classes(names, colours_for(names))
        lone = [path for name, path in labels.items() if name not in images]
        if lone and strict:
            raise DataError(
                f"{label_folder}: {len(lone)} labels without an image: {lone[0].name}",
                hint=f"complete the data set, {SPARE}",
            )
        self.left_out = tuple(LeftOut(path.name, "label without an image") for path in lone)
        self.names = tuple(images)
        self._files = tuple((path, labels.get(name)) for name, path in images.items())

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Sample:
        """Read one sample; see Dataset."""
        image_path, path = self._files[index]
        image = read_image(image_path)
        size_hw = (image.shape[0], image.shape[1])
        rows = [] if path is None else _rows(path, len(self.object_classes))
        marked = [_marked(row, number, size_hw) for number, row in enumerate(rows, 1)]
        objects = true_objects(marked, self.object_classes)
        return Sample(self.names[index], image, nothing_said(size_hw), objects, self.names[index])


def spread(corners: NDArray[np.float32], points: int) -> NDArray[np.float32]:
    """Corners (k, 2) with others between them, (points, 2), as Ultralytics' resample_segments does it."""
    if len(corners) == points:
        return corners
    closed = np.concatenate((corners, corners[:1]))
    own = np.arange(len(closed))
    if len(closed) < points:
        places = np.linspace(0, len(closed) - 1, points - len(closed))
        places = np.insert(places, np.searchsorted(places, own), own)
    else:
        places = np.linspace(0, len(closed) - 1, points)
    return np.stack([np.interp(places, own, closed[:, axis]) for axis in (0, 1)], axis=1).astype(np.float32)


def _rows(path: Path, classes: int) -> list[NDArray[np.float32]]:
    """The lines of a file, each once, in order."""
    try:
        lines = [words for words in map(str.split, path.read_text(encoding="utf-8-sig").splitlines()) if words]
        rows = [np.array(words, np.float32) for words in lines]
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise DataError(f"{path} cannot be read as numbers: {error}", hint=_HINT) from error
    drawn = [len(row) > 6 for row in rows]
    for place, row in enumerate(rows, 1):
        where = f"{path}: line {place}"
        if len(row) != 5 and (len(row) < 7 or len(row) % 2 == 0):
            raise DataError(f"{where} has {len(row)} numbers", hint=_HINT)
        if drawn[0] != drawn[place - 1]:
            raise DataError(f"{where}: boxes and polygons in one file", hint=_HINT)
        if not (np.isfinite(row).all() and row[1:].min() >= -_SLACK and row[1:].max() <= 1 + _SLACK):
            raise DataError(f"{where}: a place outside of 0..1", hint=_HINT)
        if row[0] != int(row[0]) or not 0 <= row[0] < classes:
            raise DataError(f"{where}: unknown class {row[0]:g}", hint=f"there are {classes} names: 0..{classes - 1}")
    return list({row.tobytes(): row for row in rows}.values())


def _marked(row: NDArray[np.float32], number: int, size_hw: tuple[int, int]) -> Marked:
    height, width = size_hw
    if len(row) == 5:
        x, y, w, h = (row[1:] * np.array([width, height, width, height], np.float32)).tolist()
        nothing = np.zeros((0, 0), np.uint8)
        box = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        return Marked(int(row[0]), nothing, (0, 0, 0, 0), number, area_px=w * h, box_xyxy=box)
    corners = row[1:].reshape(-1, 2)
    points = spread(corners, max(_POINTS, len(corners) + 1)) * np.array([width, height], np.float32)
    pixels = points.astype(np.int32)
    x, y, w, h = cv2.boundingRect(pixels)
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + w, width), min(y + h, height)
    mask = np.zeros((max(y1 - y0, 0), max(x1 - x0, 0)), np.uint8)
    if mask.size:
        cv2.fillPoly(mask, [pixels - np.array([x0, y0], np.int32)], (255,))
    low, high = corners.min(axis=0) * (width, height), corners.max(axis=0) * (width, height)
    box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    return Marked(int(row[0]), mask, (x0, y0, x0 + mask.shape[1], y0 + mask.shape[0]), number, box_xyxy=box)


class _Yaml(msgspec.Struct, frozen=True):
    names: list[str] | dict[int, str]


def _listed(path: Path) -> tuple[str, ...]:
    return tuple(read_lines(path, "so the classes have no names", "write a name a line, in UTF-8"))


def _names(root: Path, label_folder: Path) -> tuple[str, ...]:
    for list_of_names in (root / "obj.names", root / "classes.txt"):
        if list_of_names.is_file():
            return _listed(list_of_names)
    found = [root / "data.yaml"] if (root / "data.yaml").is_file() else [*files(root, (".yaml", ".yml")).values()]
    if not found and (label_folder / "classes.txt").is_file():
        return _listed(label_folder / "classes.txt")
    if len(found) != 1:
        raise DataError(f"{root}: nothing names the classes", hint="add data.yaml with `names:`, or say classes=")
    try:
        names = msgspec.yaml.decode(found[0].read_bytes(), type=_Yaml, strict=False).names
    except (msgspec.MsgspecError, OSError) as error:
        raise DataError(f"{found[0]}: no names of classes: {error}", hint="it needs `names:`, a list") from error
    if isinstance(names, dict):
        if sorted(names) != list(range(len(names))):
            raise DataError(f"{found[0]}: names are not numbered 0..{len(names) - 1}", hint="number them from 0")
        return tuple(names[number] for number in range(len(names)))
    return tuple(names)
