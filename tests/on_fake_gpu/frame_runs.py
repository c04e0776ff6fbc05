"""Networks that take frames, and runs of them, for check_frames.py and check_frames_failing.py."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import fake_plans
import numpy as np
import onnxruntime
import pytest
import tiny_models
from fake_plans import fixed
from kernel_emulator.cache import fill_cache
from late_session import cpu_as_cuda

from engines.backends import frames
from engines.backends.base import Options
from engines.backends.onnxruntime_cuda import open_on_device
from engines.card import read_card
from engines.device import open_device
from engines.select import Selection, opener
from pipeline.config import Config, DecodeConfig
from pipeline.flow import Pool
from pipeline.image import Image
from pipeline.networks import Network, frame_task
from pipeline.postprocess import decoder
from pipeline.preprocess import Preprocessor
from pipeline.running.assemble import build
from pipeline.types import Card, Frame, Scene, SourceInfo

Opened = Callable[[Card, Options], Any]
FORMATS: tuple[Any, ...] = ("yuv420p", "nv12", "bgr24", "yuv444p", "bgra32")


@contextmanager
def host_kernels(cache: Path) -> Iterator[None]:
    """The kernels of the host stand for compiled ones, and ONNX Runtime's CPU provider for CUDA's."""
    fill_cache(cache, Path(os.environ["DASHMASK_KERNELS_LIBRARY"]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        cpu_as_cuda(patch)
        patch.setattr(frames, "_FOOTAGE_HW", (54, 96))  # the kernels of the host take seconds for more
        yield


class Frames:
    """A source of images that are there."""

    live = False

    def __init__(self, images: Sequence[Image]) -> None:
        self._images = images
        self.info = SourceInfo("frames", frames=len(images))

    def __enter__(self) -> Iterator[Frame]:
        return (Frame(at, at, Fraction(1, 10), 0.0, image) for at, image in enumerate(self._images))

    def __exit__(self, *error: object) -> None: ...


def picture(form: Any, size_hw: tuple[int, int], seed: int) -> Image:
    """Coarse noise, which networks tell apart."""
    height, width = size_hw
    half = (height + 1) // 2, (width + 1) // 2
    shapes = {
        "yuv420p": [(height, width), half, half],
        "nv12": [(height, width), (*half, 2)],
        "yuv444p": [(height, width)] * 3,
        "bgr24": [(height, width, 3)],
        "bgra32": [(height, width, 4)],
    }[form]
    rng = np.random.default_rng(seed)
    planes = []
    for rows, columns, *rest in shapes:
        cells = rng.integers(0, 256, (-(-rows // 8), -(-columns // 8), *rest), np.uint8)
        planes.append(np.ascontiguousarray(cells.repeat(8, 0).repeat(8, 1)[:rows, :columns]))
    return Image(tuple(planes), form)


def semantic_card(folder: Path) -> Card:
    """A network of three colours with plans for several sizes."""
    card = fake_plans.semantic(folder)
    fake_plans.plan(card, [fixed(72, 128), fixed(96, 128), fixed(48, 64)])
    return replace(card, input=replace(card.input, long_side=128))


def objects_card(folder: Path) -> Card:
    """A network that finds a person and a car, with its plan."""
    boxes = np.array([[8, 20, 30, 44], [34, 10, 60, 50]], np.float32)
    card = read_card(tiny_models.yolo_seg(folder / "two.onnx", boxes, [0, 1], [0.9, 0.8]))
    fake_plans.plan(card, [fixed(64, 64)])
    return card


def tensorrt(card: Card, options: Options) -> Any:
    return opener("tensorrt")(card, options)


def onnxruntime_cuda(card: Card, options: Options) -> Any:
    return open_on_device(onnxruntime, card, options, open_device(), "CPUExecutionProvider", "cpu")


BOTH = pytest.mark.parametrize("open_backend", [tensorrt, onnxruntime_cuda])


def network(card: Card, open_backend: Opened, config: DecodeConfig | None = None, way: str = "frames") -> Network:
    config = config or DecodeConfig()
    preprocessor, decode = Preprocessor(card.input, Pool), decoder(card, config)
    task = frame_task(preprocessor, decode, config) if way == "frames" else None
    backend = open_backend(card, Options(workers=1, threads=1, task=task))
    return Network(card, Selection(backend, ()), preprocessor, decode)


def on_cpu(card: Card, config: DecodeConfig | None = None) -> Network:
    return network(card, opener("onnxruntime-cpu"), config, "tensors")


def scenes(nets: Sequence[Network], images: Sequence[Image], close: bool = True) -> list[Scene]:
    flow = build(Config(), Frames(images), nets, dropped=dict)
    try:
        with flow:
            return [picture.scene for picture in flow]
    finally:
        for net in nets if close else ():
            net.selection.backend.close()


def assert_same(found: Sequence[Scene], expected: Sequence[Scene]) -> None:
    assert [scene.frame.index for scene in found] == [scene.frame.index for scene in expected]
    for one, other in zip(found, expected, strict=True):
        assert (one.labels is None, one.instances is None) == (other.labels is None, other.instances is None)
        if one.labels is not None and other.labels is not None:
            np.testing.assert_array_equal(one.labels.map, other.labels.map)
        if one.instances is not None and other.instances is not None:
            for name in ("boxes_xyxy", "scores", "class_ids", "crops_px", "offset", "arena"):
                np.testing.assert_array_equal(getattr(one.instances, name), getattr(other.instances, name))
