"""What tests of sinks need: pictures with what was found in them, and a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np

from pipeline.image import Image
from pipeline.types import VOID, Classes, Frame, Instances, Labels, Picture, Scene

HEIGHT, WIDTH = 48, 64
STREET = Classes(("sky", "road", "river"), ((70, 130, 180), (128, 64, 128), (1, 2, 3)))
THINGS = Classes(("person", "car", "kite"), ((220, 20, 60), (0, 0, 142), (4, 5, 6)))
ROOT = Path(__file__).parents[1]


def picture(
    index: int = 0,
    instances: Instances | None = None,
    labels: Labels | None = None,
    image: Image | None = None,
) -> Picture:
    drawn = image or Image((np.full((HEIGHT, WIDTH, 3), index % 251, np.uint8),), "bgr24")
    return Picture(Scene(Frame(index, index, Fraction(1, 10), time.monotonic(), drawn), instances, labels), drawn)


def boxes(class_ids: list[int], crops: list[tuple[int, int, int, int]], classes: Classes = THINGS) -> Instances:
    """Filled boxes as objects."""
    sizes = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in crops]
    return Instances(
        boxes_xyxy=np.array(crops, np.float32).reshape(-1, 4),
        scores=np.linspace(0.9, 0.3, len(crops), dtype=np.float32),
        class_ids=np.array(class_ids, np.int32),
        crops_px=np.array(crops, np.int32).reshape(-1, 4),
        arena=np.full(sum(sizes), 255, np.uint8),
        offset=np.cumsum([0, *sizes], dtype=np.int64),
        classes=classes,
    )


def ground() -> Labels:
    labels = np.full((HEIGHT, WIDTH), VOID, np.uint8)
    labels[:10], labels[20:40], labels[40:44] = 0, 1, 2
    return Labels(labels, STREET)


def in_child(code: str, *arguments: str, user: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own, where limits and rights can be changed."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        user=user,
    )
