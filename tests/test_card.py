"""The ONNX header reader against the onnx package; cards from every source, and every mistake in them."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
import tiny_models
from hypothesis import example, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from engines.card import FAMILIES, find_card, read_card
from engines.card_yaml import parse_card
from engines.model_file import find_model
from engines.onnx_header import read_onnx_header
from pipeline.classes import DRIVING
from pipeline.errors import ModelError

CARDS = Path(__file__).parents[1] / "configs" / "cards"
SEMANTIC = "family: semantic\nclasses: [red, green, blue]\n"


@pytest.fixture
def fcn(tmp_path: Path) -> Path:
    return tiny_models.fcn(tmp_path / "fcn.onnx")


def shape_of(value: onnx.ValueInfoProto) -> tuple[int | None, ...] | None:
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return tuple(dim.dim_value if dim.WhichOneof("value") == "dim_value" else None for dim in tensor.shape.dim)


def assert_same_as_onnx(path: Path) -> None:
    model, header = onnx.load(path), read_onnx_header(path)
    assert header.ir_version == model.ir_version
    assert header.opsets == {o.domain: o.version for o in model.opset_import}
    assert header.producer == model.producer_name
    assert header.metadata == {p.key: p.value for p in model.metadata_props}
    assert header.nodes == len(model.graph.node)
    for ours, theirs in ((header.inputs, model.graph.input), (header.outputs, model.graph.output)):
        assert [t.name for t in ours] == [v.name for v in theirs]
        assert [t.shape for t in ours] == [shape_of(v) for v in theirs]
        dtypes = [helper.tensor_dtype_to_np_dtype(v.type.tensor_type.elem_type).name for v in theirs]
        assert [t.dtype for t in ours] == dtypes


def tiny(folder: Path) -> list[Path]:
    boxes = np.array([[8, 8, 40, 40]], np.float32)
    return [
        tiny_models.fcn(folder / "a.onnx", metadata={"key": "vålue", "": "no key"}),
        tiny_models.unet(folder / "b.onnx", hw=(64, 96)),
        tiny_models.yolo_seg(folder / "c.onnx", boxes, [1], [0.9]),
        tiny_models.save(
            folder / "d.onnx",
            [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT16)],
            [tiny_models.floats("x", None, TensorProto.UINT8)],
            [tiny_models.floats("y", None, TensorProto.FLOAT16), tiny_models.floats("x", ())],
        ),
    ]


def test_the_header_is_what_the_onnx_package_reads(tmp_path: Path) -> None:
    for path in tiny(tmp_path):
        assert_same_as_onnx(path)


def test_the_header_of_real_networks_is_what_the_onnx_package_reads(shared: Path) -> None:
    for path in sorted((shared / "weights").glob("*.onnx")):
        assert_same_as_onnx(path)


def test_weights_that_old_files_list_among_the_inputs_are_left_out(tmp_path: Path) -> None:
    path = tiny_models.fcn(tmp_path / "old.onnx")
    model = onnx.load(path)
    model.ir_version = 3
    model.graph.input.append(tiny_models.floats("kernel", (3, 3, 8, 8)))
    onnx.save(model, path)
    assert [tensor.name for tensor in read_onnx_header(path).inputs] == ["image"]


def test_zero_and_minus_one_are_free_dimensions(tmp_path: Path) -> None:
    path = tiny_models.fcn(tmp_path / "m.onnx", hw=(64, 64))
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = -1
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 0
    onnx.save(model, path)
    assert read_onnx_header(path).inputs[0].shape == (1, 3, None, None)


def test_a_cut_off_file_is_an_error_or_lacks_only_what_comes_last(tmp_path: Path) -> None:
    path = tiny_models.fcn(tmp_path / "m.onnx", hw=(64, 64), metadata={"a": "b", "c": "d"})
    whole, expected = path.read_bytes(), read_onnx_header(path)
    survived = 0
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        try:
            header = read_onnx_header(path)
        except ModelError:
            continue
        survived += 1
        assert (header.inputs, header.outputs, header.nodes) == (expected.inputs, expected.outputs, expected.nodes)
        assert len(header.metadata) < len(expected.metadata)
    assert survived <= 2  # behind the last operator set, and between the two entries of metadata


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_bytes_make_the_reader_crash(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.onnx"
    metadata = tiny_models.ultralytics_metadata(["a", "b"])
    if data.draw(st.booleans()):
        metadata = {"dashmask": SEMANTIC + "input: {stride: 8, mean: [0, 0, 0]}"}
    identity = helper.make_node("Identity", ["x"], ["y"])
    tensors = [tiny_models.floats(name, (1, 3, "h", 64)) for name in "xy"]
    tiny_models.save(path, [identity], tensors[:1], tensors[1:], metadata=metadata)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    path.write_bytes(content)
    with suppress(ModelError):
        read_card(path)


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=60) | st.text("[]{}:-&*x!?,'\"\n 1<", max_size=60))
@example("a: &x [*x]")
@example("details: &x {a: *x}\nfamily: semantic\nclasses: [a]")
@example("[" * 3000)
def test_no_text_makes_the_card_reader_crash(text: str) -> None:
    with pytest.raises(ModelError):
        parse_card(text, "card.yaml")


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=200))
def test_arbitrary_bytes_are_a_model_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "garbage.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError):
        read_onnx_header(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"hello, I am no model\n" * 20, "a text file"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"PK\x03\x04" + bytes(100), "zip archive"),
        (bytes(1000), "not a whole ONNX file"),
    ],
)
def test_a_file_that_is_no_model_is_told_apart(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=says):
        read_card(path)


def test_a_real_network_that_is_cut_off_is_named(shared: Path, tmp_path: Path) -> None:
    whole = (shared / "weights" / "yolo11n-seg.onnx").read_bytes()
    for share in (0.1, 0.5, 0.9, 0.999):
        path = tmp_path / "cut.onnx"
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ModelError, match=r"cut\.onnx: not a whole ONNX file: it ends \d+ bytes too early"):
            find_card(path)


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


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("task", "detect", "task `detect`, expected one for `segment`"),
        ("channels", "1", "1 channels"),
        ("names", "gibberish", "`names` is not a list"),
        ("names", "{0: 'a', 2: 'b'}", "`names` is not a list"),
        ("names", "(" * 500, "`names` is not a list"),
        ("stride", "wide", "`stride` is not a number"),
        ("imgsz", "big", "`imgsz` is not a size"),
    ],
)
def test_broken_ultralytics_metadata_is_a_sentence(tmp_path: Path, key: str, value: str, says: str) -> None:
    metadata = tiny_models.ultralytics_metadata(["a", "b"]) | {key: value}
    with pytest.raises(ModelError, match=says):
        read_card(tiny_models.fcn(tmp_path / "m.onnx", metadata=metadata))


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


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("family: semantic\nclases: [a]\n", r"line 2: unknown key `clases` \(did you mean `classes`\?\)"),
        (SEMANTIC + "input:\n  stide: 8\n", r"line 4: unknown key `stide` \(did you mean `stride`\?\)"),
        (SEMANTIC + "license: MIT\n", "did you mean `licence`"),
        (SEMANTIC + "input: {stride: wide}\n", r"line 3: input\.stride: expected `int"),
        (SEMANTIC + "input: {mean: [1, 2]}\n", r"line 3: input\.mean: expected `array` of length 3"),
        (SEMANTIC + "input: {pad: 256}\n", r"line 3: input\.pad: expected `int` <= 255"),
        (SEMANTIC + "input: {layout: chwn}\n", r"line 3: input\.layout: invalid enum value 'chwn'"),
        (SEMANTIC + "family: semantic\n", "line 3: `family` was already given in line 1"),
        ("family: semantic\nclasses:\n  - a\n  - {name: b, color: [1, 2, 3]}\n", r"line 4: .*did you mean `colour`"),
        ("family: semantic\nclasses: [a, yes]\n", r"line 2: classes\[1\]: expected `str"),
        ("family: sematic\nclasses: [a]\n", "unknown family `sematic`, known are semantic and yolo-seg"),
        ("family: semantic\nclasses: camvid\n", "no table `camvid`"),
        ("family: semantic\nclasses: []\n", "the list is empty"),
        ("family: semantic\nclasses: [a, a]\n", "`a` is there more than once"),
        ("family: semantic\n", "the key `classes` is missing"),
        ("- a\n", "this is a list"),
        ("", "this is a NoneType"),
        ("a: [\n", "line 2: not YAML"),
        ("a: 2026-13-45\n", "not YAML"),
        (SEMANTIC + "outputs: [logits]\n", "no output `logits`; it has scores"),
        (SEMANTIC + "input: {name: images}\n", "no input `images`; it has image"),
        (SEMANTIC + "input: {layout: nhwc}\n", "expected 3 channels in the layout nhwc"),
        (SEMANTIC + "input: {dtype: uint8}\n", "input.dtype says uint8"),
        (SEMANTIC + f"sha256: {'ab' * 32}\n", "describes another file"),
    ],
)
def test_every_mistake_in_a_card_is_named(tmp_path: Path, text: str, says: str) -> None:
    path = tiny_models.fcn(tmp_path / "m.onnx", hw=("height", 64))
    path.with_suffix(".yaml").write_text(text)
    with pytest.raises(ModelError, match=says):
        read_card(path)


@pytest.mark.parametrize(
    ("shape", "kind", "says"),
    [
        ((1, 3, 64), TensorProto.FLOAT, "rank 4"),
        (None, TensorProto.FLOAT, "rank 4"),
        ((1, 1, 64, 64), TensorProto.FLOAT, "3 channels in the layout nchw"),
        ((8, 3, 64, 64), TensorProto.FLOAT, "batches of 8 only"),
        ((1, 3, 64, 64), TensorProto.INT64, "float32, float16 or uint8"),
    ],
)
def test_an_input_that_is_no_picture_is_refused(tmp_path: Path, shape: tuple[int, ...], kind: int, says: str) -> None:
    tensors = [tiny_models.floats(name, shape, kind) for name in "xy"]
    path = tiny_models.save(
        tmp_path / "m.onnx", [helper.make_node("Identity", ["x"], ["y"])], tensors[:1], tensors[1:]
    )
    path.with_suffix(".yaml").write_text(SEMANTIC)
    with pytest.raises(ModelError, match=says):
        read_card(path)


def test_a_size_that_the_card_and_the_file_disagree_on_is_refused(tmp_path: Path) -> None:
    path = tiny_models.fcn(tmp_path / "m.onnx", hw=(64, 64))
    path.with_suffix(".yaml").write_text(SEMANTIC + "input: {size_hw: [64, 128]}")
    with pytest.raises(ModelError, match=r"input.size_hw says \[64, 128\]"):
        read_card(path)


def test_a_model_that_nothing_describes_gets_a_card_to_copy(fcn: Path) -> None:
    with pytest.raises(ModelError, match="nothing says what this model is") as caught:
        read_card(fcn)
    assert "image (1, 3, ?, ?) float32 -> scores (1, 3, ?, ?) float32" in caught.value.message
    _, _, minimal = caught.value.hint.partition("for instance:\n")
    fcn.with_suffix(".yaml").write_text(minimal)
    assert read_card(fcn).family == "semantic"


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


def test_every_packaged_card_is_written_correctly() -> None:
    cards = sorted(CARDS.glob("*.yaml"))
    assert cards
    for file in cards:
        card = parse_card(file.read_text(), file.name)
        assert card.family in FAMILIES
        assert card.licence
        assert card.source
