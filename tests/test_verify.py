"""Whether a backend is right is found out before it is used, and each way of being wrong by its own check."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from clips import scene, write_clip
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engines.backends.base import Backend, Done, Options, Ticket, usual_hw
from engines.card import read_card
from engines.checks import CHECKS, gate, limits_for
from engines.select import opener, select
from engines.tune_store import store_choice
from engines.verification import (
    Verification,
    find_verification,
    from_plain,
    identity_of,
    store_verification,
    to_plain,
    why_not_verified,
)
from pipeline.errors import BackendError, ModelError, SourceError
from pipeline.evaluation.comparing import LabelComparison, ObjectComparison, mask_iou
from pipeline.image import Image
from pipeline.sources import open_source
from pipeline.types import Card, Classes, Frame, Inferred, Instances, Labels, Prepared
from pipeline.workbench.sampling import DRAWN, sampled
from pipeline.workbench.verifying import Wanted, compare, verify_model

pytest.importorskip("onnxruntime", reason="onnxruntime is the reference: install dashmask[cpu]")

from command import dashmask

Outputs = tuple[NDArray[Any], ...]
SEMANTIC = "family: semantic\nclasses: [red, green, blue]\ninput: {stride: 8, long_side: 128, scale: 1}\n"
FRAMES = 8


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


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


def frames(count: int = FRAMES) -> list[Frame]:
    from fractions import Fraction

    return [Frame(i, i, Fraction(1, 10), 0.0, Image((scene(i),), "bgr24")) for i in range(count)]


class Altered:
    """A backend that is right but for what `alter` does to each result."""

    name, precision, slots, max_batch, workers, threads = "openvino", "f32", 1, 4, 1, 1
    detail = "altered"

    def __init__(self, card: Card, alter: Callable[[int, int, Outputs], Outputs]) -> None:
        self._inner = opener("onnxruntime-cpu")(card, Options(workers=1, threads=1))
        self._alter, self.runs = alter, 0

    def submit(self, batch: Sequence[Prepared]) -> Ticket:
        inferred = self._inner.submit(batch).result()
        out = []
        for row, one in enumerate(inferred):
            self.runs += 1
            copies = tuple(array.copy() for array in one.arrays())
            out.append(Inferred(one.prepared, self._alter(row, len(batch), copies)))
        return Done(out)

    def close(self) -> None:
        self._inner.close()


def verified(
    card: Card, backend: Backend | Callable[[int, int, Outputs], Outputs], precision: str = "f32"
) -> Verification:
    from engines.backends.onnxruntime import open_exact

    running: Any = backend if hasattr(backend, "submit") else Altered(card, backend)
    reference = open_exact(card, threads=1)
    limits = limits_for(replace(card, details={**card.details, "precision": precision}), precision)
    try:
        return compare(running, reference, frames(), card=card, limits=limits, source="drawn")
    finally:
        running.close()
        reference.close()


def failed(verification: Verification) -> set[str]:
    return {check.name for check in verification.checks if not check.passed}


def unaltered(row: int, of: int, outputs: Outputs) -> Outputs:
    return outputs


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


def nan(row: int, of: int, outputs: Outputs) -> Outputs:
    outputs[0].flat[7] = np.nan
    return outputs


def infinite(row: int, of: int, outputs: Outputs) -> Outputs:
    outputs[0].flat[-1] = -np.inf
    return outputs


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


def test_nothing_to_compare_is_not_a_pass(tmp_path: Path) -> None:
    """Pictures in which a network finds nothing prove nothing about it."""
    empty = tiny_models.yolo_seg(tmp_path / "none.onnx", np.zeros((0, 4), np.float32), [], [])
    found = verified(read_card(empty), unaltered, "int8")
    assert "instances" in failed(found)
    assert "mean IoU of masks: there was nothing to measure" in found.failures


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


# The record


@pytest.fixture
def record(scoring: Card) -> Verification:
    return verified(scoring, unaltered)


def test_a_record_survives_json_and_the_store(scoring: Card, record: Verification) -> None:
    assert from_plain(json.loads(json.dumps(to_plain(record)))) == record
    backend = opener("onnxruntime-cpu")(scoring, Options(workers=1, threads=1))
    assert find_verification(scoring, backend) is None
    mine = replace(record, backend=backend.name, identity=identity_of(backend))
    assert store_verification(scoring, backend, mine).startswith("stored in ")
    assert find_verification(scoring, backend) == mine
    other_threads = opener("onnxruntime-cpu")(scoring, Options(workers=2, threads=1))
    assert find_verification(scoring, other_threads) == mine
    assert "worker" not in identity_of(backend)
    assert find_verification(replace(scoring, sha256="0" * 64), backend) is None
    for running in (backend, other_threads):
        running.close()


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_whatever_lies_in_the_store_never_breaks_a_run(data: bytes) -> None:
    _put_into_the_store(data)


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"[" * 100_000, b'{"version": 1e999}', b"1" * 5000, b"\xff\xfe", b"{}" + b" " * (1 << 20)],
    ids=["empty", "null", "deep", "infinite", "long number", "no text", "large"],
)
def test_the_ways_that_json_breaks_readers(data: bytes) -> None:
    _put_into_the_store(data)


def _put_into_the_store(data: bytes) -> None:
    import tempfile

    card = Card("m", Path("m.onnx"), "semantic", Classes((), ()), None, (), "a" * 64)  # type: ignore[arg-type]
    backend: Any = type("Named", (), {"name": "openvino", "detail": "x", "workers": 1, "threads": 1})()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", folder)
        from engines.verification import _path

        path = _path(card.sha256, backend)
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        assert find_verification(card, backend) is None


TREES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(max_examples=60, deadline=None)
@given(TREES)
def test_no_tree_but_a_record_is_taken_for_one(tree: Any) -> None:
    assert from_plain(tree) is None


def test_a_record_with_a_field_changed_is_refused_or_is_that_record(record: Verification) -> None:
    plain = to_plain(record)
    for key in plain:
        for wrong in (None, "x", -1, [], {"a": 1}):
            read = from_plain({**plain, key: wrong})
            assert read is None or to_plain(read) == {**plain, key: wrong}
        assert from_plain({k: v for k, v in plain.items() if k != key}) is None
    assert from_plain({**plain, "version": 0}) is None


def test_a_store_that_cannot_be_written_is_told(
    scoring: Card, record: Verification, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    backend: Any = Altered(scoring, unaltered)
    assert store_verification(scoring, backend, record).startswith("not stored: ")
    backend.close()


def test_the_record_of_a_plan_goes_into_the_manifest_of_that_plan_alone(scoring: Card, record: Verification) -> None:
    from engines.manifest import Manifest, PlanOptions
    from engines.plans import read_manifest, store_plan
    from pipeline.workbench.verifying import into_manifest

    def plan(data: bytes, level: int) -> Path:
        options = PlanOptions("fp16", (), (1, 3, 96, 128), optimisation_level=level)
        about = ("tensorrt-rtx", "1.7", "", "", "", "m.onnx", scoring.sha256, "0" * 64, 1, options, "0.1.0", "now")
        return store_plan(data, Manifest(*about)).path  # type: ignore[arg-type]

    mine, other = plan(b"mine", 1), plan(b"other", 2)
    digest = read_manifest(mine).plan_sha256[:8]
    found = replace(record, backend="tensorrt-rtx", identity=f"TensorRT for RTX 1.7, a GPU, fp16, plan {digest}")
    into_manifest(scoring, found)
    assert from_plain(read_manifest(mine).verification) == found
    assert read_manifest(other).verification is None


# The gate


class InBf16(Altered):
    precision = "bf16"


def test_plain_f32_on_the_cpu_runs_without_a_verification_and_all_else_does_not(scoring: Card) -> None:
    for name in ("onnxruntime-cpu", "null"):
        selection = select(scoring, backend=name, verified=gate)
        selection.backend.close()
    half: Any = InBf16(scoring, unaltered)
    assert gate(scoring, half) == (
        f"bf16 was not verified here: `dashmask verify {scoring.path} --backend openvino --precision bf16`, "
        "or --unverified"
    )
    half.close()


def test_only_a_passing_record_with_the_present_limits_opens_the_gate(scoring: Card, record: Verification) -> None:
    half: Any = InBf16(scoring, unaltered)
    limits = limits_for(scoring, "bf16")
    mine = replace(verified(scoring, InBf16(scoring, unaltered)), identity=identity_of(half))
    mine = replace(mine, checks=tuple(replace(c, limit=limits.get(c.name)) for c in mine.checks))
    store_verification(scoring, half, mine)
    assert why_not_verified(scoring, half, limits) == ""
    stricter = {**limits, "label_agreement": 1.0}
    assert "verified with other limits" in why_not_verified(scoring, half, stricter)
    bad = tuple(
        replace(c, passed=c.name != "repeat", says="" if c.name != "repeat" else "it differs") for c in mine.checks
    )
    store_verification(scoring, half, replace(mine, checks=bad))
    assert "did not verify" in why_not_verified(scoring, half, limits)
    assert "it differs" in why_not_verified(scoring, half, limits)
    half.close()


def test_a_plain_backend_that_was_found_wrong_is_passed_over_too(scoring: Card) -> None:
    backend = opener("onnxruntime-cpu")(scoring, Options(workers=1, threads=1))
    wrong = verified(scoring, nan)
    store_verification(scoring, backend, replace(wrong, backend=backend.name, identity=identity_of(backend)))
    backend.close()
    with pytest.raises(BackendError, match=r"did not verify against .*NaN or infinite: 8 values"):
        select(scoring, backend="onnxruntime-cpu", verified=gate)


def test_a_model_that_computes_in_whole_numbers_needs_a_verification(tmp_path: Path) -> None:
    from onnx import helper

    path = tmp_path / "q.onnx"
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["scores"]),
    ]
    weights = {"scale": np.array(0.1, np.float32), "zero": np.array(0, np.int8)}
    shapes = [tiny_models.floats(name, (1, 3, "h", "w")) for name in ("image", "scores")]
    tiny_models.save(path, nodes, shapes[:1], shapes[1:], weights)
    path.with_suffix(".yaml").write_text(SEMANTIC)
    with pytest.raises(BackendError, match="int8 was not verified here: `dashmask verify"):
        select(read_card(path), backend="onnxruntime-cpu", verified=gate)
    select(read_card(path), backend="onnxruntime-cpu").backend.close()


def test_run_passes_bf16_over_until_verified_or_wanted_unverified(models: tuple[Path, Path], clip: Path) -> None:
    pytest.importorskip("openvino", reason="no OpenVINO here: install the extra `openvino`")
    words = ("run", clip, "--model", models[0], "--frames", "2", "--set", "backend.precision=bf16")
    said = dashmask(*words)
    if "OpenVINO runs" in said.err:
        pytest.skip("this processor has no bf16")
    assert said.code == 2
    command = f"dashmask verify {models[0]} --backend openvino --precision bf16"
    assert f"bf16 was not verified here: `{command}`, or --unverified" in said.err
    assert dashmask(*words, "--unverified").code == 0
    outcome = verify_model(Wanted(str(models[0]), "openvino", "bf16", str(clip), FRAMES))
    assert outcome.verification.passed, outcome.verification.failures
    said = dashmask(*words)
    assert said.code == 0, said.err
    assert "bf16" in said.err


def test_what_has_passed_in_bf16_runs_so_by_itself_unless_f32_is_asked_for(
    models: tuple[Path, Path], clip: Path, tmp_path: Path
) -> None:
    pytest.importorskip("openvino", reason="no OpenVINO here: install the extra `openvino`")
    words = ("run", clip, "--model", models[0], "--frames", "2", "--backend", "openvino")
    before = dashmask(*words)
    assert before.code == 0, before.err
    assert ", f32" in before.err
    try:
        outcome = verify_model(Wanted(str(models[0]), "openvino", "bf16", str(clip), FRAMES))
    except BackendError as error:
        pytest.skip(str(error))  # this processor has no bf16
    assert outcome.verification.passed, outcome.verification.failures
    after = dashmask(*words)
    assert ", bf16" in after.err
    assert ", f32" in dashmask(*words, "--set", "backend.precision=f32").err
    # What tune measured in f32 says nothing of it.
    card = read_card(models[0])
    store_choice(card, usual_hw(card.input), "f32", {"onnxruntime-cpu": (1, 1)}, "onnxruntime-cpu")
    assert "colours runs on onnxruntime-cpu" in dashmask(*words[:-2], "--set", "backend.precision=f32").err
    assert "colours runs on openvino" in dashmask(*words[:-2]).err
    (file,) = (tmp_path / "cache").rglob("verified/*.json")
    tree = json.loads(file.read_text())
    tree["checks"][0] |= {"passed": False, "says": "it differs"}
    file.write_text(json.dumps(tree))
    assert ", f32" in dashmask(*words).err


# The command


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The command, also where `verify` is not yet in its table."""
    from pipeline.cli.app import app
    from pipeline.cli.verify import verify

    if "verify" not in {getattr(info.callback, "__name__", "") for info in app.registered_commands}:
        monkeypatch.setattr(app, "registered_commands", list(app.registered_commands))
        app.command()(verify)
    return dashmask


def test_the_command_tells_every_check_keeps_the_record_and_returns_0(
    command: Callable[..., Any], models: tuple[Path, Path], clip: Path, tmp_path: Path
) -> None:
    out = tmp_path / "record.json"
    words = ("verify", models[1], "--backend", "onnxruntime-cpu", "--source", clip, "--frames", FRAMES, "--json", out)
    said = command(*words)
    assert said.code == 0, said.err
    for kind in (CHECKS["mask_iou"], CHECKS["repeat"], CHECKS["missing"]):
        assert kind.title in said.out
    assert "verified: onnxruntime-cpu f32" in said.out
    assert "stored in" in said.out
    tree = json.loads(out.read_text())
    assert tree.pop("passed") is True
    assert from_plain(tree) is not None


def test_the_command_returns_1_where_it_does_not_verify(
    command: Callable[..., Any], models: tuple[Path, Path], clip: Path
) -> None:
    said = command("verify", models[1], "--backend", "null", "--source", clip, "--frames", FRAMES)
    assert said.code == 1
    assert "not verified: null f32" in said.out
    assert "sure objects missing: 100.00 %" in said.out


def test_bad_input_ends_in_one_sentence_and_2(
    command: Callable[..., Any], models: tuple[Path, Path], clip: Path, tmp_path: Path
) -> None:
    bare = tiny_models.fcn(tmp_path / "bare.onnx")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(clip.read_bytes()[:3000])
    (tmp_path / "empty").mkdir()
    good, at = models[0], "--source"
    for words, sentence in (
        ((good, at, tmp_path / "none.mp4"), "none.mp4"),
        ((good, at, cut), "cut.mp4"),
        ((good, at, tmp_path / "empty"), "empty"),
        ((good, at, "lavfi:testsrc"), "is live"),
        ((good, at, clip, "--frames", "3"), "expected 8 or more"),
        ((good, at, clip, "--precision", "fp4"), "--precision fp4: expected f32 or bf16"),
        ((good, at, clip, "--backend", "openvno"), "did you mean openvino"),
        ((good, at, clip, "--json", tmp_path / "no" / "x.json"), "folder is not there"),
        ((good, at, clip, "--reference", models[1]), "no reference for"),
        ((bare, at, clip), "nothing says what this model is"),
        ((tmp_path / "missing.onnx",), "there is no such model"),
    ):
        said = command("verify", *words)
        assert said.code == 2, (words, said)
        assert sentence in said.err
        assert "Traceback" not in said.err


def test_frames_are_spread_over_the_part_that_was_asked_for(clip: Path) -> None:
    assert [frame.index for frame in sampled(str(clip), 5)] == [0, 5, 10, 15, 20]
    assert [frame.index for frame in sampled(str(clip), 100)] == list(range(25))
    first, second = ({f.index for f in sampled(str(clip), 9, part)} for part in ((0, 0.7), (0.7, 1)))
    assert max(first) < min(second)
    assert len(list(sampled("demo:frames=6,size=128x96", 3))) == 3
    assert open_source(DRAWN).info.frames == 24
    with pytest.raises(SourceError):
        list(sampled(str(clip) + "x", 3))


# Real networks


def test_openvino_is_right_with_real_networks_in_f32_and_within_its_limits_in_bf16(shared: Path) -> None:
    pytest.importorskip("openvino", reason="no OpenVINO here: install the extra `openvino`")
    import engines

    clip = str(shared / "data/video/udacity_test_video.mp4")
    embedded = sorted((Path(engines.__file__).parent / "weights").glob("*.onnx"))[:1]
    for model, side in ((shared / "weights/yolo11n-seg.onnx", 320), *((path, 192) for path in embedded)):
        exact = verify_model(Wanted(str(model), "openvino", "f32", clip, 8, long_side=side)).verification
        assert exact.passed, exact.failures
        try:
            half = verify_model(Wanted(str(model), "openvino", "bf16", clip, 8, long_side=side)).verification
        except BackendError as error:
            pytest.skip(f"this processor has no bf16: {error}")
        measured = [
            {check.name: check.measured for check in one.checks}.get("mean_difference") for one in (exact, half)
        ]
        if None not in measured:
            assert measured[1] > 100 * measured[0]  # type: ignore[operator]  # the check sees bf16
        assert half.passed, half.failures


def test_the_published_enet_says_the_same_on_openvino(shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="no OpenVINO here: install the extra `openvino`")
    from engines.backends.onnxruntime import open_exact

    model = shared / "weights/enet_cityscapes_512x1024.onnx"
    cards = Path(__file__).parents[1] / "configs/cards"
    card = read_card(model, card_dirs=[cards])
    shown = list(sampled(str(shared / "data/video/kitti_2011_09_26_10fps_h264_bframes.mp4"), 1))
    backend, reference = opener("openvino")(card, Options(1, 2, "f32", (512, 1024))), open_exact(card)
    limits = {**limits_for(card, "f32"), "frames": 1}
    found = compare(backend, reference, shown, card=card, limits=limits, source="one frame")
    assert found.passed, found.failures
    backend.close()
    reference.close()


def test_a_clip_that_is_too_short_does_not_prove_enough(models: tuple[Path, Path], tmp_path: Path) -> None:
    short = write_clip(tmp_path / "short.mp4", frames=3)
    found = verify_model(Wanted(str(models[0]), "onnxruntime-cpu", "f32", str(short))).verification
    assert failed(found) == {"frames"}
