"""The weights in the package that training begins from are those of the networks in the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="no torch here: install the extra `train`")
pytest.importorskip("safetensors", reason="no safetensors here: install the extra `train`")
pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")

import onnxruntime as ort
import torch

from engines.embedded import FOLDER
from engines.export import export_net
from engines.training.checkpoint import load_checkpoint
from pipeline.sources import open_source

CHECKPOINTS = sorted(FOLDER.glob("*.safetensors"))


@pytest.mark.parametrize("checkpoint", CHECKPOINTS, ids=lambda path: path.stem)
def test_a_checkpoint_in_the_package_gives_the_labels_of_its_network(checkpoint: Path, tmp_path: Path) -> None:
    net, about = load_checkpoint(checkpoint)
    assert all(torch.isfinite(tensor).all() for tensor in net.state_dict().values())
    exported = export_net(net, about, tmp_path / "net.onnx")
    with open_source("demo:frames=1,size=480x352") as source:
        picture = next(iter(source)).image.bgr()[..., ::-1]
    image = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32)
    ours, theirs = (
        ort.InferenceSession(str(file), providers=["CPUExecutionProvider"]).run(None, {"image": image})[0]
        for file in (checkpoint.with_suffix(".onnx"), exported)
    )
    assert (ours == theirs).mean() > 0.99
