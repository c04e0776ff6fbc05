"""A network to quantize, what it is fed, what it says of that, and a clip to measure it on."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tiny_models
from clips import write_clip
from numpy.typing import NDArray
from onnx import TensorProto, helper

from engines.backends.base import Options
from engines.select import opener
from pipeline.image import Image
from pipeline.letterbox import Letterbox
from pipeline.types import Card, Frame, Prepared

HW = (96, 128)
CARD = """
family: semantic
classes: [{name: left, colour: [1, 2, 3]}, {name: middle, colour: [4, 5, 6]}, {name: right, colour: [7, 8, 9]}]
input: {stride: 8, long_side: 128, mean: [0.4, 0.5, 0.6], std: [0.2, 0.25, 0.3]}
licence: CC BY 4.0
training_data: drawn noise
accuracy: {mean_iou: 0.5}
details: {net: small}
"""


def network(
    path: Path, *, layers: int = 6, wild: bool = False, labels: bool = True, classes: int = 3, card: str = CARD
) -> Path:
    """A chain of convolutions and ReLUs with random weights; nodes without names, opset 17.

    Args:
        wild: make one channel in the middle ten thousand times as large as the others, which ruins an int8 of a
            whole tensor.
    """
    rng = np.random.default_rng(3)
    widths = [3, *[8] * (layers - 1), classes]
    nodes, weights = [], {}
    last = "image"
    for at, (inputs, outputs) in enumerate(pairwise(widths)):
        weight = rng.normal(0, np.sqrt(2 / (9 * inputs)), (outputs, inputs, 3, 3)).astype(np.float32)
        if wild and at == 2:
            weight[0] *= 1e4
        if wild and at == 3:
            weight[:, 0] *= 1e-4
        weights[f"w{at}"] = weight
        weights[f"b{at}"] = rng.normal(0, 0.1, outputs).astype(np.float32)
        nodes.append(helper.make_node("Conv", [last, f"w{at}", f"b{at}"], [f"c{at}"], pads=[1] * 4))
        last = f"c{at}"
        if at < layers - 1:
            nodes.append(helper.make_node("Relu", [last], [f"r{at}"]))
            last = f"r{at}"
    # The classes as large as each other, so that the picture decides.
    nodes.append(helper.make_node("InstanceNormalization", [last, "ones", "zeros"], ["scores"]))
    weights |= {"ones": np.ones(classes, np.float32), "zeros": np.zeros(classes, np.float32)}
    output = tiny_models.floats("scores", ("n", classes, "h", "w"))
    if labels:
        nodes.append(helper.make_node("ArgMax", ["scores"], ["labels"], axis=1, keepdims=0))
        output = tiny_models.floats("labels", ("n", "h", "w"), TensorProto.INT64)
    tiny_models.save(path, nodes, [tiny_models.floats("image", ("n", 3, "h", "w"))], [output], weights)
    path.with_suffix(".yaml").write_text(card)
    return path


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 frames of 128x96."""
    return write_clip(tmp_path_factory.mktemp("clip") / "drive.mp4", "libx264", frames=40)


def tensors(count: int = 4) -> list[NDArray[Any]]:
    """Soft shapes in the range of a normalised picture."""
    rng = np.random.default_rng(0)
    return [
        np.stack([cv2.resize(rng.normal(0, 1, (12, 16)).astype(np.float32), HW[::-1]) for _ in range(3)])[None]
        for _ in range(count)
    ]


def labels_of(card: Card, name: str, tensors: list[NDArray[Any]]) -> NDArray[Any]:
    frame = Frame(0, 0, Fraction(1), 0.0, Image((np.zeros((*HW, 3), np.uint8),), "bgr24"))
    box = Letterbox(HW, HW, HW, 0, 0)
    backend = opener(name)(card, Options(1, 1, shape_hw=HW))
    try:
        return np.concatenate([backend.submit([Prepared(frame, t, box)]).result()[0].arrays()[0] for t in tensors])
    finally:
        backend.close()
