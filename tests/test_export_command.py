"""`dashmask export` writes the network of a checkpoint, and says in one sentence what cannot be exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="networks are exported from torch: install dashmask[train]")
pytest.importorskip("onnxruntime", reason="onnxruntime runs what was exported: install dashmask[cpu]")

from exported_nets import assert_same_labels, picture, run, tensor
from trained_nets import about, trained
from trained_nets import one_thread as one_thread

from engines.export import export_net
from pipeline.cli.export import export
from pipeline.errors import ConfigError, ModelError


def test_the_command_exports_a_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("safetensors", reason="checkpoints are safetensors: install dashmask[train]")
    from engines.training.checkpoint import save_checkpoint

    net = trained("roadnet")
    checkpoint, out = tmp_path / "mine.safetensors", tmp_path / "mine.onnx"
    save_checkpoint(checkpoint, net, about(net))
    export(str(checkpoint), out=out, size="96x64", precision="fp32", logits=False)
    assert "semantic, 11 classes, input float32, 96x64, output labels uint8; licence: non-commercial" in (
        capsys.readouterr().out
    )
    pixels = tensor(picture((64, 96)))
    assert_same_labels(run(out, pixels), net, pixels)


def test_what_cannot_be_exported_is_said_in_one_sentence(tmp_path: Path) -> None:
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
    monkeypatch.chdir(tmp_path)
    usual: dict[str, Any] = {"out": None, "size": "free", "precision": "fp32", "logits": False}
    with pytest.raises((ConfigError, ModelError)) as error:
        export(checkpoint, **usual | options)
    assert said in str(error.value)
