"""YOLO-seg outputs in all their layouts to the same instances."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.config import DecodeConfig
from pipeline.errors import ConfigError, ModelError
from pipeline.image import Image
from pipeline.placement import place
from pipeline.postprocess import FAMILIES, decoder
from pipeline.types import Card, Classes, Frame, Inferred, InputSpec, Instances, OutputSpec, Prepared

FRAME_HW, NETWORK_HW = (720, 1280), (384, 640)
ANCHORS = 5040  # of a 384x640 input at strides 8, 16 and 32
NAMES = ("person", "bicycle", "car", "truck")
SPEC = InputSpec("images")

# x0, y0, x1, y1 in source pixels, score, class
OBJECTS = [(100, 200, 300, 400, 0.9, 2), (600, 100, 700, 500, 0.8, 0), (602, 102, 702, 502, 0.7, 3)]


def card(names: tuple[str, ...] = NAMES, **details: Any) -> Card:
    classes = Classes(names, ((1, 2, 3),) * len(names))
    outputs = OutputSpec("output0", (1, None, None), "float32"), OutputSpec("output1", (1, 32, None, None), "float32")
    return Card("net", Path("net.onnx"), "yolo-seg", classes, SPEC, outputs, "", details=details)


def inferred(*outputs: NDArray[Any]) -> Inferred:
    frame = Frame(0, 0, Fraction(1, 25), 0.0, Image((np.zeros((*FRAME_HW, 3), np.uint8),), "bgr24"))
    tensor = np.zeros((1, 3, *NETWORK_HW), np.float32)
    return Inferred(Prepared(frame, tensor, place(FRAME_HW, NETWORK_HW)), outputs)


def rows_of(objects: Any, layout: str, k: int = 32, classes: int = len(NAMES)) -> NDArray[np.float32]:
    """The detections of a network, with noise below the threshold in the anchors that see nothing."""
    rng = np.random.default_rng(0)
    source = np.array([entry[:4] for entry in objects], np.float32).reshape(-1, 4)
    corners = place(FRAME_HW, NETWORK_HW).boxes_to_network(source)
    centres = np.hstack([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]])
    if layout == "final":
        rows = np.zeros((300, 6 + k), np.float32)
        for row, (corner, entry) in enumerate(zip(corners, objects, strict=True)):
            rows[row, :4], rows[row, 4:6], rows[row, 6] = corner, entry[4:], 1
        return rows[None]
    extra = 1 if layout == "objectness" else 0
    rows = np.zeros((ANCHORS * (3 if extra else 1), 4 + extra + classes + k), np.float32)
    rows[:, :4] = rng.uniform(10, 300, (len(rows), 4))
    rows[:, 4 : 4 + extra + classes] = rng.uniform(0, 0.2, (len(rows), extra + classes))
    for at, (centre, entry) in enumerate(zip(centres, objects, strict=True)):
        row = rows[1000 * (len(objects) - at)]  # not in the order of the scores
        row[:4] = centre
        row[4 : 4 + extra] = 0.95
        row[4 + extra + entry[5]] = entry[4] / (0.95 if extra else 1)
        row[4 + extra + classes] = 1
    return rows[None] if extra else np.ascontiguousarray(rows.T)[None]


def prototypes(k: int = 32) -> NDArray[np.float32]:
    """The first one is object everywhere but in the uppermost 20 rows of cells."""
    planes = np.ones((1, k, NETWORK_HW[0] // 4, NETWORK_HW[1] // 4), np.float32)
    planes[0, 0, :20] = -1
    return planes


def decode(*outputs: NDArray[Any], on: Card | None = None, **config: Any) -> Instances:
    found = decoder(on or card(), DecodeConfig(**config)).decode(inferred(*outputs))
    assert isinstance(found, Instances)
    return found


@pytest.mark.parametrize("layout", ["dense", "objectness", "final"])
@pytest.mark.parametrize("k", [32, 16])
@pytest.mark.parametrize("swapped", [False, True])
def test_every_layout_gives_the_same_objects(layout: str, k: int, swapped: bool) -> None:
    outputs = [rows_of(OBJECTS, layout, k), prototypes(k)]
    found = decode(*outputs[:: -1 if swapped else 1])
    np.testing.assert_allclose(found.boxes_xyxy, [entry[:4] for entry in OBJECTS], atol=0.01)
    np.testing.assert_allclose(found.scores, [0.9, 0.8, 0.7], rtol=1e-6)
    assert found.class_ids.tolist() == [2, 0, 3]
    assert found.classes.names == NAMES
    mask = found.full_mask(1, FRAME_HW)
    # The prototype changes sign at row 20 of cells: 80 network pixels, less 12 of padding, times 2 in the frame.
    assert np.flatnonzero(mask.any(1))[0] == 136
    assert np.flatnonzero(mask.any(0))[[0, -1]].tolist() == pytest.approx([600, 699], abs=1)


def test_types_are_as_promised_and_memory_is_its_own() -> None:
    outputs = rows_of(OBJECTS, "final"), prototypes()
    found = decode(*outputs)
    types = found.boxes_xyxy, found.scores, found.class_ids, found.crops_px, found.arena, found.offset
    assert [str(array.dtype) for array in types] == ["float32", "float32", "int32", "int32", "uint8", "int64"]
    assert len(found.arena) == found.offset[-1]
    assert not any(np.shares_memory(array, output) for array in types for output in outputs)


def test_half_precision_outputs_are_read() -> None:
    found = decode(rows_of(OBJECTS, "dense").astype(np.float16), prototypes().astype(np.float16))
    np.testing.assert_allclose(found.boxes_xyxy, [entry[:4] for entry in OBJECTS], atol=1)


def test_overlapping_boxes_of_one_class_are_one_object() -> None:
    double = [*OBJECTS, (104, 204, 304, 404, 0.6, 2)]
    assert len(decode(rows_of(double, "dense"), prototypes())) == 3
    assert len(decode(rows_of(double, "dense"), prototypes(), iou=0.99)) == 4
    assert len(decode(rows_of(double, "final"), prototypes())) == 4  # the network has decided
    assert decode(rows_of(double, "dense"), prototypes(), agnostic=True).class_ids.tolist() == [2, 0]


@pytest.mark.parametrize("layout", ["dense", "objectness", "final"])
def test_what_is_not_asked_for_is_left_out(layout: str) -> None:
    outputs = rows_of(OBJECTS, layout), prototypes()
    assert decode(*outputs, conf=0.75).class_ids.tolist() == [2, 0]
    assert decode(*outputs, classes=("truck", "person")).class_ids.tolist() == [0, 3]
    assert decode(*outputs, max_det=1).class_ids.tolist() == [2]
    assert len(decode(*outputs, conf=0.95)) == 0


@pytest.mark.parametrize("layout", ["dense", "objectness", "final"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("where", [0, 3, 4, 5, -1])
@pytest.mark.filterwarnings("error")
def test_a_row_that_is_no_number_is_left_out(layout: str, bad: float, where: int) -> None:
    rows = rows_of(OBJECTS, layout)
    broken = rows[0].T if layout == "dense" else rows[0]
    target = int(np.argmax(broken[:, 4])) if layout == "final" else 1000 * len(OBJECTS)
    broken[target, where] = bad
    found = decode(rows, prototypes())
    assert np.isfinite(found.boxes_xyxy).all()
    assert np.isfinite(found.scores).all()
    if not np.isfinite(bad):
        assert found.class_ids.tolist() == [0, 3]


def test_a_class_that_does_not_exist_is_left_out() -> None:
    rows = rows_of(OBJECTS, "final")
    rows[0, 0, 5], rows[0, 1, 5] = 17, -1
    assert decode(rows, prototypes()).class_ids.tolist() == [3]


def test_an_empty_street_is_no_objects() -> None:
    found = decode(rows_of([], "dense"), prototypes())
    assert (len(found), found.boxes_xyxy.shape, found.arena.size, found.offset.tolist()) == (0, (0, 4), 0, [0])


def test_one_class_yolov5_is_told_from_a_finished_list_by_its_anchors() -> None:
    one = [(100, 200, 300, 400, 0.9, 0)]
    on = card(("car",))
    for layout in ("objectness", "final", "dense"):
        found = decode(rows_of(one, layout, classes=1), prototypes(), on=on)
        np.testing.assert_allclose(found.boxes_xyxy, [one[0][:4]], atol=0.01)
    found = decode(rows_of(one, "final", classes=1), prototypes(), on=card(("car",), end2end=True))
    np.testing.assert_allclose(found.boxes_xyxy, [one[0][:4]], atol=0.01)


@pytest.mark.parametrize("details", [{"end2end": True}, {"args": {"nms": True}}])
def test_metadata_that_says_finished_is_believed(details: dict[str, Any]) -> None:
    final = rows_of(OBJECTS, "final")
    assert decode(final, prototypes(), on=card(**details)).class_ids.tolist() == [2, 0, 3]
    with pytest.raises(ModelError, match="do not fit"):
        decode(rows_of(OBJECTS, "dense"), prototypes(), on=card(**details))


def test_a_card_with_other_classes_is_refused() -> None:
    with pytest.raises(
        ModelError, match=r"\(40, 5040\) do not fit 2 classes and 32 prototypes.*card lists the classes"
    ):
        decode(rows_of(OBJECTS, "dense"), prototypes(), on=card(("a", "b")))


@pytest.mark.parametrize("shapes", [[], [(1, 84, 8400)], [(1, 8400, 84), (1, 8400, 4)], [(1, 3, 64, 64)]])
def test_outputs_of_another_family_are_refused_at_once(shapes: list[tuple[int, ...]]) -> None:
    outputs = tuple(OutputSpec(f"output{i}", shape, "float32") for i, shape in enumerate(shapes))
    with pytest.raises(ModelError, match="not those of a YOLO-seg network"):
        decoder(replace(card(), outputs=outputs), DecodeConfig())


def test_a_mistyped_class_gets_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"no class 'tuck'.*did you mean 'truck'"):
        decoder(card(), DecodeConfig(classes=("tuck",)))
    with pytest.raises(ConfigError, match=r"no class 'zebra'.*it has person, bicycle, car, truck"):
        decoder(card(), DecodeConfig(classes=("zebra",)))


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(ModelError, match="unknown family 'yolo-pose', expected one of semantic, yolo-seg"):
        decoder(replace(card(), family="yolo-pose"), DecodeConfig())


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_of_the_table_is_there(family: str) -> None:
    outputs = card().outputs if family == "yolo-seg" else ()
    assert hasattr(decoder(replace(card(), family=family, outputs=outputs), DecodeConfig()), "decode")
