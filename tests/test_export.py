"""The exported network says what the trained one says, and its card says what it is."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest

pytest.importorskip("torch", reason="networks are exported from torch: install dashmask[train]")
pytest.importorskip("onnxruntime", reason="onnxruntime runs what was exported: install dashmask[cpu]")

from exported_nets import assert_same_labels, logits_of, picture, run, tensor
from trained_nets import NAMES, about, trained
from trained_nets import one_thread as one_thread

from engines.card import read_card
from engines.export import export_net

OURS = ("roadnet", "enet", "unet", "fcn")
OPTIONS: dict[str, dict[str, int]] = {"unet": {"width": 8}, "fcn": {"width": 16}}
BUILD = """
import os, sys
import tensorrt_rtx as trt

logger = trt.Logger(trt.Logger.ERROR)
builder = trt.Builder(logger)
network = builder.create_network(0)
parser = trt.OnnxParser(network, logger)
assert parser.parse_from_file(sys.argv[1]), [parser.get_error(i).desc() for i in range(parser.num_errors)]
assert network.get_output(0).dtype == trt.DataType.UINT8
profile, config = builder.create_optimization_profile(), builder.create_builder_config()
profile.set_shape("image", (1, 3, 64, 64), (1, 3, 384, 640), (2, 3, 768, 1280))
config.add_optimization_profile(profile)
assert builder.build_serialized_network(network, config) is not None
print("built", flush=True)
os._exit(0)
"""


@pytest.fixture(scope="module", params=OURS)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    net = trained(request.param, **OPTIONS.get(request.param, {}))
    return net, export_net(net, about(net), tmp_path_factory.mktemp("exported") / f"{request.param}.onnx")


@pytest.mark.parametrize("backend", ["onnxruntime-cpu", "openvino"])
def test_labels_are_those_of_the_trained_network(exported: tuple[Any, Path], backend: str) -> None:
    net, path = exported
    for hw in ((64, 96), (128, 224)):
        pixels = tensor(picture(hw))
        assert_same_labels(run(path, pixels, backend), net, pixels)


def test_labels_are_those_of_the_trained_network_on_real_frames(exported: tuple[Any, Path], shared: Path) -> None:
    net, path = exported
    frames = sorted((shared / "data/camvid/CamVid/val").glob("*.png"))
    if not frames:
        pytest.skip("no CamVid val frames here: DASHMASK_SHARED names a folder with data/camvid")
    for frame in frames[::60]:
        bgr = cv2.imread(str(frame))
        assert bgr is not None
        pixels = tensor(np.asarray(bgr, np.uint8)[: 352 // net.stride * net.stride])
        labels = run(path, pixels)
        assert_same_labels(labels, net, pixels)
    assert (run(path, pixels, "openvino") != labels).sum() <= 1e-4 * labels.size


@pytest.mark.parametrize("name", OURS)
def test_a_fixed_size_computes_no_shapes_and_says_the_same(name: str, tmp_path: Path) -> None:
    net = trained(name, seed=1, **OPTIONS.get(name, {}))
    hw = (2 * net.stride, 3 * net.stride)
    path = export_net(net, about(net), tmp_path / "fixed.onnx", size_hw=hw)
    card = read_card(path)
    assert card.input.size_hw == hw
    assert card.outputs[0].shape == (1, *hw)
    assert {node.op_type for node in onnx.load(path).graph.node}.isdisjoint({"Shape", "Gather", "Unsqueeze"})
    pixels = tensor(picture(hw, 3))
    assert_same_labels(run(path, pixels), net, pixels)


def test_a_batch_gives_what_its_pictures_give_alone(exported: tuple[Any, Path]) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(exported[1]), providers=["CPUExecutionProvider"])
    both = np.concatenate([tensor(picture((64, 96), seed)) for seed in (1, 2)])
    (together,) = session.run(None, {"image": both})
    for pixels, labels in zip(both, together, strict=True):
        assert (session.run(None, {"image": pixels[None]})[0][0] != labels).sum() <= 1


def test_logits_can_be_had_instead_of_labels(tmp_path: Path) -> None:
    net = trained("roadnet")
    path = export_net(net, about(net), tmp_path / "net.onnx", logits=True)
    card = read_card(path)
    assert (card.outputs[0].name, card.outputs[0].dtype, card.outputs[0].shape[1]) == ("logits", "float32", 11)
    pixels = tensor(picture((64, 96)))
    wanted = logits_of(net, pixels)
    assert np.abs(run(path, pixels) - wanted.numpy()).max() < 2e-5 * wanted.abs().max()


@pytest.mark.parametrize("name", ["enet", "roadnet"])
def test_half_precision_halves_the_file_and_says_nearly_the_same(name: str, tmp_path: Path) -> None:
    net = trained(name, **OPTIONS.get(name, {}))
    whole = export_net(net, about(net), tmp_path / "whole.onnx")
    half = export_net(net, about(net), tmp_path / "half.onnx", precision="fp16")
    kinds = {tensor.data_type for tensor in onnx.load(half).graph.initializer if len(tensor.dims) == 4}
    assert kinds == {onnx.TensorProto.FLOAT16}
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    assert read_card(half).input.dtype == "float32"
    pixels = tensor(picture((64, 96)))
    wanted = logits_of(net, pixels).argmax(1).numpy()
    assert (run(half, pixels) == wanted).mean() > 0.95


def test_the_graph_holds_nothing_that_a_runtime_refuses(exported: tuple[Any, Path]) -> None:
    model = onnx.load(exported[1])
    operators = {node.op_type for node in model.graph.node}
    assert operators.isdisjoint(
        {"MaxUnpool", "PRelu", "BatchNormalization", "ScatterND", "ScatterElements", "Dropout"}
    )
    assert all(len(node.output) == 1 for node in model.graph.node if node.op_type == "MaxPool")  # no indices
    assert [entry.version for entry in model.opset_import if entry.domain == ""] == [17]


def test_tensorrt_parses_and_builds_it(exported: tuple[Any, Path]) -> None:
    if find_spec("tensorrt_rtx") is None:
        pytest.skip("TensorRT for RTX is not installed: pip install tensorrt-rtx")
    # In a process of its own: without a driver its objects may crash the interpreter when they are collected.
    command = [sys.executable, "-c", BUILD, str(exported[1])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "built\n", "")


def test_the_card_inside_says_what_the_checkpoint_said(exported: tuple[Any, Path]) -> None:
    net, path = exported
    card = read_card(path)
    assert card.family == "semantic"
    assert card.name == net.name
    assert card.classes.names == NAMES
    assert card.classes.colours[3] == (30, 0, 252)
    assert (card.input.scale, card.input.mean, card.input.std) == (1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    assert (card.input.colour, card.input.stride, card.input.long_side) == ("rgb", net.stride, 480)
    assert card.input.size_hw == (None, None)
    assert card.licence == "non-commercial: fitted on CamVid (academic use)"
    assert card.details["training_data"] == {"train": "CamVid train"}
    assert card.details["accuracy"] == {"val": "CamVid val", "mean_iou": 0.5761, "iou": dict.fromkeys(NAMES, 0.5)}
    assert card.details["options"] == net.options
    assert card.details["epoch"] == 7
