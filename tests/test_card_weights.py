"""Cards of networks whose weights lie in a file of their own."""

from __future__ import annotations

import hashlib
from pathlib import Path

import onnx
import pytest
import tiny_models
from one_backend import SEMANTIC

from engines.card import read_card
from pipeline.errors import ModelError


@pytest.fixture
def parted(tmp_path: Path) -> tuple[Path, Path]:
    """A network, and the other file in which its weights lie."""
    fcn = tiny_models.fcn(tmp_path / "fcn.onnx")
    model, weights = onnx.load(fcn), fcn.with_name("fcn.onnx.data")
    onnx.save(model, fcn, save_as_external_data=True, location=weights.name, size_threshold=0)
    fcn.with_suffix(".yaml").write_text(SEMANTIC)
    return fcn, weights


def test_other_weights_in_another_file_make_another_model(parted: tuple[Path, Path]) -> None:
    fcn, weights = parted
    before = read_card(fcn).sha256
    assert before != hashlib.sha256(fcn.read_bytes()).hexdigest()
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(changed)
    assert read_card(fcn).sha256 != before


def test_a_card_may_state_the_digest_of_the_onnx_file_alone(parted: tuple[Path, Path]) -> None:
    fcn, _ = parted
    stated = hashlib.sha256(fcn.read_bytes()).hexdigest()
    fcn.with_suffix(".yaml").write_text(f"{SEMANTIC}sha256: {stated}\n")
    assert read_card(fcn).sha256 != stated


def test_weights_that_are_missing_cut_off_or_outside_the_folder_are_named(parted: tuple[Path, Path]) -> None:
    fcn, weights = parted
    content = weights.read_bytes()
    weights.write_bytes(content[:-1])
    with pytest.raises(
        ModelError, match=f"fcn.onnx.data: has {len(content) - 1} bytes, fcn.onnx says .* {len(content)}"
    ):
        read_card(fcn)
    weights.unlink()
    with pytest.raises(ModelError, match=r"its weights lie in fcn.onnx.data, which is not there"):
        read_card(fcn)
    (fcn.parents[1] / "fcn.onnx.data").write_bytes(content)
    fcn.write_bytes(fcn.read_bytes().replace(b"fcn.onnx.data", b"../fcn.onnx.d"))
    with pytest.raises(ModelError, match="outside its folder"):
        read_card(fcn)
