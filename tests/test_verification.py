"""The record of a verification, and what may run with it or without one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
import pytest
import tiny_models
from command import dashmask
from hypothesis import given, settings
from hypothesis import strategies as st
from verifying_parts import FRAMES, SEMANTIC, Altered, nan, unaltered, verified

from engines.backends.base import Options, usual_hw
from engines.card import read_card
from engines.checks import gate, limits_for
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
from pipeline.errors import BackendError
from pipeline.types import Card, Classes, InputSpec
from pipeline.workbench.verifying import Wanted, verify_model

pytest.importorskip("onnxruntime", reason="onnxruntime is the reference: install dashmask[cpu]")

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(scope="module")
def scoring(tmp_path_factory: pytest.TempPathFactory) -> Card:
    """Gives scores of three classes for cells of 8 x 8 pixels."""
    path = tiny_models.fcn(tmp_path_factory.mktemp("scores") / "fcn.onnx")
    path.with_suffix(".yaml").write_text(SEMANTIC)
    return read_card(path)


def test_a_network_of_halves_is_judged_as_one_whatever_its_card_says(tmp_path: Path, scoring: Card) -> None:
    from onnx import TensorProto, helper

    kernel = np.ones((3, 3, 1, 1), np.float16)
    nodes = [
        helper.make_node("Cast", ["x"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("Conv", ["half", "kernel"], ["scores"]),
        helper.make_node("Cast", ["scores"], ["y"], to=TensorProto.FLOAT),
    ]
    ends = [tiny_models.floats(name, (1, 3, 32, 64)) for name in "xy"]
    path = tiny_models.save(tmp_path / "half.onnx", nodes, ends[:1], ends[1:], {"kernel": kernel})
    path.with_suffix(".yaml").write_text(SEMANTIC)
    assert limits_for(read_card(path), "f32") == limits_for(scoring, "fp16") != limits_for(scoring, "f32")


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
    mended = replace(scoring, input=replace(scoring.input, scale=1 / 255))  # of its card: other numbers come in
    assert find_verification(mended, backend) is None
    assert find_verification(replace(scoring, input=replace(scoring.input, long_side=64)), backend) == mine
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

    card = Card("m", Path("m.onnx"), "semantic", Classes((), ()), InputSpec("x"), (), "a" * 64)
    backend: Any = type("Named", (), {"name": "openvino", "detail": "x", "workers": 1, "threads": 1})()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", folder)
        from engines.verification import _path

        path = _path(card, backend)
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
    command = f"dashmask verify {quote(str(scoring.path))} --backend openvino --precision bf16"
    assert gate(scoring, half) == f"bf16 was not verified here: `{command}`, or --unverified"
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


def test_too_little_to_compare_takes_no_verification_away_and_keeps_no_backend_from_running(
    scoring: Card, record: Verification
) -> None:
    half: Any = InBf16(scoring, unaltered)
    limits = limits_for(scoring, "bf16")
    mine = replace(verified(scoring, InBf16(scoring, unaltered)), identity=identity_of(half))
    mine = replace(mine, checks=tuple(replace(c, limit=limits.get(c.name)) for c in mine.checks))
    store_verification(scoring, half, mine)
    few = tuple(replace(c, passed=c.name != "classes_seen") for c in mine.checks)
    assert "not kept" in store_verification(scoring, half, replace(mine, checks=few))
    assert why_not_verified(scoring, half, limits) == ""
    half.close()
    wrong = replace(mine, checks=tuple(replace(c, passed=c.name != "label_iou") for c in mine.checks))
    assert wrong.failures
    assert not wrong.proves_nothing  # there was enough to compare


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
    command = f"dashmask verify {quote(str(models[0]))} --backend openvino --precision bf16"
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
