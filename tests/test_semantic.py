"""Semantic outputs of all layouts, types and strides to one class per source pixel."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from numpy.typing import NDArray

from pipeline.config import DecodeConfig
from pipeline.errors import ConfigError, ModelError
from pipeline.flow import Pool
from pipeline.image import Image
from pipeline.placement import place
from pipeline.postprocess import decoder
from pipeline.postprocess.semantic import argmax
from pipeline.preprocess import Preprocessor
from pipeline.types import VOID, Card, Classes, Frame, Inferred, InputSpec, Labels, OutputSpec, Prepared

NAMES = ("road", "sky", "car", "tree", "person")
FRAMES = [(90, 160), (160, 90), (37, 124), (64, 128), (200, 333)]
NETWORK_HW = (64, 128)


def card(names: tuple[str, ...] = NAMES, shape: tuple[int | None, ...] | None = None) -> Card:
    outputs = () if shape is None else (OutputSpec("logits", shape, "float32"),)
    classes = Classes(names, ((1, 2, 3),) * len(names))
    return Card("net", Path("net.onnx"), "semantic", classes, InputSpec("images", NETWORK_HW), outputs, "")


def decode(output: NDArray[Any], frame_hw: tuple[int, int], names: tuple[str, ...] = NAMES, **config: Any) -> Any:
    frame = Frame(0, 0, Fraction(1, 25), 0.0, Image((np.zeros((*frame_hw, 3), np.uint8),), "bgr24"))
    prepared = Prepared(frame, np.zeros((1, 3, *NETWORK_HW), np.float32), place(frame_hw, NETWORK_HW))
    found = decoder(card(names), DecodeConfig(**config)).decode(Inferred(prepared, (output,)))
    assert isinstance(found, Labels)
    assert found.map.dtype == np.uint8
    assert found.map.shape == frame_hw
    assert not np.shares_memory(found.map, output)
    return found.map


def noise(classes: int, hw: tuple[int, int], seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(classes, *hw)).astype(np.float32)


def nearest(labels: NDArray[Any], frame_hw: tuple[int, int]) -> NDArray[Any]:
    rows, columns = place(frame_hw, NETWORK_HW).cells((labels.shape[0], labels.shape[1]))
    return labels[rows][:, columns]


@pytest.mark.parametrize("shape", [(1, 3, 5), (2, 64, 128), (19, 130, 700), (150, 9, 33), (255, 4, 4)])
@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", "int8", "int64", "uint8"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_the_largest_wins(shape: tuple[int, int, int], dtype: str, channels_last: bool) -> None:
    logits = (noise(shape[0], shape[1:]) * 20 + 60).astype(dtype)  # many equal ones in the small types
    given = np.ascontiguousarray(logits.transpose(1, 2, 0)) if channels_last else logits
    assert np.array_equal(argmax(given, channels_last), logits.argmax(0))


def test_of_equal_ones_the_first_wins() -> None:
    logits = np.zeros((5, 8, 8), np.float32)
    logits[2:4] = 1
    assert (argmax(logits) == 2).all()
    assert (argmax(np.full((3, 8, 8), -np.inf, np.float32)) == 0).all()


@pytest.mark.parametrize("where", [0, 2, 4])
@pytest.mark.parametrize("channels_last", [False, True])
def test_a_pixel_that_is_no_number_has_no_class(where: int, channels_last: bool) -> None:
    logits = noise(5, (70, 1200))
    expected = logits.argmax(0)
    logits[where, 33, 100] = np.nan
    logits[where, 69, 1199] = np.inf
    expected[33, 100], expected[69, 1199] = VOID, where
    given = np.ascontiguousarray(logits.transpose(1, 2, 0)) if channels_last else logits
    assert np.array_equal(argmax(given, channels_last), expected)


@pytest.mark.parametrize("frame_hw", FRAMES)
@pytest.mark.parametrize("grid_hw", [(64, 128), (32, 64), (8, 16), (128, 256)])
@pytest.mark.parametrize("layout", ["planes", "channels last", "labels", "labels 1hw", "labels hw1"])
def test_every_layout_and_stride_gives_the_same_map(
    frame_hw: tuple[int, int], grid_hw: tuple[int, int], layout: str
) -> None:
    logits = noise(len(NAMES), grid_hw)
    labels = logits.argmax(0)
    output = {
        "planes": logits[None],
        "channels last": np.ascontiguousarray(logits.transpose(1, 2, 0))[None],
        "labels": labels[None],
        "labels 1hw": labels[None, None].astype(np.int32),
        "labels hw1": labels[None, ..., None].astype(np.uint8),
    }[layout]
    assert np.array_equal(decode(output, frame_hw), nearest(labels, frame_hw))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16", "int32", "int64"])
def test_labels_that_are_no_class_are_void(dtype: str) -> None:
    labels = np.random.default_rng(0).integers(0, len(NAMES), NETWORK_HW)
    expected = labels.copy()
    strange = {"uint8": (5, 255), "int8": (-1, 127), "uint16": (256, 65535), "int16": (-252, 5)}.get(dtype, (-3, 300))
    labels[3:9, 10:20], labels[30, 40:90] = strange
    expected[3:9, 10:20] = expected[30, 40:90] = VOID
    assert np.array_equal(decode(labels.astype(dtype)[None], NETWORK_HW), expected)


@pytest.mark.parametrize("kind", ["logits", "labels"])
def test_classes_not_asked_for_are_void(kind: str) -> None:
    logits = noise(len(NAMES), NETWORK_HW)
    labels = logits.argmax(0)
    output = logits[None] if kind == "logits" else labels.astype(np.uint8)[None]
    expected = np.where(np.isin(labels, (2, 4)), labels, VOID)
    assert np.array_equal(decode(output, NETWORK_HW, classes=("person", "car")), expected)


@pytest.mark.parametrize("squeeze", [False, True])
def test_one_channel_tells_two_classes_apart(squeeze: bool) -> None:
    logits = noise(1, NETWORK_HW)
    logits[0, 0, :2] = 0, np.nan
    output = logits if squeeze else logits[None]
    expected = np.where(logits[0] > 0, 1, 0)
    expected[0, 1] = VOID
    assert np.array_equal(decode(output, NETWORK_HW, ("ground", "road")), expected)
    expected = np.where(logits[0] > 0, 0, VOID)
    assert np.array_equal(decode(output, NETWORK_HW, ("road",)), expected)
    with pytest.raises(ModelError, match="tells two classes apart, the card lists 5"):
        decode(output, NETWORK_HW)


def test_a_drawn_disc_survives_the_way_there_and_back() -> None:
    for frame_hw in FRAMES:
        y, x = np.mgrid[: frame_hw[0], : frame_hw[1]]
        radius = min(frame_hw) / 3
        truth = (x - frame_hw[1] * 0.45) ** 2 + (y - frame_hw[0] * 0.55) ** 2 < radius**2
        letterbox = place(frame_hw, (256, 512))
        v, u = np.mgrid[:256, :512] + 0.5
        scale_x, scale_y = letterbox.scale_xy
        frame_x, frame_y = (u - letterbox.left) / scale_x - 0.5, (v - letterbox.top) / scale_y - 0.5
        seen = (frame_x - frame_hw[1] * 0.45) ** 2 + (frame_y - frame_hw[0] * 0.55) ** 2 < radius**2
        rows, columns = letterbox.cells((256, 512))
        back = seen[rows][:, columns]
        assert (back & truth).sum() / (back | truth).sum() > 0.98


@pytest.mark.parametrize("shape", [(1, 7, 64, 128), (1, 64, 128, 7), (5, 64), (1, 2, 3, 4, 5)])
def test_an_output_that_does_not_fit_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match="does not fit 5 classes"):
        decode(np.zeros(shape, np.float32), NETWORK_HW)
    with pytest.raises(ModelError, match="does not fit 5 classes"):
        decoder(card(shape=shape), DecodeConfig())  # already where it is declared


def test_more_classes_than_labels_have_numbers_are_refused() -> None:
    with pytest.raises(ModelError, match="256 classes, expected at most 255"):
        decoder(card(tuple(f"class {i}" for i in range(256))), DecodeConfig())


def test_a_mistyped_class_gets_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"no class 'persn'.*did you mean 'person'"):
        decoder(card(), DecodeConfig(classes=("persn",)))


COLOURS = {"road": (40, 40, 200), "car": (40, 200, 40), "sky": (200, 40, 40)}  # B, G, R; the strongest is the class


def painted(height: int, width: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A frame in three areas of flat colour, and their classes."""
    truth = np.zeros((height, width), np.uint8)
    truth[: height // 2] = 2
    truth[height // 4 :, width // 4 : width // 2] = 1
    return np.array(list(COLOURS.values()), np.uint8)[truth], truth


@pytest.mark.parametrize("network", ["fcn", "unet"])
@pytest.mark.parametrize("frame_hw", [(360, 640), (200, 200), (75, 131)])
def test_a_foreign_network_runs_from_frame_to_labels(tmp_path: Path, network: str, frame_hw: tuple[int, int]) -> None:
    runtime = pytest.importorskip(
        "onnxruntime", reason="onnxruntime runs the foreign networks: install dashmask[cpu]"
    )
    if network == "fcn":  # logits at an eighth of a free input
        path, spec = tiny_models.fcn(tmp_path / "m.onnx"), InputSpec("image", stride=8, long_side=320)
    else:  # nhwc, labels as int64 at full size of a fixed input
        path = tiny_models.unet(tmp_path / "m.onnx", hw=(96, 160))
        spec = InputSpec("x", (96, 160), layout="nhwc")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    bgr, truth = painted(*frame_hw)
    frame = Frame(0, 0, Fraction(1, 25), 0.0, Image((bgr,), "bgr24"))
    prepared = Preprocessor(spec, Pool).prepare(frame)
    outputs = tuple(session.run(None, {spec.name: prepared.tensor}))
    labels = decoder(replace(card(tuple(COLOURS)), input=spec), DecodeConfig()).decode(Inferred(prepared, outputs))
    assert isinstance(labels, Labels)
    assert (labels.map == truth).mean() > 0.95  # all but the borders, which lie inside cells


@pytest.mark.parametrize(("names", "others"), [(("other", "road"), 0), (("road",), VOID)])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_probability_is_a_class_above_a_half(names: tuple[str, ...], others: int, dtype: str) -> None:
    logits = noise(1, NETWORK_HW)
    probabilities = (1 / (1 + np.exp(-logits))).astype(dtype)
    told = card(names, (1, 1, *NETWORK_HW))
    told = replace(told, outputs=(replace(told.outputs[0], probability=True),))
    frame = Frame(0, 0, Fraction(1, 25), 0.0, Image((np.zeros((*NETWORK_HW, 3), np.uint8),), "bgr24"))
    prepared = Prepared(frame, np.zeros((1, 3, *NETWORK_HW), np.float32), place(NETWORK_HW, NETWORK_HW))
    found = decoder(told, DecodeConfig()).decode(Inferred(prepared, (probabilities[None],)))
    assert isinstance(found, Labels)
    np.testing.assert_array_equal(found.map, np.where(probabilities[0] > 0.5, len(names) - 1, others))


def test_an_output_whose_shape_the_file_does_not_state_is_read_by_what_comes() -> None:
    assert decoder(card(NAMES, ()), DecodeConfig())
