"""The exported network says what the trained one says, and its card says what it is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from trained_nets import MEAN, NAMES, STD, about, trained

from engines.backends.base import Options
from engines.card import read_card
from engines.select import opener
from pipeline.errors import ConfigError, ModelError
from pipeline.image import Image
from pipeline.letterbox import Letterbox
from pipeline.types import Frame, Prepared

torch = pytest.importorskip("torch", reason="networks are exported from torch: install dashmask[train]")
pytest.importorskip("onnxruntime", reason="onnxruntime runs what was exported: install dashmask[cpu]")

OURS = ("roadnet", "enet", "unet", "fcn")
OPTIONS: dict[str, dict[str, int]] = {"unet": {"width": 8}, "fcn": {"width": 16}}
TIE = 1e-5  # of the largest logit: closer than that, rounding decides


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Small tensors: threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def picture(hw: tuple[int, int], seed: int = 0) -> NDArray[np.uint8]:
    """(h, w, 3) BGR: soft shapes, as in footage."""
    noise = np.random.default_rng(seed).integers(0, 256, (hw[0] // 8, hw[1] // 8, 3), np.uint8)
    return np.asarray(cv2.resize(noise, hw[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)


def tensor(bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(1, 3, h, w) RGB, 0..255."""
    return np.ascontiguousarray(bgr[..., ::-1].transpose(2, 0, 1)[None], np.float32)


def logits_of(net: Any, pixels: NDArray[np.float32]) -> Any:
    """Of the network as it was trained, not rewritten."""
    mean, std = (torch.tensor(numbers)[:, None, None] for numbers in (MEAN, STD))
    with torch.no_grad():
        return net((torch.from_numpy(pixels) / 255 - mean) / std)


def run(path: Path, pixels: NDArray[np.float32], backend: str = "onnxruntime-cpu") -> NDArray[Any]:
    if backend == "openvino":
        pytest.importorskip("openvino", reason="no OpenVINO here: install the extra `openvino`")
    running = opener(backend)(read_card(path), Options(shape_hw=pixels.shape[2:]))  # type: ignore[arg-type]
    frame = Frame(0, 0, Fraction(1), 0.0, Image((np.zeros((8, 8, 3), np.uint8),), "bgr24"))
    prepared = Prepared(frame, pixels, Letterbox((8, 8), (8, 8), (8, 8), 0, 0))
    try:
        (inferred,) = running.submit([prepared]).result()
    finally:
        running.close()
    output: NDArray[Any] = inferred.arrays()[0]
    return output


def assert_same_labels(labels: NDArray[Any], net: Any, pixels: NDArray[np.float32]) -> None:
    """Equal to the trained network's at every pixel but where a tie is decided by rounding, and those are few."""
    logits = logits_of(net, pixels)
    wanted = logits.argmax(1).numpy()
    assert labels.dtype == np.uint8
    assert labels.shape == wanted.shape
    assert len(np.unique(wanted)) >= 5  # the comparison is about something
    different = labels != wanted
    assert different.sum() <= max(2, 1e-4 * different.size)
    first, second = torch.topk(logits, 2, 1).values.unbind(1)
    tied = ((first - second) < TIE * logits.abs().max()).numpy() | near_tied_pooling(net, pixels)
    assert not (different & ~tied).any()


def near_tied_pooling(net: Any, pixels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pixels that an unpooling may move: near a 2x2 block whose largest two are equal but for rounding (ENet)."""
    from engines.nets.enet import MaxPool

    size = pixels.shape[2:]
    found = torch.zeros(1, 1, *size)

    def watch(module: Any, inputs: Any, output: Any) -> None:
        (x,) = inputs
        blocks = x.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
        two = blocks.topk(2, -1).values
        tie = ((two[..., 0] - two[..., 1]) < TIE * x.abs().max()).any(1, keepdim=True).float()
        reach = size[0] // x.shape[2] * 6 + 1  # pixels: what the decoder does behind the unpooling, and some more
        grown = torch.nn.functional.interpolate(tie, size=size)
        for kernel in ((reach, 1), (1, reach)):
            padding = (kernel[0] // 2, kernel[1] // 2)
            grown = torch.nn.functional.max_pool2d(grown, kernel, 1, padding)
        found.add_(grown)

    hooks = [module.register_forward_hook(watch) for module in net.modules() if isinstance(module, MaxPool)]
    logits_of(net, pixels)
    for hook in hooks:
        hook.remove()
    return found[:, 0].bool().numpy()


@pytest.fixture(scope="module", params=OURS)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    from engines.export import export_net

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
    from engines.export import export_net

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


def test_the_graph_holds_nothing_that_a_runtime_refuses(exported: tuple[Any, Path]) -> None:
    model = onnx.load(exported[1])
    operators = {node.op_type for node in model.graph.node}
    assert operators.isdisjoint(
        {"MaxUnpool", "PRelu", "BatchNormalization", "ScatterND", "ScatterElements", "Dropout"}
    )
    assert all(len(node.output) == 1 for node in model.graph.node if node.op_type == "MaxPool")  # no indices
    assert [entry.version for entry in model.opset_import if entry.domain == ""] == [17]


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


def test_logits_can_be_had_instead_of_labels(tmp_path: Path) -> None:
    from engines.export import export_net

    net = trained("roadnet")
    path = export_net(net, about(net), tmp_path / "net.onnx", logits=True)
    card = read_card(path)
    assert (card.outputs[0].name, card.outputs[0].dtype, card.outputs[0].shape[1]) == ("logits", "float32", 11)
    pixels = tensor(picture((64, 96)))
    wanted = logits_of(net, pixels)
    assert np.abs(run(path, pixels) - wanted.numpy()).max() < 2e-5 * wanted.abs().max()


@pytest.mark.parametrize("name", ["enet", "roadnet"])
def test_half_precision_halves_the_file_and_says_nearly_the_same(name: str, tmp_path: Path) -> None:
    from engines.export import export_net

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


def test_tensorrt_parses_and_builds_it(exported: tuple[Any, Path]) -> None:
    if find_spec("tensorrt_rtx") is None:
        pytest.skip("TensorRT for RTX is not installed: pip install tensorrt-rtx")
    # In a process of its own: without a driver its objects may crash the interpreter when they are collected.
    command = [sys.executable, "-c", BUILD, str(exported[1])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "built\n", "")


def test_pooling_and_unpooling_by_phases_is_torchs_own_ties_included() -> None:
    from engines.nets.enet import MaxPool, MaxUnpool
    from engines.phases import PhasePool, PhaseUnpool

    torch.manual_seed(0)
    for x in (torch.randint(-1, 2, (2, 5, 12, 16)).float(), torch.randn(2, 5, 12, 16), torch.zeros(1, 1, 4, 4)):
        pooled, where = MaxPool()(x)
        mine, phases = PhasePool()(x)
        assert torch.equal(mine, pooled)
        y = torch.randn_like(pooled)
        assert torch.equal(PhaseUnpool()(y, phases), MaxUnpool()(y, where))


def test_prelu_as_a_sum_is_torchs_but_for_the_last_place_whatever_the_slopes() -> None:
    from engines.graph import _rewritten

    x = torch.randn(2, 5, 16, 16) * 3
    for slopes in ([-0.5, 0.0, 0.25, 0.9, 1.0], [-0.5, 0.3, 1.0, 1.5, 3.0]):
        original = torch.nn.PReLU(5)
        original.weight.data = torch.tensor(slopes)
        with torch.no_grad():
            torch.testing.assert_close(_rewritten(original)(x), original(x), rtol=1e-6, atol=0)


def test_scalings_become_products_that_give_the_same_labels(tmp_path: Path) -> None:
    from engines.export import export_net
    from engines.scalings import as_products

    net = trained("enet")
    path = export_net(net, about(net), tmp_path / "net.onnx")
    before = onnx.load(path)
    after = as_products(onnx.load(path))
    onnx.checker.check_model(after, full_check=True)
    count = {
        kind: [sum(node.op_type == kind for node in model.graph.node) for model in (before, after)]
        for kind in ("Conv", "Mul")
    }
    scalings = 2 * sum(isinstance(module, torch.nn.PReLU) for module in net.modules())
    assert count["Conv"][0] - count["Conv"][1] == scalings == count["Mul"][1] - count["Mul"][0]
    (tmp_path / "products.onnx").write_bytes(after.SerializeToString())
    pixels = tensor(picture((96, 128)))
    assert np.mean(run(path, pixels) == run(tmp_path / "products.onnx", pixels)) > 0.9999


@pytest.mark.parametrize("size_hw", [None, (24, 40)])
def test_comparing_classes_before_the_pixels_are_shuffled_is_exact_ties_included(
    size_hw: tuple[int, int] | None,
) -> None:
    from engines.graph import LabelHead
    from engines.nets.base import SubpixelHead

    torch.manual_seed(0)
    for head, cells in ((torch.nn.ConvTranspose2d(6, 5, 2, 2), (12, 20)), (SubpixelHead(6, 5, 4), (6, 10))):
        for parameter in head.parameters():
            parameter.data = torch.randint(-1, 2, parameter.shape).float()  # whole numbers: sums are exact
        x = torch.randint(-1, 2, (1, 6, *cells)).float()
        with torch.no_grad():
            wanted = head(x).argmax(1)
            assert torch.equal(LabelHead(head, 5, size_hw)(x).long(), wanted)


def test_a_transposed_convolution_that_overlaps_is_left_as_it_is() -> None:
    from engines.graph import LabelHead

    head = torch.nn.ConvTranspose2d(6, 5, 3, 2, 1, 1)
    x = torch.randn(1, 6, 8, 8)
    with torch.no_grad():
        assert torch.equal(LabelHead(head, 5, None)(x).long(), head(x).argmax(1))


def test_exporting_leaves_the_trained_network_as_it_was(tmp_path: Path) -> None:
    from engines.export import export_net

    net = trained("enet").train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    export_net(net, about(net), tmp_path / "net.onnx")
    assert net.training
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert [file.name for file in tmp_path.iterdir()] == ["net.onnx"]


def test_what_cannot_be_exported_is_said_in_one_sentence(tmp_path: Path) -> None:
    from engines.export import export_net

    net, out = trained("roadnet"), tmp_path / "net.onnx"
    with pytest.raises(ModelError, match=r"multiples of 16.*640x368"):
        export_net(net, about(net), out, size_hw=(360, 640))
    with pytest.raises(ModelError, match="names 2 classes, its network has 11"):
        export_net(net, about(net) | {"classes": {"names": ["road", "car"]}}, out)
    with pytest.raises(ModelError, match="take rgb"):
        export_net(net, about(net) | {"input": {"colour": "bgr"}}, out)
    with pytest.raises(ModelError, match="cannot be written"):
        export_net(net, about(net), tmp_path / "nowhere" / "net.onnx")
    with pytest.raises(ModelError, match="cannot be used"):
        export_net(net, about(net) | {"input": {"std": [1.0, 0.0, 1.0]}}, out)
    assert not list(tmp_path.iterdir())


def test_the_command_exports_a_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("safetensors", reason="checkpoints are safetensors: install dashmask[train]")
    from engines.training.checkpoint import save_checkpoint
    from pipeline.cli.export import export

    net = trained("roadnet")
    checkpoint, out = tmp_path / "mine.safetensors", tmp_path / "mine.onnx"
    save_checkpoint(checkpoint, net, about(net))
    export(str(checkpoint), out=out, size="96x64", precision="fp32", logits=False)
    assert "semantic, 11 classes, input 96x64 float32, output labels uint8; licence: non-commercial" in (
        capsys.readouterr().out
    )
    pixels = tensor(picture((64, 96)))
    assert_same_labels(run(out, pixels), net, pixels)


@pytest.mark.parametrize(
    ("checkpoint", "options", "said"),
    [
        ("mine.safetensors", {}, "there is no such file"),
        ("mine.onnx", {}, "expected a .safetensors file"),
        ("mine.pt", {}, "there is no such file"),
        ("mine.safetensors", {"size": "640"}, "expected a width and a height"),
        ("mine.safetensors", {"precision": "int8"}, "expected fp32 or fp16"),
        ("mine.pt", {"logits": True}, "leave --logits out"),
        ("mine.safetensors", {"out": Path("nowhere/net.onnx")}, "there is no folder nowhere"),
        ("mine.safetensors", {"out": Path("net.plan")}, "ends in .onnx"),
    ],
)
def test_a_mistake_at_the_command_is_one_sentence(
    checkpoint: str, options: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.cli.export import export

    monkeypatch.chdir(tmp_path)
    usual: dict[str, Any] = {"out": None, "size": "free", "precision": "fp32", "logits": False}
    with pytest.raises((ConfigError, ModelError)) as error:
        export(checkpoint, **usual | options)
    assert said in str(error.value)
