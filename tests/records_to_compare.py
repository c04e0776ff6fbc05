"""Scenes of a small picture and records of them, for tests that compare runs."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.classes import colours_for
from pipeline.image import Image
from pipeline.records import encode_record
from pipeline.types import Classes, Frame, Instances, Labels, Scene

HW = (40, 60)
NAMES = ("road", "car", "tree")


def classes(*names: str) -> Classes:
    return Classes(names, colours_for(names))


def scene(
    index: int,
    ids: NDArray[np.uint8] | None = None,
    objects: list[tuple[str, tuple[int, int, int, int], float]] | None = None,
    names: tuple[str, ...] = NAMES,
) -> Scene:
    frame = Frame(index, index, Fraction(1, 10), 0.0, Image((np.zeros((*HW, 3), np.uint8),), "bgr24"))
    labels = None if ids is None else Labels(ids, classes(*names))
    instances = None
    if objects is not None:
        boxes = np.array([box for _, box, _ in objects], np.int32).reshape(-1, 4)
        areas = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in boxes.tolist()]
        instances = Instances(
            boxes_xyxy=boxes.astype(np.float32),
            scores=np.array([score for _, _, score in objects], np.float32),
            class_ids=np.array([names.index(name) for name, _, _ in objects], np.int32),
            crops_px=boxes,
            arena=np.full(sum(areas), 255, np.uint8),
            offset=np.cumsum([0, *areas], dtype=np.int64),
            classes=classes(*names),
        )
    return Scene(frame, instances, labels)


def write(path: Path, scenes: list[Scene]) -> Path:
    path.write_bytes(b"".join(encode_record(one) for one in scenes))
    return path


def halves() -> NDArray[np.uint8]:
    ids = np.zeros(HW, np.uint8)
    ids[:, 30:] = 2
    return ids
