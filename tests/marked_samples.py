"""What several tests of data sets with objects read and compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from label_files import write
from numpy.typing import NDArray

from pipeline.types import TrueObjects

H, W = 6, 10
GREY = np.full((H, W, 3), 90, np.uint8)
U16 = np.uint16


def blank(dtype: Any = np.uint8) -> NDArray[Any]:
    return np.zeros((H, W), dtype)


def said(objects: TrueObjects | None) -> list[tuple[str, int, int, bool, bool]]:
    """Class, pixels, id, crowd, ignore of each object."""
    assert objects is not None
    inst = objects.instances
    names = [inst.classes.names[i] if i >= 0 else "any" for i in inst.class_ids.tolist()]
    pixels = [int((inst.mask(row) != 0).sum()) for row in range(len(inst))]
    return list(
        zip(names, pixels, objects.ids.tolist(), objects.crowd.tolist(), objects.ignore.tolist(), strict=True)
    )


def full(objects: TrueObjects | None, row: int, hw: tuple[int, int] = (H, W)) -> NDArray[np.bool_]:
    assert objects is not None
    return objects.instances.full_mask(row, hw)


def mots(root: Path, numbers: NDArray[Any]) -> Path:
    write(root / "training/image_02/0002/000000.png", GREY)
    write(root / "training/instances/0002/000000.png", numbers)
    return root


def bitmask(path: Path, rgba: NDArray[np.uint8]) -> None:
    write(path, cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA))
