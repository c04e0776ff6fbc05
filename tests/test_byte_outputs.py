"""What TensorRT is given casts only floats to bytes, and says the same as the network's file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto
from tiny_models import fcn

from engines.build_graph import in_precision, load_graph
from engines.byte_outputs import by_way_of_floats
from engines.card import read_card

onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime runs both: install dashmask[cpu]")
WEIGHTS = Path(__file__).parents[1] / "engines/weights"


def labels(model: onnx.ModelProto, image: NDArray[Any]) -> NDArray[Any]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found: NDArray[Any] = session.run(None, {session.get_inputs()[0].name: image})[0]
    return found


def casts_to_bytes(model: onnx.ModelProto) -> list[int]:
    """The types of what is cast to uint8."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    kinds = {value.name: value.type.tensor_type.elem_type for value in (*graph.value_info, *graph.input)}
    casts = (node for node in graph.node if node.op_type == "Cast" and node.attribute[0].i == TensorProto.UINT8)
    return [kinds[node.input[0]] for node in casts]


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("name", ["enet-camvid", "roadnet-camvid"])
def test_classes_become_bytes_by_way_of_floats_and_stay_the_same(name: str, precision: str) -> None:
    card = read_card(WEIGHTS / f"{name}.onnx")
    (whole,) = casts_to_bytes(onnx.load(card.path))
    assert whole in (TensorProto.INT32, TensorProto.INT64)
    made = onnx.load_model_from_string(in_precision(load_graph(card), name, precision, "tensorrt")[0])
    onnx.checker.check_model(made, full_check=True)
    assert casts_to_bytes(made) == [TensorProto.FLOAT]
    image = np.random.default_rng(0).integers(0, 256, (1, 3, 64, 96)).astype(np.float32)
    found, wanted = labels(made, image), labels(onnx.load(card.path), image)
    assert found.dtype == np.uint8
    assert np.mean(found == wanted) > (0.9999 if precision == "fp32" else 0.95)


def test_a_network_without_such_an_output_stays_as_it_is(tmp_path: Path) -> None:
    path = fcn(tmp_path / "m.onnx")
    assert by_way_of_floats(onnx.load(path)) == onnx.load(path)
