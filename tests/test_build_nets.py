"""TensorRT for RTX builds every network of ours for real: float32, float16, int8 and several shapes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from trained_nets import about
from trained_nets import one_thread as one_thread

from engines.build import build
from engines.card import read_card
from engines.gpu import gpu_here
from engines.half import to_half
from engines.plans import manifest_path

torch = pytest.importorskip("torch", reason="networks are exported from torch: install dashmask[train]")
if find_spec("tensorrt_rtx") is None:
    pytest.skip("TensorRT for RTX is not installed: pip install tensorrt-rtx", allow_module_level=True)

from engines.nets import NETS, build_net  # noqa: E402 these need torch

OPTIONS: dict[str, dict[str, int]] = {"unet": {"width": 8}, "fcn": {"width": 16}}
PIXELS_HW = (64, 96)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture(scope="module", params=NETS)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from engines.export import export_net

    torch.manual_seed(0)
    net = build_net(request.param, 11, **OPTIONS.get(request.param, {})).eval()
    return export_net(net, about(net), tmp_path_factory.mktemp("nets") / f"{request.param}.onnx")


def test_every_network_is_built(exported: Path) -> None:
    plan = build(read_card(exported), shapes_hw=[PIXELS_HW], product="tensorrt-rtx").plan
    told = json.loads(manifest_path(plan.path).read_text())
    assert told["options"]["precision"] == "fp32"
    assert plan.path.stat().st_size == told["plan_bytes"] > 10_000
    assert told["gpu"] == gpu_here()[0].name


def test_every_network_is_built_in_half_for_several_shapes(exported: Path) -> None:
    height, width = PIXELS_HW
    sizes = [(height, width), (2 * height, width)]
    plan = build(
        read_card(exported), precision="fp16", shapes_hw=sizes, batches=[(1, 4)], product="tensorrt-rtx"
    ).plan
    options = plan.manifest.options
    assert options.precision == "fp16"
    assert [(profile.least, profile.most) for profile in options.profiles] == [
        ((1, 3, *size), (4, 3, *size)) for size in sizes
    ]


def test_a_network_exported_in_half_for_one_size_is_built(tmp_path: Path) -> None:
    from engines.export import export_net

    net = build_net("enet", 11).eval()
    path = export_net(net, about(net), tmp_path / "enet.onnx", size_hw=PIXELS_HW, precision="fp16")
    plan = build(read_card(path), product="tensorrt-rtx").plan
    assert (plan.manifest.options.precision, plan.manifest.options.profiles) == ("fp16", ())


def test_every_network_is_built_quantised(exported: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime quantises: install dashmask[cpu]")
    from engines.quantize import Quantizer

    def frames() -> Iterator[NDArray[np.float32]]:
        rng = np.random.default_rng(0)
        return (rng.integers(0, 256, (1, 3, *PIXELS_HW)).astype(np.float32) for _ in range(2))

    quantizer = Quantizer(read_card(exported), frames, 2, "minmax", tmp_path)
    path = tmp_path / exported.name
    quantizer.write(path, quantizer.convolutions.ends)
    card = read_card(path)
    plan = build(card, shapes_hw=[PIXELS_HW], product="tensorrt-rtx").plan
    assert plan.manifest.options.precision == "int8"
    assert plan.manifest.onnx_sha256 == card.sha256


def test_the_half_of_every_network_says_nearly_the_same(exported: Path) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime runs what was converted: install dashmask[cpu]")
    model = onnx.load(exported)
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    coarse = np.random.default_rng(0).integers(0, 256, (1, 3, 8, 12)).astype(np.float32)
    image = coarse.repeat(8, 2).repeat(8, 3)
    labels = []
    for graph in (model, to_half(model, exported.name)):
        session = runtime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
        labels.append(session.run(None, {"image": image})[0])
    assert labels[0].dtype == labels[1].dtype == np.uint8
    assert (labels[0] == labels[1]).mean() > 0.98
