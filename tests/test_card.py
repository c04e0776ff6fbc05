"""Cards from every source."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import tiny_models
from one_backend import SEMANTIC
from onnx import TensorProto, helper

from engines.card import FAMILIES, find_card, read_card
from engines.card_yaml import parse_card
from pipeline.classes import DRIVING
from pipeline.errors import ModelError

CARDS = Path(__file__).parents[1] / "configs" / "cards"


@pytest.fixture
def fcn(tmp_path: Path) -> Path:
    return tiny_models.fcn(tmp_path / "fcn.onnx")


def test_reading_a_card_imports_neither_onnx_nor_a_runtime(shared: Path) -> None:
    code = (
        "import sys; from engines.card import find_card; find_card(sys.argv[1]);"
        "assert not {'onnx', 'google', 'onnxruntime', 'openvino', 'torch', 'yaml'} & set(sys.modules)"
    )
    model = shared / "weights" / "yolo11n-seg.onnx"
    subprocess.run([sys.executable, "-c", code, model], check=True, cwd=CARDS.parents[1])


def test_ultralytics_metadata_is_understood_as_it_is(shared: Path) -> None:
    path = shared / "weights" / "yolo11n-seg.onnx"
    card = read_card(path)
    assert (card.family, card.name, len(card.classes)) == ("yolo-seg", "yolo11n-seg", 80)
    assert card.classes.names[:3] == ("person", "bicycle", "car")
    assert card.licence.startswith("AGPL-3.0")
    spec = card.input
    assert (spec.name, spec.size_hw, spec.stride, spec.long_side) == ("images", (None, None), 32, 640)
    assert (spec.layout, spec.dtype, spec.colour, spec.fit, spec.pad) == ("nchw", "float32", "rgb", "letterbox", 114)
    assert spec.scale == pytest.approx(1 / 255)
    assert [o.name for o in card.outputs] == ["output0", "output1"]
    assert card.outputs[1].shape == (None, 32, None, None)
    assert card.details["end2end"] is False
    assert card.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_packaged_card_describes_enet(shared: Path) -> None:
    card = find_card(shared / "weights" / "enet_cityscapes_512x1024", card_dirs=[CARDS])
    assert (card.family, card.classes, card.licence) == ("semantic", DRIVING, "CC BY-NC 4.0")
    assert (card.input.colour, card.input.scale, card.input.size_hw) == ("bgr", 1.0, (512, 1024))
    assert card.outputs[0].shape == (1, 19, 512, 1024)
    assert "ENet" in card.details["source"]


def test_a_yolo_without_nms_says_so(tmp_path: Path) -> None:
    path = tiny_models.yolo_seg(tmp_path / "y.onnx", np.array([[1, 2, 3, 4]], np.float32), [0], [0.5], end2end=True)
    card = read_card(path)
    assert card.details["end2end"] is True
    assert card.input.size_hw == (64, 64)


def test_yolov5_writes_no_task_and_its_outputs_tell(tmp_path: Path) -> None:
    metadata = {"stride": "32", "names": "['person', 'car']"}
    arrays = {"output0": np.zeros((1, 252, 39), np.float32), "output1": np.zeros((1, 32, 16, 16), np.float32)}
    card = read_card(tiny_models.fixed(tmp_path / "v5.onnx", arrays, metadata=metadata))
    assert (card.family, card.classes.names, card.input.long_side) == ("yolo-seg", ("person", "car"), 640)
    with pytest.raises(ModelError, match="task `detect`"):
        read_card(tiny_models.fixed(tmp_path / "v5.onnx", {"output0": arrays["output0"]}, metadata=metadata))


def test_yaml_beside_the_model_comes_first_then_the_packaged_card_then_metadata(tmp_path: Path) -> None:
    folder = tmp_path / "cards"
    folder.mkdir()
    metadata = tiny_models.ultralytics_metadata(["a", "b"]) | {"dashmask": SEMANTIC + "name: inside"}
    path = tiny_models.fcn(tmp_path / "m.onnx", metadata=metadata)
    assert read_card(path, card_dirs=[folder]).name == "inside"
    (folder / "m.yaml").write_text(SEMANTIC + "name: packaged")
    assert read_card(path, card_dirs=[folder]).name == "packaged"
    (tmp_path / "m.yaml").write_text(SEMANTIC + "name: beside")
    assert read_card(path, card_dirs=[folder]).name == "beside"
    (tmp_path / "other.yaml").write_text(SEMANTIC + "name: given")
    assert read_card(path, card=tmp_path / "other.yaml", card_dirs=[folder]).name == "given"


def test_the_configuration_of_a_training_is_no_card(fcn: Path) -> None:
    model = onnx.load(fcn)
    model.metadata_props.add(key="dashmask", value=SEMANTIC)
    onnx.save(model, fcn)
    fcn.with_suffix(".yaml").write_text("# of dashmask train\nname: fcn\ntrain:\n  - {dataset: folders}\n")
    assert read_card(fcn).classes.names == ("red", "green", "blue")


def test_everything_a_card_can_say_is_understood(fcn: Path) -> None:
    fcn.with_suffix(".yaml").write_text(
        f"""
        name: Tiny
        family: semantic
        classes: [{{name: road, colour: [1, 2, 3]}}, tree, {{name: car}}]
        input: {{name: image, size_hw: [48, null], stride: 8, long_side: 320, layout: nchw, dtype: float32,
                 colour: bgr, scale: 1, mean: [1, 2, 3], std: [4, 5, 6], fit: stretch, pad: 0}}
        outputs: [scores]
        licence: MIT
        sha256: {hashlib.sha256(fcn.read_bytes()).hexdigest()}
        source: here
        training_data: nothing
        accuracy: {{mIoU: 0.5}}
        details: {{by: hand}}
        """
    )
    card = read_card(fcn)
    assert card.classes.names == ("road", "tree", "car")
    assert card.classes.colours[0] == (1, 2, 3)
    assert card.classes.colours[2] == DRIVING.colours[13]
    spec = card.input
    assert (spec.size_hw, spec.stride, spec.long_side, spec.scale) == ((48, None), 8, 320, 1)
    assert (spec.mean, spec.std, spec.fit, spec.pad, spec.colour) == ((1, 2, 3), (4, 5, 6), "stretch", 0, "bgr")
    assert card.details == {"source": "here", "training_data": "nothing", "accuracy": {"mIoU": 0.5}, "by": "hand"}
    assert (card.name, card.licence) == ("Tiny", "MIT")


def test_layout_type_and_size_come_from_the_file_where_the_card_is_silent(tmp_path: Path) -> None:
    path = tiny_models.unet(tmp_path / "u.onnx", hw=(64, "width"))
    path.with_suffix(".yaml").write_text(SEMANTIC)
    spec = read_card(path).input
    assert (spec.name, spec.layout, spec.dtype, spec.size_hw) == ("x", "nhwc", "float32", (64, None))


def test_a_model_that_nothing_describes_gets_a_card_to_copy(fcn: Path) -> None:
    with pytest.raises(ModelError, match="nothing says what this model is") as caught:
        read_card(fcn)
    assert "image (1, 3, ?, ?) float32 -> scores (1, 3, ?, ?) float32" in caught.value.message
    _, _, minimal = caught.value.hint.partition("for instance:\n")
    fcn.with_suffix(".yaml").write_text(minimal)
    assert read_card(fcn).family == "semantic"


def test_every_packaged_card_is_written_correctly() -> None:
    cards = sorted(CARDS.glob("*.yaml"))
    assert cards
    for file in cards:
        card = parse_card(file.read_text(), file.name)
        assert card.family in FAMILIES
        assert card.licence
        assert card.source


@pytest.mark.parametrize(
    ("behind", "probability"),
    [
        ([], False),
        (["Sigmoid"], True),
        (["Sigmoid", "Identity", "Cast"], True),
        (["Sigmoid", "Neg"], False),
        (["Clip"], False),
    ],
)
def test_one_channel_behind_a_sigmoid_is_a_probability(tmp_path: Path, behind: list[str], probability: bool) -> None:
    names = ["logit", *(f"t{number}" for number in range(1, len(behind))), "mask"] if behind else ["mask"]
    nodes = [helper.make_node("Conv", ["x", "kernel"], [names[0]])]
    for kind, before, made in zip(behind, names, names[1:], strict=False):
        told = {"to": TensorProto.FLOAT} if kind == "Cast" else {}
        nodes.append(helper.make_node(kind, [before], [made], **told))
    kernel = {"kernel": np.ones((1, 3, 1, 1), np.float32)}
    image, mask = tiny_models.floats("x", (1, 3, 32, 64)), tiny_models.floats("mask", (1, 1, 32, 64))
    path = tiny_models.save(tmp_path / "m.onnx", nodes, [image], [mask], kernel)
    path.with_suffix(".yaml").write_text("family: semantic\nclasses: [other, road]\n")
    assert read_card(path).outputs[0].probability == probability


def takes_bytes(path: Path) -> Path:
    node = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)
    image = tiny_models.floats("x", (1, 3, 32, 64), TensorProto.UINT8)
    return tiny_models.save(path, [node], [image], [tiny_models.floats("y", (1, 3, 32, 64))])


def test_a_network_that_takes_bytes_is_given_the_pixels_as_they_are(tmp_path: Path) -> None:
    path = takes_bytes(tmp_path / "m.onnx")
    path.with_suffix(".yaml").write_text(SEMANTIC)
    assert read_card(path).input.scale == 1
    path.with_suffix(".yaml").write_text(f"{SEMANTIC}input: {{scale: 0.5}}\n")
    assert read_card(path).input.scale == 0.5


def test_a_file_without_a_card_is_told_the_scale_that_fits_its_input(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as said:
        read_card(takes_bytes(tmp_path / "m.onnx"))
    assert "scale: 1}" in said.value.hint
