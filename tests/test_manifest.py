"""A plan is loaded where it fits and is what its manifest says; otherwise the reason is told."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engines.gpu import Gpu
from engines.manifest import (
    Machine,
    Manifest,
    ManifestError,
    PlanOptions,
    Shapes,
    from_json,
    mismatch,
    profile_for,
    to_json,
)
from engines.plans import find_plans, load_plan, manifest_path, plan_path, plans_dir, store_plan, store_verification
from pipeline.errors import BackendError

H200 = Gpu("NVIDIA H200", "9.0", "13.0")
HERE = Machine("tensorrt", "10.16.1.11", H200)
ONNX = "ab" * 32
PLAN = b"a plan" * 100


def shape(batch: int, height: int, width: int) -> tuple[int, int, int, int]:
    return batch, 3, height, width


OPTIONS = PlanOptions(
    "fp16", (Shapes(shape(1, 384, 640), shape(4, 384, 640), shape(4, 384, 640)),), shape(4, 384, 640)
)
MANIFEST = Manifest(
    product="tensorrt",
    version="10.16.1.11",
    gpu=H200.name,
    compute_capability=H200.compute_capability,
    driver=H200.driver,
    model="roadnet.onnx",
    onnx_sha256=ONNX,
    plan_sha256="cd" * 32,
    plan_bytes=600,
    options=OPTIONS,
    dashmask="0.1.0",
    built="2026-11-20T12:00:00+00:00",
    verification={"backend": "tensorrt", "checks": [{"name": "agreement", "measured": 0.999}]},
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_manifest_comes_back_as_it_was_written() -> None:
    for manifest in (MANIFEST, replace(MANIFEST, gpu="", compute_capability="", driver="", verification=None)):
        assert from_json(to_json(manifest).encode()) == manifest


@pytest.mark.parametrize(
    ("here", "reason"),
    [
        (HERE, ""),
        (replace(HERE, product="tensorrt-rtx"), "it was built by tensorrt, which tensorrt-rtx cannot load"),
        (replace(HERE, version="11.4.0.106"), "it was built by tensorrt 10.16.1.11, here is 11.4.0.106"),
        (replace(HERE, gpu=replace(H200, name="NVIDIA L4")), "it was built for NVIDIA H200, here is NVIDIA L4"),
        (
            replace(HERE, gpu=replace(H200, compute_capability="8.9")),
            "it was built for compute capability 9.0, here is 8.9",
        ),
        (
            replace(HERE, gpu=replace(H200, driver="13.1")),
            "it was built with a driver for CUDA 13.0, here is one for 13.1",
        ),
        (replace(HERE, gpu=Gpu()), "it was built for NVIDIA H200, there is no GPU here"),
    ],
)
def test_a_plan_of_another_machine_does_not_fit_and_the_sentence_says_why(here: Machine, reason: str) -> None:
    assert mismatch(MANIFEST, here) == reason
    plan = store_plan(PLAN, MANIFEST)
    found = find_plans(ONNX, here)
    if not reason:
        assert [one.path for one in found.plans] == [plan.path]
        assert load_plan(plan.path, here) == (PLAN, plan.manifest)
        return
    assert found.plans == ()
    assert found.passed_over == (f"{plan.path.name}: {reason}",)
    with pytest.raises(BackendError, match=r"dashmask build") as error:
        load_plan(plan.path, here)
    assert reason in error.value.message


def test_a_plan_built_without_a_gpu_fits_any_of_its_version() -> None:
    portable = replace(MANIFEST, product="tensorrt-rtx", gpu="", compute_capability="", driver="")
    assert mismatch(portable, replace(HERE, product="tensorrt-rtx")) == ""
    assert mismatch(portable, Machine("tensorrt-rtx", "10.16.1.11", Gpu())) == ""
    assert "here is 1.8" in mismatch(portable, Machine("tensorrt-rtx", "1.8", H200))


def test_plans_that_differ_in_anything_do_not_overwrite_each_other(cache: Path) -> None:
    others = [
        replace(MANIFEST, product="tensorrt-rtx"),
        replace(MANIFEST, version="10.17"),
        replace(MANIFEST, gpu="NVIDIA L4"),
        replace(MANIFEST, compute_capability="8.9"),
        replace(MANIFEST, driver="12.9"),
        replace(MANIFEST, onnx_sha256="ef" * 32),
        replace(MANIFEST, options=replace(OPTIONS, precision="fp32")),
        replace(MANIFEST, options=replace(OPTIONS, workspace_mib=64)),
        replace(MANIFEST, options=replace(OPTIONS, optimisation_level=5)),
        replace(MANIFEST, options=replace(OPTIONS, profiles=())),
    ]
    paths = {plan_path(one) for one in (MANIFEST, *others)}
    assert len(paths) == 1 + len(others)
    again = replace(MANIFEST, built="2027", verification=None, dashmask="9", model="renamed.onnx")
    assert plan_path(again) == plan_path(MANIFEST)
    assert {path.parent for path in paths} == {cache / "dashmask" / "plans"} == {plans_dir()}


def test_the_newest_plan_comes_first() -> None:
    for number, precision in enumerate(("fp16", "fp32", "int8")):
        options = replace(OPTIONS, precision=precision)
        store_plan(PLAN, replace(MANIFEST, options=options, built=f"2026-11-2{(number + 1) % 3}T00:00:00+00:00"))
    found = find_plans(ONNX, HERE)
    assert [plan.manifest.options.precision for plan in found.plans] == ["fp32", "fp16", "int8"]


def test_a_corrupt_plan_is_not_loaded() -> None:
    path = store_plan(PLAN, MANIFEST).path
    path.write_bytes(PLAN[:-1])
    with pytest.raises(BackendError, match="has 599 bytes, its manifest says 600: it is damaged"):
        load_plan(path, HERE)
    path.write_bytes(PLAN[:-1] + b"!")
    with pytest.raises(BackendError, match="is not the plan that its manifest describes"):
        load_plan(path, HERE)
    path.unlink()
    with pytest.raises(BackendError, match="cannot be read: No such file"):
        load_plan(path, HERE)


def test_a_foreign_plan_is_loaded_only_with_a_manifest_that_holds_its_sha256(tmp_path: Path) -> None:
    foreign = tmp_path / "model.plan"
    foreign.write_bytes(PLAN)
    with pytest.raises(BackendError, match=r"there is no model\.plan\.json that says what this plan is"):
        load_plan(foreign, HERE)
    (tmp_path / "model.plan.json").write_text(to_json(replace(MANIFEST, plan_bytes=len(PLAN))))
    with pytest.raises(BackendError, match="is not the plan that its manifest describes"):
        load_plan(foreign, HERE)
    store_plan(PLAN, MANIFEST, foreign)
    assert load_plan(foreign, HERE)[0] == PLAN


def test_a_plan_of_another_network_is_not_loaded() -> None:
    path = store_plan(PLAN, MANIFEST).path
    assert find_plans("ab" * 31 + "cd", HERE).plans == ()  # the same beginning
    with pytest.raises(BackendError, match=r"built of another network, roadnet\.onnx"):
        load_plan(path, HERE, onnx_sha256="cd" * 32)


def test_a_verification_goes_into_the_manifest_and_the_plan_stays() -> None:
    path = store_plan(PLAN, replace(MANIFEST, verification=None)).path
    store_verification(path, {"passed": True, "frames": 20})
    data, manifest = load_plan(path, HERE)
    assert data == PLAN
    assert manifest.verification == {"passed": True, "frames": 20}
    with pytest.raises(BackendError, match="cannot be written"):
        store_verification(path, {"worst": float("nan")})
    assert load_plan(path, HERE)[1].verification == {"passed": True, "frames": 20}
    assert sorted(file.name for file in path.parent.iterdir()) == sorted([path.name, manifest_path(path).name])


@pytest.mark.parametrize("fails", ["plan", "manifest"])
def test_a_write_that_fails_leaves_nothing_half_written(fails: str, monkeypatch: pytest.MonkeyPatch) -> None:
    old = store_plan(PLAN, MANIFEST).path
    before = {file.name: file.read_bytes() for file in old.parent.iterdir()}
    real = os.fsync
    count = 0

    def full(number: int) -> None:
        nonlocal count
        count += 1
        if count == (1 if fails == "plan" else 2):
            raise OSError(28, "No space left on device")
        real(number)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(BackendError, match="the plan cannot be written: No space left on device"):
            store_plan(b"another plan", MANIFEST)
    assert {file.name: file.read_bytes() for file in old.parent.iterdir()} == before


def test_a_reader_between_the_two_files_sees_no_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    path = store_plan(PLAN, MANIFEST).path
    real = os.replace

    def stops(source: Any, target: Any) -> None:
        if str(target).endswith(".json"):
            raise OSError(5, "Input/output error")
        real(source, target)

    monkeypatch.setattr(os, "replace", stops)
    with pytest.raises(BackendError):
        store_plan(b"b" * len(PLAN), MANIFEST)
    with pytest.raises(BackendError, match="is not the plan that its manifest describes"):
        load_plan(path, HERE)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "its format is '2', this version reads 1"),
        ({"format": True}, "its format is 'True'"),
        ({"product": "tensorflow"}, "it is wrong"),
        ({"plan_sha256": "ab"}, "its plan_sha256 is no SHA-256"),
        ({"onnx_sha256": "../" * 22}, "its onnx_sha256 is no SHA-256"),
        ({"plan_bytes": 0}, "an empty plan"),
        ({"plan_bytes": "600"}, "it is wrong"),
        ({"driver": ""}, "it names a GPU only in part"),
        ({"verification": []}, "it is wrong"),
        ({"mystery": 1}, "unknown key `mystery`"),
        ({"options": {"precision": "fp16"}}, "it is wrong"),
        ({"options": asdict(OPTIONS) | {"input_shape": [0, 3, 8, 8]}}, "its shapes are not in order"),
        ({"options": asdict(OPTIONS) | {"input_shape": [3, 8, 8]}}, "it is wrong"),
    ],
)
def test_a_manifest_that_is_wrong_is_a_reason(change: dict[str, Any], said: str) -> None:
    path = store_plan(PLAN, MANIFEST).path
    tree = json.loads(manifest_path(path).read_text())
    manifest_path(path).write_text(json.dumps(tree | change))
    (reason,) = find_plans(ONNX, HERE).passed_over
    assert said in reason
    assert "\n" not in reason


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_manifest_are_a_reason(data: bytes) -> None:
    with pytest.raises(ManifestError):
        from_json(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_manifest_with_any_value_exchanged_is_read_or_a_reason(data: st.DataObject) -> None:
    tree = json.loads(to_json(MANIFEST))
    inside = data.draw(st.sampled_from([tree, tree["options"], tree["options"]["profiles"][0]]))
    inside[data.draw(st.sampled_from(sorted(inside)))] = data.draw(JSON)
    try:
        manifest = from_json(json.dumps(tree).encode())
    except ManifestError:
        return
    assert isinstance(mismatch(manifest, HERE), str)
    assert isinstance(profile_for(manifest, (1, 3, 384, 640)), int | None)


@pytest.mark.parametrize(
    "text",
    [b"", b"\xff\xfe", b"[" * 100_000, b'{"format": ' + b"9" * 10_000 + b"}", b'{"format": NaN}', b"null", b"1"],
)
def test_hostile_json_is_a_reason(text: bytes) -> None:
    path = store_plan(PLAN, MANIFEST).path
    manifest_path(path).write_bytes(text)
    assert len(find_plans(ONNX, HERE).passed_over) == 1


def test_a_huge_manifest_is_not_read_whole() -> None:
    path = store_plan(PLAN, MANIFEST).path
    with manifest_path(path).open("wb") as file:
        file.truncate(1 << 40)  # sparse
    with pytest.raises(BackendError, match="longer than any manifest"):
        load_plan(path, HERE)


def test_the_profile_of_an_input_is_the_first_that_takes_it() -> None:
    one, four = shape(1, 384, 640), shape(4, 384, 640)
    square = shape(1, 640, 640)
    options = replace(
        OPTIONS, profiles=(Shapes(one, one, one), Shapes(one, four, four), Shapes(square, square, square))
    )
    manifest = replace(MANIFEST, options=options)
    wanted = {one: 0, shape(3, 384, 640): 1, four: 1, square: 2, shape(5, 384, 640): None, shape(2, 640, 640): None}
    assert {key: profile_for(manifest, key) for key in wanted} == wanted
    assert profile_for(manifest, (3, 384, 640)) is None
    fixed = replace(MANIFEST, options=replace(OPTIONS, profiles=()))
    assert (profile_for(fixed, four), profile_for(fixed, one)) == (0, None)


def test_without_a_home_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home directory")))
    with pytest.raises(BackendError, match="there is no place for plans: no home directory"):
        plans_dir()
