"""An int8 network says nearly what the float one says: int8 per channel, calibrated, float where int8 costs most."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from networks_to_quantize import CARD, HW, labels_of, network, tensors
from numpy.typing import NDArray

from engines.card import read_card
from engines.quantize import Quantizer, choose
from pipeline.errors import ModelError

pytest.importorskip("onnxruntime", reason="onnxruntime quantizes: install dashmask[cpu]")

pytestmark = pytest.mark.usefixtures("own_cache")


def test_the_int8_network_says_what_the_float_one_says_on_every_runtime(tmp_path: Path) -> None:
    card = read_card(network(tmp_path / "net.onnx"))
    quantizer = Quantizer(card, lambda: iter(tensors()), 4, "minmax", tmp_path)
    out = tmp_path / "q.onnx"
    quantizer.write(out, quantizer.convolutions.ends)
    out.with_suffix(".yaml").write_text(CARD)
    wanted = labels_of(card, "onnxruntime-cpu", tensors())
    for name in ("onnxruntime-cpu", "openvino"):
        if name == "openvino":
            pytest.importorskip("openvino", reason="no OpenVINO here: install the extra `openvino`")
        found = labels_of(read_card(out), name, tensors())
        assert np.mean(found == wanted) > 0.93, name
        assert not np.array_equal(found, wanted)  # it is another network


def test_weights_are_int8_per_channel_activations_symmetric_and_what_was_left_out_is_float(tmp_path: Path) -> None:
    card = read_card(network(tmp_path / "net.onnx"))
    quantizer = Quantizer(card, lambda: iter(tensors()), 4, "minmax", tmp_path)
    assert quantizer.convolutions.count == 6
    assert len(quantizer.convolutions.ends) == 2  # the first and the last
    out = tmp_path / "q.onnx"
    quantizer.write(out, quantizer.convolutions.ends)
    graph = onnx.load(out).graph
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    made_by = {name: node for node in graph.node for name in node.output}
    quantized = 0
    for node in graph.node:
        if node.op_type != "Conv":
            continue
        sources = [made_by.get(name) for name in node.input[:2]]
        if node.name in quantizer.convolutions.ends:
            assert sources[1] is None
            continue
        quantized += 1
        image, weight = sources
        assert image is not None
        assert weight is not None
        assert image.op_type == weight.op_type == "DequantizeLinear"
        assert values[weight.input[0]].dtype == np.int8
        assert values[weight.input[1]].shape == (8,)
        assert values[image.input[1]].shape == ()
        for one in (image, weight):
            assert values[one.input[2]].dtype == np.int8
            assert not values[one.input[2]].any()
        assert not any(after.op_type == "QuantizeLinear" for after in graph.node if node.output[0] in after.input)
    assert quantized == 4


def test_calibration_reads_frame_by_frame_and_keeps_none(tmp_path: Path) -> None:
    card = read_card(network(tmp_path / "net.onnx"))
    alive: list[int] = []

    def frames() -> Iterator[NDArray[Any]]:
        buffer = np.empty((1, 3, *HW), np.float32)  # one for all, as a pool lends it
        for at in range(3):
            np.copyto(buffer, tensors(3)[at])
            alive.append(at)
            yield buffer

    one = Quantizer(card, frames, 5, "minmax", tmp_path)  # the clip ends before it said
    one.write(tmp_path / "a.onnx", ())
    assert alive[:3] == [0, 1, 2]
    (tmp_path / "other").mkdir()
    shown = [*tensors(3), tensors(3)[2], tensors(3)[2]]
    other = Quantizer(card, lambda: iter(shown), 5, "minmax", tmp_path / "other")
    other.write(tmp_path / "b.onnx", ())
    scales = [
        {t.name: onnx.numpy_helper.to_array(t).tolist() for t in onnx.load(p).graph.initializer if "scale" in t.name}
        for p in (tmp_path / "a.onnx", tmp_path / "b.onnx")
    ]
    assert scales[0] == scales[1]
    assert scales[0]


def test_entropy_and_minmax_take_different_ranges(tmp_path: Path) -> None:
    card = read_card(network(tmp_path / "net.onnx"))
    made = []
    for method in ("minmax", "entropy"):
        (tmp_path / method).mkdir()
        quantizer = Quantizer(card, lambda: iter(tensors()), 4, method, tmp_path / method)  # type: ignore[arg-type]
        quantizer.write(tmp_path / f"{method}.onnx", ())
        made.append((tmp_path / f"{method}.onnx").read_bytes())
    assert made[0] != made[1]


def test_the_group_that_costs_the_most_goes_back_to_float(tmp_path: Path) -> None:
    card = read_card(network(tmp_path / "net.onnx", layers=8, wild=True, labels=False))
    quantizer = Quantizer(card, lambda: iter(tensors()), 4, "minmax", tmp_path)
    wanted = labels_of(card, "onnxruntime-cpu", tensors())

    def loss_of(path: Path) -> float:
        path.with_suffix(".yaml").write_text(CARD)
        found = labels_of(read_card(path), "onnxruntime-cpu", tensors())
        return float(np.mean(np.abs(found - wanted)) / np.mean(np.abs(wanted)))

    said: list[str] = []
    best = choose(quantizer, loss_of, 0.1, tmp_path, said.append)
    convolutions = [node.name for node in onnx.load(tmp_path / "float.onnx").graph.node if node.op_type == "Conv"]
    assert convolutions[3] in best.left_float  # the one that reads the wild channel
    assert set(quantizer.convolutions.ends) < set(best.left_float)
    losses = [float(line.rpartition(" ")[2]) for line in said]
    assert best.loss == pytest.approx(min(losses), abs=1e-4)
    assert losses[0] > 2 * best.loss
    plenty: list[str] = []
    choose(quantizer, lambda path: 0.05, 0.1, tmp_path, plenty.append)
    assert len(plenty) == 1  # nothing more is tried where little is lost


def test_what_is_quantized_already_is_refused(tmp_path: Path) -> None:
    card = read_card(network(tmp_path / "net.onnx"))
    quantizer = Quantizer(card, lambda: iter(tensors()), 2, "minmax", tmp_path)
    out = tmp_path / "q.onnx"
    quantizer.write(out, ())
    out.with_suffix(".yaml").write_text(CARD)
    with pytest.raises(ModelError, match="quantized already"):
        Quantizer(read_card(out), lambda: iter(tensors()), 2, "minmax", tmp_path)


def test_tensorrt_for_rtx_parses_and_builds_the_int8_network(tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX is not installed: pip install tensorrt-rtx")
    path = network(tmp_path / "net.onnx", labels=False)
    card = read_card(path)
    quantizer = Quantizer(card, lambda: iter(tensors()), 2, "minmax", tmp_path)
    out = tmp_path / "q.onnx"
    quantizer.write(out, quantizer.convolutions.ends)
    code = f"""
import tensorrt_rtx as trt
logger = trt.Logger(trt.Logger.ERROR)
builder = trt.Builder(logger)
network = builder.create_network(0)
parser = trt.OnnxParser(network, logger)
assert parser.parse_from_file({str(out)!r}), [parser.get_error(i).desc() for i in range(parser.num_errors)]
config = builder.create_builder_config()
profile = builder.create_optimization_profile()
profile.set_shape("image", *[(1, 3, 96, 128)] * 3)
config.add_optimization_profile(profile)
plan = builder.build_serialized_network(network, config)
assert plan is not None
kinds = [network.get_layer(i).type for i in range(network.num_layers)]
assert kinds.count(trt.LayerType.QUANTIZE) == 4
print("built", plan.nbytes)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=110)
    assert "built" in done.stdout, done.stderr[-2000:]
