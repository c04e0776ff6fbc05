"""The float16 copy of a graph is a valid graph that says nearly the same, and float32 stays where it matters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from tiny_models import floats, save

from engines.half import to_half
from pipeline.errors import ModelError

onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime runs what was converted: install dashmask[cpu]")

HALF, FLOAT = TensorProto.FLOAT16, TensorProto.FLOAT


def run(model: onnx.ModelProto, **given: NDArray[Any]) -> list[NDArray[Any]]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    outputs: list[NDArray[Any]] = session.run(None, given)
    return outputs


def kinds(model: onnx.ModelProto) -> dict[str, int]:
    """The type of every tensor."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    found = {tensor.name: tensor.data_type for tensor in graph.initializer}
    return found | {v.name: v.type.tensor_type.elem_type for v in (*graph.input, *graph.output, *graph.value_info)}


def layers(
    path: Path,
    before: list[Any],
    after: list[Any],
    output: onnx.ValueInfoProto,
    weights: Mapping[str, Any] | None = None,
) -> onnx.ModelProto:
    """`image` -> before -> `a`, convolution -> `b`, Relu -> `c`, convolution -> `d`, after -> output."""
    rng = np.random.default_rng(0)
    nodes = [
        *before,
        helper.make_node("Conv", ["a" if before else "image", "w1"], ["b"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["b"], ["c"], name="relu"),
        helper.make_node("Conv", ["c", "w2"], ["d"], name="last", pads=[1, 1, 1, 1]),
        *after,
    ]
    w1 = rng.normal(0, 0.3, (8, 3, 3, 3)).astype(np.float32)
    w2 = rng.normal(0, 0.2, (4, 8, 3, 3)).astype(np.float32)
    save(path, nodes, [floats("image", (1, 3, 16, 16))], [output], {"w1": w1, "w2": w2, **(weights or {})})
    return onnx.load(path)


IMAGE = np.random.default_rng(1).random((1, 3, 16, 16), np.float32)


def test_layers_are_half_and_inputs_and_outputs_stay_float32(tmp_path: Path) -> None:
    model = layers(tmp_path / "m.onnx", [], [], floats("d", (1, 4, 16, 16)))
    half = to_half(model, "m.onnx")
    found = kinds(half)
    assert {found["b"], found["c"]} == {HALF}
    assert {found["image"], found["d"]} == {FLOAT}
    assert {tensor.data_type for tensor in half.graph.initializer} == {HALF}
    (exact,), (near,) = run(model, image=IMAGE), run(half, image=IMAGE)
    assert near.dtype == np.float32
    assert np.abs(near - exact).max() < 4e-3 * np.abs(exact).max()
    assert (near != exact).any()  # it is float16 indeed
    assert all(tensor.data_type == FLOAT for tensor in model.graph.initializer)  # the one given is left as it was


def test_scaling_before_and_arithmetic_behind_stay_float32(tmp_path: Path) -> None:
    before = [helper.make_node("Mul", ["image", "gain"], ["a"], name="scale")]
    after = [
        helper.make_node("Transpose", ["d"], ["moved"], perm=[0, 2, 3, 1], name="move"),
        helper.make_node("Add", ["moved", "offset"], ["boxes"], name="pixels"),
    ]
    weights = {"gain": np.float32(1 / 255), "offset": np.float32(1000)}
    model = layers(tmp_path / "m.onnx", before, after, floats("boxes", (1, 16, 16, 4)), weights)
    half = to_half(model, "m.onnx")
    found = kinds(half)
    assert (found["a"], found["moved"], found["gain"], found["offset"]) == (FLOAT, HALF, FLOAT, FLOAT)
    # That it is not computed in half is in the types: onnxruntime computes additions in float32 on a CPU anyhow.
    (exact,), (near,) = run(model, image=IMAGE * 255), run(half, image=IMAGE * 255)
    assert np.abs(near - exact).max() < 0.01


def test_comparing_and_moving_needs_no_float32(tmp_path: Path) -> None:
    after = [helper.make_node("ArgMax", ["d"], ["labels"], axis=1, keepdims=0, name="labels")]
    model = layers(tmp_path / "m.onnx", [], after, floats("labels", (1, 16, 16), TensorProto.INT64))
    half = to_half(model, "m.onnx")
    assert [node.op_type for node in half.graph.node].count("Cast") == 1  # of the image
    assert kinds(half)["d"] == HALF
    (exact,), (near,) = run(model, image=IMAGE), run(half, image=IMAGE)
    assert (exact == near).mean() > 0.99


def test_a_constant_that_float16_does_not_hold_keeps_a_comparison_in_float32(tmp_path: Path) -> None:
    for limit, kind in ((0.5, HALF), (0.1, FLOAT)):
        after = [
            helper.make_node("Max", ["d", "limit"], ["top"], name="top"),
            helper.make_node("Abs", ["top"], ["o"]),
        ]
        model = layers(tmp_path / "m.onnx", [], after, floats("o", (1, 4, 16, 16)), {"limit": np.float32(limit)})
        assert kinds(to_half(model, "m.onnx"))["top"] == kind


def test_a_weight_beyond_float16_keeps_its_layer_in_float32(tmp_path: Path) -> None:
    before = [helper.make_node("Conv", ["image", "big"], ["a"], name="big")]
    big = np.full((3, 3, 1, 1), 1e6, np.float32)
    model = layers(tmp_path / "m.onnx", before, [], floats("d", (1, 4, 16, 16)), {"big": big})
    half = to_half(model, "m.onnx")
    assert kinds(half)["big"] == FLOAT
    small = IMAGE * 1e-6
    (exact,), (near,) = run(model, image=small), run(half, image=small)
    assert np.isfinite(near).all()
    assert np.abs(near - exact).max() < 4e-3 * np.abs(exact).max()


def test_a_result_that_is_read_on_is_given_out_in_float32_and_read_in_half(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    layers(path, [], [], floats("d", (1, 4, 16, 16)))
    model = onnx.load(path)
    model.graph.output.append(floats("c", (1, 8, 16, 16)))  # an output in the middle
    half = to_half(model, "m.onnx")
    onnx.checker.check_model(half, full_check=True)
    last = next(node for node in half.graph.node if node.name == "last")
    assert kinds(half)[last.input[0]] == HALF
    for exact, near in zip(run(model, image=IMAGE), run(half, image=IMAGE), strict=True):
        assert near.dtype == np.float32
        assert np.abs(near - exact).max() < 4e-3 * np.abs(exact).max()


def test_sizes_are_computed_as_before(tmp_path: Path) -> None:
    """What is computed of a shape is no value of the picture: float16 has no 2049."""
    resize = [
        helper.make_node("Shape", ["c"], ["sides"], name="sides"),
        helper.make_node("Cast", ["sides"], ["as_float"], to=FLOAT, name="as_float"),
        helper.make_node("Mul", ["as_float", "factors"], ["bigger"], name="bigger"),
        helper.make_node("Cast", ["bigger"], ["sizes"], to=TensorProto.INT64, name="sizes"),
        helper.make_node("Resize", ["c", "", "", "sizes"], ["e"], mode="nearest", name="resize"),
        helper.make_node("Resize", ["e", "", "scales"], ["f"], mode="nearest", name="scaled"),
        helper.make_node("Conv", ["f", "w3"], ["g"], name="again"),
    ]
    weights = {
        "factors": np.array([1, 1, 1.5, 2], np.float32),
        "scales": np.array([1, 1, 2, 2], np.float32),
        "w3": np.ones((1, 8, 1, 1), np.float32),
    }
    model = layers(tmp_path / "m.onnx", [], resize, floats("g", (1, 1, 48, 64)), weights)
    model.graph.output.append(floats("d", (1, 4, 16, 16)))
    half = to_half(model, "m.onnx")
    found = kinds(half)
    assert (found["as_float"], found["bigger"], found["scales"]) == (FLOAT, FLOAT, FLOAT)
    assert (found["e"], found["f"]) == (HALF, HALF)
    assert not any(
        node.op_type == "Cast" and node.input[0] == "c" for node in half.graph.node
    )  # Shape takes any type
    assert run(half, image=IMAGE)[0].shape == run(model, image=IMAGE)[0].shape == (1, 1, 48, 64)


def test_what_is_read_for_its_shape_alone_is_behind_the_last_layer(tmp_path: Path) -> None:
    after = [
        helper.make_node("Add", ["d", "offset"], ["boxes"], name="pixels"),
        helper.make_node("Shape", ["boxes"], ["sides"], name="sides"),
        helper.make_node("Expand", ["plain", "sides"], ["canvas"], name="canvas"),
        helper.make_node("Conv", ["canvas", "w3"], ["e"], name="drawn"),
    ]
    weights = {"offset": np.float32(1000), "plain": np.float32(0.5), "w3": np.ones((1, 4, 1, 1), np.float32)}
    model = layers(tmp_path / "m.onnx", [], after, floats("boxes", (1, 4, 16, 16)), weights)
    model.graph.output.append(floats("e", (1, 1, 16, 16)))
    half = to_half(model, "m.onnx")
    found = kinds(half)
    pixels = next(node for node in half.graph.node if node.name == "pixels")
    assert {found[name] for name in (*pixels.input, *pixels.output)} == {FLOAT}
    assert (run(half, image=IMAGE)[1] == 2).all()


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ([helper.make_node("Relu", ["image"], ["o"])], "holds no float32 layer with weights"),
        (
            [
                helper.make_node("QuantizeLinear", ["image", "s", "z"], ["q"]),
                helper.make_node("DequantizeLinear", ["q", "s", "z"], ["o"]),
            ],
            "use --precision int8",
        ),
        (
            [
                helper.make_node("Odd", ["image"], ["between"], name="odd", domain="ours"),
                helper.make_node("Relu", ["between"], ["o"]),
            ],
            "the type of what Odd `odd` gives cannot be told",
        ),
    ],
)
def test_what_cannot_be_converted_is_said_in_one_sentence(nodes: list[Any], said: str, tmp_path: Path) -> None:
    weights = {"s": np.float32(0.1), "z": np.int8(0)}
    save(tmp_path / "m.onnx", nodes, [floats("image", (1, 3, 8, 8))], [floats("o", None)], weights)
    model = onnx.load(tmp_path / "m.onnx")
    model.opset_import.append(helper.make_opsetid("ours", 1))
    with pytest.raises(ModelError, match=said):
        to_half(model, "m.onnx")


def test_a_real_network_finds_the_same_objects_in_half(shared: Path) -> None:
    import av
    import cv2

    model = onnx.load(shared / "weights/yolo11n-seg.onnx")
    half = to_half(model, "yolo11n-seg.onnx")
    with av.open(str(shared / "data/video/udacity_test_video.mp4")) as clip:
        frame = next(clip.decode(video=0)).to_ndarray(format="bgr24")
    image = np.ascontiguousarray(cv2.resize(frame, (640, 384))[..., ::-1].transpose(2, 0, 1)[None], np.float32) / 255
    (exact, prototypes), (near, near_prototypes) = run(model, images=image), run(half, images=image)
    objects = exact[0, 4:84].max(0) > 0.25
    assert objects.sum() > 10
    assert np.abs(exact[0, :4] - near[0, :4])[:, objects].max() < 0.1  # pixels
    assert np.abs(exact[0, 4:84] - near[0, 4:84]).max() < 0.01
    assert np.abs(prototypes - near_prototypes).max() < 0.02
