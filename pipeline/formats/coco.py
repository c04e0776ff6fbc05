"""COCO's results: one JSON of boxes and run lengths, `{out}/results.json`.

`[{"image_id", "category_id", "bbox": [x, y, w, h], "score", "segmentation": {"size", "counts"}}, ...]`
(cocodataset.org, Results format). Category ids are those of the annotation file; COCO's own 80 names have theirs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import msgspec

from pipeline.classes import colours_for
from pipeline.datasets.coco_file import edges, read_mask
from pipeline.datasets.json_file import parsed, read_json
from pipeline.datasets.objects import Marked
from pipeline.errors import DataError, SinkError
from pipeline.formats.base import LastNames, Prediction, digits, write_bytes
from pipeline.formats.coco_categories import COCO_CATEGORY_IDS, COCO_NAMES
from pipeline.formats.reading import NOTHING, Asked, Benchmark, Reading, found
from pipeline.rle import encode_instances
from pipeline.types import Classes

_WHAT = "a list of rows with image_id, category_id, score, and bbox or segmentation"


class CocoWriter:
    """Boxes and masks as pycocotools' `loadRes` takes them.

    Args:
        out: a folder.
        objects: the classes of the annotation file; None: those of the network.
        category_ids: of these classes; none: COCO's own for 80 classes, else the class's place, from 1.
    """

    labels: ClassVar[Classes | None] = None
    things: Classes | None
    scored: ClassVar[bool] = True
    numbered: ClassVar[bool] = True

    def __init__(self, out: Path, objects: Classes | None = None, category_ids: Sequence[int] = ()) -> None:
        self._file = out / "results.json"
        self.things = Classes((), ()) if objects is None else objects
        self._category_ids = category_ids
        self._names = LastNames()
        self._rows: list[bytes] = []  # encoded: a fifth of the memory

    def add(self, prediction: Prediction) -> None:
        """Keep one image's objects for the end."""
        found = prediction.instances
        if found is None:
            return
        image_id = self._image_id(prediction)
        size = list(prediction.size_hw)
        for i, counts in enumerate(encode_instances(found, prediction.size_hw)):
            x0, y0, x1, y1 = found.boxes_xyxy[i].tolist()
            row = {
                "image_id": image_id,
                "category_id": self._category(int(found.class_ids[i]), found.classes),
                "bbox": [digits(number) for number in (x0, y0, x1 - x0, y1 - y0)],
                "score": digits(found.scores[i]),
                "segmentation": {"size": size, "counts": counts},
            }
            self._rows.append(msgspec.json.encode(row))

    def _image_id(self, prediction: Prediction) -> int | str:
        """The data set's number; else the one that the image's name is, as COCO's are."""
        if prediction.image_id is not None:
            return prediction.image_id
        stem = self._names.of(prediction.name)
        if not stem.isdecimal():
            raise SinkError(
                f"{prediction.name}: COCO numbers its images, and this name is no number",
                hint="take the format scalabel, which has names",
            )
        return int(stem)

    def _category(self, class_id: int, classes: Classes) -> int:
        if self._category_ids:
            return self._category_ids[class_id]
        return COCO_CATEGORY_IDS[class_id] if len(classes) == len(COCO_CATEGORY_IDS) else class_id + 1

    def close(self) -> list[Path]:
        """Write the file."""
        write_bytes(self._file, b"[" + b",\n".join(self._rows) + b"]")
        return [self._file]


class _Row(msgspec.Struct, frozen=True):
    image_id: int | str
    category_id: int
    score: float
    bbox: list[float] | None = None  # empty: none
    segmentation: msgspec.Raw = msgspec.Raw(b"null")


class CocoReader(Reading):
    """A results JSON by anybody: boxes, masks, or both, as pycocotools' `loadRes` takes them.

    Where the first row has a box an object is as large as its box, else as its mask, as with `loadRes`.

    Args:
        path: the JSON, or a folder with `results.json` or no other JSON than it.
        benchmark: the truth's classes and their category ids. Where the rows have other ones, they are COCO's own.

    Raises:
        DataError: no such file, or something else in it.
    """

    missing = NOTHING

    def __init__(self, path: Path, benchmark: Benchmark) -> None:
        super().__init__()
        assert benchmark.things is not None
        ids: Sequence[int] = benchmark.category_ids
        self.things: Classes = benchmark.things
        if benchmark.found:
            ids, self.things = COCO_CATEGORY_IDS, Classes(COCO_NAMES, colours_for(COCO_NAMES))
        self._class_of = {category: place for place, category in enumerate(ids)}
        self._file = _results(path)
        rows = self._rows()
        masks = any(bytes(row.segmentation) not in (b"null", b"[]") for _, row in rows)
        boxes = any(row.bbox for _, row in rows)
        self.kinds = ("box", "mask") if masks or not boxes else ("box",)
        self.sized_by = "box" if rows and rows[0][1].bbox else "mask"
        self._of_image: dict[int | str, list[tuple[int, _Row]]] = {}
        for place, row in rows:
            self._of_image.setdefault(row.image_id, []).append((place, row))

    def find(self, asked: Asked) -> Prediction:
        """The rows of an image; an image without any has nothing found in it."""
        marked, scores = [], []
        for place, row in self._of_image.pop(asked.image_id, ()) if asked.image_id is not None else ():
            one = self._whole(self._file.name, self._marked, place, row, asked.size_hw)
            if one is not None:
                marked.append(one)
                scores.append(row.score)
        return Prediction(asked.name, asked.index, asked.size_hw, None, found(marked, scores, self.things))

    def unasked(self) -> list[str]:
        """See Reader."""
        return [f"image {image_id}: {len(rows)} rows" for image_id, rows in self._of_image.items()]

    def _rows(self) -> list[tuple[int, _Row]]:
        """The rows that can be used, with their places from 0."""
        what = f"COCO's results: {_WHAT}"
        raw = read_json(self._file, list[msgspec.Raw], what)
        rows = []
        for place, one in enumerate(raw):
            row = self._whole(self._file.name, parsed, one, _Row, f"row {place}", what, lax=True)
            if row is None:
                continue
            if row.category_id not in self._class_of:
                self._leave(self._file.name, f"row {place} is of an unknown category {row.category_id}")
            elif not math.isfinite(row.score):
                self._leave(self._file.name, f"row {place}: its score is no number")
            else:
                rows.append((place, row))
        return rows

    def _marked(self, place: int, row: _Row, size_hw: tuple[int, int]) -> Marked:
        where = f"row {place}"
        try:
            mask, crop = read_mask(row.segmentation, size_hw, where)
        except ValueError as error:
            raise DataError(f"{where}: {error}", hint="write the masks at the image's size") from error
        if row.bbox and len(row.bbox) != 4:
            raise DataError(f"{where}: a box of {len(row.bbox)} numbers", hint="x, y, width, height")
        box, sides = edges(row.bbox) if row.bbox else (None, None)
        return Marked(self._class_of[row.category_id], mask, crop, place, box_xyxy=box, sides_px=sides)


def _results(path: Path) -> Path:
    if not path.is_dir():
        return path
    there = [path / "results.json"] if (path / "results.json").is_file() else sorted(path.glob("*.json"))
    if len(there) != 1:
        raise DataError(f"{path} has {len(there)} JSON files", hint="give the one of results")
    return there[0]
