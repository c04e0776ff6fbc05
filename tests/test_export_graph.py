"""What export writes in other words computes the same, and leaves the trained network as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

pytest.importorskip("torch", reason="networks are exported from torch: install dashmask[train]")
pytest.importorskip("onnxruntime", reason="onnxruntime runs what was exported: install dashmask[cpu]")

import torch
from exported_nets import picture, run, tensor
from trained_nets import about, trained
from trained_nets import one_thread as one_thread

from engines.export import export_net
from engines.graph import LabelHead, _rewritten
from engines.nets.base import SubpixelHead
from engines.nets.enet import MaxPool, MaxUnpool
from engines.phases import PhasePool, PhaseUnpool
from engines.scalings import as_products


def test_pooling_and_unpooling_by_phases_is_torchs_own_ties_included() -> None:
    torch.manual_seed(0)
    for x in (torch.randint(-1, 2, (2, 5, 12, 16)).float(), torch.randn(2, 5, 12, 16), torch.zeros(1, 1, 4, 4)):
        pooled, where = MaxPool()(x)
        mine, phases = PhasePool()(x)
        assert torch.equal(mine, pooled)
        y = torch.randn_like(pooled)
        assert torch.equal(PhaseUnpool()(y, phases), MaxUnpool()(y, where))


def test_prelu_as_a_sum_is_torchs_but_for_the_last_place_whatever_the_slopes() -> None:
    x = torch.randn(2, 5, 16, 16) * 3
    for slopes in ([-0.5, 0.0, 0.25, 0.9, 1.0], [-0.5, 0.3, 1.0, 1.5, 3.0]):
        original = torch.nn.PReLU(5)
        original.weight.data = torch.tensor(slopes)
        with torch.no_grad():
            torch.testing.assert_close(_rewritten(original)(x), original(x), rtol=1e-6, atol=0)


def test_scalings_become_products_that_give_the_same_labels(tmp_path: Path) -> None:
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
    torch.manual_seed(0)
    for head, cells in ((torch.nn.ConvTranspose2d(6, 5, 2, 2), (12, 20)), (SubpixelHead(6, 5, 4), (6, 10))):
        for parameter in head.parameters():
            parameter.data = torch.randint(-1, 2, parameter.shape).float()  # whole numbers: sums are exact
        x = torch.randint(-1, 2, (1, 6, *cells)).float()
        with torch.no_grad():
            wanted = head(x).argmax(1)
            assert torch.equal(LabelHead(head, 5, size_hw)(x).long(), wanted)


def test_a_transposed_convolution_that_overlaps_is_left_as_it_is() -> None:
    head = torch.nn.ConvTranspose2d(6, 5, 3, 2, 1, 1)
    x = torch.randn(1, 6, 8, 8)
    with torch.no_grad():
        assert torch.equal(LabelHead(head, 5, None)(x).long(), head(x).argmax(1))


def test_exporting_leaves_the_trained_network_as_it_was(tmp_path: Path) -> None:
    net = trained("enet").train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    export_net(net, about(net), tmp_path / "net.onnx")
    assert net.training
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert [file.name for file in tmp_path.iterdir()] == ["net.onnx"]
