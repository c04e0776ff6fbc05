"""Whether a backend is right is found out before it is used, and each way of being wrong by its own check."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from verifying_parts import FRAMES, SEMANTIC, Altered, Outputs, failed, frames, infinite, nan, unaltered, verified

from engines.backends.base import Done, Options, Ticket
from engines.backends.onnxruntime import open_exact
from engines.card import read_card
from engines.checks import CHECKS, limits_for
from engines.raw_outputs import RawOutputs, distance, same_bytes
from engines.select import opener
from pipeline.errors import ModelError
from pipeline.evaluation.comparing import LabelComparison, ObjectComparison, mask_iou
from pipeline.types import Card, Classes, Inferred, Instances, Labels, Prepared
from pipeline.workbench.verifying import compare

pytest.importorskip("onnxruntime", reason="onnxruntime is the reference: install dashmask[cpu]")

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(scope="module")
def labelling(tmp_path_factory: pytest.TempPathFactory) -> Card:
    """Labels every pixel by its strongest channel."""
    path = tiny_models.unet(tmp_path_factory.mktemp("labels") / "unet.onnx")
    path.with_suffix(".yaml").write_text(SEMANTIC)
    return read_card(path)


@pytest.fixture(scope="module")
def scoring(tmp_path_factory: pytest.TempPathFactory) -> Card:
    """Gives scores of three classes for cells of 8 x 8 pixels."""
    path = tiny_models.fcn(tmp_path_factory.mktemp("scores") / "fcn.onnx")
    path.with_suffix(".yaml").write_text(SEMANTIC)
    return read_card(path)


@pytest.fixture(scope="module")
def finding(tmp_path_factory: pytest.TempPathFactory) -> Card:
    """Finds a large person and a large car in every picture."""
    boxes = np.array([[20, 30, 130, 150], [100, 40, 240, 180]], np.float32)
    path = tmp_path_factory.mktemp("objects") / "yolo.onnx"
    return read_card(tiny_models.yolo_seg(path, boxes, [0, 1], [0.9, 0.8], hw=(256, 256)))


@pytest.mark.parametrize("name", ["labelling", "scoring", "finding"])
@pytest.mark.parametrize("precision", ["f32", "int8"])
def test_a_backend_that_is_right_passes_every_check(
    request: pytest.FixtureRequest, name: str, precision: str
) -> None:
    found = verified(request.getfixturevalue(name), unaltered, precision)
    assert found.passed, found.failures
    assert found.frames == FRAMES
    assert found.failures == ()
    assert {check.name for check in found.checks} <= set(CHECKS)
    assert found.backend_ms is not None
    assert found.backend_ms > 0


def test_the_real_cpu_backends_pass_with_several_workers(scoring: Card) -> None:
    for name in ("onnxruntime-cpu", "openvino"):
        if name == "openvino":
            pytest.importorskip("openvino", reason="no OpenVINO here: install the extra `openvino`")
        found = verified(scoring, opener(name)(scoring, Options(workers=2, threads=1)))
        assert found.passed, found.failures


@pytest.mark.parametrize("alter", [nan, infinite])
def test_what_is_no_number_is_caught(scoring: Card, alter: Callable[[int, int, Outputs], Outputs]) -> None:
    found = verified(scoring, alter, "int8")
    assert "not_finite" in failed(found)
    (check,) = [check for check in found.checks if check.name == "not_finite"]
    assert check.measured == FRAMES
    assert "NaN or infinite: 8 values, at most 0 values passes" in found.failures


def test_other_shapes_are_caught_and_not_compared(scoring: Card) -> None:
    found = verified(scoring, lambda row, of, outputs: (outputs[0][..., :-1],), "int8")
    assert "other_shapes" in failed(found)
    assert not found.passed


class WrongRows(Altered):
    """Gives the rows of a batch in another order."""

    def submit(self, batch: Sequence[Prepared]) -> Ticket:
        rows = super().submit(batch).result()
        outputs = [inferred.arrays() for inferred in rows]
        if len(rows) > 1:
            outputs = outputs[1:] + outputs[:1]
        return Done([Inferred(one.prepared, own) for one, own in zip(rows, outputs, strict=True)])


@pytest.mark.parametrize("name", ["labelling", "scoring"])
def test_rows_of_another_frame_are_caught_whatever_the_precision(request: pytest.FixtureRequest, name: str) -> None:
    card = request.getfixturevalue(name)
    found = verified(card, WrongRows(card, unaltered), "int8")
    assert "batch_order" in failed(found)
    assert failed(found) <= {"batch_order", "batch_twins", "batch_rows"}  # single frames are right


def test_a_row_that_depends_on_its_place_in_the_batch_is_caught(scoring: Card) -> None:
    def last_row_a_bit_off(row: int, of: int, outputs: Outputs) -> Outputs:
        if of > 1 and row == of - 1:
            outputs[0].flat[0] += 1e-3
        return outputs

    assert failed(verified(scoring, last_row_a_bit_off, "int8")) == {"batch_twins"}


def test_rows_that_are_lost_are_caught(scoring: Card) -> None:
    class Lossy(Altered):
        def submit(self, batch: Sequence[Prepared]) -> Ticket:
            return Done(super().submit(batch).result()[:4])

    found = failed(verified(scoring, Lossy(scoring, unaltered), "int8"))
    assert found == {"batch_order", "batch_twins", "batch_rows"}


def test_a_result_that_differs_from_run_to_run_is_caught(scoring: Card) -> None:
    noise = np.random.default_rng(0)

    def noisy(row: int, of: int, outputs: Outputs) -> Outputs:
        outputs[0].flat[3] += noise.random() * 1e-4
        return outputs

    found = failed(verified(scoring, noisy, "int8"))
    assert "repeat" in found
    assert found <= {"repeat", "batch_twins"}


def test_labels_one_pixel_aside_are_caught_whatever_the_precision(labelling: Card) -> None:
    found = verified(labelling, lambda row, of, outputs: (np.roll(outputs[0], 1, 2),), "int8")
    assert "label_shift_px" in failed(found)
    assert failed(verified(labelling, unaltered, "int8")) == set()


def test_masks_one_pixel_aside_are_caught_whatever_the_precision(finding: Card) -> None:
    def aside(row: int, of: int, outputs: Outputs) -> Outputs:
        outputs[0][:, 0] += 1
        return outputs

    assert failed(verified(finding, aside, "int8")) == {"mask_shift_px"}
    assert {"mask_shift_px", "box_iou", "mask_iou"} <= failed(verified(finding, aside, "f32"))


def test_swapped_classes_are_caught(labelling: Card, finding: Card) -> None:
    swap = np.array([2, 1, 0])
    found = failed(verified(labelling, lambda row, of, outputs: (swap[outputs[0]],), "int8"))
    assert {"label_agreement", "class_kept", "label_iou"} <= found

    def swapped(row: int, of: int, outputs: Outputs) -> Outputs:
        outputs[0][:, 4:6] = outputs[0][:, [5, 4]]
        return outputs

    assert failed(verified(finding, swapped, "int8")) == {"class_flips", "objects_kept"}


def test_a_rare_class_that_is_lost_is_caught_though_nearly_all_pixels_agree() -> None:
    comparison = LabelComparison(3)
    truth = np.zeros((100, 100), np.uint8)
    truth[:50], truth[50, :40] = 1, 2  # the third class has 0.4 % of the pixels
    found = truth.copy()
    found[truth == 2] = 0
    comparison.add(Labels(truth, Classes(("a", "b", "c"), ((0, 0, 0),) * 3)), Labels(found, None))  # type: ignore[arg-type]
    measured = comparison.measures()
    assert measured["label_agreement"] == pytest.approx(0.996)
    assert measured["class_kept"] == 0
    assert measured["label_iou"] < 0.7


def test_missing_and_extra_objects_are_caught_and_named_with_their_frame(finding: Card) -> None:
    def one_lost(row: int, of: int, outputs: Outputs) -> Outputs:
        outputs[0][:, 4:6, 1] = 0
        return outputs

    found = verified(finding, one_lost, "int8")
    assert {"missing", "objects_kept"} <= failed(found)
    assert found.worst_frame == 0
    assert found.worst_agreement == 0.5

    def one_more(row: int, of: int, outputs: Outputs) -> Outputs:
        outputs[0][:, :4, 2] = np.array([200, 200, 40, 40])
        outputs[0][:, 4, 2], outputs[0][:, 7, 2] = 0.9, 1
        return outputs

    assert failed(verified(finding, one_more, "int8")) == {"extra"}


def test_an_object_on_the_edge_of_the_least_score_may_come_and_go() -> None:
    def instances(*scores: float) -> Instances:
        n = len(scores)
        boxes = np.array([[i * 20, 0, i * 20 + 10, 10] for i in range(n)], np.float32).reshape(n, 4)
        mask = np.full(100 * n, 255, np.uint8)
        ids, offset = np.zeros(n, np.int32), np.arange(n + 1, dtype=np.int64) * 100
        classes = Classes(("car",), ((0, 0, 0),))
        return Instances(boxes, np.array(scores, np.float32), ids, boxes.astype(np.int32), mask, offset, classes)

    comparison = ObjectComparison(0.25)
    assert comparison.add(instances(0.9, 0.3), instances(0.9)) == 1
    assert comparison.add(instances(0.9), instances(0.88, 0.3)) == 1
    measured = comparison.measures()
    assert (measured["missing"], measured["extra"], measured["objects_kept"]) == (0, 0, 1)
    assert comparison.add(instances(0.9, 0.4), instances(0.9)) == 0.5
    assert comparison.measures()["missing"] == pytest.approx(1 / 4)
    assert mask_iou(instances(0.9), 0, instances(0.9), 0) == 1
    made_up = ObjectComparison(0.25)
    made_up.add(instances(), instances(0.9, 0.9))
    assert made_up.measures()["extra"] == 2
    assert math.isnan(ObjectComparison(0.25).measures()["extra"])


def test_the_same_picture_again_and_again_is_one(scoring: Card) -> None:
    """Of a camera with its lid on, say."""
    reference, backend = open_exact(scoring, threads=1), Altered(scoring, unaltered)
    limits = limits_for(scoring, "f32")
    found = compare(backend, reference, frames(1) * FRAMES, card=scoring, limits=limits, source="a lid")
    backend.close()
    reference.close()
    assert failed(found) == {"frames"}
    assert found.failures == ("different frames compared: 1, at least 8 passes",)


def test_outputs_of_any_shape_are_compared_a_number_alone_and_an_empty_list_too() -> None:
    for shape in ((), (0, 6), (2, 3)):
        for kind in (np.float32, np.int64):
            one = [np.ones(shape, kind)]
            assert same_bytes(one, [np.ones(shape, kind)])
            assert same_bytes(one, [np.zeros(shape, kind)]) == (0 in shape)
            assert distance(one, one) == 0.0
            raw = RawOutputs()
            assert raw.add(one, one)
            assert raw.measures()["not_finite"] == 0.0


def test_nothing_to_compare_is_not_a_pass(tmp_path: Path) -> None:
    """Pictures in which a network finds nothing prove nothing about it, nor against it."""
    empty = tiny_models.yolo_seg(tmp_path / "none.onnx", np.zeros((0, 4), np.float32), [], [])
    found = verified(read_card(empty), unaltered, "int8")
    assert "instances" in failed(found)
    assert "mean IoU of masks: there was nothing to measure" in found.failures
    assert found.proves_nothing
    assert not verified(read_card(empty), nan, "int8").proves_nothing


def test_the_card_may_state_other_limits(tmp_path: Path) -> None:
    path = tiny_models.fcn(tmp_path / "m.onnx")
    path.with_suffix(".yaml").write_text(SEMANTIC + "verify: {bf16: {label_agreement: 0.5}, f32: {worst_frame: 1}}\n")
    card = read_card(path)
    assert limits_for(card, "bf16")["label_agreement"] == 0.5
    assert limits_for(card, "f32")["worst_frame"] == 1
    assert limits_for(card, "f32")["label_agreement"] > 0.99
    path.with_suffix(".yaml").write_text(SEMANTIC + "verify: {f32: {label_agrement: 0.5}}\n")
    with pytest.raises(ModelError, match=r"no check `label_agrement` .*did you mean `label_agreement`"):
        limits_for(read_card(path), "f32")
    path.with_suffix(".yaml").write_text(SEMANTIC + "verify: {f23: {frames: 5}}\n")
    with pytest.raises(ModelError, match="f23"):
        read_card(path)


def test_every_limit_grows_more_lenient_with_the_precision() -> None:
    for name, kind in CHECKS.items():
        if kind.limits is not None:
            ordered = sorted(kind.limits, reverse=kind.sense == "least")
            assert list(kind.limits) == ordered, name
