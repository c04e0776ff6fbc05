"""What the micro-benchmarks measure on: one 1280x720 picture, 26 objects in it, and a network's words for them.

    python -m pytest benchmarks/micro

Needs `pip install -e '.[bench]'`. Every group is one step: ours beside the usual way, both seen to do the same. These
are not part of the tests, as they say how fast, not whether right. Counted is the CPU time of the calling thread,
which other work on the machine disturbs least.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from words import BOXES, NETWORK_HW, SIZE_HW, classes, prototypes

from pipeline.image import Image
from pipeline.letterbox import Letterbox
from pipeline.placement import place
from pipeline.postprocess.masks import masks_in_boxes
from pipeline.render.planar import buffer_of, split
from pipeline.types import Frame, Instances

sys.path.append(str(Path(__file__).parents[1] / "peers"))  # for the tutorial's way
U8 = NDArray[np.uint8]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """As the stages run: each is a thread, none has more."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(before)


@pytest.fixture(scope="session")
def bgr() -> U8:
    """A picture with soft and sharp parts, (720, 1280, 3)."""
    rng = np.random.default_rng(5)
    rough = rng.integers(0, 256, (45, 80, 3), dtype=np.uint8)
    soft = cv2.resize(rough, SIZE_HW[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.add(soft, rng.integers(0, 12, soft.shape, dtype=np.uint8)), np.uint8)


@pytest.fixture(scope="session")
def frame(bgr: U8) -> Frame:
    """The picture as a decoder gives it, yuv420p."""
    buffer = buffer_of("yuv420p", SIZE_HW)
    cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420, buffer.reshape(-1, SIZE_HW[1]))
    return Frame(0, 0, Fraction(1, 25), 0.0, Image(split(buffer, "yuv420p", SIZE_HW), "yuv420p"))


@pytest.fixture(scope="session")
def letterbox() -> Letterbox:
    """Where the picture lies in the network's input."""
    return place(SIZE_HW, NETWORK_HW)


@pytest.fixture(scope="session")
def found(letterbox: Letterbox) -> Instances:
    """26 objects with masks."""
    grid, coefficients = prototypes()
    masks = masks_in_boxes(BOXES, coefficients, grid, letterbox)
    table = classes()
    return Instances(
        BOXES[masks.kept],
        np.linspace(0.95, 0.3, len(BOXES), dtype=np.float32)[masks.kept],
        (np.arange(len(BOXES)) % len(table)).astype(np.int32)[masks.kept],
        masks.crops_px,
        masks.arena,
        masks.offset,
        table,
    )


@pytest.fixture(scope="session")
def label_map() -> U8:
    """(90, 160) of 11 classes, in patches."""
    rough = np.random.default_rng(6).integers(0, 11, (9, 16), dtype=np.uint8)
    return np.asarray(cv2.resize(rough, (160, 90), interpolation=cv2.INTER_NEAREST), np.uint8)
