"""Small networks with their cards, to build plans of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper
from tiny_models import Side, floats, save

from engines.card import read_card
from pipeline.types import Card

CARD = "family: semantic\nclasses: [red, green, blue]\ninput: {stride: 8, long_side: 128}\n"


def network(
    folder: Path,
    nodes: Sequence[onnx.NodeProto] = (),
    *,
    hw: tuple[Side, Side] = (64, 96),
    batch: Side = 1,
    weights: dict[str, Any] | None = None,
    output: onnx.ValueInfoProto | None = None,
) -> Card:
    """A network `image` -> convolution `d` (8 x 8 pixels to one) -> nodes -> output."""
    kernel = np.random.default_rng(0).normal(0, 0.1, (3, 3, 8, 8)).astype(np.float32)
    first = helper.make_node("Conv", ["image", "kernel"], ["d"], name="first", strides=[8, 8])
    save(
        folder / "m.onnx",
        [first, *nodes],
        [floats("image", (batch, 3, *hw))],
        [output or floats("d", (batch, 3, *(side // 8 if isinstance(side, int) else f"{side}/8" for side in hw)))],
        {"kernel": kernel} | (weights or {}),
    )
    (folder / "m.yaml").write_text(CARD)
    return read_card(folder / "m.onnx")


def quantised(folder: Path, zero: Any = np.int8(0)) -> Card:  # noqa: B008 a constant
    """The network with its input and its kernel in QDQ form."""
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "s", "z"], ["q"], name="quantise"),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["a"], name="back"),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["k"], name="weights", axis=0),
        helper.make_node("Conv", ["a", "k"], ["o"], name="conv", strides=[8, 8]),
    ]
    weights = {
        "s": np.float32(0.01),
        "z": zero,
        "w": rng.integers(-127, 128, (3, 3, 8, 8), np.int8),
        "ws": np.full(3, 0.01, np.float32),
        "wz": np.zeros(3, np.int8),
    }
    card = network(folder, nodes, weights=weights, output=floats("o", (1, 3, 8, 12)))
    model = onnx.load(card.path)
    del model.graph.node[0]  # the convolution in float32
    onnx.save(model, card.path)
    return read_card(card.path)
