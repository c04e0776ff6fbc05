"""Tiny data sets of marked objects, made as they are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.config import Config
from pipeline.config_file import load
from pipeline.datasets import LeftOut, Sample
from pipeline.errors import DataError
from pipeline.evaluation.evaluate import DEFAULTS
from pipeline.evaluation.labelled import DatasetSource, Labelled
from pipeline.types import VOID, Classes, Instances, TrueObjects

TWO = Classes(("person", "car"), ((220, 20, 60), (0, 0, 142)))
NONE = Classes((), ())
Box = tuple[int, int, int, int]


class Quiet:
    """A Watch that says nothing."""

    def started(self, *said: object) -> None: ...

    def frame(self, *said: object) -> None: ...

    def noted(self, *said: object) -> None: ...


def marked(
    boxes: Sequence[Box],
    class_ids: Sequence[int],
    classes: Classes = TWO,
    crowd: Sequence[int] = (),
    ignore: Sequence[int] = (),
) -> TrueObjects:
    """Objects that fill their boxes; `crowd` and `ignore` are rows."""
    crops = np.array(boxes, np.int32).reshape(-1, 4)
    sizes = ((crops[:, 2] - crops[:, 0]) * (crops[:, 3] - crops[:, 1])).tolist()
    rows = np.arange(len(boxes))
    return TrueObjects(
        Instances(
            crops.astype(np.float32),
            np.ones(len(boxes), np.float32),
            np.array(class_ids, np.int32),
            crops,
            np.full(sum(sizes), 255, np.uint8),
            np.cumsum([0, *sizes], dtype=np.int64),
            classes,
        ),
        np.isin(rows, crowd),
        np.isin(rows, ignore),
        np.array(sizes, np.float64),
        rows + 1,
    )


class Marked:
    """A Dataset of grey images of 64 x 64 with given objects; None in their place: a broken image."""

    name, terms, classes = "marked", "free", NONE
    left_out: tuple[LeftOut, ...] = ()

    def __init__(self, objects: Sequence[TrueObjects | None], repeat: int = 1, classes: Classes = TWO) -> None:
        self.object_classes = classes
        self._objects = objects
        self.names = [f"{index}.png" for index in range(len(objects) * repeat)]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        objects = self._objects[index % len(self._objects)]
        if objects is None:
            raise DataError(f"{self.names[index]} is cut off")
        image, labels = np.full((64, 64, 3), 99, np.uint8), np.full((64, 64), VOID, np.uint8)
        return Sample(self.names[index], image, labels, objects, index)


def labelled(dataset: Marked, strict: bool = False) -> Labelled:
    return Labelled("marked", "all", "free", NONE, DatasetSource(dataset, strict), dataset.object_classes)


def config(model: Path, **options: object) -> Config:
    whole = {"model": (str(model),), "backend.name": "onnxruntime-cpu", "backend.workers": 1, **options}
    return load(None, (), {key.replace("__", "."): value for key, value in whole.items()}, DEFAULTS)
