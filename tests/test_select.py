"""Which backend runs and why not the others; what tune measures and keeps; what the machine is asked."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import tiny_models
from onnx import helper

from engines import probe
from engines.card import read_card
from engines.select import AUTO, BACKENDS, NAMES, Selection, opener, select
from engines.tune import combinations, tune
from engines.tune_store import store_choice, store_path, stored_choice
from pipeline.errors import BackendError, ModelError
from pipeline.types import Card

SEMANTIC = "family: semantic\nclasses: [red, green, blue]\n"
NO_GPU = bool(probe.nvidia_driver().reason)
needs_no_gpu = pytest.mark.skipif(not NO_GPU, reason="this machine has a GPU")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def card(tmp_path: Path) -> Card:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    path = tiny_models.fcn(tmp_path / "m.onnx")
    path.with_suffix(".yaml").write_text(SEMANTIC)
    return read_card(path)


def close(selection: Selection) -> str:
    selection.backend.close()
    return selection.backend.name


@pytest.mark.parametrize("name", sorted(BACKENDS))
def test_every_line_of_the_table_leads_to_an_opener(name: str) -> None:
    assert callable(opener(name))


def test_every_backend_of_the_automatic_order_is_known() -> None:
    assert set(AUTO) <= set(NAMES)
    assert set(BACKENDS) <= set(NAMES)
    assert set(probe.MODULES) == set(AUTO)


@needs_no_gpu
def test_auto_takes_the_first_that_can_and_gives_a_reason_for_each_other(card: Card) -> None:
    selection = select(card)
    assert [tried.name for tried in selection.tried] == list(AUTO)
    (ran,) = [tried for tried in selection.tried if tried.ok]
    assert ran.name == close(selection)
    assert "f32" in ran.reason
    assert all(tried.reason for tried in selection.tried)
    for tried in selection.tried:
        if tried.name in probe.GPU:
            assert "NVIDIA" in tried.reason
    assert len(selection.lines()) == len(AUTO)


@pytest.mark.parametrize("name", ["onnxruntime-cpu", "openvino", "null"])
def test_a_backend_that_is_named_runs(card: Card, name: str) -> None:
    if name == "openvino":
        pytest.importorskip("openvino", reason="openvino is not installed")
    assert close(select(card, backend=name, workers=1)) == name
    assert close(select(card, backend=name, require=name)) == name
    assert close(select(card, require=name)) == name


def test_an_unknown_backend_gets_the_nearest_name(card: Card) -> None:
    with pytest.raises(BackendError, match=r"no backend `openvno` \(did you mean openvino\?\)"):
        select(card, backend="openvno")
    with pytest.raises(BackendError, match="no backend `cuda-onnx`"):
        select(card, require="cuda-onnx")
    with pytest.raises(BackendError, match=r"no backend `zzz` \(known are auto, tensorrt"):
        select(card, backend="zzz")


@needs_no_gpu
def test_requiring_a_gpu_is_an_error_with_all_reasons(card: Card) -> None:
    with pytest.raises(BackendError, match=r"no GPU backend can run m\.onnx") as caught:
        select(card, require="gpu")
    for name in probe.GPU:
        assert f"{name}: " in str(caught.value)
    assert "leave --require out" in caught.value.hint


@needs_no_gpu
def test_a_named_backend_that_cannot_run_never_falls_back_in_silence(card: Card) -> None:
    with pytest.raises(
        BackendError, match=r"^tensorrt cannot run m\.onnx: .*NVIDIA.* can be tried: leave --backend out"
    ):
        select(card, backend="tensorrt")


def test_naming_one_backend_and_requiring_another_is_an_error(card: Card) -> None:
    with pytest.raises(BackendError, match="both cannot be"):
        select(card, backend="onnxruntime-cpu", require="openvino")
    with pytest.raises(BackendError, match="both cannot be"):
        select(card, backend="onnxruntime-cpu", require="gpu")


@needs_no_gpu
def test_a_network_that_openvino_cannot_run_goes_to_the_next_with_the_reason_shown(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("openvino", reason="openvino is not installed")
    path = tmp_path / "m.onnx"
    # ONNX Runtime has Det, OpenVINO has not.
    tensors = [tiny_models.floats("x", (1, 3, "n", "n")), tiny_models.floats("y", (1, 3))]
    tiny_models.save(path, [helper.make_node("Det", ["x"], ["y"])], tensors[:1], tensors[1:])
    path.with_suffix(".yaml").write_text(SEMANTIC)
    selection = select(read_card(path))
    assert close(selection) == "onnxruntime-cpu"
    (reason,) = [tried.reason for tried in selection.tried if tried.name == "openvino"]
    assert "Det" in reason


@needs_no_gpu
def test_a_network_that_nothing_can_run_is_an_error_with_all_reasons(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    path = tmp_path / "m.onnx"
    tensors = [tiny_models.floats(name, (1, 3, "h", "w")) for name in "xy"]
    tiny_models.save(path, [helper.make_node("Frobnicate", ["x"], ["y"])], tensors[:1], tensors[1:])
    path.with_suffix(".yaml").write_text(SEMANTIC)
    with pytest.raises(BackendError, match=r"no backend can run m\.onnx: .*onnxruntime-cpu: .*Frobnicate"):
        select(read_card(path))


def test_what_the_card_describes_and_the_file_then_lost_is_a_model_error(card: Card) -> None:
    card.path.write_bytes(card.path.read_bytes()[:200])
    with pytest.raises(ModelError, match=r"m\.onnx: not a whole ONNX file"):
        select(card, backend="onnxruntime-cpu")


def test_bf16_goes_to_the_backend_that_has_it(card: Card) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    with pytest.raises(BackendError, match=r"onnxruntime-cpu cannot run .*no bf16"):
        select(card, backend="onnxruntime-cpu", precision="bf16")
    try:
        selection = select(card, precision="bf16")
    except BackendError as error:
        pytest.skip(f"this processor has no bf16: {error}")
    assert close(selection) == "openvino"
    assert "bf16" in selection.backend.detail


def test_a_tuned_choice_is_used_unless_something_else_is_asked_for(card: Card) -> None:
    store_choice(card, (384, 640), "f32", {"onnxruntime-cpu": (3, 2), "openvino": (5, 1)}, "onnxruntime-cpu")
    selection = select(card)
    assert (close(selection), selection.backend.workers, selection.backend.threads) == ("onnxruntime-cpu", 3, 2)
    assert any(tried.ok and "as tuned here" in tried.reason for tried in selection.tried)
    assert select(card, workers=1).backend.workers == 1
    assert stored_choice(card, (64, 64), "f32").best is None
    assert stored_choice(card, None, "bf16").best is None


def test_a_tuned_choice_is_for_these_very_bytes_and_this_machine(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    store_choice(card, (384, 640), "f32", {"onnxruntime-cpu": (3, 2)}, "onnxruntime-cpu")
    assert stored_choice(card, None, "f32").best == "onnxruntime-cpu"
    with monkeypatch.context() as patched:
        patched.setattr("engines.tune_store.available_cores", lambda: 1000)
        assert stored_choice(card, None, "f32").best is None
    tiny_models.fcn(card.path, metadata={"another": "file"})
    assert stored_choice(read_card(card.path), None, "f32").best is None


@pytest.mark.parametrize("text", ["", "no json", "[]", "{}", '{"format": 1, "choices": 3}', "\xff"])
def test_a_broken_cache_is_ignored_with_a_note(card: Card, text: str) -> None:
    store_path().parent.mkdir(parents=True)
    store_path().write_bytes(text.encode("latin-1"))
    selection = select(card, backend="onnxruntime-cpu")
    close(selection)
    assert "is broken" in selection.notes[0]
    assert selection.lines()[-1] == selection.notes[0]
    store_choice(card, (384, 640), "f32", {"onnxruntime-cpu": (3, 2)}, "onnxruntime-cpu")
    assert stored_choice(card, None, "f32").crews == {"onnxruntime-cpu": (3, 2)}


def test_an_entry_that_makes_no_sense_is_ignored_with_a_note(card: Card) -> None:
    store_choice(card, (384, 640), "f32", {"onnxruntime-cpu": (3, 2)}, "onnxruntime-cpu")
    whole = json.loads(store_path().read_text())
    for nonsense in (
        5,
        {},
        {"best": "x", "crews": {}},
        {"best": "onnxruntime-cpu", "crews": {"onnxruntime-cpu": {"workers": 0, "threads": "many"}}},
    ):
        (key,) = whole["choices"]
        store_path().write_text(json.dumps({"format": 1, "choices": {key: nonsense}}))
        stored = stored_choice(card, None, "f32")
        assert stored.best is None
        assert "did not write" in stored.note


def test_a_cache_that_cannot_be_written_is_said(card: Card, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert store_choice(card, (64, 64), "f32", {"null": (1, 1)}, "null").startswith("not stored: ")
    assert stored_choice(card, (64, 64), "f32").best is None


def test_tune_measures_every_combination_and_keeps_the_best(card: Card) -> None:
    said: list[str] = []
    result = tune(card, (64, 64), 0.3, say=said.append)
    names = {row.backend for row in result.rows}
    assert "onnxruntime-cpu" in names
    assert [row.fps for row in result.rows] == sorted((row.fps for row in result.rows), reverse=True)
    assert len(result.rows) == len(names) * len(combinations(probe.available_cores()))
    assert all(row.fps > 0 and row.latency_ms > 0 and row.backend in str(row) for row in result.rows)
    assert said
    stored = stored_choice(card, (64, 64), "f32")
    assert stored.best == result.best.backend
    assert stored.crews[result.best.backend] == (result.best.workers, result.best.threads)
    assert result.stored == f"stored in {store_path()}"
    assert [file.name for file in store_path().parent.iterdir()] == ["tune.json"]  # no file left over


def test_combinations_use_all_cores() -> None:
    assert combinations(1) == [(1, 1)]
    assert combinations(2) == [(1, 2), (2, 1)]
    assert combinations(6) == [(1, 6), (2, 3), (4, 1), (6, 1)]
    assert combinations(16) == [(1, 16), (2, 8), (4, 4), (8, 2)]


def test_no_driver_is_a_reason() -> None:
    driver = probe.nvidia_driver("libcuda-that-is-nowhere.so.1")
    assert driver.gpus == ()
    assert "was not found" in driver.reason


def test_a_library_that_is_no_driver_is_a_reason_not_a_crash() -> None:
    assert "is not NVIDIA's driver" in probe.nvidia_driver("libc.so.6").reason


DRIVER = """
int cuInit(unsigned flags) {{ return {init}; }}
int cuDriverGetVersion(int *version) {{ *version = 13010; return 0; }}
int cuDeviceGetCount(int *count) {{ *count = {count}; return 0; }}
int cuDeviceGet(int *device, int ordinal) {{ *device = ordinal; return 0; }}
int cuDeviceGetName(char *name, int length, int device) {{
    name[0] = 'G'; name[1] = '0' + device; name[2] = 0; return 0;
}}
int cuGetErrorString(int status, const char **text) {{ *text = "out of order"; return 0; }}
"""


@pytest.mark.parametrize(
    ("init", "count", "gpus", "reason"),
    [
        (0, 2, ("G0", "G1"), ""),
        (0, 0, (), "an NVIDIA driver, but no GPU"),
        (100, 0, (), "an NVIDIA driver, but no GPU that it can use"),
        (999, 0, (), "the NVIDIA driver does not start: out of order (999)"),
    ],
)
def test_what_a_driver_answers_is_understood(
    init: int, count: int, gpus: tuple[str, ...], reason: str, tmp_path: Path
) -> None:
    compiler = shutil.which("cc") or pytest.skip("no C compiler for a driver that answers as told")
    source, library = tmp_path / "cuda.c", tmp_path / "libcuda.so"
    source.write_text(DRIVER.format(init=init, count=count))
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    driver = probe.nvidia_driver(str(library))
    assert (driver.gpus, driver.reason) == (gpus, reason)
    assert driver.version == ("13.1" if init == 0 else "")


def test_tensorrt_is_said_to_come_later_where_there_is_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "nvidia_driver", lambda: probe.Driver("13.0", ("H200",)))
    assert probe.why_not("tensorrt") == "engines for TensorRT are not part of this version yet"


def test_two_onnxruntimes_that_overwrite_each_other_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("onnxruntime", "onnxruntime_gpu"):
        folder = tmp_path / f"{name}-9.9.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 9.9\n")
    monkeypatch.syspath_prepend(tmp_path)
    (problem,) = [fact for fact in probe.facts() if fact.state == "problem"]
    assert "overwrite each other" in problem.detail
    assert problem.hint == "pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu"


def test_the_facts_name_every_backend() -> None:
    topics = {fact.topic for fact in probe.facts()}
    assert {f"backend {name}" for name in AUTO} <= topics
    assert {"system", "processor", "gpu", "numpy"} <= topics
