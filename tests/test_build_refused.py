"""What TensorRT for RTX cannot build, or a machine cannot hold, is one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from cards_to_build import network, quantised
from onnx import TensorProto, helper
from tiny_models import floats

from engines.build import build
from engines.build_reasons import failed
from engines.card import read_card
from engines.embedded import embedded_models
from pipeline.errors import BackendError, ModelError
from pipeline.types import Card

pytestmark = pytest.mark.usefixtures("plans")


def refused(name: str, tmp_path: Path) -> Card:
    """A network that TensorRT for RTX refuses."""
    node = helper.make_node
    match name:
        case "NonMaxSuppression":
            nodes = [
                node("Reshape", ["d", "to_boxes"], ["boxes"], name="boxes"),
                node("ReduceMax", ["boxes"], ["best"], axes=[2], keepdims=0, name="best"),
                node("Unsqueeze", ["best", "one"], ["scores"], name="scores"),
                node("NonMaxSuppression", ["boxes", "scores", "most"], ["o"], name="find_boxes"),
            ]
            weights = {"to_boxes": np.array([1, -1, 4]), "one": np.array([1]), "most": np.array([5])}
            return network(tmp_path, nodes, weights=weights, output=floats("o", ("n", 3), TensorProto.INT64))
        case "NonZero":
            nodes = [node("NonZero", ["d"], ["o"], name="which")]
            return network(tmp_path, nodes, output=floats("o", (4, "n"), TensorProto.INT64))
        case "MaxUnpool":
            nodes = [
                node("MaxPool", ["d"], ["p", "where"], kernel_shape=[2, 2], strides=[2, 2], name="down"),
                node("MaxUnpool", ["p", "where"], ["o"], kernel_shape=[2, 2], strides=[2, 2], name="up"),
            ]
            return network(tmp_path, nodes, output=floats("o", (1, 3, 8, 12)))
        case "own":
            card = network(
                tmp_path, [node("Swirl", ["d"], ["o"], name="swirl", domain="ours")], output=floats("o", None)
            )
            model = onnx.load(card.path)
            model.opset_import.append(helper.make_opsetid("ours", 1))
            onnx.save(model, card.path)
            return read_card(card.path)
        case "asymmetric":
            return quantised(tmp_path, np.int8(7))
        case "unsigned":
            return quantised(tmp_path, np.uint8(128))
        case "weights":
            nodes = [node("Conv", ["d", "wrong"], ["o"], name="second")]
            weights = {"wrong": np.zeros((4, 5, 1, 1), np.float32)}
            return network(tmp_path, nodes, weights=weights, output=floats("o", (1, 4, 8, 12)))
    return network(tmp_path, [node("Relu", ["nowhere"], ["o"], name="lost")], output=floats("o", (1, 3, 8, 12)))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "NonMaxSuppression",
            "NonMaxSuppression `find_boxes` but has nothing that computes it (export the network wi",
        ),
        ("NonZero", "NonZero `which`: the operator is not supported (where it is of NMS, export the network without"),
        (
            "MaxUnpool",
            "MaxPool `down`: pooling that gives indices is not supported; nor MaxUnpool (`dashmask export` w",
        ),
        ("own", "Swirl `swirl`: it is no operator of ONNX that is known, and there is no plugin of that name"),
        ("asymmetric", "QuantizeLinear `quantise`: its zero point is not 0 (quantise symmetrically to int8"),
        ("unsigned", "QuantizeLinear `quantise`: its zero point is not 0 (quantise symmetrically to int8"),
        ("weights", "Conv `second`: Kernel weight dimension failed to broadcast to input"),
        ("lost", "Relu `lost`"),
    ],
)
def test_what_cannot_be_built_names_node_and_operator(
    rtx: str, name: str, said: str, tmp_path: Path, plans: Path
) -> None:
    card = refused(name, tmp_path)
    with pytest.raises(ModelError) as error:
        build(card, product="tensorrt-rtx")
    text = str(error.value)
    assert said in text
    assert text.startswith(f"m.onnx: tensorrt-rtx {rtx} ")
    assert "\n" not in text
    assert "/_src/" not in text
    assert not list(plans.iterdir())


def test_a_corrupt_onnx_file_is_said_to_be_one(rtx: str, tmp_path: Path, plans: Path) -> None:
    card = network(tmp_path)
    whole = card.path.read_bytes()
    card.path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="not a whole ONNX file"):
        read_card(card.path)
    with pytest.raises(ModelError, match="not a whole ONNX file"):  # cut off after its card was read
        build(card, product="tensorrt-rtx")


@pytest.mark.parametrize(
    ("precision", "model", "said"),
    [
        ("bf16", "float", "precision bf16: dashmask has no bf16 for tensorrt-rtx, it has fp32, fp16, int8"),
        (
            "int8",
            "float",
            "is not quantised: it has no QuantizeLinear and DequantizeLinear (`dashmask quantize m.onnx",
        ),
        ("fp16", "int8", "is int8 itself, fp16 was asked for (build it with --precision int8)"),
        ("fp32", "int8", "is int8 itself, fp32 was asked for (build it with --precision int8)"),
        ("fp32", "half", "is fp16 itself, fp32 was asked for (build it with --precision fp16)"),
    ],
)
def test_a_precision_that_cannot_be_had_is_told(
    rtx: str, precision: str, model: str, said: str, tmp_path: Path
) -> None:
    card = quantised(tmp_path) if model == "int8" else network(tmp_path)
    if model == "half":
        from engines.half import to_half

        onnx.save(to_half(onnx.load(card.path), "m.onnx"), card.path)
        card = read_card(card.path)
        assert build(card, product="tensorrt-rtx").plan.manifest.options.precision == "fp16"
    with pytest.raises(ModelError) as error:
        build(card, precision=precision, product="tensorrt-rtx")
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"shapes_hw": [(60, 96)]}, r"takes multiples of 8, 96x60 was asked for \(try 96x64\)"),
        ({"shapes_hw": [(8 * n, 8) for n in range(1, 40)]}, "39 shapes and batches, at most 32 go into one plan"),
        ({"batches": [(0, 1)]}, "a batch must be 1 or more frames"),
        ({"batches": []}, "a batch must be 1 or more frames"),
        ({"batches": [(4, 2)]}, "a batch must be 1 or more frames"),
    ],
)
def test_shapes_that_a_network_does_not_take_are_told(
    rtx: str, options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=said):
        build(network(tmp_path, hw=("h", "w"), batch="n"), product="tensorrt-rtx", **options)


def test_a_network_of_one_size_and_batch_takes_no_other(rtx: str, tmp_path: Path) -> None:
    card = network(tmp_path)
    with pytest.raises(ModelError, match="takes 96x64 only, 128x64 was asked for"):
        build(card, shapes_hw=[(64, 128)], product="tensorrt-rtx")
    with pytest.raises(ModelError, match="takes batches of 1 only"):
        build(card, batches=[(1, 4)], product="tensorrt-rtx")


def test_too_little_workspace_is_told_with_what_to_do(rtx: str, plans: Path) -> None:
    card = read_card(embedded_models()["roadnet-camvid"])
    with pytest.raises(BackendError, match=r"1 MiB for workspace is too little for .*give more with --workspace-mib"):
        build(card, shapes_hw=[(192, 320)], workspace_mib=1, product="tensorrt-rtx")
    assert not list(plans.iterdir())


def test_a_plan_that_is_too_large_is_not_kept(rtx: str, tmp_path: Path, plans: Path) -> None:
    with pytest.raises(BackendError, match=r"the plan has 0\.\d MiB, at most 0\.0 are kept"):
        build(network(tmp_path), product="tensorrt-rtx", most_mib=0.01)
    assert not list(plans.iterdir())


def test_a_cache_that_cannot_be_written_is_told(rtx: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(BackendError, match="cannot be written: Not a directory"):
        build(network(tmp_path), product="tensorrt-rtx")


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            "[virtualMemoryBuffer.cpp::resizePhysical::140] Error Code 2: OutOfMemory (Requested size was 4 GiB.)",
            "m.onnx: the GPU has too little free memory to build it with tensorrt 11.4: ",
        ),
        (
            "Error Code 1: Cuda Runtime (In allocate at /_src/a.cpp:22 (cudaErrorMemoryAllocation: out of memory))",
            "m.onnx: the GPU has too little free memory",
        ),
        (
            "Error Code 10: Internal Error (Could not find any implementation for node /up/Conv due to insufficient "
            "workspace.)",
            "m.onnx: 16 MiB for workspace is too little for tensorrt 11.4: ",
        ),
        (
            "Myelin ([tactic.cpp:1676: enumerate_tactics] Tactic Selection: no tactics to implement the operation "
            "within workspace limit. Consider increase the allowed workspace size if applicable.)",
            "m.onnx: 16 MiB for workspace is too little for tensorrt 11.4: ",
        ),
        (
            "Error Code 10: Internal Error (Could not find any implementation for node {Foreign[/up/Conv.../a]}.)",
            "m.onnx: tensorrt 11.4 takes Conv `/up/Conv` but has nothing that computes it",
        ),
        (
            "Error Code 4: API Usage Error (something new)",
            "m.onnx: tensorrt 11.4 cannot build it: API Usage Error (some",
        ),
        ("it does not say why", "m.onnx: tensorrt 11.4 cannot build it: it does not say why"),
    ],
)
def test_what_tensorrt_says_on_a_gpu_becomes_a_sentence(said: str, sentence: str) -> None:
    """Texts as TensorRT's own documentation and bug reports have them: there may be no GPU here to ask."""
    nodes = {"/up/Conv": "Conv", "/up": "Relu", "": "Add"}
    assert str(failed("m.onnx", "tensorrt 11.4", said, nodes, 16)).startswith(sentence)
