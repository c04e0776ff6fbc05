"""Every mistake in a card, its metadata or its network is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_models
from hypothesis import example, given, settings
from hypothesis import strategies as st
from one_backend import SEMANTIC
from onnx import TensorProto, helper

from engines.card import read_card
from engines.card_yaml import parse_card
from pipeline.errors import ModelError


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=60) | st.text("[]{}:-&*x!?,'\"\n 1<", max_size=60))
@example("a: &x [*x]")
@example("details: &x {a: *x}\nfamily: semantic\nclasses: [a]")
@example("[" * 3000)
def test_no_text_makes_the_card_reader_crash(text: str) -> None:
    with pytest.raises(ModelError):
        parse_card(text, "card.yaml")


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("task", "detect", "task `detect`, expected one for `segment`"),
        ("channels", "1", "1 channels"),
        ("names", "gibberish", "`names` is not a list"),
        ("names", "{0: 'a', 2: 'b'}", "`names` is not a list"),
        ("names", "(" * 500, "`names` is not a list"),
        ("names", "['a', 'b\\x1b[2J']", "cannot be printed"),
        ("stride", "wide", "`stride` is not a number"),
        ("imgsz", "big", "`imgsz` is not a size"),
    ],
)
def test_broken_ultralytics_metadata_is_a_sentence(tmp_path: Path, key: str, value: str, says: str) -> None:
    metadata = tiny_models.ultralytics_metadata(["a", "b"]) | {key: value}
    with pytest.raises(ModelError, match=says):
        read_card(tiny_models.fcn(tmp_path / "m.onnx", metadata=metadata))


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
        ('family: semantic\nclasses: [a, "b\\e[2J"]\n', "cannot be printed"),
        (SEMANTIC + 'name: "net\\nnote: all is well"\n', "cannot be printed"),
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


def test_an_output_of_a_type_that_numpy_has_not_is_refused(tmp_path: Path) -> None:
    node = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.BFLOAT16)
    said = tiny_models.floats("y", (1, 3, 32, 64), TensorProto.BFLOAT16)
    path = tiny_models.save(tmp_path / "m.onnx", [node], [tiny_models.floats("x", (1, 3, 32, 64))], [said])
    path.with_suffix(".yaml").write_text(SEMANTIC)
    with pytest.raises(ModelError, match=r"output y \(1, 3, 32, 64\) bfloat16"):
        read_card(path)
