"""Networks of a few weights, made here, whose answers are known from their input or fixed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
Side = int | str  # a fixed side, or the name of a free one


def save(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    weights: Mapping[str, NDArray[Any]] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write a graph as an ONNX file."""
    tensors = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
    graph = helper.make_graph(list(nodes), "tiny", list(inputs), list(outputs), tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, path)
    return path


def floats(name: str, shape: Sequence[Side] | None, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    """An input or output of a graph."""
    return helper.make_tensor_value_info(name, kind, shape)


def fcn(
    path: Path, *, hw: tuple[Side, Side] = ("height", "width"), metadata: Mapping[str, str] | None = None
) -> Path:
    """Semantic, nchw, logits at an eighth of the input: the class of a cell is its strongest channel.

    Input `image` (1, 3, h, w) float32, output `scores` (1, 3, h/8, w/8). The scores are the means of each channel
    over 8 x 8 pixels, so the truth is known exactly.
    """
    kernel = np.zeros((3, 3, 8, 8), np.float32)
    for channel in range(3):
        kernel[channel, channel] = 1 / 64
    node = helper.make_node("Conv", ["image", "kernel"], ["scores"], kernel_shape=[8, 8], strides=[8, 8])
    small = tuple(side // 8 if isinstance(side, int) else f"{side}/8" for side in hw)
    image, scores = floats("image", (1, 3, *hw)), floats("scores", (1, 3, *small))
    return save(path, [node], [image], [scores], {"kernel": kernel}, metadata)


def unet(
    path: Path, *, hw: tuple[Side, Side] = ("height", "width"), metadata: Mapping[str, str] | None = None
) -> Path:
    """Semantic, nhwc, labels out: one step down, one step up, a skip between them, an argmax at the end.

    Input `x` (1, h, w, 3) float32 with even sides, output `labels` (1, h, w) int64: the strongest channel of each
    pixel after the mean of its 2 x 2 block was added to it.
    """
    nodes = [
        helper.make_node("Transpose", ["x"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["down"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["down", "one"], ["deep"], kernel_shape=[1, 1]),
        helper.make_node("Resize", ["deep", "", "scales"], ["up"], mode="nearest"),
        helper.make_node("Concat", ["planes", "up"], ["skip"], axis=1),
        helper.make_node("Conv", ["skip", "both"], ["logits"], kernel_shape=[1, 1]),
        helper.make_node("ArgMax", ["logits"], ["labels"], axis=1, keepdims=0),
    ]
    eye = np.eye(3, dtype=np.float32)[:, :, None, None]
    weights = {"one": eye, "both": np.concatenate([eye, eye], 1), "scales": np.array([1, 1, 2, 2], np.float32)}
    return save(
        path,
        nodes,
        [floats("x", (1, *hw, 3))],
        [floats("labels", (1, *hw), TensorProto.INT64)],
        weights,
        metadata,
    )


def fixed(
    path: Path,
    outputs: Mapping[str, NDArray[np.float32]],
    *,
    hw: tuple[Side, Side] = ("height", "width"),
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Says the same whatever it sees: `outputs` by name. Input `images` (1, 3, h, w) float32."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[0, 1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
    ]
    weights: dict[str, NDArray[Any]] = {"zero": np.zeros((), np.float32)}
    for name, array in outputs.items():
        weights[f"{name}_value"] = array.astype(np.float32)
        nodes.append(helper.make_node("Add", [f"{name}_value", "nothing"], [name]))
    declared = [floats(name, array.shape) for name, array in outputs.items()]
    return save(path, nodes, [floats("images", (1, 3, *hw))], declared, weights, metadata)


def ultralytics_metadata(names: Sequence[str], *, end2end: bool = False, imgsz: int = 64) -> dict[str, str]:
    """What Ultralytics writes into its exports."""
    return {
        "description": "Ultralytics tiny model",
        "author": "Ultralytics",
        "license": "AGPL-3.0 License (https://ultralytics.com/license)",
        "stride": "32",
        "task": "segment",
        "batch": "1",
        "imgsz": str([imgsz, imgsz]),
        "names": str(dict(enumerate(names))),
        "channels": "3",
        "end2end": str(end2end),
    }


def yolo_seg(
    path: Path,
    boxes_xyxy: NDArray[np.float32],
    class_ids: Sequence[int],
    scores: Sequence[float],
    *,
    names: Sequence[str] = ("person", "car"),
    hw: tuple[int, int] = (64, 64),
    coefficients: int = 2,
    end2end: bool = False,
) -> Path:
    """YOLO-seg that finds given objects in every picture, with Ultralytics' metadata.

    Prototype 0 is +1 on the left half and -1 on the right half of the input, prototype 1 is +1 everywhere, the
    others are 0. Object i has the coefficient 1 for prototype i % 2 and 0 for the others: its mask is its box, cut
    off in the middle of the picture where i is even.

    Args:
        boxes_xyxy: (n, 4) x0, y0, x1, y1 in pixels of the input.
        class_ids, scores: n each.
        hw: the input's height and width, multiples of 32.
        coefficients: of each object and so prototypes, at least 2.
        end2end: the layout of a network without NMS, (1, 300, 6 + coefficients) of xyxy, score, class and
            coefficients; otherwise (1, 4 + names + coefficients, anchors) of xywh, class scores and coefficients.
    """
    height, width = hw
    n = len(class_ids)
    prototypes = np.zeros((1, coefficients, height // 4, width // 4), np.float32)
    prototypes[0, 0] = np.where(np.arange(width // 4) < width // 8, 1, -1)
    prototypes[0, 1] = 1
    weights = np.zeros((n, coefficients), np.float32)
    weights[np.arange(n), np.arange(n) % 2] = 1
    if end2end:
        rows = np.zeros((1, 300, 6 + coefficients), np.float32)
        rows[0, :n, :4], rows[0, :n, 4], rows[0, :n, 5], rows[0, :n, 6:] = boxes_xyxy, scores, class_ids, weights
        output = rows
    else:
        anchors = sum((height // stride) * (width // stride) for stride in (8, 16, 32))
        output = np.zeros((1, 4 + len(names) + coefficients, anchors), np.float32)
        output[0, :2, :n] = ((boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2).T
        output[0, 2:4, :n] = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).T
        output[0, 4 + np.asarray(class_ids, int), np.arange(n)] = scores
        output[0, 4 + len(names) :, :n] = weights.T
    metadata = ultralytics_metadata(names, end2end=end2end, imgsz=max(hw))
    return fixed(path, {"output0": output, "output1": prototypes}, hw=hw, metadata=metadata)
