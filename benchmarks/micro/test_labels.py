"""A semantic network's logits to labels at source resolution, and their colours over the picture."""

from __future__ import annotations

from pathlib import Path
from time import thread_time
from typing import Any

import numpy as np
import pytest
from words import SIZE_HW

from pipeline.config import DecodeConfig, RenderConfig
from pipeline.flow import Pool
from pipeline.letterbox import Letterbox
from pipeline.placement import place
from pipeline.postprocess.semantic import Semantic
from pipeline.render import Renderer
from pipeline.types import Card, Classes, Frame, Inferred, InputSpec, Labels, OutputSpec, Prepared, Scene

CLASSES = Classes(tuple(f"class {i}" for i in range(11)), tuple((20 * i, 255 - 20 * i, 99) for i in range(11)))
HW = (360, 640)


def logits(label_map: Any) -> Any:
    """(1, 11, 360, 640) float32 whose largest is the label."""
    labels = np.kron(label_map, np.ones((4, 4), np.uint8))
    noise = np.random.default_rng(7).normal(0, 0.1, (11, *HW)).astype(np.float32)
    return (noise + (labels == np.arange(11)[:, None, None]))[None].astype(np.float32)


def decoder() -> Semantic:
    card = Card("m", Path("m.onnx"), "semantic", CLASSES, InputSpec("x"), (OutputSpec("y", (1, 11, *HW), ""),), "")
    return Semantic(card, DecodeConfig())


def inferred(frame: Frame, output: Any) -> Inferred:
    letterbox: Letterbox = place(SIZE_HW, HW)
    return Inferred(Prepared(frame, np.empty((1, 3, *HW), np.float32), letterbox), (output,))


@pytest.mark.benchmark(group="logits to labels at source resolution", timer=thread_time)
def test_ours_from_logits(benchmark: Any, frame: Frame, label_map: Any) -> None:
    said = inferred(frame, logits(label_map))
    assert benchmark(decoder().decode, said).map.shape == SIZE_HW


@pytest.mark.benchmark(group="logits to labels at source resolution", timer=thread_time)
def test_ours_from_labels_out_of_the_graph(benchmark: Any, frame: Frame, label_map: Any) -> None:
    said = inferred(frame, logits(label_map).argmax(1).astype(np.uint8))
    assert benchmark(decoder().decode, said).map.shape == SIZE_HW


@pytest.mark.benchmark(group="logits to labels at source resolution", timer=thread_time)
def test_numpys_argmax(benchmark: Any, frame: Frame, label_map: Any) -> None:
    import cv2

    output = logits(label_map)

    def usual() -> Any:
        labels = np.argmax(output[0], axis=0).astype(np.uint8)
        return cv2.resize(labels, SIZE_HW[::-1], interpolation=cv2.INTER_NEAREST)

    assert np.mean(benchmark(usual) == decoder().decode(inferred(frame, output)).map) > 0.999


@pytest.mark.benchmark(group="labels over the picture", timer=thread_time)
def test_ours_into_the_planes(benchmark: Any, frame: Frame, label_map: Any) -> None:
    labels = Labels(np.kron(label_map, np.ones((8, 8), np.uint8)), CLASSES)
    renderer = Renderer(RenderConfig(), Pool)
    assert benchmark(lambda: renderer.render(Scene(frame, None, labels)).lease.release()) is None


@pytest.mark.benchmark(group="labels over the picture", timer=thread_time)
def test_the_tutorials_way(benchmark: Any, bgr: Any, label_map: Any) -> None:
    from tutorial_semantic import TutorialSemantic

    labels = np.kron(label_map, np.ones((4, 4), np.uint8))
    assert benchmark(TutorialSemantic(HW).draw, bgr, labels).shape == bgr.shape
