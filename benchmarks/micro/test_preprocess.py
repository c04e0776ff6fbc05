"""Letterbox, colours, scale: a 1280x720 frame to a 384x640 tensor."""

from __future__ import annotations

from time import thread_time
from typing import Any

import cv2
import numpy as np
import pytest
from words import NETWORK_HW

from pipeline.flow import Pool
from pipeline.preprocess import Preprocessor
from pipeline.types import Frame, InputSpec

pytestmark = pytest.mark.benchmark(group="letterbox and normalise", timer=thread_time)


def test_ours_from_the_decoders_planes(benchmark: Any, frame: Frame) -> None:
    ready = Preprocessor(InputSpec("images"), Pool)

    def prepare() -> Any:
        prepared = ready.prepare(frame)
        prepared.lease.release()
        return prepared.tensor

    assert benchmark(prepare).shape == (1, 3, *NETWORK_HW)


def test_ours_from_bgr(benchmark: Any, frame: Frame) -> None:
    from dataclasses import replace

    from pipeline.image import Image

    ready, picture = (
        Preprocessor(InputSpec("images"), Pool),
        replace(frame, image=Image((frame.image.bgr(),), "bgr24")),
    )
    assert benchmark(lambda: ready.prepare(picture).lease.release()) is None


def test_the_tutorials_way(benchmark: Any, frame: Frame) -> None:
    from tutorial_yolo import TutorialYolo

    usual = TutorialYolo(NETWORK_HW, 0.25, 0.7)
    tensor = benchmark(usual.prepare, frame.image.bgr())
    ours = Preprocessor(InputSpec("images"), Pool).prepare(frame).tensor
    assert np.abs(tensor - ours).mean() < 0.02


def test_blob_from_image(benchmark: Any, frame: Frame) -> None:
    width, height = NETWORK_HW[1], 360
    tensor = benchmark(lambda: cv2.dnn.blobFromImage(frame.image.bgr(), 1 / 255, (width, height), swapRB=True))
    assert tensor.shape == (1, 3, height, width)


def test_ultralytics(benchmark: Any, frame: Frame) -> None:
    augment = pytest.importorskip(
        "ultralytics.data.augment", reason="no Ultralytics that loads: install the extra `bench`", exc_type=Exception
    )
    torch = pytest.importorskip("torch", reason="no torch here: install the extra `bench`")
    torch.set_num_threads(1)
    letterbox, picture = augment.LetterBox(NETWORK_HW, auto=False, stride=32), frame.image.bgr()

    def prepare() -> Any:
        batch = np.stack([letterbox(image=picture)])[..., ::-1].transpose((0, 3, 1, 2))
        return torch.from_numpy(np.ascontiguousarray(batch)).float() / 255

    assert tuple(benchmark(prepare).shape) == (1, 3, *NETWORK_HW)
