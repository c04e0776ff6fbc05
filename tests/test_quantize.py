"""An int8 network is measured before it is written, and says what it was made of."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tiny_models
from clips import write_clip
from command import dashmask
from numpy.typing import NDArray
from onnx import TensorProto, helper

from engines.backends.base import Options
from engines.card import read_card
from engines.checks import gate, limits_for
from engines.quantize import Quantizer, choose
from engines.select import opener, select
from engines.verification import find_verification, is_quantized
from pipeline.errors import ModelError
from pipeline.types import Card
from pipeline.workbench.quantization_loss import lost
from pipeline.workbench.quantizing import Wanted, quantize_model

pytest.importorskip("onnxruntime", reason="onnxruntime quantizes: install dashmask[cpu]")

pytestmark = pytest.mark.usefixtures("own_cache")

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


def labels_of(card: Card, name: str, tensors: list[NDArray[Any]]) -> NDArray[Any]:
    from fractions import Fraction

    from pipeline.image import Image
    from pipeline.letterbox import Letterbox
    from pipeline.types import Frame, Prepared

    frame = Frame(0, 0, Fraction(1), 0.0, Image((np.zeros((*HW, 3), np.uint8),), "bgr24"))
    box = Letterbox(HW, HW, HW, 0, 0)
    backend = opener(name)(card, Options(1, 1, shape_hw=HW))
    try:
        return np.concatenate([backend.submit([Prepared(frame, t, box)]).result()[0].arrays()[0] for t in tensors])
    finally:
        backend.close()


def tensors(count: int = 4) -> list[NDArray[Any]]:
    """Soft shapes in the range of a normalised picture."""
    import cv2

    rng = np.random.default_rng(0)
    return [
        np.stack([cv2.resize(rng.normal(0, 1, (12, 16)).astype(np.float32), HW[::-1]) for _ in range(3)])[None]
        for _ in range(count)
    ]


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


def test_objects_found_besides_are_a_loss_too() -> None:
    assert lost({"label_iou": 0.9}) == pytest.approx(0.1)
    assert lost({"objects_kept": 1.0, "extra": 0.25}) == pytest.approx(0.2)
    assert lost({"objects_kept": None}) == 1
    assert lost({"objects_kept": float("nan"), "extra": 0.0}) == 1


def test_a_written_network_has_a_card_and_runs_at_once_and_only_as_it_was_verified(
    tmp_path: Path, drive: Path
) -> None:
    model, out = network(tmp_path / "net.onnx"), tmp_path / "small.onnx"
    done = quantize_model(Wanted(str(model), str(drive), out, count=12, most_loss=0.2))
    assert done.out == out, done.refused
    assert 0 < done.loss <= 0.2
    card, source = read_card(out), read_card(model)
    assert is_quantized(card)
    assert (card.licence, card.classes, card.name) == ("CC BY 4.0", source.classes, source.name)
    for part in ("colour", "scale", "mean", "std", "stride", "long_side", "dtype", "layout", "fit", "pad"):
        assert getattr(card.input, part) == getattr(source.input, part), part
    assert "accuracy" not in card.details
    assert card.details["net"] == "small"
    assert card.details["precision"] == "int8"
    about = card.details["quantized"]
    assert about["source"] == "net.onnx"
    assert about["source_sha256"] == source.sha256
    assert about["calibration"] == "12 frames of drive.mp4"
    assert about["loss"]["value"] == pytest.approx(done.loss, abs=1e-4)
    for one in done.verifications:
        assert one.passed
        assert "behind the frames" in one.source
        selection = select(card, backend=one.backend, verified=gate)  # raises where it may not run
        assert find_verification(card, selection.backend) is not None
        selection.backend.close()
    assert not [file for file in tmp_path.iterdir() if file.name.endswith((".part", ".cache"))]


def test_a_loss_that_the_user_allows_becomes_a_limit_in_the_card(tmp_path: Path, drive: Path) -> None:
    model, out = network(tmp_path / "net.onnx", layers=8, wild=True), tmp_path / "small.onnx"
    done = quantize_model(Wanted(str(model), str(drive), out, count=8, most_loss=1))
    assert done.out == out, done.refused
    limits = limits_for(read_card(out), "f32")
    usual = limits_for(read_card(network(tmp_path / "other.onnx")), "int8")
    assert limits["label_iou"] < usual["label_iou"] or done.loss < 0.1
    assert limits["repeat"] == 0
    assert all(one.passed for one in done.verifications)


# The command


def test_too_large_a_loss_is_refused_with_the_figures_and_nothing_is_written(tmp_path: Path, drive: Path) -> None:
    model, out = network(tmp_path / "net.onnx", layers=3), tmp_path / "small.onnx"
    said = dashmask("quantize", model, "--frames", drive, "--out", out, "--count", 4, "--max-loss", 0)
    assert said.code == 1, said
    assert "refused" in said.out
    assert "at most 0 is allowed" in said.out
    assert "mean IoU of labels" in said.out
    assert "of 3 convolutions stay float" in said.out
    assert not out.exists()
    assert not (tmp_path / "cache/dashmask/verified").exists()


def test_the_loss_is_that_of_mean_iou_where_there_are_labels(tmp_path: Path, drive: Path) -> None:
    card = "family: semantic\nclasses: cityscapes\ninput: {stride: 8, long_side: 128}\n"
    model, out = network(tmp_path / "net.onnx", classes=19, card=card), tmp_path / "q.onnx"
    words = ("quantize", model, "--frames", drive, "--out", out, "--count", 4, "--imgsz", 128)
    said = dashmask(*words, "--max-loss", 0.1, "--dataset", "demo:frames=2,size=128x96")
    assert said.code == 0, said
    assert "mean IoU on demo:frames=2,size=128x96" in said.out
    assert "in float and" in said.out
    about = read_card(out).details["quantized"]["loss"]
    assert abs(about["value"]) < 0.1  # a network of chance has next to no mean IoU to lose
    assert about["of"].startswith("mean IoU on demo")


def test_bad_input_ends_in_one_sentence_and_2(models: tuple[Path, Path], drive: Path, tmp_path: Path) -> None:
    good = network(tmp_path / "net.onnx")
    bare = network(tmp_path / "bare.onnx")
    bare.with_suffix(".yaml").unlink()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(drive.read_bytes()[:3000])
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"\x89PNG")
    half = tmp_path / "half.onnx"
    tiny_models.save(
        half,
        [helper.make_node("Relu", ["image"], ["scores"])],
        [tiny_models.floats("image", (1, 3, "h", "w"), TensorProto.FLOAT16)],
        [tiny_models.floats("scores", (1, 3, "h", "w"), TensorProto.FLOAT16)],
    )
    half.with_suffix(".yaml").write_text(CARD)
    import cv2

    cv2.imwrite(str(tmp_path / "one.png"), np.zeros((96, 128, 3), np.uint8))
    for words, sentence in (
        ((good, "--frames", tmp_path / "none.mp4"), "none.mp4"),
        ((good, "--frames", cut), "cut.mp4"),
        ((good, "--frames", tmp_path / "empty"), "empty"),
        ((good, "--frames", tmp_path / "broken"), "broken"),
        ((good, "--frames", "0"), "is live"),
        ((good, "--frames", tmp_path / "one.png"), "has 1 frames: none is left to measure on"),
        ((bare, "--frames", drive), "nothing says what this model is"),
        ((half, "--frames", drive), "is float16, expected float32"),
        ((models[1], "--frames", drive), "has no convolution"),
        ((good, "--frames", drive, "--method", "percentile"), "expected minmax or entropy"),
        ((good, "--frames", drive, "--count", "0"), "expected 1 or more"),
        ((good, "--frames", drive, "--max-loss", "2"), "expected 0 to 1"),
        ((good, "--frames", drive, "--out", tmp_path / "x.bin"), "ends in .onnx"),
        ((good, "--frames", drive, "--out", tmp_path / "no" / "x.onnx"), "there is no folder"),
        ((good, "--frames", drive, "--out", good), "that is the float network itself"),
        ((good, "--frames", drive, "--root", tmp_path), "no --dataset is given"),
    ):
        said = dashmask("quantize", *words)
        assert said.code == 2, (words, said)
        assert sentence in said.err, (words, said.err)
        assert "Traceback" not in said.err
    assert not list(tmp_path.glob("*-int8.onnx"))


def test_a_folder_of_pictures_calibrates_as_well_as_a_film(tmp_path: Path) -> None:
    import cv2
    from clips import scene

    (tmp_path / "pictures").mkdir()
    for at in range(30):
        cv2.imwrite(str(tmp_path / "pictures" / f"{at:02}.png"), scene(at))
    out = tmp_path / "q.onnx"
    model = network(tmp_path / "net.onnx")
    done = quantize_model(Wanted(str(model), str(tmp_path / "pictures"), out, count=8, most_loss=0.5))
    assert done.out == out, done.refused


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


def test_a_network_of_ours_keeps_its_labels(tmp_path: Path, drive: Path) -> None:
    torch = pytest.importorskip("torch", reason="networks are exported from torch: install dashmask[train]")
    from trained_nets import about, trained

    from engines.export import export_net

    torch.set_num_threads(1)
    net = trained("fcn", width=16)
    model = tmp_path / "ours.onnx"
    export_net(net, {**about(net), "name": "ours"}, model)
    done = quantize_model(Wanted(str(model), str(drive), tmp_path / "q.onnx", count=8, most_loss=1, long_side=128))
    assert done.out is not None, (done.loss, done.refused)
    card = read_card(done.out)
    assert card.details["precision"] == "int8"
    assert card.licence.startswith("non-commercial")
