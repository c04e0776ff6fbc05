"""The ONNX header reader against the onnx package, and against everything that is no ONNX file."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
import tiny_models
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from engines.card import find_card, read_card
from engines.onnx_header import read_onnx_header
from pipeline.errors import ModelError

SEMANTIC = "family: semantic\nclasses: [red, green, blue]\n"


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


@pytest.mark.parametrize("ir_version", [3, 8])  # old files must list them, exporters still can
def test_weights_that_are_listed_among_the_inputs_are_left_out(tmp_path: Path, ir_version: int) -> None:
    path = tiny_models.fcn(tmp_path / "old.onnx")
    model = onnx.load(path)
    model.ir_version = ir_version
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
