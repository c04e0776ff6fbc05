"""COCO's results: one JSON of boxes and run lengths, `{out}/results.json`.

`[{"image_id", "category_id", "bbox": [x, y, w, h], "score", "segmentation": {"size", "counts"}}, ...]`
(cocodataset.org, Results format). Category ids are those of the annotation file; COCO's own 80 names have theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import msgspec

from pipeline.errors import SinkError
from pipeline.formats.base import Prediction, folder, write_bytes
from pipeline.rle import encode_instances
from pipeline.types import Classes

# The ids of COCO's 80 categories are 1 to 90 without these ten.
COCO_CATEGORY_IDS = tuple(i for i in range(1, 91) if i not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83))


class CocoWriter:
    """Boxes and masks as pycocotools' `loadRes` takes them.

    Args:
        out: a folder.
        category_ids: class name -> category id of the annotation file; None: COCO's own for 80 classes, else the
            class's place, from 1.
    """

    labels: ClassVar[Classes | None] = None
    things: ClassVar[Classes | None] = Classes((), ())

    def __init__(self, out: Path, category_ids: Mapping[str, int] | None = None) -> None:
        self._file = folder(out) / "results.json"
        self._category_ids = category_ids
        self._rows: list[bytes] = []  # encoded: a fifth of the memory

    def add(self, prediction: Prediction) -> None:
        """Keep one image's objects for the end."""
        found = prediction.instances
        if found is None:
            return
        image_id = _image_id(prediction)
        size = list(prediction.size_hw)
        for i, counts in enumerate(encode_instances(found, prediction.size_hw)):
            x0, y0, x1, y1 = (round(float(edge), 2) for edge in found.boxes_xyxy[i])
            row = {
                "image_id": image_id,
                "category_id": self._category(int(found.class_ids[i]), found.classes),
                "bbox": [x0, y0, round(x1 - x0, 2), round(y1 - y0, 2)],
                "score": round(float(found.scores[i]), 6),
                "segmentation": {"size": size, "counts": counts},
            }
            self._rows.append(msgspec.json.encode(row))

    def _category(self, class_id: int, classes: Classes) -> int:
        if self._category_ids is not None:
            return self._category_ids[classes.names[class_id]]
        return COCO_CATEGORY_IDS[class_id] if len(classes) == len(COCO_CATEGORY_IDS) else class_id + 1

    def close(self) -> list[Path]:
        """Write the file."""
        write_bytes(self._file, b"[" + b",\n".join(self._rows) + b"]")
        return [self._file]


def _image_id(prediction: Prediction) -> int | str:
    """The data set's number; else the one that the image's name is, as COCO's are."""
    if prediction.image_id is not None:
        return prediction.image_id
    stem = Path(prediction.name).name
    if not stem.isdecimal():
        raise SinkError(f"{prediction.name}: COCO numbers its images, and this name is no number")
    return int(stem)
