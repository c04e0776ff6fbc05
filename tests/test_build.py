"""TensorRT for RTX builds plans for real, without a GPU, and says in one sentence what it cannot build."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import typer
from cards_to_build import network, quantised
from onnx import TensorProto, helper
from tiny_models import floats
from typer.testing import CliRunner

from engines.build import Built, build
from engines.build_reasons import failed
from engines.card import read_card
from engines.embedded import embedded_models
from engines.gpu import gpu_here
from engines.manifest import Machine, Shapes
from engines.plans import find_plans, load_plan, manifest_path
from pipeline.cli.build import batch_sizes, shapes_hw
from pipeline.cli.build import build as command
from pipeline.errors import BackendError, ConfigError, ModelError
from pipeline.types import Card

NO_GPU = bool(gpu_here()[1])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/dashmask/plans"


def here(built: Built) -> Machine:
    """The machine that a plan was built on."""
    return Machine(built.plan.manifest.product, built.plan.manifest.version, gpu_here()[0])


def test_a_network_becomes_a_plan_with_its_manifest_where_a_run_finds_it(
    rtx: str, tmp_path: Path, cache: Path
) -> None:
    card = network(tmp_path, hw=("h", "w"), batch="n")
    told: list[tuple[str, float]] = []
    built = build(card, product="tensorrt-rtx", progress=lambda phase, done: told.append((phase, done)))
    about = built.plan.manifest
    assert (about.product, about.version, about.model) == ("tensorrt-rtx", rtx, "m.onnx")
    assert about.onnx_sha256 == card.sha256
    assert about.options.precision == "fp32"
    size = (1, 3, 72, 128)
    assert about.options.profiles == (Shapes(size, size, size),)
    assert about.verification is None
    found = find_plans(card.sha256, here(built))
    assert found.plans == (built.plan,)
    data, _ = load_plan(built.plan.path, here(built), onnx_sha256=card.sha256)
    assert len(data) == about.plan_bytes > 1000
    assert hashlib.sha256(data).hexdigest() == about.plan_sha256
    assert {file.name for file in cache.iterdir()} == {built.plan.path.name, manifest_path(built.plan.path).name}
    assert told
    assert [done for _, done in told] == sorted(done for _, done in told)
    assert all(0 <= done <= 1 for _, done in told)
    if NO_GPU:
        assert built.notes == ("built here without a GPU: whether it can be loaded is decided where it runs",)
        assert (about.gpu, about.compute_capability, about.driver) == ("", "", "")


def test_sizes_and_batches_become_profiles(rtx: str, tmp_path: Path) -> None:
    card = network(tmp_path, hw=("h", "w"), batch="n")
    built = build(
        card,
        precision="fp16",
        shapes_hw=[(64, 96), (96, 96), (64, 96)],
        batches=[(1, 1), (1, 4)],
        product="tensorrt-rtx",
        workspace_mib=256,
        optimisation_level=2,
    )
    options = built.plan.manifest.options
    one, four = (1, 3, 64, 96), (4, 3, 64, 96)
    assert options.profiles[:2] == (Shapes(one, one, one), Shapes(one, four, four))
    assert [profile.best[2:] for profile in options.profiles] == [(64, 96), (64, 96), (96, 96), (96, 96)]
    assert (options.precision, options.workspace_mib, options.optimisation_level) == ("fp16", 256, 2)


def test_a_network_of_one_size_needs_no_profile(rtx: str, tmp_path: Path) -> None:
    options = build(network(tmp_path), product="tensorrt-rtx").plan.manifest.options
    assert (options.profiles, options.input_shape) == ((), (1, 3, 64, 96))


def test_a_quantised_network_is_built_as_int8(rtx: str, tmp_path: Path) -> None:
    card = quantised(tmp_path)
    assert build(card, product="tensorrt-rtx").plan.manifest.options.precision == "int8"
    assert build(card, precision="int8", product="tensorrt-rtx").plan.manifest.options.precision == "int8"


def test_a_plan_can_be_written_where_one_wants_it(rtx: str, tmp_path: Path, cache: Path) -> None:
    out = tmp_path / "mine.plan"
    built = build(network(tmp_path), product="tensorrt-rtx", out=out)
    assert built.plan.path == out
    assert load_plan(out, here(built))[0] == out.read_bytes()
    assert not cache.exists()


@pytest.mark.parametrize("name", sorted(embedded_models()))
def test_every_network_that_comes_with_the_package_is_built(rtx: str, name: str) -> None:
    card = read_card(embedded_models()[name])
    size = card.input.stride * 6, card.input.stride * 8
    for precision in ("fp32", "fp16"):
        plan = build(card, precision=precision, shapes_hw=[size], product="tensorrt-rtx").plan
        assert plan.manifest.options.precision == precision
        assert plan.manifest.onnx_sha256 == card.sha256


def test_yolo_is_built_in_half(rtx: str, shared: Path) -> None:
    card = read_card(shared / "weights/yolo11n-seg.onnx")
    plan = build(card, precision="fp16", shapes_hw=[(384, 640)], batches=[(1, 4)], product="tensorrt-rtx").plan
    assert plan.manifest.options.profiles[0].most == (4, 3, 384, 640)


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
    rtx: str, name: str, said: str, tmp_path: Path, cache: Path
) -> None:
    card = refused(name, tmp_path)
    with pytest.raises(ModelError) as error:
        build(card, product="tensorrt-rtx")
    text = str(error.value)
    assert said in text
    assert text.startswith(f"m.onnx: tensorrt-rtx {rtx} ")
    assert "\n" not in text
    assert "/_src/" not in text
    assert not list(cache.iterdir())


def test_a_plan_that_is_given_a_place_needs_no_cache(
    rtx: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    card = network(tmp_path)
    with pytest.raises(BackendError, match=r"cannot be written: .* set XDG_CACHE_HOME"):
        build(card, product="tensorrt-rtx")
    out = tmp_path / "new/there.plan"
    assert build(card, product="tensorrt-rtx", out=out).plan.path == out
    assert {file.name for file in out.parent.iterdir()} == {"there.plan", "there.plan.json"}


def test_a_corrupt_onnx_file_is_said_to_be_one(rtx: str, tmp_path: Path, cache: Path) -> None:
    card = network(tmp_path)
    whole = card.path.read_bytes()
    card.path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="not a whole ONNX file"):
        read_card(card.path)
    with pytest.raises(ModelError, match="not a whole ONNX file"):  # cut off after its card was read
        build(card, product="tensorrt-rtx")


def test_a_network_whose_weights_lie_in_another_file_is_another_one_with_other_weights(
    rtx: str, tmp_path: Path
) -> None:
    card = network(tmp_path, hw=("h", "w"))
    model = onnx.load(card.path)
    onnx.save(model, card.path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    card = read_card(card.path)
    built = build(card, product="tensorrt-rtx")
    assert find_plans(card.sha256, here(built)).plans == (built.plan,)
    weights = bytearray((tmp_path / "weights.bin").read_bytes())
    weights[2] ^= 64
    (tmp_path / "weights.bin").write_bytes(weights)
    assert not find_plans(read_card(card.path).sha256, here(built)).plans


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


def test_too_little_workspace_is_told_with_what_to_do(rtx: str, cache: Path) -> None:
    card = read_card(embedded_models()["roadnet-camvid"])
    with pytest.raises(BackendError, match=r"1 MiB for workspace is too little for .*give more with --workspace-mib"):
        build(card, shapes_hw=[(192, 320)], workspace_mib=1, product="tensorrt-rtx")
    assert not list(cache.iterdir())


def test_a_plan_that_is_too_large_is_not_kept(rtx: str, tmp_path: Path, cache: Path) -> None:
    with pytest.raises(BackendError, match=r"the plan has 0\.\d MiB, at most 0\.0 are kept"):
        build(network(tmp_path), product="tensorrt-rtx", most_mib=0.01)
    assert not list(cache.iterdir())


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


# The command


def test_the_command_ends_with_one_line_of_where_the_plan_is(rtx: str, tmp_path: Path) -> None:
    network(tmp_path, hw=("h", "w"), batch="n")
    app = typer.Typer()
    app.command()(command)
    words = [str(tmp_path / "m.onnx"), "--shapes", "96x64,64x64", "--batch", "1,2-4", "--product", "tensorrt-rtx"]
    said = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "m.plan")], catch_exceptions=False)
    assert said.exit_code == 0
    (line,) = said.stdout.splitlines()
    shapes = "1x3x64x96, 2-4x3x64x96, 1x3x64x64, 2-4x3x64x64"
    assert line.startswith(f"{tmp_path}/m.plan: tensorrt-rtx {rtx}, fp32, input {shapes}, ")
    assert line.endswith(f"MiB; manifest {tmp_path}/m.plan.json")
    if NO_GPU:
        assert "built here without a GPU" in said.stderr


def test_sizes_and_batches_are_read_as_they_are_written() -> None:
    assert shapes_hw("640x384, 640X640") == [(384, 640), (640, 640)]
    assert shapes_hw(None) == []
    assert batch_sizes("1,4, 8") == [(1, 1), (4, 4), (8, 8)]
    assert batch_sizes("1-8") == [(1, 8)]
    for wrong in ("", "640", "640x", "x", "0x8", "-1x8", "640x384,", "9999999x8", "٣x٤"):
        with pytest.raises(ConfigError, match="expected widths and heights such as 640x384,640x640"):
            shapes_hw(wrong)
    for wrong in ("", "0", "4-1", "-4", "1-", "1,,2", "a", "99999", "1-2-3"):
        with pytest.raises(ConfigError, match="expected numbers such as 1,4,8"):
            batch_sizes(wrong)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"out": Path("m.engine")}, "ends in .plan"),
        ({"out": Path("nowhere/m.plan")}, "there is no folder nowhere"),
        ({"workspace_mib": 0}, "expected a number of MiB"),
        ({"level": 6}, "expected 0 to 5"),
    ],
)
def test_a_mistake_at_the_command_is_one_sentence(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        command("m.onnx", **options)
