"""One network behind one backend: what tests of backends have in common."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.backends.base import Backend, Options
from engines.card import read_card
from engines.select import Selection, opener
from pipeline.image import Image
from pipeline.letterbox import Letterbox
from pipeline.types import Card, Frame, Prepared

SEMANTIC = "family: semantic\nclasses: [red, green, blue]\n"


def need(name: str) -> None:
    """Skip the test where a CPU backend cannot be had."""
    package, extra = ("openvino", "openvino") if name == "openvino" else ("onnxruntime", "cpu")
    pytest.importorskip(package, reason=f"no {package} here: install the extra `{extra}`")


def open_backend(name: str, card: Card, options: Options | None = None) -> Backend:
    if name != "null":
        need(name)
    return opener(name)(card, options or Options())


def card_of(path: Path, more: str = "") -> Card:
    path.with_suffix(".yaml").write_text(SEMANTIC + more)
    return read_card(path)


def prepared(tensor: NDArray[Any]) -> Prepared:
    frame = Frame(0, 0, Fraction(1, 25), 0.0, Image((np.zeros((8, 8, 3), np.uint8),), "bgr24"))
    return Prepared(frame, tensor, Letterbox((8, 8), (8, 8), (8, 8), 0, 0))


def noise(shape: Sequence[int], seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random(shape, np.float32)


def run(backend: Backend, tensor: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    (inferred,) = backend.submit([prepared(tensor)]).result()
    return inferred.arrays()


def close(selection: Selection) -> str:
    """Close what was selected; its name."""
    selection.backend.close()
    return selection.backend.name
