"""The backend that computes nothing answers what the network would, in shape and type."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny_models
from one_backend import card_of, noise, open_backend, run

from engines.backends.null import NullBackend
from engines.card import read_card
from pipeline.errors import BackendError


def test_null_answers_the_shapes_of_the_real_network(shared: Path) -> None:
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
    card = read_card(shared / "weights" / "yolo11n-seg.onnx")
    tensor = noise((1, 3, 96, 160))
    real, null = run(open_backend("onnxruntime-cpu", card), tensor), run(open_backend("null", card), tensor)
    assert [(a.shape, a.dtype) for a in null] == [(a.shape, a.dtype) for a in real]
    assert not any(array.any() for array in null)


def test_null_answers_what_it_was_given(tmp_path: Path) -> None:
    card = card_of(tiny_models.fcn(tmp_path / "m.onnx"))
    scores = noise((1, 3, 8, 8))
    (got,) = run(NullBackend(card, outputs=[scores]), noise((1, 3, 64, 64)))
    np.testing.assert_array_equal(got, scores)
    with pytest.raises(ValueError, match="read-only"):
        got[:] = 0
    with pytest.raises(BackendError, match="expected 1 outputs"):
        NullBackend(card, outputs=[])


@pytest.mark.parametrize("layout", ["fcn", "unet"])
def test_null_fills_free_dimensions_from_the_input(layout: str, tmp_path: Path) -> None:
    card = card_of(getattr(tiny_models, layout)(tmp_path / "m.onnx"))
    shape = (1, 3, 64, 96) if layout == "fcn" else (1, 64, 96, 3)
    (array,) = run(open_backend("null", card), noise(shape))
    assert array.shape == ((1, 3, 64, 96) if layout == "fcn" else (1, 64, 96))
