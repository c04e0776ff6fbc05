"""From what a user typed to a model, or a sentence that helps."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_models

from engines.card import find_card
from engines.model_file import find_model
from pipeline.errors import ModelError

CARDS = Path(__file__).parents[1] / "configs" / "cards"


@pytest.fixture
def fcn(tmp_path: Path) -> Path:
    return tiny_models.fcn(tmp_path / "fcn.onnx")


def test_a_missing_model_names_the_nearest_one(tmp_path: Path, fcn: Path) -> None:
    with pytest.raises(ModelError, match=r"did you mean .*fcn\.onnx"):
        find_model(tmp_path / "fnc.onnx")
    with pytest.raises(ModelError, match="no folder"):
        find_model(tmp_path / "nowhere" / "m.onnx")
    with pytest.raises(ModelError, match="its weights are not"):
        find_model(tmp_path / "enet_cityscapes_512x1024.onnx", card_dirs=[CARDS])
    assert find_model(tmp_path / "fcn") == fcn


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("best.pt", r"yolo export model=.*best\.pt format=onnx dynamic=True.*AGPL-3.0"),
        ("best.engine", r"one GPU.*model=best\.pt format=onnx"),
        ("mine.safetensors", r"a checkpoint of weights.*dashmask export .*mine\.safetensors"),
        ("model.xml", r"a model of OpenVINO.*give the \.onnx file"),
        ("model.tflite", r"tf2onnx\.convert --tflite .*model\.tflite --output model\.onnx"),
        ("frozen.pb", r"a model of TensorFlow.*tf2onnx"),
        ("folder", "a folder.*it holds inner.onnx"),
    ],
)
def test_what_is_no_onnx_file_gets_the_way_to_one(tmp_path: Path, name: str, says: str) -> None:
    if name == "folder":
        (tmp_path / name).mkdir()
        tiny_models.fcn(tmp_path / name / "inner.onnx")
    else:
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ModelError, match=says):
        find_card(tmp_path / name)


@pytest.mark.parametrize("name", ["", "\0", "a" * 5000, "~nobody-of-this-name/m.onnx"])
def test_a_name_that_can_be_no_path_is_a_sentence(name: str) -> None:
    with pytest.raises(ModelError):
        find_card(name)
